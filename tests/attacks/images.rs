//! Row 3 and section 1b of the list of attacks: archives made to break out, to be read in two ways, or to fill memory.

use std::fs;
use std::io::Write;
use std::path::Path;

use soute::image::import::{Options, import};
use soute::layout::Layout;
use tar::{EntryType, Header};

/// An archive in the making, header by header.
#[derive(Clone, Default)]
pub struct Tar(Vec<u8>);

impl Tar {
    /// A member whose header says what it says, with this content.
    pub fn add(mut self, kind: EntryType, path: &[u8], link: &[u8], content: &[u8]) -> Self {
        let header = header(kind, path, link, content.len() as u64);
        self.0.extend(header.as_bytes());
        self.content(content)
    }
    pub fn content(mut self, content: &[u8]) -> Self {
        self.0.extend(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }
    pub fn file(self, path: &str) -> Self {
        self.add(EntryType::Regular, path.as_bytes(), b"", b"content")
    }
    pub fn dir(self, path: &str) -> Self {
        self.add(EntryType::Directory, path.as_bytes(), b"", b"")
    }
    pub fn symlink(self, path: &str, to: &str) -> Self {
        self.add(EntryType::Symlink, path.as_bytes(), to.as_bytes(), b"")
    }
    pub fn link(self, path: &str, to: &str) -> Self {
        self.add(EntryType::Link, path.as_bytes(), to.as_bytes(), b"")
    }
    pub fn pax(self, records: &[(&str, &[u8])]) -> Self {
        let mut content = Vec::new();
        for (key, value) in records {
            let rest = key.len() + value.len() + 3;
            let length = (rest..).find(|n| n.to_string().len() + rest == *n).unwrap();
            write!(content, "{length} {key}=").unwrap();
            content.extend(*value);
            content.push(b'\n');
        }
        self.add(EntryType::XHeader, b"pax", b"", &content)
    }
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
    pub fn end(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 1024, 0);
        self.0
    }
}

fn header(kind: EntryType, path: &[u8], link: &[u8], size: u64) -> Header {
    let mut header = Header::new_ustar();
    let bytes = header.as_mut_bytes();
    bytes[..path.len().min(100)].copy_from_slice(&path[..path.len().min(100)]);
    bytes[157..157 + link.len().min(100)].copy_from_slice(&link[..link.len().min(100)]);
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(0o644);
    header.set_uid(nix::unistd::getuid().as_raw().into());
    header.set_gid(nix::unistd::getgid().as_raw().into());
    header.set_mtime(1);
    header.set_device_major(1).unwrap();
    header.set_device_minor(3).unwrap();
    header.set_cksum();
    header
}

pub struct Host {
    pub dir: tempfile::TempDir,
    pub layout: Layout,
}

impl Host {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("canary")).unwrap();
        fs::write(dir.path().join("canary/file"), b"canary").unwrap();
        Self { layout: Layout::new(dir.path().join("host")), dir }
    }
    pub fn canary(&self) -> String {
        self.dir.path().join("canary").to_str().unwrap().to_owned()
    }
    fn import(&self, archive: &[u8]) -> Result<(), String> {
        let file = self.dir.path().join("archive");
        fs::write(&file, archive).unwrap();
        let done = import(&self.layout, "i", &file, &Options::default(), &mut |_, _| ());
        done.map(drop).map_err(|error| error.to_string().split_once("archive: ").unwrap().1.to_owned())
    }
    pub fn root(&self) -> std::path::PathBuf {
        self.layout.images().join("i/root")
    }
    /// Refused with these words; nothing is left in the store and nothing else has changed.
    fn refuses(&self, archive: &[u8], words: &str) {
        let error = self.import(archive).expect_err(words);
        assert!(error.contains(words), "{error:?} instead of {words:?}");
        assert_eq!(fs::read_dir(self.layout.images()).unwrap().count(), 0, "{words}: something is left");
        self.check();
    }
    pub fn check(&self) {
        let entries: Vec<_> = fs::read_dir(self.canary()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(entries, ["file"]);
        assert_eq!(fs::read(Path::new(&self.canary()).join("file")).unwrap(), b"canary");
        use std::os::unix::fs::MetadataExt;
        assert_eq!(fs::metadata(Path::new(&self.canary()).join("file")).unwrap().nlink(), 1);
    }
}

