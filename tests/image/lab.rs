//! Rung 1: file systems of our own, made in a file and mounted on a directory of a temporary place.

use std::os::unix::fs::{FileTypeExt, MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, os::unix};

use rustix::fs::{XattrFlags, lsetxattr};
use tempfile::TempDir;

/// Runs a program and fails with its words if it fails.
pub fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap_or_else(|e| panic!("{program}: {e}"));
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {words}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A mounted file system, gone with the value.
pub struct Mounted {
    dir: TempDir,
}

impl Mounted {
    /// Makes and mounts one by `mkfs.TYPE`. The mount namespace is the test's own thread's.
    pub fn new(kind: &str, megabytes: u64) -> Self {
        assert!(rustix::process::geteuid().is_root(), "rung 1: this test needs root");
        // The flags are the thread's: mounts of a test are seen by no other and end with it.
        let flags = nix::sched::CloneFlags::CLONE_NEWNS | nix::sched::CloneFlags::CLONE_FS;
        nix::sched::unshare(flags).expect("rung 1: a mount namespace");
        use rustix::mount::{MountPropagationFlags, mount_change};
        mount_change("/", MountPropagationFlags::REC | MountPropagationFlags::PRIVATE).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let (file, target) = (dir.path().join("fs.img"), dir.path().join("mnt"));
        fs::File::create(&file).unwrap().set_len(megabytes << 20).unwrap();
        fs::create_dir(&target).unwrap();
        run(&format!("mkfs.{kind}"), &["-q", file.to_str().unwrap()]);
        // Reading is part of the test, and must not change what is compared.
        run("mount", &["-o", "loop,noatime", file.to_str().unwrap(), target.to_str().unwrap()]);
        Self { dir }
    }

    /// Where it is mounted.
    pub fn path(&self) -> PathBuf {
        self.dir.path().join("mnt")
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        run("umount", &[self.path().to_str().unwrap()]);
    }
}

/// A tree with one of everything that a copy could lose. Only root can make all of it.
pub fn everything(root: &Path) {
    fs::create_dir_all(root.join("dir/deeper")).unwrap();
    fs::write(root.join("dir/file"), b"hello").unwrap();
    fs::write(root.join("empty"), b"").unwrap();
    fs::write(root.join("big"), vec![7; 3_000_001]).unwrap();
    fs::write(root.join("odd \n\u{1b}[31m name"), b"x").unwrap();
    let sparse = fs::File::create(root.join("sparse")).unwrap();
    unix::fs::FileExt::write_at(&sparse, &[1; 65536], 1 << 20).unwrap();
    unix::fs::FileExt::write_at(&sparse, &[2; 65536], 5 << 20).unwrap();
    sparse.set_len(9 << 20).unwrap();
    fs::File::create(root.join("hole")).unwrap().set_len(1 << 20).unwrap();
    fs::hard_link(root.join("dir/file"), root.join("dir/deeper/link")).unwrap();
    fs::hard_link(root.join("dir/file"), root.join("zlink")).unwrap();
    symlink("/etc/passwd", root.join("absolute")).unwrap();
    symlink("dir/nowhere", root.join("dangling")).unwrap();
    fs::hard_link(root.join("dangling"), root.join("dir/dangling-too")).unwrap();
    unix::net::UnixListener::bind(root.join("socket")).unwrap();
    assert!(fs::metadata(root.join("socket")).unwrap().file_type().is_socket());
    let path = |name: &str| root.join(name).to_str().unwrap().to_owned();
    run("mkfifo", &["-m", "640", &path("fifo")]);
    run("mknod", &["-m", "666", &path("null"), "c", "1", "3"]);
    run("mknod", &[&path("loop"), "b", "7", "300"]);
    run("chown", &["33:44", &path("dir/file"), &path("null"), &path("dir/deeper")]);
    run("chown", &["-h", "1000:1001", &path("absolute")]);
    run("chmod", &["4755", &path("dir/file")]);
    run("chmod", &["2770", &path("dir/deeper")]);
    run("chmod", &["1777", &path("dir")]);
    let set =
        |name: &str, key: &str, value: &[u8]| lsetxattr(root.join(name), key, value, XattrFlags::empty()).unwrap();
    set("big", "user.note", b"with \n newline and \0 zero");
    set("big", "security.capability", &capability());
    set("absolute", "trusted.link", b"on a symbolic link");
    set("null", "trusted.device", b"on a device");
    set("dir/deeper", "system.posix_acl_default", &acl(33, 44));
    set("dir/deeper", "system.posix_acl_access", &acl(33, 44));
    run("touch", &["-h", "-d", "1999-12-31 23:59:59.123456789", &path("absolute"), &path("dir/file"), &path("fifo")]);
    run("touch", &["-d", "1969-01-01 00:00:00.5", &path("dir/deeper"), &path("empty")]);
    run("touch", &["-d", "2020-02-02 02:02:02.02", root.to_str().unwrap()]);
    assert_eq!(fs::metadata(root.join("dir/deeper")).unwrap().mode() & 0o7777, 0o2770);
}

/// cap_net_raw+ep, as setcap writes it; with a newline in it, as a byte of a mask may be one.
pub fn capability() -> Vec<u8> {
    [0x0200_0001u32, 0x2000 | 0x0a, 0, 0, 0].iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// user::rwx user:U:rw- group::rwx group:G:r-x mask::rwx other::---
pub fn acl(user: u32, group: u32) -> Vec<u8> {
    let entries = [(1u16, 7u16, !0), (2, 6, user), (4, 7, !0), (8, 5, group), (16, 7, !0), (32, 0, !0u32)];
    let mut acl = 2u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in entries {
        acl.extend([&tag.to_le_bytes()[..], &permissions.to_le_bytes(), &id.to_le_bytes()].concat());
    }
    acl
}
