//! Debian's docker-registry with TLS, in the lab's network, and images that are pushed to it.

use std::path::Path;
use std::process::Command;

use crate::lab::{Lab, Ran};

/// docker-registry of this machine in the lab's network, with a certificate of a made-up authority that the lab believes.
pub struct Registry {
    pub dir: tempfile::TempDir,
    leader: String,
    server: std::process::Child,
}

impl Registry {
    pub fn start(lab: &Lab) -> Self {
        Self::start_with(lab, |_| (String::new(), String::new()))
    }

    /// The same with more in its configuration: of TLS and of its own. Asked for them is who knows its directory.
    pub fn start_with(lab: &Lab, more: impl Fn(&Path) -> (String, String)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        let key =
            ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30"];
        let ca = ["-subj", "/CN=made up for a test", "-keyout", &at("ca-key.pem"), "-out", &at("ca.crt")];
        ok("openssl", &[&key[..], &ca].concat());
        let names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"];
        let leaf = ["-addext", "basicConstraints=critical,CA:FALSE", "-CA", &at("ca.crt"), "-CAkey", &at("ca-key.pem")];
        let out = ["-keyout", &at("server-key.pem"), "-out", &at("server.crt")];
        ok("openssl", &[&key[..], &names, &leaf, &out].concat());
        lab.write("/etc/containers/certs.d/127.0.0.1:5000/ca.crt", std::fs::read(at("ca.crt")).unwrap());
        let (tls, more) = more(dir.path());
        let config = format!(
            "version: 0.1\nlog: {{level: warn}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\n\
             http: {{addr: '127.0.0.1:5000', tls: {{certificate: {}, key: {}{tls}}}}}\n{more}",
            at("storage"),
            at("server.crt"),
            at("server-key.pem")
        );
        std::fs::write(at("registry.yml"), config).unwrap();
        let leader = lab.leader().to_string();
        let mut command = Command::new("nsenter");
        command.args(["-t", &leader, "-n", "docker-registry", "serve", &at("registry.yml")]);
        command
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::null())
            .stderr(std::fs::File::create(at("log")).unwrap());
        let server = command.spawn().unwrap();
        let registry = Self { dir, leader, server };
        for _ in 0..600 {
            // Whom it wants to know it listens to all the same.
            let ask = ["-t", &registry.leader, "-n", "bash", "-c", "</dev/tcp/127.0.0.1/5000"];
            if Command::new("nsenter").args(ask).output().unwrap().status.success() {
                return registry;
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        panic!("it does not listen: {}", std::fs::read_to_string(registry.dir.path().join("log")).unwrap());
    }

    /// Makes an image of one layer of a tree, and pushes it.
    pub fn push(&self, name: &str, tree: &Path, config: &[&str]) {
        self.push_as(name, tree, config, &[]);
    }

    /// The same by somebody whom it knows.
    pub fn push_as(&self, name: &str, tree: &Path, config: &[&str], who: &[&str]) {
        let at = |name: &str| self.dir.path().join(name).to_str().unwrap().to_owned();
        let (layout, bundle) = (at(&format!("{name}-oci")), at(&format!("{name}-bundle")));
        let image = format!("{layout}:1");
        ok("umoci", &["init", "--layout", &layout]);
        ok("umoci", &["new", "--image", &image]);
        ok("umoci", &["unpack", "--image", &image, &bundle]);
        ok("cp", &["-a", &format!("{}/.", tree.display()), &format!("{bundle}/rootfs")]);
        ok("umoci", &["repack", "--image", &image, &bundle]);
        ok("umoci", &[&["config", "--image", &image], config].concat());
        let to = format!("docker://127.0.0.1:5000/{name}:1");
        let certificates = format!("--dest-cert-dir={}", self.dir.path().display());
        let copy = ["-t", &self.leader, "-n", "skopeo", "--insecure-policy", "copy", "-q", &certificates];
        ok("nsenter", &[&copy[..], who, &[&format!("oci:{image}"), &to]].concat());
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

pub fn ok(program: &str, arguments: &[&str]) -> String {
    Ran::of(&format!("{program} {}", arguments.join(" ")), Command::new(program).args(arguments)).ok()
}