#[test]
fn attack_03_nothing_leaves_the_root() {
    let host = Host::new();
    let canary = host.canary();
    let tar = Tar::default;
    host.refuses(&tar().file("../x").end(), "entry ../x: its name has \"..\" in it");
    host.refuses(&tar().file("a/../../x").end(), "its name has \"..\" in it");
    host.refuses(&tar().file("/x").end(), "entry /x: its name is an absolute path");
    host.refuses(&tar().pax(&[("path", b"../x")]).file("ok").end(), "entry ../x: its name has \"..\" in it");
    host.refuses(&tar().add(EntryType::GNULongName, b"L", b"", b"../x\0").file("ok").end(), "entry ../x: its name has");
    host.refuses(&tar().symlink("a", &canary).file("a/x").end(), "entry a/x: it lies behind the symbolic link a");
    host.refuses(&tar().symlink("a", ".").file("a/x").end(), "entry a/x: it lies behind the symbolic link a");
    host.refuses(&tar().symlink("a", &canary).symlink("b", "a").dir("b/c").end(), "behind the symbolic link b");
    host.refuses(&tar().symlink("a", &canary).dir("a").end(), "entry a: it is in the archive twice");
    host.refuses(&tar().symlink("a", &format!("{canary}/file")).file("a").end(), "entry a: it is in the archive twice");
    host.refuses(&tar().dir("a").symlink("a", &canary).end(), "entry a: it is in the archive twice");
    host.refuses(&tar().file("a").file("a/b").end(), "entry a/b: it lies in a, which is no directory");
    host.refuses(&tar().file("a").file("./a").end(), "entry ./a: it is in the archive twice");
    host.refuses(&tar().dir("a").dir("a/").end(), "entry a/: it is in the archive twice");
    for kind in [EntryType::Symlink, EntryType::Regular, EntryType::Fifo, EntryType::Link] {
        // A file whose name ends in a slash is a directory.
        let may_be = |name: &&str| kind != EntryType::Regular || !name.ends_with('/');
        for name in [".", "./", "./.", "././/"].into_iter().filter(may_be) {
            host.refuses(
                &tar().add(kind, name.as_bytes(), canary.as_bytes(), b"").end(),
                "the root of an image has to be",
            );
        }
    }
}

#[test]
fn attack_03_hard_links_stay_inside() {
    let host = Host::new();
    let canary = format!("{}/file", host.canary());
    let tar = Tar::default;
    host.refuses(&tar().link("a", &canary).end(), "its name is an absolute path");
    host.refuses(&tar().link("a", "../../canary/file").end(), "its name has \"..\" in it");
    host.refuses(&tar().symlink("s", &host.canary()).link("a", "s/file").end(), "it lies behind the symbolic link s");
    host.refuses(&tar().link("a", "b").end(), "cannot link it to b: the archive has no such entry before it");
    host.refuses(&tar().dir("d").link("a", "d").end(), "cannot link it to d: Operation not permitted");
    host.refuses(&tar().file("f").link("f", "f").end(), "it is in the archive twice");
    // A second name of a symbolic link is a link itself, and still leads nowhere at import.
    host.import(&tar().symlink("s", &canary).link("a", "s").end()).unwrap();
    assert_eq!(fs::read_link(host.root().join("a")).unwrap().to_str().unwrap(), canary);
    host.check();
}

#[test]
fn attack_03_what_can_be_read_in_two_ways_is_refused() {
    let host = Host::new();
    let tar = Tar::default;
    let hidden = tar().file("hidden").0;
    for kind in [EntryType::Link, EntryType::Symlink, EntryType::Directory, EntryType::Fifo, EntryType::Char] {
        host.refuses(
            &tar().file("f").add(kind, b"a", b"f", &hidden).end(),
            "entry a: it has content that its type does",
        );
    }
    host.refuses(&tar().pax(&[("size", b"1024")]).add(EntryType::Symlink, b"a", b"f", b"").end(), "it has content");
    // The extended header's size counts: what the plain one leaves over would be another member.
    let with_size = tar().pax(&[("size", b"1024")]);
    let mut archive = with_size.0;
    archive.extend(header(EntryType::Regular, b"a", b"", 0).as_bytes());
    let archive = Tar(archive).content(&hidden).file("last").end();
    host.import(&archive).unwrap();
    let mut names: Vec<_> = fs::read_dir(host.root()).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["a", "last"]);
    assert_eq!(fs::read(host.root().join("a")).unwrap(), hidden);
}

