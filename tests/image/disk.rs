//! Disks and their records, on whatever file system /tmp is.

use std::fs;
use std::path::Path;

use soute::image::copy::CopyMethod;
use soute::image::disk::ids::{self, Pool};
use soute::image::disk::{self, DiskPlan, DiskRecord, LastExit};
use soute::image::store::{ImageInfo, Kind, Store};
use soute::layout::Layout;

/// A store with one image, made by hand.
fn host(root: &Path) -> Layout {
    let layout = Layout::new(root);
    let image = layout.images().join("busybox");
    fs::create_dir_all(image.join("root/bin")).unwrap();
    fs::write(image.join("root/bin/sh"), b"#!").unwrap();
    let info = ImageInfo {
        kind: Kind::Tree,
        fs: None,
        origin: "by hand".into(),
        digest: "sha256:00".into(),
        manifest: None,
        pinned: None,
        verified: None,
        created: "2026-01-01T00:00:00Z".into(),
        size: 2,
        declared: Default::default(),
    };
    fs::write(image.join("image.toml"), toml::to_string(&info).unwrap()).unwrap();
    layout
}

fn record(layout: &Layout, name: &str) -> disk::Disk {
    let record = DiskRecord { image: "busybox".into(), ..DiskRecord::default() };
    ids::assign(layout, Pool::default(), name, record, true).unwrap()
}

#[test]
fn a_disk_is_made_kept_and_removed() {
    let dir = tempfile::tempdir().unwrap();
    let layout = host(dir.path());
    assert!(disk::open(&layout, "web").unwrap().is_none());
    let first = record(&layout, "web").record.ids.unwrap();
    let plan = DiskPlan { name: "web", image: "busybox", shift: false, durable: true };
    let mut seen = 0;
    let made = disk::materialize(&layout, &plan, &|_| Ok(None), &mut |done, total| {
        assert_eq!(total, Some(2));
        seen = done;
    })
    .unwrap();
    assert_eq!((seen, made.kind().unwrap()), (2, Some(Kind::Tree)));
    assert_eq!(made.record.digest, "sha256:00");
    assert!(matches!(made.record.copied, Some(CopyMethod::Plain | CopyMethod::Reflink | CopyMethod::Snapshot)));
    let file = layout.disks().join("web/root/bin/sh");
    fs::write(&file, b"changed").unwrap();
    disk::materialize(&layout, &plan, &|_| Ok(None), &mut |_, _| panic!("it is there already")).unwrap();
    assert_eq!(fs::read(&file).unwrap(), b"changed");
    assert_eq!(record(&layout, "web").record.ids, Some(first), "ids are kept");

    let exit = LastExit { result: "signal".into(), code: "killed".into(), status: "KILL".into(), time: "now".into() };
    disk::record_exit(&layout, "web", &exit).unwrap();
    assert_eq!(disk::read_exit(&layout, "web").unwrap(), Some(exit));
    disk::destroy_copy(&layout, "web").unwrap();
    assert_eq!(disk::open(&layout, "web").unwrap().unwrap().kind().unwrap(), None);
    assert_eq!(disk::names(&layout).unwrap(), ["web"]);
    assert!(disk::remove(&layout, "web").unwrap());
    assert!(!disk::remove(&layout, "web").unwrap());
    assert_eq!(fs::read_dir(layout.disks()).unwrap().count(), 0, "nothing is left");
}

#[test]
fn leftovers_are_swept_and_living_work_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let layout = host(dir.path());
    record(&layout, "web");
    let disks = layout.disks();
    fs::create_dir_all(disks.join(".tmp-1-dead/root/x")).unwrap();
    fs::create_dir_all(disks.join(".trash-1-dead/root/x")).unwrap();
    let living = disks.join(".tmp-2-living");
    fs::create_dir(&living).unwrap();
    let lock = fs::File::open(&living).unwrap();
    lock.lock().unwrap();
    disk::sweep(&layout).unwrap();
    let mut left: Vec<_> = fs::read_dir(&disks).unwrap().map(|e| e.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, [".tmp-2-living", "web"]);
    drop(lock);
    // A process that another test has forked a moment ago has the lock too, until it executes its program.
    let gone = || {
        disk::sweep(&layout).unwrap();
        !living.exists()
    };
    assert!((0..200).any(|_| gone() || {
        std::thread::sleep(std::time::Duration::from_millis(50));
        false
    }));
}

