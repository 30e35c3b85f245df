//! Who this host is to a server that wants to know: the client certificate that podman and docker would show it.

use std::io::ErrorKind;
use std::path::Path;
use std::process::{Command, Stdio};

use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, parse_pem};

use super::signature::Memory;
use super::trust;
use crate::error::{Context, Error, Result};
use crate::file;

const LARGEST: u64 = 1 << 20;
/// OIDs of the public keys that rustls has a use for, as they are in DER: RSA, P-256, P-384, Ed25519.
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const CURVES: [&[u8]; 3] =
    [&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07], &[0x2b, 0x81, 0x04, 0x00, 0x22], &[0x2b, 0x65, 0x70]];
/// 65537, with which the public key of an RSA ends.
const EXPONENT: &[u8] = &[0x02, 0x03, 0x01, 0x00, 0x01];
/// Of 2048 to 4096 bits.
const RSA_KEYS: std::ops::RangeInclusive<usize> = 290..=550;
/// Extensions that may be critical: others are unknown to rustls, which would refuse the certificate.
const CRITICAL: [&str; 5] =
    ["Basic Constraints", "Key Usage", "Extended Key Usage", "Subject Alternative Name", "Name Constraints"];

/// The certificate for a server, below `root`, if there is one: the first directory of its that has any.
pub fn client(root: &Path, authority: &str) -> Result<Option<ClientCert>> {
    for directory in trust::directories(root, authority) {
        let certificates = trust::files(&directory, "cert")?;
        let lone = trust::files(&directory, "key")?
            .into_iter()
            .find(|key| !certificates.contains(&key.with_extension("cert")));
        if let Some(key) = lone {
            return Err(Error::failed(format!("{} has no certificate beside it (client.cert)", key.display())));
        }
        match &certificates[..] {
            [] => {}
            [certificate] => {
                let action = || format!("cannot use the client certificate {}", certificate.display());
                return pair(certificate, &certificate.with_extension("key")).map(Some).with_context(action);
            }
            _ => {
                let several = "it has several client certificates, and soute shows one";
                return Err(Error::failed(format!("{}: {several}", directory.display())));
            }
        }
    }
    Ok(None)
}

fn pair(certificate: &Path, key: &Path) -> Result<ClientCert> {
    let text = file::read_of_host(certificate, LARGEST)?;
    let of_key = || format!("its key {}", key.display());
    let key = checked(&text, &file::read_of_host(key, LARGEST).with_context(of_key)?).with_context(of_key)?;
    let chain = parse_pem(text.as_bytes()).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(Ok(certificate)),
        Ok(_) => None,
        Err(error) => Some(Err(Error::failed(error))),
    });
    let chain = chain.collect::<Result<Vec<Certificate<'static>>>>()?;
    Ok(ClientCert::new_with_certs(&chain, key))
}

/// The key as rustls has to have it. ureq takes for granted that the two belong together, and ends the program if rustls
/// does not take them: so they are looked at before, by openssl(1).
fn checked(certificate: &str, key: &str) -> Result<PrivateKey<'static>> {
    let (certificate, key) = (Memory::new(certificate.as_bytes())?, Memory::new(key.as_bytes())?);
    let key_path = key.path();
    let refused = |why: &'static str| move || Error::failed(why);
    let plain = openssl(&["pkey", "-check", "-passin", "pass:"], &key_path)?;
    let plain = plain.ok_or_else(refused("it is no private key without a password"))?;
    let public = openssl(&["pkey", "-passin", "pass:", "-pubout"], &key_path)?.unwrap_or_default();
    let shown = openssl(&["x509", "-noout", "-text", "-pubkey"], &certificate.path())?;
    let shown = shown.ok_or_else(refused("it is no certificate"))?;
    if public.is_empty() || !shown.contains(public.trim()) {
        return Err(Error::failed("it is of another certificate"));
    }
    if !is_known(&public) {
        return Err(Error::failed("it is neither RSA of 2048 to 4096 bits nor P-256, P-384 or Ed25519"));
    }
    acceptable(&shown)?;
    PrivateKey::from_pem(plain.as_bytes()).map_err(Error::failed)
}

fn acceptable(shown: &str) -> Result<()> {
    if !shown.contains("Version: 3 ") {
        return Err(Error::failed("the certificate is not of version 3"));
    }
    let critical = shown.lines().filter_map(|line| line.trim().strip_suffix(": critical"));
    match critical.map(|name| name.trim_start_matches("X509v3 ")).find(|name| !CRITICAL.contains(name)) {
        Some(name) => Err(Error::failed(format!("the certificate has {name}, critical and unknown"))),
        None => Ok(()),
    }
}

fn is_known(public: &str) -> bool {
    let armor = |line: &&str| !line.starts_with("-----");
    let Ok(der) = super::base64::decode(&public.lines().filter(armor).collect::<String>()) else { return false };
    let has = |oid: &[u8]| der.windows(oid.len()).take(32).any(|window| window == oid);
    match has(RSA) {
        true => RSA_KEYS.contains(&der.len()) && der.ends_with(EXPONENT),
        false => CURVES.iter().any(|curve| has(curve)),
    }
}

/// What it says, none where it does not take its input.
fn openssl(arguments: &[&str], input: &Path) -> Result<Option<String>> {
    let mut command = Command::new("openssl");
    command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").args(arguments).arg("-in").arg(input);
    let output = command.stdin(Stdio::null()).output().map_err(|error| match error.kind() {
        ErrorKind::NotFound => Error::failed("openssl, which checks keys, is not installed"),
        _ => error.into(),
    })?;
    Ok(output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned()))
}