#[test]
fn attack_03_damage_is_an_error() {
    let host = Host::new();
    let tar = Tar::default;
    let whole = tar().file("a").file("b").end();
    host.refuses(&whole[..whole.len() - 1024], "the archive is cut off");
    host.refuses(&whole[..1024 + 512], "the archive is cut off");
    host.refuses(&whole[..512 + 3], "entry a: the archive is cut off");
    let mut wrong = whole.clone();
    wrong[1024] ^= 1;
    host.refuses(&wrong, "a header is damaged");
    host.refuses(&tar().pax(&[("path", b"x")]).end(), "the archive ends after an extended header");
    host.refuses(&tar().pax(&[("path", b"a\0b")]).file("a").end(), "a name has a NUL in it");
    host.refuses(
        &tar().add(EntryType::XHeader, b"p", b"", b"99 path=x\n").file("a").end(),
        "an extended header is damaged",
    );
    host.refuses(&tar().add(EntryType::new(b'V'), b"v", b"", b"").end(), "entry v: members of type 'V' are not read");
    host.refuses(&tar().pax(&[("uid", b"4294967295")]).file("a").end(), "entry a: its uid 4294967295 is too large");
    host.refuses(&tar().pax(&[("size", b"-1")]).file("a").end(), "entry a: its size is no number");
    host.refuses(&tar().pax(&[("size", b"9223372036854775808")]).file("a").end(), "its size makes no sense");
    let sparse = [("GNU.sparse.map", &b"0,4,2,3"[..]), ("GNU.sparse.size", b"7")];
    host.refuses(&tar().pax(&sparse).file("a").end(), "entry a: its map of holes is damaged");
    let huge = [("GNU.sparse.map", &b"9223372036854775800,7"[..]), ("GNU.sparse.size", b"9223372036854775807")];
    host.refuses(&tar().pax(&huge).file("a").end(), "File too large");
}

#[test]
fn attack_03_memory_and_depth_are_bounded() {
    let host = Host::new();
    let tar = Tar::default;
    let mut archive = Vec::new();
    archive.extend(header(EntryType::XHeader, b"p", b"", 10 << 30).as_bytes());
    host.refuses(&Tar(archive).end(), "an extended header has 10737418240 bytes, more than 1048576");
    let deep = "d/".repeat(257);
    host.refuses(&tar().pax(&[("path", deep.as_bytes())]).dir("x").end(), "deeper than 256 directories");
    let long = format!("{}x", "d".repeat(250) + "/").repeat(20);
    host.refuses(&tar().pax(&[("path", long.as_bytes())]).file("x").end(), "its name has 4096 bytes or more");
    // 1200 directories with 60 KB of attributes each would be 72 MB to remember.
    let note = vec![b'x'; 60_000];
    let mut archive = tar();
    for n in 0..1200 {
        archive = archive.pax(&[("SCHILY.xattr.user.note", &note)]).dir(&format!("d{n}"));
    }
    host.refuses(&archive.end(), "the archive has too many directories or ACLs");
}

#[test]
fn attack_22_names_of_an_archive_are_escaped_in_messages() {
    let host = Host::new();
    let archive = Tar::default().add(EntryType::Regular, b"../\x1b[2J\n\xff", b"", b"").end();
    host.refuses(&archive, r#"entry ../\u{1b}[2J\n\xFF: its name has"#);
}

#[test]
fn attack_03_directories_that_are_left_out_or_come_late_are_made() {
    let host = Host::new();
    let archive = Tar::default().file("usr/share/doc/x").dir("usr/share").file("usr/y").end();
    host.import(&archive).unwrap();
    use std::os::unix::fs::MetadataExt;
    let mode = |path: &str| fs::metadata(host.root().join(path)).map(|m| (m.mode() & 0o7777, m.mtime())).unwrap();
    assert_eq!(mode(""), (0o755, 0));
    assert_eq!(mode("usr"), (0o755, 0));
    assert_eq!(mode("usr/share"), (0o644, 1));
    assert_eq!(mode("usr/share/doc/x"), (0o644, 1));
}
