//! The one root partition of a disk with a GUID partition table, found without the kernel: UEFI specification 5.3 says how
//! a table lies on a disk, the Discoverable Partitions Specification which partition is whose.
//!
//! Nothing of the table is believed before its checksum is right, and nothing is read that it only claims to be there.

use std::env::consts::ARCH;

use crate::error::{Context, Error, Result};

/// How the table's header begins, in the second sector.
const SIGNATURE: &[u8] = b"EFI PART";
const REVISION: u32 = 0x0001_0000;
const HEADER: usize = 92;
const ENTRY: usize = 128;
/// 128 is what everybody makes. The specification knows no end.
const MAX_ENTRIES: u32 = 1024;
const MAX_ENTRY: u32 = 4096;
const SECTORS: [usize; 2] = [512, 4096];

/// Types of root partitions by architecture, as std::env::consts has its name.
const ROOTS: [(&str, &str); 8] = [
    ("x86_64", "4f68bce3-e8cd-4db1-96e7-fbcaf984b709"),
    ("aarch64", "b921b045-1df0-41c3-af44-4c6f280d3fae"),
    ("x86", "44479540-f297-41b2-9af7-d131d5f0458a"),
    ("arm", "69dad710-2ce4-4e3c-b16c-21a1d49abed3"),
    ("riscv64", "72ec70a6-cf74-40e6-bd49-4bda08e8f224"),
    ("powerpc64", "c31c45e6-3f39-412e-80fb-4809c4980599"),
    ("s390x", "5eead9a9-fe09-4a1e-a1d7-520d00531306"),
    ("loongarch64", "77055800-792c-4f94-b39a-98c91b762bb6"),
];
/// /usr of a machine that keeps it apart: its root alone cannot run.
const USRS: [(&str, &str); 2] =
    [("x86_64", "8484680c-9521-48c6-9c11-b0720656f69e"), ("aarch64", "b0e01050-ee5f-4390-949a-9101b17104e9")];
/// Any file system of Linux.
const LINUX: &str = "0fc63daf-8483-4772-8e79-3d69d8477de4";

/// A partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// As the kernel counts them, from 1.
    pub number: u32,
    /// Its type, as GUIDs are written.
    pub kind: String,
    /// Where it begins, in bytes.
    pub start: u64,
    /// How long it is, in bytes.
    pub length: u64,
}

/// Reads so many bytes at a place of the disk.
pub type Read<'a> = dyn Fn(u64, &mut [u8]) -> Result<()> + 'a;

/// The size of the sectors by which a disk has a table, if it has one. What it says may still be wrong.
pub fn sector(head: &[u8]) -> Option<usize> {
    SECTORS.into_iter().find(|&sector| head.get(sector..).is_some_and(|rest| rest.starts_with(SIGNATURE)))
}

/// The root partition of a disk of `length` bytes.
pub fn root(sector: usize, length: u64, read: &Read<'_>) -> Result<Partition> {
    choose(partitions(sector, length, read).context("its partition table (GPT)")?, ARCH)
}

/// All partitions, in the order in which they lie. An error is about all of them: a table that is wrong in one place is
/// wrong.
pub fn partitions(sector: usize, length: u64, read: &Read<'_>) -> Result<Vec<Partition>> {
    let header = Header::read(sector, length, read)?;
    let mut entries = vec![0; header.count as usize * header.size as usize];
    read(header.entries, &mut entries)?;
    if crc32(&entries) != header.checksum {
        return Err(Error::failed("it is damaged: the checksum of its entries is wrong"));
    }
    let used = entries.chunks_exact(header.size as usize).zip(1..).filter(|(entry, _)| entry[..16] != [0; 16]);
    let mut found = used.map(|(entry, number)| header.partition(entry, number)).collect::<Result<Vec<_>>>()?;
    found.sort_by_key(|partition| partition.start);
    match found.windows(2).find(|pair| pair[1].start < pair[0].start + pair[0].length) {
        Some(pair) => Err(Error::failed(format!("partitions {} and {} overlap", pair[0].number, pair[1].number))),
        None => Ok(found),
    }
}

/// What is believed of a header. Places are in bytes and lie on the disk.
struct Header {
    sector: u64,
    /// What partitions may have: from here …
    first: u64,
    /// … up to here.
    end: u64,
    entries: u64,
    count: u32,
    size: u32,
    checksum: u32,
}

impl Header {
    fn read(sector: usize, length: u64, read: &Read<'_>) -> Result<Self> {
        let mut block = vec![0; sector];
        read(sector as u64, &mut block)?;
        let size = le32(&block, 12) as usize;
        if !block.starts_with(SIGNATURE) || le32(&block, 8) != REVISION || !(HEADER..=sector).contains(&size) {
            return Err(Error::failed("its header makes no sense"));
        }
        let checksum = le32(&block, 16);
        block[16..20].fill(0);
        if crc32(&block[..size]) != checksum {
            return Err(Error::failed("it is damaged: the checksum of its header is wrong"));
        }
        let header = Self::parsed(&block, sector as u64)?;
        match header.end > length {
            true => Err(Error::failed(format!("it is of a disk of at least {} bytes, this has {length}", header.end))),
            false => Ok(header),
        }
    }

