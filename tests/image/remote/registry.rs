//! Debian's docker-registry over TLS on loopback, filled by skopeo from what umoci made.

use std::fs;
use std::path::Path;
use std::process::Command;

use soute::image::import::Options;
use soute::image::remote::bring;
use soute::image::store::{ImageInfo, Verified};
use soute::layout::Layout;

use super::authority::{self, Server};
use super::{import, patience, store, terms};
use crate::lab::{everything, run};
use crate::listing::{assert_same, listing};

/// "user" and "secret", by htpasswd(1).
const PASSWORDS: &str = "user:$2y$04$L.cBdQWcbGlyPLEeZLlRzuredqhzUglo3tUlLUZYjZlAEt16ZsxP2\n";
/// The same as auth.json has it.
const LOGIN: &str = "dXNlcjpzZWNyZXQ=";

fn start(dir: &Path, more: &str) -> Server {
    Server::start(&dir.join("registry.log"), |port| {
        let config = dir.join("registry.yml");
        let dir = dir.display();
        let text = format!(
            "version: 0.1\nlog: {{level: warn}}\nstorage: {{filesystem: {{rootdirectory: {dir}/storage}}}}\n\
             http: {{addr: '127.0.0.1:{port}', tls: {{certificate: {dir}/server.crt, key: {dir}/server-key.pem}}}}\n{more}"
        );
        fs::write(&config, text).unwrap();
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(config);
        command
    })
}

/// An image of two layers with one of everything in it.
fn layout(dir: &Path) -> (String, std::path::PathBuf) {
    let image = format!("{}:1.0", dir.join("oci").display());
    run("umoci", &["init", "--layout", dir.join("oci").to_str().unwrap()]);
    run("umoci", &["new", "--image", &image]);
    let bundle = dir.join("bundle");
    run("umoci", &["unpack", "--image", &image, bundle.to_str().unwrap()]);
    let root = bundle.join("rootfs");
    everything(&root);
    // tar(1) has no sockets, umoci writes no holes and no ACLs.
    ["socket", "sparse", "hole"].iter().for_each(|name| fs::remove_file(root.join(name)).unwrap());
    for acl in ["system.posix_acl_default", "system.posix_acl_access"] {
        rustix::fs::lremovexattr(root.join("dir/deeper"), acl).unwrap();
    }
    repack(&image, &bundle);
    change(&root, "second");
    repack(&image, &bundle);
    run("umoci", &["config", "--image", &image, "--config.user=33:44", "--config.env=A=b c", "--config.cmd=/bin/a"]);
    (image, bundle)
}

fn change(root: &Path, text: &str) {
    fs::remove_file(root.join("big")).ok();
    fs::write(root.join("changed"), text).unwrap();
}

fn repack(image: &str, bundle: &Path) {
    let root = bundle.join("rootfs");
    run("find", &[root.to_str().unwrap(), "-exec", "touch", "-h", "-d", "2020-02-02 02:02:02", "{}", "+"]);
    run("umoci", &["repack", "--refresh-bundle", "--image", image, bundle.to_str().unwrap()]);
}

fn push(dir: &Path, image: &str, to: &str, more: &[&str]) {
    let certificates = format!("--dest-cert-dir={}", dir.display());
    let copy = ["--insecure-policy", "copy", "-q", &certificates];
    run("skopeo", &[&copy[..], more, &[&format!("oci:{image}"), to]].concat());
}

