//! Second names of images and images of disks, on file systems that share in different ways; and what is whose then.

use std::fs;
use std::os::fd::AsFd;
use std::path::Path;

use soute::image::disk::{self, DiskPlan, DiskRecord, commit};
use soute::image::import::{Options, import};
use soute::image::store::{Kind, Store};
use soute::image::tag::tag;
use soute::image::tree::digest;
use soute::image::tree::usage::{self, Usage};
use soute::layout::Layout;

use crate::lab::{Mounted, everything};
use crate::listing::{assert_same, listing};

const BIG: u64 = 3_000_001;

/// From another file system: nothing of the image is shared with what it was made from.
fn host(mnt: &Path) -> Layout {
    let (layout, source) = (Layout::new(mnt.join("host")), tempfile::tempdir().unwrap());
    everything(source.path());
    import(&layout, "i", source.path(), &Options::default(), &mut |_, _| ()).unwrap();
    layout
}

fn of_image(layout: &Layout, name: &str) -> Usage {
    // What has not been written has no extents yet that could be shared.
    rustix::fs::sync();
    usage::tree(Store::new(layout).unwrap().open(name).unwrap().root().unwrap().as_fd()).unwrap()
}

/// Blocks are shared by two names, and by neither once one is gone.
fn check(kind: &str, megabytes: u64) {
    let mounted = Mounted::new(kind, megabytes);
    let layout = host(&mounted.path());
    let alone = of_image(&layout, "i");
    assert!(alone.used >= BIG && alone.exclusive >= BIG, "the premise: {alone:?}");
    let free = || free_bytes(&mounted.path());
    let before = free();
    tag(&layout, "i", "second", &mut |_, _| ()).unwrap();
    rustix::fs::sync();
    assert!(before - free() < BIG, "no content is copied: {}", before - free());
    let store = Store::new(&layout).unwrap();
    let second = store.open("second").unwrap();
    assert_eq!(second.info, store.open("i").unwrap().info);
    assert_eq!(digest::tree(second.root().unwrap().as_fd()).unwrap().digest, second.info.digest);
    for name in ["i", "second"] {
        let usage = of_image(&layout, name);
        assert!(usage.used >= BIG && usage.exclusive < BIG / 4, "{name} {usage:?}");
    }
    // The container's own copy is another matter.
    disk::create_record(&layout, "web", &DiskRecord::default(), false).unwrap();
    let plan = DiskPlan { name: "web", image: "second", shift: false, durable: false };
    let web = disk::materialize(&layout, &plan, &|_| Ok(None), &mut |_, _| ()).unwrap();
    let file = layout.disks().join("web/root/big");
    fs::write(&file, vec![8; BIG as usize]).unwrap();
    rustix::fs::sync();
    let usage = usage::tree(web.root().unwrap().as_fd()).unwrap();
    assert!(usage.exclusive >= BIG, "{usage:?}");
    drop(second);
    store.remove(&layout, "i", |_, _| Ok(Vec::new())).unwrap();
    disk::remove(&layout, "web").unwrap();
    // XFS and btrfs free what is removed a while later.
    let alone_again = || {
        (0..600).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(100));
            of_image(&layout, "second").exclusive >= BIG
        })
    };
    assert!(alone_again(), "{:?}", of_image(&layout, "second"));
    let second = store.open("second").unwrap();
    assert_eq!(digest::tree(second.root().unwrap().as_fd()).unwrap().digest, second.info.digest);
}

/// Bytes that are free.
fn free_bytes(path: &Path) -> u64 {
    let stat = rustix::fs::statvfs(path).unwrap();
    stat.f_bfree * stat.f_frsize
}

#[test]
#[ignore = "rung 1: needs root"]
fn by_reflinks_on_xfs() {
    check("xfs", 400);
}

#[test]
#[ignore = "rung 1: needs root"]
fn by_snapshots_on_btrfs() {
    check("btrfs", 400);
}

#[test]
#[ignore = "rung 1: needs root"]
fn by_hard_links_on_ext4() {
    check("ext4", 200);
}

#[test]
#[ignore = "rung 1: needs root"]
fn a_disk_with_shifted_ids_becomes_the_image_that_it_was() {
    let mounted = Mounted::new("xfs", 400);
    let layout = host(&mounted.path());
    let record = DiskRecord { ids: Some(524_288), ..DiskRecord::default() };
    disk::create_record(&layout, "web", &record, false).unwrap();
    let plan = DiskPlan { name: "web", image: "i", shift: true, durable: false };
    disk::materialize(&layout, &plan, &|_| Ok(None), &mut |_, _| ()).unwrap();
    let of = |path: &str| listing(&layout.store().join(path), false);
    assert!(of("disks/web/root").contains(" 104755 524321:524332 "), "the premise: ids are shifted");
    let made = commit::commit(&layout, "web", "back", &Options::default(), &mut |_, _| ()).unwrap();
    assert_same(&of("images/back/root"), &of("images/i/root"));
    let was = Store::new(&layout).unwrap().open("i").unwrap().info;
    assert_eq!((made.kind, made.digest, made.size), (Kind::Tree, was.digest, was.size));
    assert_eq!(made.origin, "the disk of web, a copy of i");
}