#[test]
fn a_failed_copy_leaves_only_the_record() {
    let dir = tempfile::tempdir().unwrap();
    let layout = host(dir.path());
    record(&layout, "web");
    let mut deep = layout.images().join("busybox/root");
    (0..300).for_each(|_| deep.push("d"));
    fs::create_dir_all(&deep).unwrap();
    let plan = DiskPlan { name: "web", image: "busybox", shift: false, durable: false };
    let error = disk::materialize(&layout, &plan, &|_| Ok(None), &mut |_, _| ()).unwrap_err().to_string();
    assert!(error.starts_with("cannot copy image busybox: cannot copy /"), "{error}");
    let left: Vec<_> = fs::read_dir(layout.disks()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["web"]);
    assert_eq!(disk::open(&layout, "web").unwrap().unwrap().kind().unwrap(), None);
}

#[test]
fn a_tree_of_any_depth_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let layout = host(dir.path());
    record(&layout, "web");
    // 3000 levels: more than a path can name, so made piece by piece, as a payload would.
    let mut at = fs::File::open(layout.disks().join("web")).unwrap();
    for name in std::iter::once("root").chain(std::iter::repeat_n("d", 3000)) {
        rustix::fs::mkdirat(&at, name, rustix::fs::Mode::RWXU).unwrap();
        let flags = rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::CLOEXEC;
        at = rustix::fs::openat(&at, name, flags, rustix::fs::Mode::empty()).unwrap().into();
    }
    assert!(disk::remove(&layout, "web").unwrap());
    assert_eq!(fs::read_dir(layout.disks()).unwrap().count(), 0);
}

#[test]
fn a_record_that_is_no_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let layout = host(dir.path());
    record(&layout, "web");
    let path = layout.disks().join("web/disk.toml");
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
    let error = disk::open(&layout, "web").unwrap_err().to_string();
    assert!(error.contains("cannot open disk.toml: Too many levels of symbolic links"), "{error}");
    fs::remove_file(&path).unwrap();
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert!(disk::open(&layout, "web").unwrap_err().to_string().ends_with("not a regular file"));
    let error = ids::assign(&layout, Pool::default(), "db", DiskRecord::default(), true).unwrap_err().to_string();
    assert!(error.starts_with("cannot tell which ids are free: cannot open the disk of web"), "{error}");
}

#[test]
fn an_image_in_use_is_not_removed() {
    let dir = tempfile::tempdir().unwrap();
    let layout = host(dir.path());
    let store = Store::new(&layout).unwrap();
    assert_eq!(store.names().unwrap(), ["busybox"]);
    let image = store.open("busybox").unwrap();
    image.pin().unwrap();
    let error = store.remove(&layout, "busybox", |_, _| Ok(Vec::new())).unwrap_err();
    assert_eq!((error.exit(), error.to_string().as_str()), (soute::error::Exit::Busy, "image busybox is being copied"));
    drop(image);
    let error = store.remove(&layout, "busybox", |_, _| Ok(vec!["web".into(), "db".into()])).unwrap_err();
    assert_eq!(error.to_string(), "image busybox is in use by web, db");
    store.remove(&layout, "busybox", |_, _| Ok(Vec::new())).unwrap();
    assert_eq!(store.open("busybox").unwrap_err().exit(), soute::error::Exit::NotFound);
    assert_eq!(store.open("../busybox").unwrap_err().exit(), soute::error::Exit::Usage);
}
