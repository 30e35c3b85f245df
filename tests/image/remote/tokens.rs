//! Tokens, and where they and passwords go and do not go: a registry that is scripted, behind nginx with TLS.

use std::fs;
use std::net::TcpStream;

use soute::image::remote::bring::Terms;
use soute::image::remote::cosign::Rule;
use soute::image::store::Verified;
use soute::layout::Layout;

use super::scripted::{Image, Request, Scripted, body, head};
use super::signed::public_key;
use super::{authority, import, store, terms};

const LOGIN: &str = "dXNlcjpzZWNyZXQ=";

/// A registry behind TLS, a host that believes it and has a password for it, and what the registry was asked.
fn asked(
    answer: impl Fn(&Image, &Request, &mut TcpStream) -> std::io::Result<()> + Send + Sync + 'static,
) -> (Result<(), String>, Vec<Request>) {
    asked_with(&Image::new(1000), &[], answer)
}

pub fn asked_with(
    image: &Image,
    rules: &[Rule],
    answer: impl Fn(&Image, &Request, &mut TcpStream) -> std::io::Result<()> + Send + Sync + 'static,
) -> (Result<(), String>, Vec<Request>) {
    let dir = tempfile::tempdir().unwrap();
    authority::make(dir.path());
    let known = image.clone();
    let scripted = Scripted::start(move |request, stream| answer(&known, request, stream));
    let pass = format!("proxy_pass http://127.0.0.1:{}; proxy_set_header Host $http_host;", scripted.port);
    let nginx = authority::nginx(dir.path(), &format!("location / {{ {pass} }}"));
    let host = Layout::new(dir.path().join("host"));
    for name in ["127.0.0.1", "localhost"] {
        authority::trust(dir.path(), host.root(), &format!("{name}:{}", nginx.port));
    }
    let file = host.root().join("run/containers/0/auth.json");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, format!(r#"{{"auths":{{"127.0.0.1:{}":{{"auth":"{LOGIN}"}}}}}}"#, nginx.port)).unwrap();
    for rule in rules {
        let key = host.root().join(rule.key.strip_prefix("/").unwrap());
        fs::create_dir_all(key.parent().unwrap()).unwrap();
        fs::write(key, public_key()).unwrap();
    }
    let prefix = |rule: &Rule| Rule { prefix: rule.prefix.replace("PORT", &nginx.port.to_string()), ..rule.clone() };
    let terms = Terms { rules: rules.iter().map(prefix).collect(), ..terms() };
    let imported = import(&host, "app", &format!("docker://127.0.0.1:{}/app", nginx.port), &terms);
    assert_eq!(store(&host).len(), usize::from(imported.is_ok()));
    let verified = imported.as_ref().ok().and_then(|info| info.verified);
    assert!(imported.is_err() || (verified == Some(Verified::Signature)) != rules.is_empty());
    (imported.map(drop).map_err(|error| error.to_string()), scripted.requests())
}

fn challenge(request: &Request, stream: &mut TcpStream) -> std::io::Result<()> {
    let realm = format!(
        r#"Bearer realm="https://{}/token",service="the registry",scope="repository:app:pull""#,
        request.headers["host"]
    );
    head(stream, "401 Unauthorized", &[("WWW-Authenticate", realm), ("Content-Length", "0".to_owned())])
}

#[test]
#[ignore = "rung 1: needs nginx"]
fn a_token_is_fetched_once_and_stays_with_its_registry() {
    let (imported, requests) = asked(|image, request, stream| {
        let authorization = request.headers.get("authorization").map(String::as_str);
        match request.path.as_str() {
            path if path.starts_with("/token?") => {
                body(stream, "application/json", br#"{"token":"abc.def","expires_in":300}"#)
            }
            path if path.starts_with("/storage/") => image.answer(request, stream),
            _ if authorization != Some("Bearer abc.def") => challenge(request, stream),
            path if image.is_layer(request) => {
                let other = request.headers["host"].replace("127.0.0.1", "localhost");
                head(stream, "307 Temporary Redirect", &[("Location", format!("https://{other}/storage{path}"))])
            }
            _ => image.answer(request, stream),
        }
    });
    assert_eq!(imported, Ok(()));
    let tokens: Vec<&Request> = requests.iter().filter(|request| request.path.starts_with("/token")).collect();
    assert_eq!(tokens.len(), 1, "{requests:?}");
    assert_eq!(tokens[0].path, "/token?service=the%20registry&scope=repository:app:pull");
    assert_eq!(tokens[0].headers["authorization"], format!("Basic {LOGIN}"));
    let stored: Vec<&Request> = requests.iter().filter(|request| request.path.starts_with("/storage/")).collect();
    assert!(stored.len() == 1 && !stored[0].headers.contains_key("authorization"), "{stored:?}");
    assert!(stored[0].headers["host"].starts_with("localhost:"));
}

#[test]
#[ignore = "rung 1: needs nginx"]
fn who_is_never_known_gives_up() {
    let (imported, requests) = asked(|_, request, stream| match request.path.starts_with("/token") {
        true => body(stream, "application/json", br#"{"access_token":"abc"}"#),
        false => challenge(request, stream),
    });
    let message = imported.unwrap_err();
    assert!(message.contains("auth.json") && requests.len() == 3, "{message}: {requests:?}");
    // A token that would be a line of its own in the request.
    let (imported, _) = asked(|_, request, stream| match request.path.starts_with("/token") {
        true => body(stream, "application/json", br#"{"token":"abc\r\nX-Other: 1"}"#),
        false => challenge(request, stream),
    });
    assert!(imported.unwrap_err().contains("gives no token"));
}

#[test]
#[ignore = "rung 1: needs nginx"]
fn nothing_goes_on_without_tls() {
    let (imported, requests) = asked(|_, request, stream| {
        let to = format!("http://{}/elsewhere", request.headers["host"]);
        head(stream, "302 Found", &[("Location", to), ("Content-Length", "0".to_owned())])
    });
    assert!(imported.unwrap_err().contains("without TLS"));
    assert_eq!(requests.len(), 1);
    let (imported, requests) = asked(|_, request, stream| {
        let realm = format!(r#"Bearer realm="http://{}/token""#, request.headers["host"]);
        head(stream, "401 Unauthorized", &[("WWW-Authenticate", realm), ("Content-Length", "0".to_owned())])
    });
    assert!(imported.unwrap_err().contains("without TLS"));
    assert_eq!(requests.len(), 1);
}
