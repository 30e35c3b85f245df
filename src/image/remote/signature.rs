//! OpenPGP signatures, by gpgv as `machinectl pull-tar` has them checked.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::{MemfdFlags, memfd_create};

use super::base64::dearmored;
use crate::definition::types::escaped;
use crate::error::{Context, Error, Result};

const LARGEST_KEY: u64 = 4 << 20;
/// systemd's own, the first that is there.
const OF_SYSTEMD: [&str; 2] = ["etc/systemd/import-pubring.gpg", "usr/lib/systemd/import-pubring.gpg"];
/// Ours.
const OWN: &str = "etc/soute/keys";
/// How a document begins that has its signature in it.
const INLINE: &[u8] = b"-----BEGIN PGP SIGNED MESSAGE-----";

/// Has it its signature in it?
pub fn is_inline(document: &[u8]) -> bool {
    document.starts_with(INLINE)
}

/// What was signed by a key of the host below `root`: the document, or what is in it beside its signature.
pub fn verified(root: &Path, document: &[u8], signature: Option<&[u8]>) -> Result<Vec<u8>> {
    let keyrings = keyrings(root)?;
    if keyrings.is_empty() {
        return Err(Error::failed("this host has no keys: /etc/soute/keys/*.gpg and *.asc are for them"));
    }
    let mut command = Command::new("gpgv");
    command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("LC_ALL", "C.UTF-8").args(["--status-fd", "2"]);
    for keyring in &keyrings {
        command.arg("--keyring").arg(keyring.path());
    }
    let document_file = Memory::new(document)?;
    let signature = signature.map(Memory::new).transpose()?;
    match &signature {
        Some(signature) => command.arg(signature.path()).arg(document_file.path()),
        None => command.args(["--output", "-"]).arg(document_file.path()),
    };
    let output = command.output().map_err(|error| match error.kind() {
        ErrorKind::NotFound => Error::failed("gpgv, which checks signatures, is not installed"),
        _ => error.into(),
    })?;
    let status = String::from_utf8_lossy(&output.stderr);
    let has = |word: &str| status.lines().any(|line| line.starts_with(&format!("[GNUPG:] {word} ")));
    // A key that has expired or was revoked makes VALIDSIG all the same, but no GOODSIG.
    if output.status.success() && has("GOODSIG") && has("VALIDSIG") {
        return Ok(if signature.is_some() { document.to_owned() } else { output.stdout });
    }
    Err(refused(&status))
}

fn refused(status: &str) -> Error {
    let of = |word: &str| {
        let lines =
            status.lines().filter_map(|line| line.strip_prefix("[GNUPG:] ")?.strip_prefix(word)?.strip_prefix(' '));
        lines.map(str::to_owned).next()
    };
    let key = |line: String| escaped(line.split(' ').next().unwrap_or_default());
    let message = match (of("BADSIG"), of("EXPKEYSIG"), of("REVKEYSIG"), of("NO_PUBKEY")) {
        (Some(line), ..) => format!("its signature by key {} is of something else", key(line)),
        (_, Some(line), ..) => format!("it is signed by key {}, which has expired", key(line)),
        (.., Some(line), _) => format!("it is signed by key {}, which was revoked", key(line)),
        (.., Some(line)) => format!("it is signed by key {}, which is in no file of /etc/soute/keys", key(line)),
        _ => {
            let words =
                status.lines().filter(|line| !line.starts_with("[GNUPG:]")).take(3).collect::<Vec<_>>().join("; ");
            format!("gpgv does not take its signature: {}", escaped(&words))
        }
    };
    Error::failed(message)
}

/// A keyring as gpgv takes it.
enum Keyring {
    File(PathBuf),
    Memory(Memory),
}

impl Keyring {
    fn path(&self) -> PathBuf {
        match self {
            Self::File(path) => path.clone(),
            Self::Memory(memory) => memory.path(),
        }
    }
}

fn keyrings(root: &Path) -> Result<Vec<Keyring>> {
    let mut keyrings = Vec::new();
    for path in own(root)? {
        let action = || format!("cannot read key {}", path.display());
        let bytes = read(&path).with_context(action)?;
        let armored = std::str::from_utf8(&bytes).ok().map(dearmored).transpose().with_context(action)?.flatten();
        keyrings.push(match armored {
            Some(bytes) => Keyring::Memory(Memory::new(&bytes)?),
            None => Keyring::File(path),
        });
    }
    keyrings.extend(OF_SYSTEMD.iter().map(|path| root.join(path)).find(|path| path.exists()).map(Keyring::File));
    Ok(keyrings)
}

fn own(root: &Path) -> Result<Vec<PathBuf>> {
    let directory = root.join(OWN);
    let entries = match std::fs::read_dir(&directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.with_context(|| format!("cannot read {}", directory.display()))?,
    };
    let paths = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    let is_key = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "gpg" || extension == "asc");
    let mut paths: Vec<PathBuf> = paths.into_iter().filter(is_key).collect();
    paths.sort();
    Ok(paths)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    use std::io::Read;
    let mut bytes = Vec::new();
    File::open(path)?.take(LARGEST_KEY + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > LARGEST_KEY {
        true => Err(Error::failed(format!("it is larger than {LARGEST_KEY} bytes"))),
        false => Ok(bytes),
    }
}

/// Bytes that another program may read by a path.
pub struct Memory(File);

impl Memory {
    /// With these in it.
    pub fn new(bytes: &[u8]) -> Result<Self> {
        let mut file = File::from(memfd_create("soute", MemfdFlags::CLOEXEC)?);
        file.write_all(bytes)?;
        Ok(Self(file))
    }

    /// As long as it is not dropped.
    pub fn path(&self) -> PathBuf {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd()).into()
    }
}
