//! What is exported is what GNU tar reads, and what an import makes of it is the same image.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use rustix::fs::{XattrFlags, lsetxattr};
use soute::image::export::to_file;
use soute::image::import::{Options, import};
use soute::image::store::{ImageInfo, Store};
use soute::layout::Layout;

use crate::lab::{everything, run};
use crate::listing::{assert_same, listing};

fn imported(layout: &Layout, name: &str, source: &Path) -> ImageInfo {
    import(layout, name, source, &Options::default(), &mut |_, _| ()).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// One of everything, and what the headers of an archive have too little room for.
fn odd(source: &Path) {
    fs::create_dir(source).unwrap();
    everything(source);
    let long = source.join("a".repeat(120)).join("b".repeat(250)).join("ü".repeat(90));
    fs::create_dir_all(&long).unwrap();
    std::os::unix::fs::symlink("c".repeat(1000), long.join("link")).unwrap();
    fs::hard_link(source.join("zlink"), long.join("hard")).unwrap();
    let many = File::create(long.join("many-holes")).unwrap();
    (0..100).for_each(|n| many.write_all_at(&[9; 4096], n << 16).unwrap());
    fs::write(source.join("large-ids"), b"x").unwrap();
    run("chown", &["4000000000:3000000", source.join("large-ids").to_str().unwrap()]);
    lsetxattr(source.join("empty"), "user.nothing", b"", XattrFlags::empty()).unwrap();
    run("touch", &["-d", "2020-02-02 02:02:02.02", source.to_str().unwrap()]);
}

#[test]
#[ignore = "rung 1: needs root"]
fn a_tree_comes_back_as_it_was_and_gnu_tar_reads_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let layout = Layout::new(dir.path().join("host"));
    let source = dir.path().join("source");
    odd(&source);
    imported(&layout, "with-socket", &source);
    let path = |name: &str| dir.path().join(name);
    let image = Store::new(&layout).unwrap().open("with-socket").unwrap();
    let left_out = to_file(&image, &path("socket.tar"), false, &mut |_, _| ()).unwrap();
    assert_eq!(left_out, [b"./socket".to_vec()]);

    fs::remove_file(source.join("socket")).unwrap();
    run("touch", &["-d", "2020-02-02 02:02:02.02", source.to_str().unwrap()]);
    let info = imported(&layout, "i", &source);
    let image = Store::new(&layout).unwrap().open("i").unwrap();
    for file in ["a.tar", "b.tar", "c.tar.zst"] {
        assert_eq!(to_file(&image, &path(file), false, &mut |_, _| ()).unwrap(), Vec::<Vec<u8>>::new());
    }
    assert!(fs::read(path("a.tar")).unwrap() == fs::read(path("b.tar")).unwrap(), "the same bytes each time");
    assert!(fs::metadata(path("a.tar")).unwrap().len() < 16 << 20, "holes are not written");
    assert_eq!(imported(&layout, "again", &path("a.tar")).digest, info.digest);
    assert_eq!(imported(&layout, "zst", &path("c.tar.zst")).digest, info.digest);
    assert_same(&listing(&layout.images().join("again/root"), false), &listing(&source, false));

    fs::create_dir(path("by-tar")).unwrap();
    let archive = path("a.tar");
    let arguments = ["--numeric-owner", "--same-permissions", "--xattrs", "--xattrs-include=*", "--extract"];
    let places =
        ["--file", archive.to_str().unwrap(), "--directory", path("by-tar").to_str().unwrap()].map(str::to_owned);
    run("tar", &[&arguments[..], &places.each_ref().map(String::as_str)].concat());
    assert_same(&listing(&path("by-tar"), false), &listing(&source, false));
}

#[test]
#[ignore = "rung 1: needs root"]
fn a_raw_image_keeps_its_holes() {
    let dir = tempfile::tempdir().unwrap();
    let layout = Layout::new(dir.path().join("host"));
    let path = |name: &str| dir.path().join(name);
    File::create(path("disk")).unwrap().set_len(64 << 20).unwrap();
    run("mkfs.ext4", &["-q", path("disk").to_str().unwrap()]);
    let info = imported(&layout, "raw", &path("disk"));
    let image = Store::new(&layout).unwrap().open("raw").unwrap();
    for (name, file) in [("plain", "out"), ("gz", "out.gz"), ("zst", "out.zst")] {
        to_file(&image, &path(file), false, &mut |_, _| ()).unwrap();
        if name == "plain" {
            let meta = fs::metadata(path(file)).unwrap();
            assert!(meta.len() == 64 << 20 && meta.blocks() * 512 < 32 << 20, "{} blocks", meta.blocks());
            assert_eq!(imported(&layout, name, &path(file)).digest, info.digest);
        } else {
            let program = if name == "gz" { "gzip" } else { "zstd" };
            run(program, &["-q", "-d", "-f", "-k", path(file).to_str().unwrap()]);
            assert!(fs::read(path("out")).unwrap() == fs::read(path("disk")).unwrap(), "{name}");
        }
    }
    let error = to_file(&image, &path("out"), false, &mut |_, _| ()).unwrap_err().to_string();
    assert_eq!(error, "it exists (--force replaces it)");
}
