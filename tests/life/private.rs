//! A registry that wants to know who asks: by a password that a program keeps, and by a certificate.

use std::path::Path;

use super::registry::{Registry, ok};
use crate::lab::script::run;
use crate::lab::{Lab, image};

/// "user" and "secret", by htpasswd(1).
const PASSWORDS: &str = "user:$2y$04$L.cBdQWcbGlyPLEeZLlRzuredqhzUglo3tUlLUZYjZlAEt16ZsxP2\n";

/// Keys and certificates of clients, by the authority of the registry or by themselves.
fn make_clients(dir: &Path) {
    std::fs::create_dir(dir.join("clients")).unwrap();
    let at = |name: &str| dir.join("clients").join(name).to_str().unwrap().to_owned();
    let ca = |name: &str| dir.join(name).to_str().unwrap().to_owned();
    let new = [
        "req",
        "-x509",
        "-nodes",
        "-days",
        "30",
        "-subj",
        "/CN=client",
        "-addext",
        "basicConstraints=critical,CA:FALSE",
    ];
    let by = ["-CA", &ca("ca.crt"), "-CAkey", &ca("ca-key.pem")];
    let ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];
    let make = |name: &str, kind: &[&str], by: &[&str]| {
        let out = ["-keyout", &at(&format!("{name}.key")), "-out", &at(&format!("{name}.cert"))];
        ok("openssl", &[&new[..], kind, by, &out].concat());
    };
    make("client", &ec, &by);
    make("rsa", &["-newkey", "rsa:2048"], &by);
    make("small", &["-newkey", "rsa:1024"], &by);
    make("other", &ec, &[]);
    ok("openssl", &["rsa", "-in", &at("rsa.key"), "-aes128", "-passout", "pass:x", "-out", &at("locked.key")]);
    ok("openssl", &["req", "-new", "-key", &at("rsa.key"), "-subj", "/CN=client", "-out", &at("old.csr")]);
    ok(
        "openssl",
        &[
            &["x509", "-req", "-in", &at("old.csr"), "-days", "30", "-out", &at("old.cert")],
            &by[..],
            &["-CAcreateserial"],
        ]
        .concat(),
    );
    // skopeo shows all that it finds.
    for name in ["client.cert", "client.key"] {
        std::fs::copy(at(name), dir.join(name)).unwrap();
    }
}

