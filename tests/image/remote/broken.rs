//! Servers that break off, lie, loop and dawdle: each comes to an end with a word about it, and nothing is left.

use std::io::{self, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use soute::image::remote::bring::Terms;
use soute::image::remote::client::Patience;
use soute::image::store::Verified;
use soute::layout::Layout;

use super::scripted::{Image, MANIFEST, Request, Scripted, body, head};
use super::{import, patience, store, terms};

/// How a layer of 1 MiB comes.
type Script = fn(&Image, &Request, &mut TcpStream) -> io::Result<()>;

/// What is said of a layer that comes so, and how often it was asked for.
fn of_layer(script: Script, patience: Patience) -> (Result<Option<Verified>, String>, Vec<Request>) {
    let image = Image::new(1 << 20);
    let server = Scripted::start(move |request, stream| match image.is_layer(request) {
        true => script(&image, request, stream),
        false => image.answer(request, stream),
    });
    let imported = of_server(&server, patience);
    (imported, server.requests().into_iter().filter(|request| request.path.contains("/blobs/")).skip(1).collect())
}

fn of_server(server: &Scripted, patience: Patience) -> Result<Option<Verified>, String> {
    let dir = tempfile::tempdir().unwrap();
    let host = Layout::new(dir.path());
    let source = format!("docker://127.0.0.1:{}/app", server.port);
    let refused = import(&host, "app", &source, &terms()).unwrap_err().to_string();
    assert!(refused.contains("docker://") && store(&host).is_empty(), "without --insecure: {refused}");
    let terms = Terms { insecure: true, patience, ..Terms::default() };
    let imported = import(&host, "app", &source, &terms).map(|info| info.verified).map_err(|error| error.to_string());
    assert_eq!(store(&host), if imported.is_ok() { &["app"][..] } else { &[] });
    imported
}

fn length(bytes: usize) -> [(&'static str, String); 1] {
    [("Content-Length", bytes.to_string())]
}

#[test]
fn without_a_fault_it_is_imported_and_nothing_vouches_for_it() {
    let (imported, asked) = of_layer(|image, request, stream| image.answer(request, stream), patience());
    assert_eq!(imported, Ok(Some(Verified::No)));
    assert_eq!(asked.len(), 1);
}

#[test]
fn what_breaks_off_goes_on_where_it_broke_off() {
    let (imported, asked) = of_layer(
        |image, request, stream| {
            let (all, step) = (image.layer.len(), 300_000);
            let from = request.headers.get("range").map_or(0, |range| {
                range.strip_prefix("bytes=").and_then(|range| range.strip_suffix('-')).unwrap().parse().unwrap()
            });
            let range = ("Content-Range", format!("bytes {from}-{}/{all}", all - 1));
            let [length] = length(all - from);
            match from {
                0 => head(stream, "200 OK", &[length])?,
                _ => head(stream, "206 Partial Content", &[length, range])?,
            }
            stream.write_all(&image.layer[from..(from + step).min(all)])
        },
        patience(),
    );
    assert_eq!(imported, Ok(Some(Verified::No)));
    assert!(asked.len() >= 4 && asked.iter().skip(1).all(|request| request.headers.contains_key("range")), "{asked:?}");
}

#[test]
fn what_always_breaks_off_ends_after_five_attempts() {
    let (imported, asked) = of_layer(
        |image, _, stream| {
            head(stream, "200 OK", &length(image.layer.len()))?;
            stream.write_all(&image.layer[..1000])
        },
        patience(),
    );
    let message = imported.unwrap_err();
    assert!(message.contains("breaks off") && message.ends_with("(5 attempts)"), "{message}");
    assert_eq!(asked.len(), 5);
}

#[test]
fn what_lies_is_refused_at_once() {
    let lies: [(Script, &str); 5] = [
        (
            |image, _, stream| {
                let mut other = image.layer.clone();
                other[600] ^= 1;
                body(stream, "", &other)
            },
            "has the digest sha256:",
        ),
        (|_, _, stream| body(stream, "", b"short"), "has 5 bytes of it instead of"),
        (|_, _, stream| head(stream, "200 OK", &length(1 << 40)), "has 1099511627776 bytes of it instead of"),
        (
            |_, _, stream| {
                head(stream, "200 OK", &[])?;
                while stream.write_all(&[7; 65536]).is_ok() {}
                Ok(())
            },
            "longer than",
        ),
        (
            |image, _, stream| {
                let range = ("Content-Range", format!("bytes 5-{}/{0}", image.layer.len()));
                head(stream, "206 Partial Content", &[range])
            },
            "goes on at another place",
        ),
    ];
    for (script, says) in lies {
        let (imported, asked) = of_layer(script, patience());
        let message = imported.unwrap_err();
        assert!(message.contains(says), "{message}");
        assert_eq!(asked.len(), 1, "{message}");
    }
}

#[test]
fn redirects_end() {
    let to: [(Script, &str); 3] = [
        (
            |_, request, stream| head(stream, "307 Temporary Redirect", &[("Location", request.path.clone())]),
            "5 redirects",
        ),
        (|_, _, stream| head(stream, "302 Found", &[("Location", "file:///etc/passwd".to_owned())]), "it redirects"),
        (|_, _, stream| head(stream, "302 Found", &[("Location", "https://u:p@x/".to_owned())]), "it redirects"),
    ];
    for (script, says) in to {
        let (imported, asked) = of_layer(script, patience());
        let message = imported.unwrap_err();
        assert!(message.contains(says) && asked.len() <= 6, "{message}");
    }
}

#[test]
fn a_server_with_too_much_to_do_is_asked_again() {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let busy: Script = |image, request, stream| match ASKED.fetch_add(1, Ordering::SeqCst) {
        0 => head(stream, "429 Too Many Requests", &[("Retry-After", "0".to_owned())]),
        1 => head(stream, "503 Service Unavailable", &[]),
        _ => image.answer(request, stream),
    };
    assert_eq!(of_layer(busy, patience()).0, Ok(Some(Verified::No)));
    let (imported, asked) = of_layer(|_, _, stream| head(stream, "502 Bad Gateway", &[]), patience());
    assert!(imported.unwrap_err().ends_with("502 Bad Gateway (5 attempts)"));
    assert_eq!(asked.len(), 5);
}

#[test]
fn a_server_that_dawdles_is_given_up() {
    let short = Patience { idle: Duration::from_millis(300), ..patience() };
    let (imported, _) = of_layer(
        |image, _, stream| {
            head(stream, "200 OK", &length(image.layer.len()))?;
            for byte in &image.layer {
                stream.write_all(&[*byte])?;
                std::thread::sleep(Duration::from_millis(20));
            }
            Ok(())
        },
        short,
    );
    let message = imported.unwrap_err();
    assert!(message.contains("too slowly") && message.ends_with("(5 attempts)"), "{message}");
    let (imported, _) = of_layer(
        |_, _, stream| {
            // Until the other side has had enough.
            let mut byte = [0];
            io::Read::read(stream, &mut byte).map(drop)
        },
        short,
    );
    let message = imported.unwrap_err();
    assert!(message.contains("does not answer in time") && message.ends_with("(5 attempts)"), "{message}");
}

#[test]
fn manifests_are_bounded_and_are_what_they_are_said_to_be() {
    type Answer = fn(&mut TcpStream) -> io::Result<()>;
    let answers: [(Answer, &str); 5] = [
        (
            |stream| {
                head(stream, "200 OK", &[("Content-Type", MANIFEST.to_owned())])?;
                while stream.write_all(&[b' '; 65536]).is_ok() {}
                Ok(())
            },
            "more than 4194304 bytes",
        ),
        (|stream| body(stream, "text/html", b"<html>"), "is not an image but text/html"),
        (|stream| body(stream, MANIFEST, b"{}"), "schemaVersion"),
        (
            |stream| {
                let said = ("Docker-Content-Digest", format!("sha256:{}", "0".repeat(64)));
                head(stream, "200 OK", &[("Content-Type", MANIFEST.to_owned()), said, length(2)[0].clone()])?;
                stream.write_all(b"{}")
            },
            "has the digest sha256:",
        ),
        (|stream| head(stream, "401 Unauthorized", &[("WWW-Authenticate", "Basic".to_owned())]), "podman login"),
    ];
    for (answer, says) in answers {
        let server = Scripted::start(move |_, stream| answer(stream));
        let message = of_server(&server, patience()).unwrap_err();
        assert!(message.contains(says), "{message}");
        assert!(server.requests().len() <= 7, "{message}");
    }
}
