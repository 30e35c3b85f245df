//! Raw disks on real loop devices: direct I/O, autoclear, and two copies of one image mounted at a time.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use soute::image::copy::CopyMethod;
use soute::image::disk::{self, DiskPlan, DiskRecord};
use soute::image::import::{Options, import};
use soute::image::raw::loopdev;
use soute::image::raw::superblock::FsType;
use soute::image::store::Store;
use soute::layout::Layout;

use crate::lab::{Mounted, run};

fn image(dir: &Path, program: &str, arguments: &[&str], megabytes: u64) -> PathBuf {
    let file = dir.join("disk");
    File::create(&file).unwrap().set_len(megabytes << 20).unwrap();
    run(program, &[arguments, &[file.to_str().unwrap()]].concat());
    file
}

/// Two containers' disks of one image.
fn two_disks(layout: &Layout) -> [disk::Disk; 2] {
    ["a", "b"].map(|name| {
        disk::create_record(layout, name, &DiskRecord { image: "i".into(), ..Default::default() }, false).unwrap();
        let plan = DiskPlan { name, image: "i", shift: false, durable: true };
        disk::materialize(layout, &plan, &|_| Ok(None), &mut |_, _| ()).unwrap()
    })
}

/// Mounts both at a time, writes to one, and sees that the other is another.
fn mount_both(layout: &Layout, at: &Path, fs: FsType) {
    let disks = two_disks(layout);
    let options: Vec<String> =
        fs.mount_options().iter().map(|(k, v)| v.map_or(k.to_string(), |v| format!("{k}={v}"))).collect();
    let options = if options.is_empty() { "rw".to_owned() } else { options.join(",") };
    let mounts = disks.each_ref().map(|disk| {
        let device = loopdev::attach(disk.raw().unwrap().as_fd(), false).unwrap();
        // Reflinked on XFS, direct I/O goes by whole blocks: 512-byte sectors would do without.
        assert!(device.direct_io || fs != FsType::Btrfs);
        let target = at.join(format!("mnt{}", device.number));
        fs::create_dir(&target).unwrap();
        run("mount", &["-t", fs.name(), "-o", &options, &device.path(), target.to_str().unwrap()]);
        target
    });
    fs::write(mounts[0].join("file"), b"mine").unwrap();
    assert!(!mounts[1].join("file").exists());
    for target in &mounts {
        run("umount", &[target.to_str().unwrap()]);
    }
}

fn both_at_a_time(program: &str, arguments: &[&str], megabytes: u64, fs: FsType) {
    let mounted = Mounted::new("xfs", 2000);
    let dir = mounted.path();
    let layout = Layout::new(dir.join("host"));
    let source = image(&dir, program, arguments, megabytes);
    let info = import(&layout, "i", &source, &Options::default(), &mut |_, _| ()).unwrap();
    assert_eq!(info.fs, Some(fs));
    mount_both(&layout, &dir, fs);
    let disk = disk::open(&layout, "a").unwrap().unwrap();
    assert_eq!(disk.record.copied, Some(CopyMethod::Reflink));
    assert_eq!(disk.record.digest, info.digest);
}

#[test]
#[ignore = "rung 1: needs root"]
fn two_copies_of_one_btrfs_are_two_file_systems() {
    both_at_a_time("mkfs.btrfs", &["-q"], 128, FsType::Btrfs);
}

