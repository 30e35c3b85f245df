//! Rows 3 and 27 of the list of attacks in layers: whiteouts, and names that another layer has as something else.

use std::fs;
use std::io::Write;

use tar::EntryType;

use crate::images::Tar;
use crate::oci::Layout;

fn tar() -> Tar {
    Tar::default()
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = niffler::get_writer(Box::new(&mut out), niffler::Format::Gzip, niffler::Level::One).unwrap();
    writer.write_all(content).unwrap();
    drop(writer);
    out
}

/// All names below the root of the image, sorted; links with where they lead.
fn imported(layers: &[Tar]) -> Vec<String> {
    let layout = Layout::new();
    layout.image(&layers.iter().map(|layer| layer.clone().end()).collect::<Vec<_>>());
    layout.import().unwrap();
    layout.host.check();
    let (mut left, mut names) = (vec![layout.host.root()], Vec::new());
    while let Some(dir) = left.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(layout.host.root()).unwrap().to_str().unwrap().to_owned();
            let kind = fs::symlink_metadata(&path).unwrap().file_type();
            if kind.is_dir() {
                left.push(path);
                names.push(name + "/");
            } else if kind.is_symlink() {
                names.push(format!("{name}@{}", fs::read_link(&path).unwrap().display()));
            } else {
                names.push(name);
            }
        }
    }
    names.sort();
    names
}

#[test]
fn attack_27_whiteouts_hide_what_is_below_and_nothing_else() {
    let below = || tar().dir("d").file("d/a").file("d/b").dir("d/e").file("d/e/f").file("x");
    assert_eq!(imported(&[below(), tar().file("d/.wh.a")]), ["d/", "d/b", "d/e/", "d/e/f", "x"]);
    assert_eq!(imported(&[below(), tar().file(".wh.d")]), ["x"]);
    assert_eq!(imported(&[below(), tar().file("d/.wh.e").file("no/.wh.such")]), ["d/", "d/a", "d/b", "x"]);
    assert_eq!(imported(&[below(), tar().file(".wh..wh..opq")]), [""; 0]);
    // Of its own layer it hides nothing, whichever comes first.
    for layer in [
        tar().file("d/.wh..wh..opq").file("d/c").file("d/e/g"),
        tar().file("d/c").file("d/e/g").file("d/.wh..wh..opq").file("d/.wh..wh..opq"),
        tar().file("d/c").file("d/e/g").file(".wh.d"),
        tar().file(".wh.d").file("d/c").file("d/e/g"),
    ] {
        assert_eq!(imported(&[below(), layer]), ["d/", "d/c", "d/e/", "d/e/g", "x"]);
    }
    assert_eq!(imported(&[below(), tar().file("x").file(".wh.x")]), ["d/", "d/a", "d/b", "d/e/", "d/e/f", "x"]);
    // A lowest layer has nothing below it; what AUFS kept for itself is of no image.
    assert_eq!(imported(&[tar().file("a").file(".wh.a").file(".wh..wh.aufs").dir(".wh..wh.plnk")]), ["a"]);
    assert_eq!(imported(&[below(), tar().file(".wh.d"), tar().file("d/z")]), ["d/", "d/z", "x"]);
}

#[test]
fn attack_27_whiteouts_stay_inside() {
    let layout = Layout::new();
    let canary = layout.host.canary();
    let refuses = |below: Tar, layer: Tar, words: &str| {
        layout.image(&[below.end(), layer.end()]);
        layout.refuses(words);
    };
    for name in [".wh.", ".wh..", ".wh...", "d/.wh.", "d/.wh..", "d/.wh..."] {
        refuses(tar().dir("d"), tar().file(name), "it is a whiteout of no name");
    }
    refuses(tar(), tar().file(".wh.../x"), "it lies in a whiteout");
    refuses(tar(), tar().file(".wh.d/x"), "it lies in a whiteout");
    let link = || tar().symlink("s", &canary);
    refuses(link(), tar().file("s/.wh.file"), "it lies behind the symbolic link s");
    refuses(link(), tar().file("s/.wh..wh..opq"), "it lies behind the symbolic link s");
    refuses(tar().dir("d").symlink("d/s", "/"), tar().file("d/s/tmp/.wh.x"), "it lies behind the symbolic link");
    refuses(tar().file("f"), tar().file("f/.wh.x"), "it lies in f, which is no directory");
    for kind in [EntryType::Symlink, EntryType::Directory, EntryType::Fifo] {
        refuses(tar(), tar().add(kind, b".wh.x", b"x", b""), "a whiteout has to be a file");
    }
    // What was in a directory has gone with it: umoci hides it once more.
    for (layer, left) in [(tar().symlink("d", &canary), format!("d@{canary}")), (tar().file("d"), "d".to_owned())] {
        let layer = layer.file("d/.wh.file").file("d/e/.wh.file").file("d/.wh..wh..opq");
        assert_eq!(imported(&[tar().dir("d").file("d/file").dir("d/e"), layer]), [left]);
    }
    // The link itself goes, and not what it leads to.
    assert_eq!(imported(&[tar().symlink("s", &canary).file("a"), tar().file(".wh.s")]), ["a"]);
    assert_eq!(imported(&[tar().dir("d").symlink("d/s", &canary), tar().file("d/.wh..wh..opq")]), ["d/"]);
}