fn a_registry_is_told_who_asks(lab: &Lab) {
    let registry = Registry::start_with(lab, |dir| {
        std::fs::write(dir.join("passwords"), PASSWORDS).unwrap();
        let dir = dir.display();
        (
            format!(", clientcas: [{dir}/ca.crt]"),
            format!("auth: {{htpasswd: {{realm: test, path: {dir}/passwords}}}}\n"),
        )
    });
    make_clients(registry.dir.path());
    registry.push_as("private", &image::tree("busybox"), &["--config.cmd=sleep"], &["--dest-creds=user:secret"]);
    for entry in std::fs::read_dir(registry.dir.path().join("clients")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "cert" || end == "key") {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            lab.write(&format!("/root/clients/{name}"), std::fs::read(path).unwrap());
        }
    }
    // Debian 13's tree has none; nobody else is in this lab.
    lab.write("/root/bin/openssl", std::fs::read("/usr/bin/openssl").unwrap());
    run(
        lab,
        r#"
        if ! type openssl >/dev/null 2>&1; then
            has "$(soute image import private docker://127.0.0.1:5000/private:1 2>&1 || :)" "client.cert"
            chmod 755 /root/bin/openssl; cp -a /usr/local/bin/. /root/bin; mount --bind /root/bin /usr/local/bin
        fi
        certs=/etc/containers/certs.d/127.0.0.1:5000; mkdir -p /root/.docker /root/helpers
        import() { PATH=/root/helpers:$PATH soute image import private docker://127.0.0.1:5000/private:1; }
        config() { echo "$1" >/root/.docker/config.json; }
        helper() { printf '#!/bin/sh\n%s\n' "$1" >/root/helpers/docker-credential-test; chmod 755 /root/helpers/docker-credential-test; }
        uses() { rm -f $certs/client.*; cp "/root/clients/$1.cert" $certs/client.cert; cp "/root/clients/$2.key" $certs/client.key; }
        config '{"auths":{"127.0.0.1:5000":{}},"credsStore":"test"}'
        helper 'read -r server; echo "$1 $server" >>/root/helpers/asked
            echo "{\"ServerURL\":\"$server\",\"Username\":\"user\",\"Secret\":\"secret\"}"'

        # Nobody gets in without a certificate, and what cannot be one is told before it is shown.
        has "$(fails 9 import)" "client.cert and client.key"
        uses other other; has "$(fails 9 import)" "it does not take the certificate of this host"
        uses client other; has "$(fails 1 import)" "client.key: it is of another certificate"
        uses rsa locked; has "$(fails 1 import)" "client.key: it is no private key without a password"
        uses small small; has "$(fails 1 import)" "it is neither RSA of 2048 to 4096 bits"
        uses old rsa; has "$(fails 1 import)" "is not of version 3"
        uses client client; echo rubbish >$certs/client.cert; has "$(fails 1 import)" "it is no certificate"
        rm $certs/client.cert; has "$(fails 1 import)" "has no certificate beside it"
        uses client client; rm $certs/client.key; has "$(fails 1 import)" "cannot use the client certificate"
        uses client client; cp $certs/client.cert $certs/second.cert; has "$(fails 1 import)" "several client certificates"
        rm $certs/second.cert
        [ ! -e /root/helpers/asked ]

        # Both are right, for each kind of key and in docker's directory as in podman's.
        for kind in client rsa; do
            uses $kind $kind; import 2>/dev/null; soute image rm private
        done
        is "get 127.0.0.1:5000 get 127.0.0.1:5000" "$(xargs </root/helpers/asked)"
        mkdir -p /etc/docker; mv /etc/containers/certs.d /etc/docker/
        import 2>/dev/null; has "$(soute image show private)" 'verified = "digest"'; soute image rm private
        mv /etc/docker/certs.d /etc/containers/
        config '{"credHelpers":{"127.0.0.1:5000":"test"}}'; import 2>/dev/null; soute image rm private

        # A helper may know nothing, be wrong, fail, or not be there.
        helper 'echo "credentials not found in native keychain"; exit 1'
        has "$(fails 9 import)" "does not give 127.0.0.1:5000/private to everybody"
        helper 'echo "{\"Username\":\"user\",\"Secret\":\"wrong\"}"'
        said=$(fails 9 import); has "$said" "to whom docker-credential-test names"; lacks "$said" wrong
        helper 'echo "no bus"; exit 2'; has "$(fails 1 import)" "cannot ask docker-credential-test for a password: it ended with exit status: 2: no bus"
        config '{"credHelpers":{"127.0.0.1:5000":"absent"}}'; has "$(fails 1 import)" "docker-credential-absent for a password: it is not installed"
        config '{"credHelpers":{"127.0.0.1:5000":"../../bin/sh"}}'; has "$(fails 1 import)" "is not the name of a credential helper"
        fails 4 soute image show private >/dev/null
        rm -r /root/.docker /root/helpers /root/clients"#,
    );
    drop(registry);
    run(lab, "rm -r /etc/containers/certs.d");
}

// Labs of their own: a registry has one port.
#[test]
#[ignore = "rung 2: nested systemd"]
fn a_registry_is_told_who_asks_on_252() {
    a_registry_is_told_who_asks(&Lab::boot(None, &[]));
}

#[test]
#[ignore = "rung 2: nested systemd 257"]
fn a_registry_is_told_who_asks_on_257() {
    a_registry_is_told_who_asks(&Lab::boot(Some("trixie"), &[]));
}
