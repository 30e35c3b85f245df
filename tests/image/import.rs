//! Archives by GNU tar, and directories and raw images, as images of a store.

use std::fs;
use std::path::Path;

use soute::image::import::{Options, import};
use soute::image::raw::superblock::FsType;
use soute::image::store::{ImageInfo, Kind, Store};
use soute::layout::Layout;

use crate::lab::{everything, run};
use crate::listing::{assert_same, listing};

fn imported(layout: &Layout, name: &str, source: &Path) -> ImageInfo {
    import(layout, name, source, &Options::default(), &mut |_, _| ()).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
#[ignore = "rung 1: needs root"]
fn gnu_tar_in_every_dress_gives_what_the_directory_gives() {
    let dir = tempfile::tempdir().unwrap();
    let layout = Layout::new(dir.path().join("host"));
    let source = dir.path().join("source");
    fs::create_dir(&source).unwrap();
    everything(&source);
    // tar(1) leaves sockets out.
    fs::remove_file(source.join("socket")).unwrap();
    fs::create_dir(source.join("etc")).unwrap();
    fs::copy("/etc/passwd", source.join("etc/passwd")).unwrap();
    fs::copy("/etc/group", source.join("etc/group")).unwrap();
    let long = source.join("a".repeat(120)).join("b".repeat(130));
    fs::create_dir_all(&long).unwrap();
    std::os::unix::fs::symlink("c".repeat(200), long.join("link")).unwrap();
    fs::hard_link(source.join("zlink"), long.join("hard")).unwrap();
    // 100 pieces are more than the header of the old format has room for.
    let many = fs::File::create(source.join("many-holes")).unwrap();
    (0..100).for_each(|n| std::os::unix::fs::FileExt::write_all_at(&many, &[9; 4096], n << 16).unwrap());
    run("touch", &["-d", "2020-02-02 02:02:02.02", source.to_str().unwrap()]);
    let by_directory = imported(&layout, "directory", &source);
    let wanted = listing(&source, false);
    let root = |name: &str| layout.images().join(name).join("root");
    assert_same(&listing(&root("directory"), false), &wanted);
    assert_eq!((by_directory.kind, by_directory.fs), (Kind::Tree, None));

    let archive = dir.path().join("archive");
    for (name, arguments) in [
        ("posix", &["--format=posix", "--sparse", "--xattrs", "--xattrs-include=*", "--acls"][..]),
        (
            "sparse01",
            &["--format=posix", "--sparse", "--sparse-version=0.1", "--xattrs", "--xattrs-include=*", "--acls"],
        ),
        ("gz", &["--format=posix", "--sparse", "--xattrs", "--xattrs-include=*", "--acls", "--gzip"]),
        ("zst", &["--format=posix", "--sparse", "--xattrs", "--xattrs-include=*", "--acls", "--zstd"]),
        ("xz", &["--format=posix", "--sparse", "--xattrs", "--xattrs-include=*", "--acls", "--xz"]),
        ("bz2", &["--format=posix", "--sparse", "--xattrs", "--xattrs-include=*", "--acls", "--bzip2"]),
    ] {
        let mut all = vec!["--numeric-owner", "--create", "--file", archive.to_str().unwrap(), "--directory"];
        all.extend([source.to_str().unwrap()].iter().chain(arguments).chain(&["."]));
        run("tar", &all);
        let info = imported(&layout, name, &archive);
        assert_same(&listing(&root(name), false), &wanted);
        assert_eq!((info.digest, info.size), (by_directory.digest.clone(), by_directory.size), "{name}");
    }
    // The old format has neither attributes nor parts of a second: against GNU tar's own extraction.
    run(
        "tar",
        &[
            "--numeric-owner",
            "--format=gnu",
            "--sparse",
            "-cf",
            archive.to_str().unwrap(),
            "-C",
            source.to_str().unwrap(),
            ".",
        ],
    );
    imported(&layout, "gnu", &archive);
    let by_tar = dir.path().join("by-tar");
    fs::create_dir(&by_tar).unwrap();
    run("tar", &["--numeric-owner", "--same-owner", "-xpf", archive.to_str().unwrap(), "-C", by_tar.to_str().unwrap()]);
    assert_same(&listing(&root("gnu"), false), &listing(&by_tar, false));
}

/// tar(1) cannot, so no other test has one.
#[test]
#[ignore = "rung 1: needs root"]
fn a_directory_is_imported_with_its_sockets_and_all() {
    let dir = tempfile::tempdir().unwrap();
    let layout = Layout::new(dir.path().join("host"));
    let source = dir.path().join("source");
    fs::create_dir(&source).unwrap();
    everything(&source);
    let wanted = listing(&source, false);
    assert!(wanted.contains("\"socket\" 140"), "the premise: {wanted}");
    imported(&layout, "i", &source);
    assert_same(&listing(&layout.images().join("i/root"), false), &wanted);
}

#[test]
fn an_image_is_replaced_only_if_asked_and_never_half() {
    let dir = tempfile::tempdir().unwrap();
    let layout = Layout::new(dir.path().join("host"));
    let source = dir.path().join("source");
    fs::create_dir(&source).unwrap();
    fs::write(source.join("file"), b"one").unwrap();
    let first = imported(&layout, "i", &source);
    fs::write(source.join("file"), b"two").unwrap();
    let again = |options: &Options<'_>| import(&layout, "i", &source, options, &mut |_, _| ());
    assert_eq!(
        again(&Options::default()).unwrap_err().to_string(),
        "image i exists: remove it, or import with --replace"
    );
    let replace = Options { replace: true, ..Options::default() };
    let store = Store::new(&layout).unwrap();
    let copied = store.open("i").unwrap();
    copied.pin().unwrap();
    assert_eq!(again(&replace).unwrap_err().exit(), soute::error::Exit::Busy);
    assert_eq!(fs::read(layout.images().join("i/root/file")).unwrap(), b"one");
    drop(copied);
    let second = again(&replace).unwrap();
    assert_ne!(first.digest, second.digest);
    assert_eq!(fs::read(layout.images().join("i/root/file")).unwrap(), b"two");
    assert_eq!(Store::new(&layout).unwrap().open("i").unwrap().info, second);
    assert_eq!(fs::read_dir(layout.images()).unwrap().count(), 1, "nothing is left");
    // Under who runs on it: that one is kept, as long as it is needed.
    fs::write(source.join("file"), b"three").unwrap();
    let ran_on = store.open("i").unwrap().root().unwrap();
    let third = again(&Options { on_image: Some(|_, _| Ok(vec!["web".into()])), ..replace.clone() }).unwrap();
    assert_eq!(store.open("i").unwrap().info, third);
    store.sweep(&layout).unwrap();
    store.sweep_replaced(&layout, &[first.digest, second.digest]).unwrap();
    let kept = soute::image::tree::access::open_file(std::os::fd::AsFd::as_fd(&ran_on), c"file").unwrap();
    assert_eq!(std::io::read_to_string(fs::File::from(kept)).unwrap(), "two");
    assert_eq!(store.names().unwrap(), ["i"]);
    store.sweep_replaced(&layout, &[third.digest]).unwrap();
    assert_eq!(fs::read_dir(layout.images()).unwrap().count(), 1, "nothing is left");
    assert_eq!(fs::read(layout.images().join("i/root/file")).unwrap(), b"three");
}

#[test]
fn what_is_no_image_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let layout = Layout::new(dir.path().join("host"));
    let file = dir.path().join("file");
    let refused = |content: &[u8]| {
        fs::write(&file, content).unwrap();
        let error = import(&layout, "i", &file, &Options::default(), &mut |_, _| ()).unwrap_err();
        assert_eq!(fs::read_dir(layout.images()).unwrap().count(), 0, "nothing is left");
        error.to_string()
    };
    let start = format!("cannot import {}: ", file.display());
    assert!(refused(b"#!/bin/sh").starts_with(&format!("{start}it is of an unknown kind: soute takes")));
    assert!(refused(b"").starts_with(&format!("{start}it is empty")));
    assert!(
        refused(b"\x1f\x8bnonsense").contains("cannot read the archive") || !refused(b"\x1f\x8bnonsense").is_empty()
    );
    let fifo = dir.path().join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let error = import(&layout, "i", &fifo, &Options::default(), &mut |_, _| ()).unwrap_err().to_string();
    assert!(error.ends_with("it is neither a directory nor a regular file"), "{error}");
    let error = import(&layout, "i", &dir.path().join("none"), &Options::default(), &mut |_, _| ()).unwrap_err();
    assert!(error.to_string().ends_with("none: No such file or directory"), "{error}");
}

#[test]
fn a_raw_image_is_stored_with_its_file_system_and_its_holes() {
    let dir = tempfile::tempdir().unwrap();
    let layout = Layout::new(dir.path().join("host"));
    let file = dir.path().join("disk");
    fs::File::create(&file).unwrap().set_len(16 << 20).unwrap();
    run("/sbin/mke2fs", &["-q", "-t", "ext4", "-e", "panic", file.to_str().unwrap()]);
    let info = imported(&layout, "i", &file);
    assert_eq!((info.kind, info.fs, info.size), (Kind::Raw, Some(FsType::Ext4), 16 << 20));
    let wanted = run("sha256sum", &[file.to_str().unwrap()]);
    assert_eq!(info.digest, format!("sha256:{}", wanted.split(' ').next().unwrap()));
    let stored = fs::metadata(layout.images().join("i/disk.raw")).unwrap();
    let blocks = std::os::unix::fs::MetadataExt::blocks(&stored);
    assert!(blocks * 512 < 8 << 20, "{blocks} blocks");
    assert_eq!(std::os::unix::fs::MetadataExt::mode(&stored) & 0o7777, 0o600);
}
