//! A new file system id for the copy of a btrfs: the kernel tells file systems apart by it, and two of one id that are
//! mounted at a time would be taken for one.
//!
//! Done as `btrfstune -m` does: only the superblocks change. The id that all other blocks carry stays behind as the
//! metadata id (incompat feature METADATA_UUID, Linux 5.0).

use std::os::fd::BorrowedFd;

use rustix::fs::fsync;
use rustix::io::{pread, pwrite};

use crate::error::{Context, Error, Result};

/// Where superblocks lie, BTRFS_SUPER_INFO_OFFSET and its mirrors; an image has those that fit into it.
const OFFSETS: [u64; 3] = [0x1_0000, 0x400_0000, 0x40_0000_0000];
const SIZE: usize = 4096;
/// `struct btrfs_super_block`, linux/btrfs_tree.h.
const FSID: usize = 0x20;
const BYTENR: usize = 0x30;
const MAGIC: usize = 0x40;
const INCOMPAT: usize = 0xbc;
const CSUM_TYPE: usize = 0xc4;
const METADATA_UUID: usize = 0x23b;
const INCOMPAT_METADATA_UUID: u64 = 1 << 10;

/// Gives the btrfs in `image` the id `fsid`.
pub fn change_fsid(image: BorrowedFd<'_>, fsid: [u8; 16]) -> Result<()> {
    let mut changed = 0;
    for offset in OFFSETS {
        let mut block = [0; SIZE];
        let read = pread(image, &mut block[..], offset).context("cannot read a superblock")?;
        if read == SIZE && with_fsid(&mut block, offset, fsid)? {
            pwrite(image, &block, offset).context("cannot write a superblock")?;
            changed += 1;
        }
    }
    if changed == 0 {
        return Err(Error::failed("no btrfs superblock"));
    }
    fsync(image).context("cannot write a superblock")
}

/// Changes one superblock; false where there is none.
fn with_fsid(block: &mut [u8; SIZE], offset: u64, fsid: [u8; 16]) -> Result<bool> {
    if &block[MAGIC..MAGIC + 8] != b"_BHRfS_M" || block[BYTENR..BYTENR + 8] != offset.to_le_bytes() {
        return Ok(false);
    }
    if block[CSUM_TYPE..CSUM_TYPE + 2] != [0, 0] {
        return Err(Error::failed(
            "its btrfs has checksums other than crc32c, so its copy cannot get an id of its own",
        ));
    }
    if block[..4] != crc32c(&block[32..]).to_le_bytes() {
        return Err(Error::failed("a btrfs superblock is damaged"));
    }
    let mut incompat = [0; 8];
    incompat.copy_from_slice(&block[INCOMPAT..INCOMPAT + 8]);
    let features = u64::from_le_bytes(incompat);
    // A copy of a copy has its metadata id already.
    if features & INCOMPAT_METADATA_UUID == 0 {
        block.copy_within(FSID..FSID + 16, METADATA_UUID);
        block[INCOMPAT..INCOMPAT + 8].copy_from_slice(&(features | INCOMPAT_METADATA_UUID).to_le_bytes());
    }
    block[FSID..FSID + 16].copy_from_slice(&fsid);
    let checksum = crc32c(&block[32..]).to_le_bytes();
    block[..4].copy_from_slice(&checksum);
    Ok(true)
}

/// Castagnoli's polynomial, reflected. Three blocks of 4 KiB a copy are not worth a table.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |mut crc, &byte| {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg());
        }
        crc
    })
}

#[cfg(test)]
mod tests {
    use crate::image::raw::btrfs::*;

    #[test]
    fn crc32c_of_the_standard_check_string() {
        // RFC 3720 B.4 and every catalogue of CRCs.
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
    }

    #[test]
    fn what_is_no_superblock_is_left_alone() {
        let mut block = [7; SIZE];
        assert!(!with_fsid(&mut block, OFFSETS[0], [1; 16]).unwrap());
        assert_eq!(block, [7; SIZE]);
        block[MAGIC..MAGIC + 8].copy_from_slice(b"_BHRfS_M");
        block[BYTENR..BYTENR + 8].copy_from_slice(&OFFSETS[0].to_le_bytes());
        block[CSUM_TYPE] = 1;
        assert!(with_fsid(&mut block, OFFSETS[0], [1; 16]).unwrap_err().to_string().contains("other than crc32c"));
        block[CSUM_TYPE..CSUM_TYPE + 2].fill(0);
        assert!(with_fsid(&mut block, OFFSETS[0], [1; 16]).unwrap_err().to_string().contains("damaged"));
    }
}
