//! One file of a definition, read without trusting it.

use std::borrow::Cow;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{FileType, Mode, OFlags};

use super::fault::Fault;
use super::search::masks;
use super::source::{Layer, Origin, Source};

/// Nobody writes that much by hand, and systemd refuses longer lines.
const LARGEST: u64 = 1 << 20;

/// The text of a file, `None` if it masks. A FIFO does not block, and what another user could have written is refused.
pub(crate) fn read(path: &Path, layer: Layer, explicit: bool) -> Result<Option<Arc<Source>>, Fault> {
    let refuse = |why: &str| whole_file(path, layer, why);
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let io = |error: rustix::io::Errno| refuse(&format!("it cannot be read: {}", crate::error::Error::from(error)));
    let file = rustix::fs::open(path, flags, Mode::empty()).map_err(io)?;
    let stat = rustix::fs::fstat(&file).map_err(io)?;
    if masks(&stat) {
        return Ok(None);
    }
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(refuse("it is not a regular file"));
    }
    if !explicit && stat.st_uid != 0 && stat.st_uid != rustix::process::geteuid().as_raw() {
        return Err(refuse("it does not belong to root").help("chown root it"));
    }
    if !explicit && stat.st_mode & 0o022 != 0 {
        return Err(refuse("other users than its owner can write to it").help("chmod go-w it"));
    }
    let mut bytes = Vec::with_capacity(crate::file::room(stat.st_size));
    let mut file = std::fs::File::from(file).take(LARGEST + 1);
    file.read_to_end(&mut bytes).map_err(|error| refuse(&format!("it cannot be read: {error}")))?;
    if bytes.len() as u64 > LARGEST {
        return Err(refuse("it is larger than 1 MiB"));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Some(Source::new(real(path).to_string_lossy(), text, layer))),
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            let source = Source::new(real(path).to_string_lossy(), String::from_utf8_lossy(error.as_bytes()), layer);
            Err(Fault::new("the file is not UTF-8 from here on", Some(Origin::new(&source, valid..valid + 3))))
        }
    }
}

/// Behind a link, such as `soute up DIR` makes: the file that a user edits, and that "./x" is beside.
fn real(path: &Path) -> Cow<'_, Path> {
    let link = path.is_symlink().then(|| path.canonicalize().ok()).flatten();
    link.map_or(Cow::Borrowed(path), Cow::Owned)
}

fn whole_file(path: &Path, layer: Layer, why: &str) -> Fault {
    let source = Source::new(path.to_string_lossy(), "", layer);
    Fault::new(format!("this file is no definition: {why}"), Some(Origin::whole(&source)))
}
