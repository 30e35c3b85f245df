//! Files of nginx with TLS, and SHA256SUMS beside them, signed by keys of the test's own.

use std::fs;
use std::path::{Path, PathBuf};

use soute::error::Error;
use soute::image::import::Options;
use soute::image::remote::bring::{self, Terms};
use soute::image::store::{ImageInfo, Kind, Verified};
use soute::layout::Layout;
use tempfile::TempDir;

use super::authority::{self, Server};
use super::{import, store, terms};
use crate::lab::run;

/// A server with files, and a host that believes its certificate.
struct Files {
    dir: TempDir,
    host: Layout,
    nginx: Server,
}

impl Files {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        authority::make(dir.path());
        let nginx = authority::nginx(dir.path(), "");
        let host = Layout::new(dir.path().join("host"));
        authority::trust(dir.path(), host.root(), &format!("localhost:{}", nginx.port));
        fs::create_dir_all(host.root().join("etc/soute/keys")).unwrap();
        fs::create_dir(dir.path().join("tree")).unwrap();
        let files = Self { dir, host, nginx };
        files.archive("1");
        files
    }

    fn www(&self, name: &str) -> PathBuf {
        self.dir.path().join("www").join(name)
    }

    /// Makes debian.tar.gz of a tree with this in it.
    fn archive(&self, content: &str) {
        let tree = self.dir.path().join("tree");
        fs::write(tree.join("file"), content).unwrap();
        run("tar", &["-C", tree.to_str().unwrap(), "-czf", self.www("debian.tar.gz").to_str().unwrap(), "."]);
    }

    fn sums(&self) {
        let www = self.www("");
        run(
            "sh",
            &[
                "-c",
                &format!("cd {} && rm -f SHA256SUMS* && sha256sum -- * >../sums; mv ../sums SHA256SUMS", www.display()),
            ],
        );
    }

    fn url(&self, name: &str) -> String {
        format!("https://localhost:{}/{name}", self.nginx.port)
    }

    fn import(&self, name: &str, file: &str, terms: &Terms) -> Result<ImageInfo, Error> {
        import(&self.host, name, &self.url(file), terms)
    }

    fn refused(&self, says: &str) {
        let message = self.import("refused", "debian.tar.gz", &terms()).unwrap_err().to_string();
        assert!(message.contains(says), "{message}");
        assert!(!store(&self.host).iter().any(|name| name.starts_with('.') || name == "refused"));
    }

    fn key(&self, name: &str) -> PathBuf {
        self.host.root().join("etc/soute/keys").join(name)
    }
}

/// Somebody with a key, and an agent that ends with the value.
struct Signer(TempDir);

impl Signer {
    fn new(more: &[&str]) -> Self {
        use std::os::unix::fs::PermissionsExt;
        // The path of the agent's socket is short.
        let dir = tempfile::tempdir_in("/tmp").unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let signer = Self(dir);
        let key = ["--passphrase", "", "--quick-generate-key", "test@example.org", "ed25519", "sign"];
        signer.gpg(&[more, &key, &[if more.is_empty() { "never" } else { "1d" }]].concat());
        signer
    }

    fn gpg(&self, arguments: &[&str]) -> String {
        run("gpg", &[&["--homedir", self.0.path().to_str().unwrap(), "--batch", "--yes", "-q"], arguments].concat())
    }

    fn export(&self, to: &Path, armor: bool) {
        let armor: &[_] = if armor { &["--armor"] } else { &[] };
        self.gpg(&[armor, &["--output", to.to_str().unwrap(), "--export", "test@example.org"]].concat());
    }

    fn sign(&self, files: &Files, how: &[&str], to: &str) {
        let (sums, to) = (files.www("SHA256SUMS"), files.www(to));
        self.gpg(&[how, &["--output", to.to_str().unwrap(), sums.to_str().unwrap()]].concat());
    }
}

impl Drop for Signer {
    fn drop(&mut self) {
        run("gpgconf", &["--homedir", self.0.path().to_str().unwrap(), "--kill", "all"]);
    }
}

#[test]
#[ignore = "rung 1: needs root, nginx, gpg and gpgv"]
fn signed_sums_vouch_for_a_file() {
    let (files, signer) = (Files::new(), Signer::new(&[]));
    files.sums();
    signer.sign(&files, &["--detach-sign"], "SHA256SUMS.gpg");
    signer.export(&files.key("test.gpg"), false);
    let info = files.import("one", "debian.tar.gz", &terms()).unwrap();
    assert_eq!((info.verified, info.kind, info.manifest), (Some(Verified::Signature), Kind::Tree, None));
    assert_eq!(info.origin, files.url("debian.tar.gz"));
    assert_eq!(fs::read(files.host.images().join("one/root/file")).unwrap(), b"1");

    // As others do it: an armored key, and an armored signature, or one in the document.
    fs::remove_file(files.key("test.gpg")).unwrap();
    fs::remove_file(files.www("SHA256SUMS.gpg")).unwrap();
    signer.export(&files.key("test.asc"), true);
    signer.sign(&files, &["--armor", "--detach-sign"], "SHA256SUMS.asc");
    assert_eq!(files.import("two", "debian.tar.gz", &terms()).unwrap().digest, info.digest);
    fs::remove_file(files.www("SHA256SUMS.asc")).unwrap();
    signer.sign(&files, &["--clearsign"], "inline");
    fs::rename(files.www("inline"), files.www("SHA256SUMS")).unwrap();
    assert_eq!(files.import("three", "debian.tar.gz", &terms()).unwrap().verified, Some(Verified::Signature));

    let pull = || {
        let source = files.url("debian.tar.gz").parse().unwrap();
        bring::pull(&files.host, "one", &source, &terms(), &Options::default(), &mut |_, _| ()).unwrap()
    };
    assert!(pull().is_none(), "nothing has changed");
    files.archive("2");
    files.sums();
    signer.sign(&files, &["--detach-sign"], "SHA256SUMS.gpg");
    assert!(pull().is_some());
    assert_eq!(fs::read(files.host.images().join("one/root/file")).unwrap(), b"2");
}

