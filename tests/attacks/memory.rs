//! Rows 3 and 27: whatever an archive asks for, an import has less than 200 MiB of memory of its own. The kernel counts
//! (RLIMIT_DATA), and the program is the real one.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::json;
use tar::EntryType;

use crate::images::{Host, Tar};
use crate::oci::Layout;

const MIB: u64 = 1 << 10;

/// Imports with so many KiB for heap, stacks and private mappings.
fn import(host: &Host, source: &Path, limit: u64) -> Output {
    let mut command = Command::new("bash");
    command.args(["-c", "ulimit -d \"$1\"; shift; exec \"$@\"", "bash", &limit.to_string()]);
    command.arg(env!("CARGO_BIN_EXE_soute")).arg("--root").arg(host.layout.root());
    command.args(["image", "import", "--replace", "i"]).arg(source).stdin(Stdio::null()).output().unwrap()
}

/// Done, or refused with these words: never for want of memory.
fn is_bounded(host: &Host, source: &Path, limit: u64, refused: Option<&str>) {
    let output = import(host, source, limit);
    let said = String::from_utf8_lossy(&output.stderr);
    let right = match refused {
        None => output.status.success(),
        Some(words) => output.status.code() == Some(1) && said.contains(words),
    };
    assert!(right, "{}: {} {said}, not {refused:?}", source.display(), output.status);
    host.check();
}

fn archive(host: &Host, content: &[u8]) -> std::path::PathBuf {
    let path = host.dir.path().join("archive");
    fs::write(&path, content).unwrap();
    path
}

/// What a program makes of an archive on its standard input, where it cannot know how long that will be.
fn compressed(host: &Host, program: &str, arguments: &[&str]) -> std::path::PathBuf {
    let path = host.dir.path().join("archive");
    let mut child = Command::new(program);
    child.args(arguments).stdin(Stdio::piped()).stdout(fs::File::create(&path).unwrap());
    let mut child = child.spawn().unwrap_or_else(|error| panic!("{program}: {error}"));
    child.stdin.take().unwrap().write_all(&Tar::default().file("a").end()).unwrap();
    assert!(child.wait().unwrap().success(), "{program} {arguments:?}");
    path
}

#[test]
fn attack_03_an_import_has_less_than_200_mib_whatever_an_archive_says() {
    let host = Host::new();
    let small = archive(&host, &Tar::default().file("a").end());
    is_bounded(&host, &small, 50 * MIB, None);
    // The premise: the limit bites.
    let large = compressed(&host, "xz", &["-c", "--lzma2=dict=64MiB"]);
    assert!(!import(&host, &large, 50 * MIB).status.success());
    for (program, arguments, refused) in [
        ("zstd", &["-q", "-1", "--long=27"][..], None),
        ("zstd", &["-q", "-1", "--long=31"], Some("cannot import")),
        ("xz", &["-c", "--lzma2=dict=64MiB"], None),
        ("xz", &["-c", "-M", "max", "--lzma2=preset=0,dict=1GiB"], Some("its xz dictionary is larger than 128 MiB")),
    ] {
        is_bounded(&host, &compressed(&host, program, arguments), 200 * MIB, refused);
    }
    // A million pieces of one file, all of them empty; a map in front of the content.
    let map = format!("1000000\n{}", "0\n0\n".repeat(1_000_000));
    let sparse = [("GNU.sparse.major", &b"1"[..]), ("GNU.sparse.minor", b"0"), ("GNU.sparse.realsize", b"0")];
    let mut content = map.into_bytes();
    content.resize(content.len().next_multiple_of(512), 0);
    let pieces = Tar::default().pax(&sparse).add(EntryType::Regular, b"a", b"", &content).end();
    is_bounded(&host, &archive(&host, &pieces), 200 * MIB, None);
    let deep = "d/".repeat(100_000);
    let deep = Tar::default().pax(&[("path", deep.as_bytes())]).dir("x").end();
    is_bounded(&host, &archive(&host, &deep), 50 * MIB, Some("deeper than 256 directories"));
    let note = vec![b'x'; 60_000];
    let add = |tar: Tar, n: u32| tar.pax(&[("SCHILY.xattr.user.note", &note)]).dir(&format!("d{n}"));
    let noted = (0..2000).fold(Tar::default(), add).end();
    is_bounded(&host, &archive(&host, &noted), 200 * MIB, Some("the archive has too many directories or ACLs"));
}

/// A million entries take minutes: a twentieth of them has a fourth of the memory.
#[test]
fn attack_03_a_million_entries_are_not_remembered() {
    let host = Host::new();
    let count = crate::rounds(50_000, 1_000_000);
    let path = host.dir.path().join("archive");
    let mut writer = BufWriter::new(fs::File::create(&path).unwrap());
    for n in 0..count {
        let entry = Tar::default().add(EntryType::Regular, format!("{}/{n}", n / 1000).as_bytes(), b"", b"");
        writer.write_all(entry.bytes()).unwrap();
    }
    writer.write_all(&[0; 1024]).unwrap();
    drop(writer);
    is_bounded(&host, &path, if count == 1_000_000 { 200 * MIB } else { 50 * MIB }, None);
}

#[test]
fn attack_27_an_import_has_less_than_200_mib_whatever_documents_say() {
    let layout = Layout::new();
    let host = &layout.host;
    let sparse = fs::File::create(layout.path().join("index.json")).unwrap();
    sparse.set_len(10 << 30).unwrap();
    is_bounded(host, layout.path(), 50 * MIB, Some("a document has more than 4194304 bytes"));
    // As many strings as go into a document.
    let mut many = String::from("\"x\":\"\"");
    (0..300_000).for_each(|n| write!(many, ",\"{n:x}\":\"\"").unwrap());
    let config =
        format!(r#"{{"os":"linux","rootfs":{{"type":"layers","diff_ids":[]}},"config":{{"Labels":{{{many}}}}}}}"#);
    let config = layout.blob("application/vnd.oci.image.config.v1+json", config.as_bytes());
    let manifest = json!({ "schemaVersion": 2, "mediaType": crate::oci::MANIFEST, "config": config, "layers": [] });
    layout.index(&[layout.json(crate::oci::MANIFEST, &manifest)]);
    is_bounded(host, layout.path(), 200 * MIB, Some("image.toml would be larger than 1 MiB"));
    let tags = format!("\"\"{}", ",\"\"".repeat(1_390_000));
    let saved = format!(r#"[{{"Config":"c.json","RepoTags":[{tags}],"Layers":[]}}]"#);
    let saved = Tar::default().add(EntryType::Regular, b"manifest.json", b"", saved.as_bytes()).end();
    is_bounded(host, &archive(host, &saved), 200 * MIB, Some("c.json"));
    // Members with long names, which all have to be remembered.
    let mut tar = Tar::default();
    for n in 0..65_000 {
        let name = format!("blobs/{n:0>200}");
        tar = tar.pax(&[("path", name.as_bytes())]).add(EntryType::Regular, b"x", b"", b"");
    }
    let tar = tar.add(EntryType::Regular, b"manifest.json", b"", b"[]").end();
    is_bounded(host, &archive(host, &tar), 200 * MIB, Some(""));
}
