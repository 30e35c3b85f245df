//! Everything that can be known of a tree, as text: what two equal trees have in common.

use std::collections::HashMap;
use std::fmt::Write;
use std::fs::{self, File};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{SeekFrom, lgetxattr, llistxattr, seek};
use sha2::{Digest, Sha256};

/// One line a file, sorted by path: type, mode, owner, size, times, device, names it shares, attributes, target, content,
/// holes. `times` is off where the other side cannot keep nanoseconds or access times.
pub fn listing(root: &Path, access_times: bool) -> String {
    let mut paths = vec![root.to_owned()];
    collect(root, &mut paths);
    paths.sort();
    let mut first_names: HashMap<(u64, u64), PathBuf> = HashMap::new();
    let mut text = String::new();
    for path in &paths {
        let meta = fs::symlink_metadata(path).unwrap();
        let name = path.strip_prefix(root).unwrap();
        let first = first_names.entry((meta.dev(), meta.ino())).or_insert_with(|| name.to_owned());
        let same = if meta.is_dir() || first == name { String::new() } else { format!("={first:?}") };
        let (size, links) = if meta.is_dir() { (0, 0) } else { (meta.size(), meta.nlink()) };
        let atime = if access_times && !meta.is_dir() { (meta.atime(), meta.atime_nsec()) } else { (0, 0) };
        writeln!(
            text,
            "{name:?} {:o} {}:{} {size} m{}.{:09} a{atime:?} dev{:x} n{links} {same} {} {}",
            meta.mode(),
            meta.uid(),
            meta.gid(),
            meta.mtime(),
            meta.mtime_nsec(),
            meta.rdev(),
            xattrs(path),
            content(path, &meta)
        )
        .unwrap();
    }
    text
}

/// Fails with the lines that differ.
pub fn assert_same(ours: &str, wanted: &str) {
    let only =
        |a: &str, b: &str| a.lines().filter(|line| !b.lines().any(|l| l == *line)).collect::<Vec<_>>().join("\n");
    assert!(ours == wanted, "ours:\n{}\nwanted:\n{}", only(ours, wanted), only(wanted, ours));
}

fn collect(dir: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        paths.push(entry.path());
        if entry.file_type().unwrap().is_dir() {
            collect(&entry.path(), paths);
        }
    }
}

fn content(path: &Path, meta: &fs::Metadata) -> String {
    let kind = meta.file_type();
    if kind.is_symlink() {
        return format!("-> {:?}", fs::read_link(path).unwrap());
    }
    if !kind.is_file() || kind.is_fifo() {
        return String::new();
    }
    let mut file = File::open(path).unwrap();
    let holes = data_ranges(&file, meta.size());
    let mut hash = Sha256::new();
    std::io::copy(&mut file, &mut Hashing(&mut hash)).unwrap();
    let hex: String = hash.finalize().iter().take(8).map(|b| format!("{b:02x}")).collect();
    format!("{hex} {holes:?}")
}

/// Where data lies, or nothing where all of the file is data.
fn data_ranges(file: &File, size: u64) -> Vec<(u64, u64)> {
    let (mut ranges, mut at) = (Vec::new(), 0);
    while at < size {
        let Ok(data) = seek(file, SeekFrom::Data(at)) else { break };
        let hole = seek(file, SeekFrom::Hole(data)).unwrap();
        ranges.push((data, hole));
        at = hole;
    }
    seek(file, SeekFrom::Start(0)).unwrap();
    ranges
}

struct Hashing<'a>(&'a mut Sha256);

impl std::io::Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn xattrs(path: &Path) -> String {
    let mut list = vec![0; 65536];
    let length = llistxattr(path, &mut list[..]).unwrap();
    let mut names: Vec<&str> = std::str::from_utf8(&list[..length]).unwrap().split_terminator('\0').collect();
    names.sort_unstable();
    // XFS shows each ACL a second time, in its own format.
    names.retain(|name| !name.starts_with("trusted.SGI_ACL_"));
    let mut text = String::new();
    for name in names {
        let mut value = vec![0; 65536];
        let length = lgetxattr(path, name, &mut value[..]).unwrap();
        write!(text, "{name}={:02x?};", &value[..length]).unwrap();
    }
    text
}