#[test]
#[ignore = "rung 1: needs root"]
fn two_copies_of_one_btrfs_have_ids_of_their_own() {
    let mounted = Mounted::new("xfs", 2000);
    let layout = Layout::new(mounted.path().join("host"));
    let source = image(&mounted.path(), "mkfs.btrfs", &["-q"], 128);
    import(&layout, "i", &source, &Options::default(), &mut |_, _| ()).unwrap();
    two_disks(&layout);
    let raw = |name: &str| layout.disks().join(name).join("disk.raw").to_str().unwrap().to_owned();
    let ids = ["a", "b"].map(|name| run("btrfs", &["inspect-internal", "dump-super", &raw(name)]));
    let line = |text: &str, key: &str| text.lines().find(|l| l.starts_with(key)).unwrap().to_owned();
    assert_ne!(line(&ids[0], "fsid"), line(&ids[1], "fsid"));
    assert_eq!(line(&ids[0], "metadata_uuid"), line(&ids[1], "metadata_uuid"));
    assert!(ids.iter().all(|text| line(text, "csum\t").contains("[match]")), "{}", ids[0]);
    for name in ["a", "b"] {
        run("btrfs", &["check", "--readonly", &raw(name)]);
    }
}

#[test]
#[ignore = "rung 1: needs root"]
fn two_copies_of_one_xfs_mount_with_our_options() {
    both_at_a_time("mkfs.xfs", &["-q"], 320, FsType::Xfs);
}

#[test]
#[ignore = "rung 1: needs root"]
fn attack_48_an_ext4_that_asks_for_a_panic_is_mounted_without() {
    both_at_a_time("mke2fs", &["-q", "-t", "ext4", "-e", "panic"], 64, FsType::Ext4);
}

#[test]
#[ignore = "rung 1: needs root"]
fn a_loop_device_is_direct_and_goes_with_its_last_user() {
    let mounted = Mounted::new("xfs", 400);
    let path = mounted.path().join("file");
    File::create(&path).unwrap().set_len(8 << 20).unwrap();
    let file = File::options().read(true).write(true).open(&path).unwrap();
    let device = loopdev::attach(file.as_fd(), false).unwrap();
    assert!(device.direct_io, "XFS can");
    let backing = format!("/sys/block/loop{}/loop/backing_file", device.number);
    assert_eq!(fs::read_to_string(&backing).unwrap().trim(), path.to_str().unwrap());
    let read = |name: &str| fs::read_to_string(format!("/sys/block/loop{}/loop/{name}", device.number)).unwrap();
    assert_eq!((read("autoclear").trim(), read("dio").trim()), ("1", "1"));
    drop(device);
    let gone = (0..100).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(20));
        fs::read_to_string(&backing).map_or(true, |text| text.trim() != path.to_str().unwrap())
    });
    assert!(gone, "still attached");
    let device = loopdev::attach(file.as_fd(), true).unwrap();
    assert!(File::options().write(true).open(device.path()).is_err() || read_only(device.number));
}

fn read_only(number: u32) -> bool {
    fs::read_to_string(format!("/sys/block/loop{number}/ro")).unwrap().trim() == "1"
}

#[test]
#[ignore = "rung 1: needs root"]
fn sixteen_attach_at_once() {
    let mounted = Mounted::new("xfs", 400);
    let files: Vec<File> = (0..16)
        .map(|n| {
            let path = mounted.path().join(format!("f{n}"));
            File::create(&path).unwrap().set_len(1 << 20).unwrap();
            File::options().read(true).write(true).open(path).unwrap()
        })
        .collect();
    let numbers = std::thread::scope(|scope| {
        let threads: Vec<_> =
            files.iter().map(|file| scope.spawn(|| loopdev::attach(file.as_fd(), false).unwrap())).collect();
        let devices: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        devices.iter().map(|device| device.number).collect::<std::collections::BTreeSet<_>>().len()
    });
    assert_eq!(numbers, 16);
}

#[test]
#[ignore = "rung 1: needs root"]
fn an_image_of_a_raw_kind_has_no_root() {
    let mounted = Mounted::new("ext4", 64);
    let layout = Layout::new(mounted.path().join("host"));
    let source = image(&mounted.path(), "mke2fs", &["-q", "-t", "ext4"], 16);
    import(&layout, "i", &source, &Options::default(), &mut |_, _| ()).unwrap();
    let image = Store::new(&layout).unwrap().open("i").unwrap();
    assert!(image.root().unwrap_err().to_string().starts_with("cannot open the root of image i: No such file"));
    assert!(image.raw().is_ok());
}
