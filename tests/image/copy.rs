//! Copies against `cp -a`, on the file systems that differ.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::path::Path;

use soute::image::copy::{CopyMethod, Options, copy_tree, tree};
use soute::image::tree::xattr::Shift;

use crate::lab::{Mounted, acl, everything, run};
use crate::listing::{assert_same, listing};

fn copied(source: &Path, to: &Path, options: Options) -> CopyMethod {
    let (source, to) = (File::open(source).unwrap(), File::open(to).unwrap());
    tree(source.as_fd(), to.as_fd(), c"copy", options, &mut |_, _| ()).unwrap()
}

/// The same tree by us and by `cp -a`, and equal to what it was made from.
fn check(mnt: &Path, method: CopyMethod) {
    let source = mnt.join("source");
    fs::create_dir(&source).unwrap();
    everything(&source);
    run("cp", &["-a", source.to_str().unwrap(), mnt.join("by-cp").to_str().unwrap()]);
    let wanted = listing(&source, true);
    assert!(wanted.lines().count() == 18, "the premise: {wanted}");
    assert_eq!(copied(&source, mnt, Options::default()), method);
    assert_same(&listing(&mnt.join("copy"), true), &wanted);
    assert_same(&listing(&mnt.join("by-cp"), true), &wanted);
    assert_same(&listing(&source, true), &wanted);
}

#[test]
#[ignore = "rung 1: needs root"]
fn xfs_shares_extents_and_keeps_everything() {
    let fs = Mounted::new("xfs", 400);
    check(&fs.path(), CopyMethod::Reflink);
}

#[test]
#[ignore = "rung 1: needs root"]
fn btrfs_without_a_subvolume_shares_extents_and_the_copy_can_be_snapshot() {
    let mounted = Mounted::new("btrfs", 400);
    check(&mounted.path(), CopyMethod::Reflink);
    let second = mounted.path().join("second");
    fs::create_dir(&second).unwrap();
    let copy = mounted.path().join("copy");
    assert_eq!(copied(&copy, &second, Options::default()), CopyMethod::Snapshot);
    assert_same(&listing(&second.join("copy"), true), &listing(&copy, true));
    fs::write(second.join("copy/big"), b"mine").unwrap();
    assert_eq!(fs::metadata(copy.join("big")).unwrap().len(), 3_000_001, "the image stays as it is");
}

#[test]
#[ignore = "rung 1: needs root"]
fn ext4_copies_bytes_and_keeps_holes() {
    let fs = Mounted::new("ext4", 200);
    check(&fs.path(), CopyMethod::Plain);
}

#[test]
#[ignore = "rung 1: needs root"]
fn across_file_systems_nothing_is_lost_either() {
    let (from, to) = (Mounted::new("xfs", 400), Mounted::new("ext4", 200));
    everything(&from.path());
    assert_eq!(copied(&from.path(), &to.path(), Options::default()), CopyMethod::Plain);
    assert_same(&listing(&to.path().join("copy"), true), &listing(&from.path(), true));
}

#[test]
#[ignore = "rung 1: needs root"]
fn shifted_ids_are_in_owners_acls_and_capabilities() {
    // XFS, as it has a second door to each ACL (trusted.SGI_ACL_*).
    let fs = Mounted::new("xfs", 400);
    let source = fs.path().join("source");
    std::fs::create_dir(&source).unwrap();
    everything(&source);
    assert_eq!(
        copied(&source, &fs.path(), Options { shift: Some(Shift::To(524_288)), ..Options::default() }),
        CopyMethod::Reflink
    );
    let (ours, was) = (listing(&fs.path().join("copy"), false), listing(&source, false));
    let line = |text: &str, name: &str| text.lines().find(|l| l.starts_with(&format!("{name:?} "))).unwrap().to_owned();
    assert!(line(&was, "dir/file").contains(" 104755 33:44 "));
    assert!(line(&ours, "dir/file").contains(" 104755 524321:524332 "), "{}", line(&ours, "dir/file"));
    assert!(line(&ours, "absolute").contains(" 525288:525289 "));
    let shown = |bytes: &[u8]| format!("{bytes:02x?}");
    assert!(line(&was, "dir/deeper").contains(&shown(&acl(33, 44))));
    assert!(line(&ours, "dir/deeper").contains(&shown(&acl(524_321, 524_332))));
    assert!(line(&ours, "big").contains("security.capability=[01, 00, 00, 03, 0a, 20, "), "{}", line(&ours, "big"));
    assert!(line(&ours, "big").contains(", 00, 00, 08, 00];"), "root of the container: {}", line(&ours, "big"));
}

#[test]
#[ignore = "rung 1: needs root"]
fn what_is_mounted_in_a_tree_stays_out_of_its_copy() {
    let fs = Mounted::new("xfs", 400);
    let source = fs.path().join("source");
    std::fs::create_dir_all(source.join("proc")).unwrap();
    run("mount", &["-t", "tmpfs", "-o", "mode=0711", "none", source.join("proc").to_str().unwrap()]);
    std::fs::write(source.join("proc/secret"), b"x").unwrap();
    copied(&source, &fs.path(), Options::default());
    run("umount", &[source.join("proc").to_str().unwrap()]);
    assert_eq!(std::fs::read_dir(fs.path().join("copy/proc")).unwrap().count(), 0);
}

#[test]
fn a_tree_without_bottom_is_refused_and_named() {
    let dir = tempfile::tempdir().unwrap();
    let mut deep = dir.path().join("source");
    for _ in 0..300 {
        deep.push("d");
    }
    fs::create_dir_all(&deep).unwrap();
    let (source, to) = (File::open(dir.path().join("source")).unwrap(), File::open(dir.path()).unwrap());
    let error = copy_tree(source.as_fd(), to.as_fd(), c"copy", Options::default(), &mut |_, _| ()).unwrap_err();
    assert!(error.to_string().contains("deeper than 256 directories"), "{error}");
    assert!(error.to_string().starts_with("cannot copy /d/d/d/"), "{error}");
}