#[test]
#[ignore = "rung 1: needs root, docker-registry, umoci and skopeo"]
fn what_comes_from_a_registry_is_the_tree_that_went_in() {
    let dir = tempfile::tempdir().unwrap();
    authority::make(dir.path());
    let registry = start(dir.path(), "");
    let server = format!("127.0.0.1:{}", registry.port);
    let (image, bundle) = layout(dir.path());
    let name = format!("docker://{server}/library/test");
    push(dir.path(), &image, &format!("{name}:1.0"), &[]);
    push(dir.path(), &image, &format!("{name}:docker"), &["--format=v2s2"]);

    let host = Layout::new(dir.path().join("host"));
    let refused = import(&host, "test", &format!("{name}:1.0"), &terms()).unwrap_err().to_string();
    assert!(refused.contains("cannot trust it") && refused.contains("certs.d"), "{refused}");
    authority::trust(dir.path(), host.root(), &server);

    let info = import(&host, "test", &format!("{name}:1.0"), &terms()).unwrap();
    assert_same(&listing(&host.images().join("test/root"), false), &listing(&bundle.join("rootfs"), false));
    assert_eq!((info.verified, &info.pinned), (Some(Verified::Digest), &info.manifest));
    assert_eq!((info.declared.user.as_deref(), info.origin), (Some("33:44"), format!("{name}:1.0")));
    let manifest = info.manifest.unwrap();
    let blob = dir.path().join("oci/blobs/sha256").join(manifest.strip_prefix("sha256:").unwrap());
    assert!(blob.exists(), "the digest of the layout's own manifest");

    let of_docker = import(&host, "docker", &format!("{name}:docker"), &terms()).unwrap();
    assert_eq!((of_docker.digest, of_docker.declared), (info.digest.clone(), info.declared));
    import(&host, "pinned", &format!("{name}@{manifest}"), &terms()).unwrap();
    let other = of_docker.manifest.unwrap().parse().unwrap();
    let other = bring::Terms { digest: Some(other), ..terms() };
    assert!(import(&host, "other", &format!("{name}@{manifest}"), &other).is_err());

    let absent = import(&host, "absent", &format!("{name}:2.0"), &terms()).unwrap_err();
    assert_eq!(absent.exit(), soute::error::Exit::NotFound, "{absent}");
    let taken = import(&host, "test", &format!("{name}:1.0"), &terms()).unwrap_err().to_string();
    assert!(taken.contains("image test exists"), "{taken}");
    assert_eq!(store(&host).len(), 3);
}

#[test]
#[ignore = "rung 1: needs root, docker-registry, umoci and skopeo"]
fn a_pull_replaces_what_has_changed_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    authority::make(dir.path());
    let registry = start(dir.path(), "");
    let server = format!("127.0.0.1:{}", registry.port);
    let host = Layout::new(dir.path().join("host"));
    authority::trust(dir.path(), host.root(), &server);
    let (image, bundle) = layout(dir.path());
    let name = format!("docker://{server}/test");
    push(dir.path(), &image, &name, &[]);
    let pull = || -> Option<ImageInfo> {
        bring::pull(&host, "test", &name.parse().unwrap(), &terms(), &Options::default(), &mut |_, _| ()).unwrap()
    };
    let first = pull().unwrap();
    assert!(pull().is_none(), "nothing has changed");
    let root = bundle.join("rootfs");
    change(&root, "third");
    repack(&image, &bundle);
    push(dir.path(), &image, &name, &[]);
    let second = pull().unwrap();
    assert_ne!(first.manifest, second.manifest);
    assert_same(&listing(&host.images().join("test/root"), false), &listing(&root, false));
    assert!(pull().is_none());
    assert_eq!(store(&host), ["test"]);
}

#[test]
#[ignore = "rung 1: needs root, docker-registry, umoci and skopeo"]
fn a_registry_with_a_password_gets_it_from_auth_json() {
    let dir = tempfile::tempdir().unwrap();
    authority::make(dir.path());
    fs::write(dir.path().join("passwords"), PASSWORDS).unwrap();
    let auth = format!("auth: {{htpasswd: {{realm: test, path: {}/passwords}}}}\n", dir.path().display());
    let registry = start(dir.path(), &auth);
    let server = format!("127.0.0.1:{}", registry.port);
    let host = Layout::new(dir.path().join("host"));
    authority::trust(dir.path(), host.root(), &server);
    let (image, _) = layout(dir.path());
    let name = format!("docker://{server}/private/test");
    push(dir.path(), &image, &name, &["--dest-creds=user:secret"]);

    let refused = import(&host, "test", &name, &terms()).unwrap_err();
    assert_eq!(refused.exit(), soute::error::Exit::NotPermitted);
    assert!(refused.to_string().contains("podman login"), "{refused}");
    let file = host.root().join("run/containers/0/auth.json");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    for (login, works) in [("dXNlcjp3cm9uZw==", false), (LOGIN, true)] {
        fs::write(&file, format!(r#"{{"auths":{{"{server}/private":{{"auth":"{login}"}}}}}}"#)).unwrap();
        let imported = import(&host, "test", &name, &terms());
        assert_eq!(imported.is_ok(), works, "{:?}", imported.err());
    }
    fs::write(&file, format!(r#"{{"auths":{{}},"credHelpers":{{"{server}":"secretservice"}}}}"#)).unwrap();
    let helper = import(&host, "other", &name, &terms()).unwrap_err().to_string();
    assert!(
        helper.contains("cannot ask docker-credential-secretservice for a password: it is not installed"),
        "{helper}"
    );
    assert_eq!(patience().idle, terms().patience.idle);
    assert_eq!(store(&host), ["test"]);
}