#[test]
#[ignore = "rung 1: needs root, nginx, gpg and gpgv"]
fn what_nobody_vouches_for_is_refused() {
    let (files, signer, other) = (Files::new(), Signer::new(&[]), Signer::new(&[]));
    files.refused("has no SHA256SUMS (it can be told what the file has to be by --digest");
    files.sums();
    files.refused("has no SHA256SUMS.gpg, SHA256SUMS.asc, SHA256SUMS.sign");
    signer.sign(&files, &["--detach-sign"], "SHA256SUMS.gpg");
    files.refused("this host has no keys");
    other.export(&files.key("other.gpg"), false);
    files.refused("which is in no file of /etc/soute/keys");
    signer.export(&files.key("test.gpg"), false);
    files.import("good", "debian.tar.gz", &terms()).unwrap();

    let sums = fs::read_to_string(files.www("SHA256SUMS")).unwrap();
    fs::write(files.www("SHA256SUMS"), sums.clone() + "# more\n").unwrap();
    files.refused("is of something else");
    fs::write(files.www("SHA256SUMS.gpg"), "no signature").unwrap();
    files.refused("gpgv does not take its signature");
    // A part that is signed says nothing for what is around it.
    fs::write(files.www("SHA256SUMS"), "").unwrap();
    signer.sign(&files, &["--clearsign"], "inline");
    let inline = fs::read_to_string(files.www("inline")).unwrap();
    fs::write(files.www("SHA256SUMS"), inline + &sums).unwrap();
    files.refused("SHA256SUMS");

    fs::write(files.www("SHA256SUMS"), sums).unwrap();
    signer.sign(&files, &["--detach-sign"], "SHA256SUMS.gpg");
    files.archive("another");
    files.refused("what came has the digest sha256:");
    fs::rename(files.www("debian.tar.gz"), files.www("other.tar.gz")).unwrap();
    files.sums();
    signer.sign(&files, &["--detach-sign"], "SHA256SUMS.gpg");
    files.refused("it has no debian.tar.gz");

    let old = Signer::new(&["--faked-system-time", "20200101T000000"]);
    old.export(&files.key("old.gpg"), false);
    old.sign(&files, &["--faked-system-time", "20200101T010000", "--detach-sign"], "SHA256SUMS.gpg");
    files.refused("which has expired");
    assert_eq!(store(&files.host), ["good"]);
}

#[test]
#[ignore = "rung 1: needs root and nginx"]
fn a_digest_or_a_word_will_do_instead() {
    let files = Files::new();
    let bytes = fs::read(files.www("debian.tar.gz")).unwrap();
    let digest: soute::image::oci::digest::Digest = super::scripted::digest(&bytes).parse().unwrap();
    let pinned = Terms { digest: Some(digest.clone()), ..terms() };
    let info = files.import("pinned", "debian.tar.gz", &pinned).unwrap();
    assert_eq!((info.verified, info.pinned), (Some(Verified::Digest), Some(digest.to_string())));
    let insecure = Terms { insecure: true, ..terms() };
    assert_eq!(files.import("insecure", "debian.tar.gz", &insecure).unwrap().verified, Some(Verified::No));
    fs::write(files.www("debian.tar.gz"), "other").unwrap();
    assert!(files.import("other", "debian.tar.gz", &pinned).is_err());
    let missing = files.import("missing", "missing.tar", &insecure).unwrap_err();
    assert_eq!(missing.exit(), soute::error::Exit::NotFound, "{missing}");

    // A file system is read by the kernel.
    let image = files.dir.path().join("fs.img");
    fs::File::create(&image).unwrap().set_len(8 << 20).unwrap();
    run("mkfs.ext4", &["-q", "-d", files.dir.path().join("tree").to_str().unwrap(), image.to_str().unwrap()]);
    run("sh", &["-c", &format!("xz -c {} >{}", image.display(), files.www("fs.img.xz").display())]);
    let refused = files.import("raw", "fs.img.xz", &insecure).unwrap_err().to_string();
    assert!(refused.contains("--trust-file-system"), "{refused}");
    let trusting = Terms { trust_file_system: true, ..insecure };
    let info = files.import("raw", "fs.img.xz", &trusting).unwrap();
    assert_eq!((info.kind, info.size), (Kind::Raw, 8 << 20));
    assert!(fs::read(files.host.images().join("raw/disk.raw")).unwrap() == fs::read(image).unwrap());
    let mut names = store(&files.host);
    names.sort();
    assert_eq!(names, ["insecure", "pinned", "raw"]);
}