    fn parsed(block: &[u8], sector: u64) -> Result<Self> {
        let nonsense = || Error::failed("its header makes no sense");
        let bytes = |blocks: u64| blocks.checked_mul(sector).filter(|&at| at <= i64::MAX as u64).ok_or_else(nonsense);
        let end = bytes(le64(block, 48).checked_add(1).ok_or_else(nonsense)?)?;
        let (first, entries) = (bytes(le64(block, 40))?, bytes(le64(block, 72))?);
        let (count, size) = (le32(block, 80), le32(block, 84));
        if count > MAX_ENTRIES || size > MAX_ENTRY {
            return Err(Error::failed(format!("it has room for {count} partitions in entries of {size} bytes")));
        }
        // Sizes are 128 times a power of two.
        let array = entries + u64::from(count) * u64::from(size);
        let apart = entries >= 2 * sector && (array <= first || entries >= end);
        let sane =
            le64(block, 24) == 1 && first < end && (size as usize).is_multiple_of(ENTRY) && size.is_power_of_two();
        match sane && apart {
            true => Ok(Self { sector, first, end, entries, count, size, checksum: le32(block, 88) }),
            false => Err(nonsense()),
        }
    }

    fn partition(&self, entry: &[u8], number: u32) -> Result<Partition> {
        let wrong = |why: &str| Error::failed(format!("partition {number} {why}"));
        let (first, last) = (le64(entry, 32), le64(entry, 40));
        let bytes = |blocks: Option<u64>| blocks.and_then(|blocks| blocks.checked_mul(self.sector));
        let (start, end) = match (bytes(Some(first)), bytes(last.checked_add(1))) {
            (Some(start), Some(end)) if start < end => (start, end),
            (Some(_), Some(_)) => return Err(wrong("ends before it begins")),
            _ => return Err(wrong("lies outside of the disk")),
        };
        match start >= self.first && end <= self.end {
            true => Ok(Partition { number, kind: guid(entry), start, length: end - start }),
            false => Err(wrong("lies outside of the disk")),
        }
    }
}

/// The root of this architecture; where none says so, the only one of Linux.
fn choose(partitions: Vec<Partition>, architecture: &str) -> Result<Partition> {
    let of =
        |list: &[(&'static str, &str)], kind: &str| list.iter().find(|(_, guid)| *guid == kind).map(|(name, _)| *name);
    if partitions.iter().any(|partition| of(&USRS, &partition.kind) == Some(architecture)) {
        return Err(Error::failed("it is a disk with /usr in a partition of its own, and an image is one file system"));
    }
    let roots = |partition: &&Partition| of(&ROOTS, &partition.kind) == Some(architecture);
    let linux = |partition: &&Partition| partition.kind == LINUX;
    let mut candidates: Vec<&Partition> = partitions.iter().filter(roots).collect();
    if candidates.is_empty() {
        candidates = partitions.iter().filter(linux).collect();
    }
    match (&candidates[..], partitions.iter().find_map(|partition| of(&ROOTS, &partition.kind))) {
        ([one], _) => Ok((*one).clone()),
        ([one, other, ..], _) => Err(Error::failed(format!(
            "it is a disk whose partitions {} and {} could both be the root",
            one.number, other.number
        ))),
        ([], Some(other)) => {
            Err(Error::failed(format!("it is a disk with a root for {other}, and this machine is {architecture}")))
        }
        ([], None) => Err(Error::failed("it is a disk without a partition of Linux")),
    }
}

/// As it is written: the first three groups are little-endian numbers.
fn guid(bytes: &[u8]) -> String {
    let hex = |order: &[usize]| order.iter().map(|&at| format!("{:02x}", bytes[at])).collect::<String>();
    let groups: [&[usize]; 5] = [&[3, 2, 1, 0], &[5, 4], &[7, 6], &[8, 9], &[10, 11, 12, 13, 14, 15]];
    groups.map(hex).join("-")
}

/// That of UEFI, of Ethernet and of gzip.
pub fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| (crc >> 1) ^ (0xedb8_8320 & 0u32.wrapping_sub(crc & 1));
    !bytes.iter().fold(!0, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), step))
}

fn le32(bytes: &[u8], at: usize) -> u32 {
    bytes[at..].first_chunk().map_or(0, |array| u32::from_le_bytes(*array))
}

fn le64(bytes: &[u8], at: usize) -> u64 {
    bytes[at..].first_chunk().map_or(0, |array| u64::from_le_bytes(*array))
}

#[cfg(test)]
mod tests;
