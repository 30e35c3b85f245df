//! Disks as images: how their root partition is copied, and what cannot be told apart.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Stdio};

use soute::image::import::{Options, import};
use soute::image::store::ImageInfo;
use soute::layout::Layout;

use crate::lab::{Mounted, run};

/// A disk with one partition from 1 MiB on, in which lies what `make` writes into a file.
fn disk(dir: &Path, megabytes: u64, make: impl Fn(&str)) -> std::path::PathBuf {
    let (disk, part) = (dir.join("disk"), dir.join("part"));
    File::create(&disk).unwrap().set_len((megabytes + 2) << 20).unwrap();
    let mut child = Command::new("/usr/sbin/sfdisk");
    child.args(["--quiet", "--no-tell-kernel"]).arg(&disk).stdin(Stdio::piped());
    let mut child = child.spawn().expect("sfdisk: run make deps");
    let script = format!("label: gpt\nsize={megabytes}MiB, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4\n");
    child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
    File::create(&part).unwrap().set_len(megabytes << 20).unwrap();
    make(part.to_str().unwrap());
    let (part, disk) = (part.to_str().unwrap(), disk.to_str().unwrap());
    run("dd", &[&format!("if={part}"), &format!("of={disk}"), "bs=1M", "seek=1", "conv=notrunc", "status=none"]);
    disk.into()
}

fn imported(layout: &Layout, source: &Path) -> Result<ImageInfo, String> {
    let imported = import(layout, "i", source, &Options::default(), &mut |_, _| ());
    imported.map_err(|error| error.to_string())
}

#[test]
#[ignore = "rung 1: needs root"]
fn the_partition_of_a_disk_shares_its_extents() {
    let mounted = Mounted::new("xfs", 400);
    let dir = mounted.path();
    let source = disk(&dir, 100, |part| drop(run("mke2fs", &["-q", "-t", "ext4", part])));
    // What is in it takes room.
    File::options().write(true).open(&source).unwrap().write_all_at(&vec![7; 60 << 20], 20 << 20).unwrap();
    let layout = Layout::new(dir.join("host"));
    let free = || {
        run("sync", &["-f", dir.to_str().unwrap()]);
        let stat = rustix::fs::statvfs(&dir).unwrap();
        stat.f_bfree * stat.f_frsize
    };
    let before = free();
    imported(&layout, &source).unwrap();
    assert!(before - free() < 20 << 20, "{} bytes", before - free());
    let mut part = vec![0; 100 << 20];
    File::open(&source).unwrap().read_exact_at(&mut part, 1 << 20).unwrap();
    assert!(fs::read(layout.images().join("i/disk.raw")).unwrap() == part);
}

#[test]
#[ignore = "rung 1: needs root"]
fn attack_48_what_is_a_disk_and_a_file_system_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let layout = Layout::new(dir.path().join("host"));
    let source = disk(dir.path(), 32, |part| drop(run("mke2fs", &["-q", "-t", "ext4", part])));
    let file = File::options().read(true).write(true).open(&source).unwrap();
    // The superblock of a btrfs, in front of the first partition.
    let btrfs = dir.path().join("btrfs");
    File::create(&btrfs).unwrap().set_len(128 << 20).unwrap();
    run("mkfs.btrfs", &["-q", btrfs.to_str().unwrap()]);
    let mut superblock = [0; 4096];
    File::open(&btrfs).unwrap().read_exact_at(&mut superblock, 64 << 10).unwrap();
    superblock[0x70..0x78].copy_from_slice(&(1u64 << 20).to_le_bytes());
    file.write_all_at(&superblock, 64 << 10).unwrap();
    let refused = imported(&layout, &source).unwrap_err();
    assert!(refused.contains("a disk with a partition table (GPT) and btrfs as well"), "{refused}");
    file.write_all_at(&[0; 4096], 64 << 10).unwrap();
    imported(&layout, &source).unwrap();

    // A table that a file system has taken the place of is nobody's.
    let stale = dir.path().join("stale");
    File::create(&stale).unwrap().set_len(32 << 20).unwrap();
    run("mke2fs", &["-q", "-t", "ext4", stale.to_str().unwrap()]);
    let mut header = [0; 512];
    file.read_exact_at(&mut header, 512).unwrap();
    File::options().write(true).open(&stale).unwrap().write_all_at(&header, 512).unwrap();
    let layout = Layout::new(dir.path().join("other"));
    assert_eq!(imported(&layout, &stale).unwrap().size, 32 << 20);
    // What a partition claims to have has to lie in it.
    let cut = disk(dir.path(), 8, |part| {
        File::options().write(true).open(part).unwrap().set_len(32 << 20).unwrap();
        run("mke2fs", &["-q", "-t", "ext4", part]);
        File::options().write(true).open(part).unwrap().set_len(8 << 20).unwrap();
    });
    let layout = Layout::new(dir.path().join("third"));
    let refused = imported(&layout, &cut).unwrap_err();
    assert!(refused.contains("its root partition, number 1: it is cut off: its ext4 has 33554432 bytes"), "{refused}");
}
