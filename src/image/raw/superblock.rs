//! What a raw image is, read from its superblock and against a list of what the kernel may be asked to mount.
//!
//! Never found out by mounting: that would hand any bytes to any file system driver of the host.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// So much of an image's beginning is looked at: btrfs has the last superblock, at 64 KiB.
pub const HEAD: usize = 0x1_0000 + 4096;

/// The file systems that a raw image may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FsType {
    /// ext4, and ext2 and ext3, which the same driver mounts.
    Ext4,
    /// XFS.
    Xfs,
    /// btrfs on one device.
    Btrfs,
    /// EROFS, read-only.
    Erofs,
    /// SquashFS, read-only.
    Squashfs,
}

impl FsType {
    /// The kernel's name for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ext4 => "ext4",
            Self::Xfs => "xfs",
            Self::Btrfs => "btrfs",
            Self::Erofs => "erofs",
            Self::Squashfs => "squashfs",
        }
    }

    /// Can it be mounted for reading only?
    pub fn is_read_only(self) -> bool {
        matches!(self, Self::Erofs | Self::Squashfs)
    }

    /// Options that each mount of one must have, as fsconfig(2) keys; a flag has no value.
    ///
    /// An ext4 superblock may ask for a panic of the host at the first error, and mount(2) of a broken one is enough. XFS
    /// refuses a second mount of one UUID, and copies of an image have the same.
    pub fn mount_options(self) -> &'static [(&'static str, Option<&'static str>)] {
        match self {
            Self::Ext4 => &[("errors", Some("remount-ro"))],
            Self::Xfs => &[("nouuid", None)],
            Self::Btrfs | Self::Erofs | Self::Squashfs => &[],
        }
    }
}

/// What the superblock says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Superblock {
    /// The file system.
    pub fs: FsType,
    /// How many bytes it takes.
    pub size: u64,
    /// The largest sector that a device under it may have: 512 to 4096.
    pub sector: u32,
}

/// Recognizes the file system in a file.
pub fn of_file(file: &std::fs::File) -> Result<Superblock> {
    use std::os::unix::fs::FileExt;
    let length = file.metadata()?.len();
    let mut head = vec![0; HEAD.min(usize::try_from(length).unwrap_or(HEAD))];
    file.read_exact_at(&mut head, 0)?;
    recognize(&head, length)
}

/// Recognizes the file system of an image of `length` bytes by its first [`HEAD`] bytes.
pub fn recognize(head: &[u8], length: u64) -> Result<Superblock> {
    let image = Bytes(head);
    let superblock = [ext4, xfs, btrfs, erofs, squashfs].iter().find_map(|read| read(&image));
    let superblock = superblock.unwrap_or_else(|| Err(Error::failed(other(&image))))?;
    if superblock.size > length {
        return Err(Error::failed(format!(
            "it is cut off: its {} has {} bytes, the file {length}",
            superblock.fs.name(),
            superblock.size
        )));
    }
    Ok(superblock)
}

struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn has(&self, offset: usize, magic: &[u8]) -> bool {
        self.0.get(offset..offset + magic.len()) == Some(magic)
    }
    fn array<const N: usize>(&self, offset: usize) -> [u8; N] {
        self.0.get(offset..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; N])
    }
    fn le16(&self, offset: usize) -> u64 {
        u16::from_le_bytes(self.array(offset)).into()
    }
    fn le32(&self, offset: usize) -> u64 {
        u32::from_le_bytes(self.array(offset)).into()
    }
    fn le64(&self, offset: usize) -> u64 {
        u64::from_le_bytes(self.array(offset))
    }
    fn be32(&self, offset: usize) -> u64 {
        u32::from_be_bytes(self.array(offset)).into()
    }
    fn be64(&self, offset: usize) -> u64 {
        u64::from_be_bytes(self.array(offset))
    }
}

type Found = Option<Result<Superblock>>;

fn sized(fs: FsType, blocks: u64, log2: u64, sector: u64) -> Result<Superblock> {
    let sector = match sector {
        512 | 1024 | 2048 | 4096 => sector as u32,
        larger if larger > 4096 => 4096,
        _ => 512,
    };
    let block = u32::try_from(log2).ok().and_then(|log2| 1u64.checked_shl(log2));
    match block.and_then(|block| blocks.checked_mul(block)) {
        Some(size) if size > 0 => Ok(Superblock { fs, size, sector }),
        _ => Err(Error::failed(format!("its {} superblock makes no sense", fs.name()))),
    }
}

