//! A certificate authority of the test's own, and a server's certificate by it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::lab::run;

/// Makes ca.crt, server.crt and server-key.pem below `dir`.
pub fn make(dir: &Path) {
    let at = |name: &str| dir.join(name).to_str().unwrap().to_owned();
    let key = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30"];
    let ca = ["-subj", "/CN=made up for a test", "-keyout", &at("ca-key.pem"), "-out", &at("ca.crt")];
    run("openssl", &[&key[..], &ca].concat());
    let names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"];
    let leaf = ["-addext", "basicConstraints=critical,CA:FALSE", "-CA", &at("ca.crt"), "-CAkey", &at("ca-key.pem")];
    let out = ["-keyout", &at("server-key.pem"), "-out", &at("server.crt")];
    run("openssl", &[&key[..], &names, &leaf, &out].concat());
}

/// Makes `root`, a host, believe the authority for this server.
pub fn trust(dir: &Path, root: &Path, authority: &str) {
    let place = root.join("etc/containers/certs.d").join(authority);
    std::fs::create_dir_all(&place).unwrap();
    std::fs::copy(dir.join("ca.crt"), place.join("ca.crt")).unwrap();
}

/// A program that listens, ended with the value.
pub struct Server {
    child: Child,
    pub port: u16,
}

impl Server {
    /// Starts one that `command` makes for a port, and waits until it listens.
    pub fn start(log: &Path, command: impl Fn(u16) -> Command) -> Self {
        for _ in 0..20 {
            // Somebody else may take the port before the program does.
            let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let file = std::fs::File::create(log).unwrap();
            let mut command = command(port);
            command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
            let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
            let mut server = Self { child, port };
            if server.listens() {
                return server;
            }
        }
        panic!("it does not listen: {}", std::fs::read_to_string(log).unwrap_or_default());
    }

    fn listens(&mut self) -> bool {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(60) {
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            if std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return self.child.try_wait().unwrap().is_none();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        false
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // nginx in the foreground has a worker, which goes with its master only if that is asked to end.
        let pid = nix::unistd::Pid::from_raw(self.child.id().cast_signed());
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        let _ = self.child.wait();
    }
}

/// nginx with TLS, which serves the files below `dir/www` or what `locations` says.
pub fn nginx(dir: &Path, locations: &str) -> Server {
    let path = |name: &str| -> PathBuf { dir.join(name) };
    std::fs::create_dir_all(path("www")).unwrap();
    Server::start(&path("nginx.log"), |port| {
        let config = path("nginx.conf");
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {};", path("nginx-tmp").display()));
        let text = format!(
            "daemon off; user root; worker_processes 1; pid {pid}; error_log stderr;
             events {{ }}
             http {{
               access_log off; {temporary}
               server {{
                 listen 127.0.0.1:{port} ssl; server_name localhost;
                 ssl_certificate {dir}/server.crt; ssl_certificate_key {dir}/server-key.pem;
                 root {dir}/www; {locations}
               }}
             }}",
            pid = path("nginx.pid").display(),
            temporary = temporary.concat(),
            dir = dir.display(),
        );
        std::fs::write(&config, text).unwrap();
        let mut command = Command::new("/usr/sbin/nginx");
        command.args(["-p", dir.to_str().unwrap(), "-e", "stderr", "-c", config.to_str().unwrap()]);
        command
    })
}