#[test]
fn attack_03_layers_replace_and_never_write_through() {
    let canary = Layout::new().host.canary();
    let link = || tar().symlink("s", &canary);
    let layout = Layout::new();
    let canary_link = || tar().symlink("s", &layout.host.canary());
    layout.image(&[canary_link().end(), tar().file("s/file").end()]);
    layout.refuses("entry s/file: it lies behind the symbolic link s");
    layout.image(&[canary_link().end(), tar().link("l", "s/file").end()]);
    layout.refuses("it lies behind the symbolic link s");
    assert_eq!(imported(&[link(), tar().dir("s").file("s/file")]), ["s/", "s/file"]);
    assert_eq!(imported(&[link(), tar().file("s")]), ["s"]);
    assert_eq!(imported(&[tar().dir("d").file("d/a"), tar().file("d")]), ["d"]);
    assert_eq!(imported(&[tar().dir("d").file("d/a"), tar().symlink("d", "/tmp")]), ["d@/tmp"]);
    assert_eq!(imported(&[tar().file("d"), tar().dir("d").file("d/a")]), ["d/", "d/a"]);
    assert_eq!(imported(&[tar().dir("d").file("d/a"), tar().dir("d").file("d/b")]), ["d/", "d/a", "d/b"]);
    // Absolute paths are the image's own.
    let absolute = tar().dir("/").file("/f").link("/l", "/f").file("/etc/x").file("/d/.wh.a");
    assert_eq!(imported(&[tar().dir("d").file("d/a"), absolute]), ["d/", "etc/", "etc/x", "f", "l"]);
    for name in ["/../x", "//..", "/a/../../x"] {
        layout.image(&[tar().file(name).end()]);
        layout.refuses("its name has \"..\" in it");
    }
    // In one layer the last of two counts.
    assert_eq!(imported(&[tar().symlink("s", &canary).file("s")]), ["s"]);
    assert_eq!(imported(&[tar(), tar().dir("d").file("d/a").file("d").dir("d").file("d/b")]), ["d/", "d/b"]);
    let layout = Layout::new();
    let layers = [tar().dir("d").file("d/a"), tar().file("d/a").symlink("d", "/").file("d/b")];
    layout.image(&layers.map(Tar::end));
    layout.refuses("entry d/b: it lies behind the symbolic link d");
    layout.image(&[tar().file("a").end(), tar().add(EntryType::Symlink, b".", b"/", b"").end()]);
    layout.refuses("the root of an image has to be a directory");
}

#[test]
fn attack_03_hard_links_between_layers_are_names_of_one_file() {
    use std::os::unix::fs::MetadataExt;
    let layout = Layout::new();
    let change = tar().add(EntryType::Regular, b"a", b"", b"changed").link("c", "b");
    layout.image(&[tar().file("a").end(), tar().link("b", "a").end(), change.end()]);
    layout.import().unwrap();
    let read = |name: &str| fs::read_to_string(layout.host.root().join(name)).unwrap();
    assert_eq!((read("a"), read("b"), read("c")), ("changed".into(), "content".into(), "content".into()));
    assert_eq!(fs::metadata(layout.host.root().join("b")).unwrap().nlink(), 2);
    layout.host.check();
    let layout = Layout::new();
    layout.image(&[tar().file("a").end(), tar().link("a", "a").end()]);
    layout.refuses("cannot link it to a: the archive has no such entry before it");
    layout.image(&[tar().dir("d").file("d/a").end(), tar().link("d", "d/a").end()]);
    layout.refuses("cannot link it to d/a");
}

#[test]
fn attack_27_bombs_are_refused() {
    let layout = Layout::new();
    let bomb = |layer: &[u8]| {
        layout.image(&[layer.to_vec()]);
        layout.import().unwrap_err()
    };
    // Zeros without end behind the archive's end.
    let error = bomb(&gzip(&[tar().file("a").end(), vec![0; 65 << 20]].concat()));
    assert!(error.contains("the archive goes on after its end"), "{error}");
    let whole = gzip(&tar().file("a").end());
    let error = bomb(&whole[..whole.len() / 2]);
    assert!(error.starts_with("layer sha256:"), "{error}");
    assert!(bomb(b"not a tar, not compressed").contains("the archive is cut off"));
    let whole = tar().file("a").end();
    assert!(bomb(&whole[..515]).contains("the archive is cut off"));
    // Blocks of zeros at the end may be missing: the digest says that it is whole.
    layout.image(&[whole[..1024].to_vec()]);
    layout.import().unwrap();
    fs::remove_dir_all(layout.host.layout.images().join("i")).unwrap();
    // More than a gibibyte of a few kilobytes, and none of it is stored.
    let mut zeros = Vec::new();
    let mut writer = niffler::get_writer(Box::new(&mut zeros), niffler::Format::Zstd, niffler::Level::One).unwrap();
    let size = 1100u64 << 20;
    let header = tar().pax(&[("size", size.to_string().as_bytes())]).file(".wh.x").end();
    writer.write_all(&header[..header.len() - 1024 - 512]).unwrap();
    (0..size >> 20).for_each(|_| writer.write_all(&[0; 1 << 20]).unwrap());
    drop(writer);
    let error = bomb(&zeros);
    assert!(error.contains("it expands to more than 1 GiB and 200 times its size"), "{error}");
    layout.host.check();
}