/// `struct ext4_super_block`, fs/ext4/ext4.h.
fn ext4(image: &Bytes<'_>) -> Found {
    const SUPER: usize = 1024;
    const INCOMPAT_JOURNAL_DEVICE: u64 = 0x8;
    const INCOMPAT_64BIT: u64 = 0x80;
    if !image.has(SUPER + 56, &[0x53, 0xef]) {
        return None;
    }
    let incompat = image.le32(SUPER + 96);
    if incompat & INCOMPAT_JOURNAL_DEVICE != 0 {
        return Some(Err(Error::failed("it is the external journal of an ext4")));
    }
    let high = if incompat & INCOMPAT_64BIT != 0 { image.le32(SUPER + 0x150) } else { 0 };
    let log2 = 10 + image.le32(SUPER + 24);
    Some(sized(FsType::Ext4, image.le32(SUPER + 4) | high << 32, log2, 1 << log2.min(16)))
}

/// `struct xfs_dsb`, fs/xfs/libxfs/xfs_format.h: big-endian.
fn xfs(image: &Bytes<'_>) -> Found {
    if !image.has(0, b"XFSB") {
        return None;
    }
    let log_start = image.be64(48);
    let realtime_blocks = image.be64(16);
    if log_start == 0 || realtime_blocks != 0 {
        return Some(Err(Error::failed("its xfs keeps its log or realtime data on another device")));
    }
    let block = image.be32(4);
    Some(if block.is_power_of_two() {
        sized(FsType::Xfs, image.be64(8), block.trailing_zeros().into(), u16::from_be_bytes(image.array(102)).into())
    } else {
        sized(FsType::Xfs, 0, 0, 0)
    })
}

/// `struct btrfs_super_block`, linux/btrfs_tree.h.
fn btrfs(image: &Bytes<'_>) -> Found {
    const SUPER: usize = 0x1_0000;
    if !image.has(SUPER + 0x40, b"_BHRfS_M") {
        return None;
    }
    let devices = image.le64(SUPER + 0x88);
    if devices != 1 {
        return Some(Err(Error::failed(format!("its btrfs spreads over {devices} devices"))));
    }
    if image.le16(SUPER + 0xc4) != 0 {
        let why = "its btrfs has checksums other than crc32c, so that its copies could not get ids of their own";
        return Some(Err(Error::failed(why)));
    }
    Some(sized(FsType::Btrfs, image.le64(SUPER + 0x70), 0, image.le32(SUPER + 0x90)))
}

/// `struct erofs_super_block`, fs/erofs/erofs_fs.h.
fn erofs(image: &Bytes<'_>) -> Found {
    const SUPER: usize = 1024;
    const INCOMPAT_DEVICE_TABLE: u64 = 0x8;
    if !image.has(SUPER, &[0xe2, 0xe1, 0xf5, 0xe0]) {
        return None;
    }
    if image.le32(SUPER + 80) & INCOMPAT_DEVICE_TABLE != 0 && image.le16(SUPER + 86) != 0 {
        return Some(Err(Error::failed("its erofs keeps data on other devices")));
    }
    let log2 = u64::from(image.array::<1>(SUPER + 12)[0]);
    Some(sized(FsType::Erofs, image.le32(SUPER + 36), log2, 1 << log2.min(16)))
}

/// `struct squashfs_super_block`, fs/squashfs/squashfs_fs.h.
fn squashfs(image: &Bytes<'_>) -> Found {
    image.has(0, b"hsqs").then(|| sized(FsType::Squashfs, image.le64(40), 0, 512))
}

/// A word for what is refused, so that nobody has to guess.
fn other(image: &Bytes<'_>) -> String {
    const KNOWN: [(usize, &[u8], &str); 14] = [
        (512, b"EFI PART", "a disk with a partition table (GPT)"),
        (0, b"QFI\xfb", "a qcow2 disk"),
        (0, b"KDMV", "a VMDK disk"),
        (0, b"conectix", "a VHD disk"),
        (0, b"vhdxfile", "a VHDX disk"),
        (0, b"LUKS\xba\xbe", "encrypted (LUKS)"),
        (0x8001, b"CD001", "an ISO 9660 file system"),
        (3, b"NTFS    ", "an NTFS file system"),
        (3, b"EXFAT   ", "an exFAT file system"),
        (1024, &[0x10, 0x20, 0xf5, 0xf2], "an F2FS file system"),
        (54, b"FAT1", "a FAT file system"),
        (82, b"FAT32", "a FAT file system"),
        (4086, b"SWAPSPACE2", "swap space"),
        (510, &[0x55, 0xaa], "a disk with a partition table (MBR)"),
    ];
    let known = KNOWN.iter().find(|(offset, magic, _)| image.has(*offset, magic)).map(|(_, _, word)| *word);
    let found = known.unwrap_or(if image.0.iter().all(|&byte| byte == 0) { "empty" } else { "of an unknown kind" });
    format!(
        "it is {found}: soute takes ext4, xfs, btrfs, erofs and squashfs images, disks with one of these in a GPT, tar archives \
         and directories"
    )
}

#[cfg(test)]
mod tests {
    use crate::image::raw::superblock::*;
    use std::process::Command;

    /// The head of an image made by the real mkfs.
    fn made(program: &str, arguments: &[&str], megabytes: u64) -> (Vec<u8>, u64) {
        let dir = tempfile::tempdir().unwrap();
        let (file, tree) = (dir.path().join("image"), dir.path().join("tree"));
        std::fs::create_dir(&tree).unwrap();
        std::fs::write(tree.join("file"), vec![1; 100_000]).unwrap();
        if megabytes > 0 {
            std::fs::File::create(&file).unwrap().set_len(megabytes << 20).unwrap();
        }
        let arguments = arguments.iter().map(|argument| match *argument {
            "IMAGE" => file.as_os_str(),
            "TREE" => tree.as_os_str(),
            other => other.as_ref(),
        });
        let path = "/usr/sbin:/usr/bin:/sbin:/bin";
        let output = Command::new(program).args(arguments).env("PATH", path).output().unwrap();
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
        let bytes = std::fs::read(&file).unwrap();
        (bytes[..HEAD.min(bytes.len())].to_vec(), bytes.len() as u64)
    }

    #[test]
    fn what_mkfs_makes_is_recognized_with_its_size() {
        for (fs, program, arguments, megabytes, sector) in [
            (FsType::Ext4, "mke2fs", &["-q", "-t", "ext4", "-b", "4096", "-e", "panic", "IMAGE"][..], 16, 4096),
            (FsType::Ext4, "mke2fs", &["-q", "-t", "ext2", "-b", "1024", "IMAGE"], 4, 1024),
            (FsType::Xfs, "mkfs.xfs", &["-q", "-s", "size=512", "IMAGE"], 320, 512),
            (FsType::Xfs, "mkfs.xfs", &["-q", "-s", "size=4096", "IMAGE"], 320, 4096),
            (FsType::Btrfs, "mkfs.btrfs", &["-q", "IMAGE"], 128, 4096),
            (FsType::Erofs, "mkfs.erofs", &["IMAGE", "TREE"], 0, 4096),
            (FsType::Squashfs, "mksquashfs", &["TREE", "IMAGE", "-quiet"], 0, 512),
        ] {
            let (head, length) = made(program, arguments, megabytes);
            let found = recognize(&head, length).unwrap_or_else(|e| panic!("{fs:?}: {e}"));
            assert_eq!((found.fs, found.sector), (fs, sector));
            if megabytes > 0 {
                assert_eq!(found.size, length, "{fs:?}");
            } else {
                assert!(found.size <= length && found.size > 0, "{fs:?}: {} of {length}", found.size);
            }
            let error = recognize(&head, found.size - 1).unwrap_err().to_string();
            assert!(error.starts_with(&format!("it is cut off: its {} has ", fs.name())), "{error}");
        }
    }

    #[test]
    fn what_is_refused_is_named() {
        let mut head = vec![0; HEAD];
        assert!(recognize(&head, 1 << 30).unwrap_err().to_string().starts_with("it is empty: "));
        head[510..512].copy_from_slice(&[0x55, 0xaa]);
        assert!(
            recognize(&head, 1 << 30).unwrap_err().to_string().starts_with("it is a disk with a partition table (MBR)")
        );
        head[512..520].copy_from_slice(b"EFI PART");
        assert!(recognize(&head, 1 << 30).unwrap_err().to_string().contains("(GPT): soute takes ext4, "));
        assert!(recognize(b"#!/bin/sh\n", 10).unwrap_err().to_string().starts_with("it is of an unknown kind"));
        assert!(recognize(b"", 0).unwrap_err().to_string().starts_with("it is empty"));
    }

    #[test]
    fn a_superblock_that_makes_no_sense_is_refused() {
        let mut head = vec![0; HEAD];
        head[..4].copy_from_slice(b"XFSB");
        head[48] = 1;
        assert!(recognize(&head, 1 << 30).unwrap_err().to_string().contains("xfs superblock makes no sense"));
        let mut head = vec![0xff; HEAD];
        head[1080..1082].copy_from_slice(&[0x53, 0xef]);
        head[1024 + 96..1024 + 100].fill(0);
        assert!(recognize(&head, 1 << 30).unwrap_err().to_string().contains("ext4 superblock makes no sense"));
    }
}
