use crate::image::raw::gpt::*;
use std::io::Write;
use std::process::{Command, Stdio};

const ROOT: &str = "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709";
const ESP: &str = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B";

/// A disk of so many MiB as the real sfdisk makes it.
fn made(megabytes: u64, script: &str) -> Vec<u8> {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(megabytes << 20).unwrap();
    let mut command = Command::new("/usr/sbin/sfdisk");
    command.args(["--quiet", "--no-tell-kernel"]).arg(file.path()).stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("sfdisk: run make deps");
    child.stdin.take().unwrap().write_all(format!("label: gpt\n{script}").as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    std::fs::read(file.path()).unwrap()
}

fn root_of(disk: &[u8]) -> Result<Partition, String> {
    let read = |at: u64, buffer: &mut [u8]| {
        let at = usize::try_from(at).unwrap();
        let bytes = disk.get(at..at + buffer.len()).ok_or_else(|| Error::failed("it ends"))?;
        buffer.copy_from_slice(bytes);
        Ok(())
    };
    let sector = sector(disk).ok_or("no table")?;
    let found = partitions(sector, disk.len() as u64, &read).map_err(|error| error.to_string())?;
    choose(found, "x86_64").map_err(|error| error.to_string())
}

/// Changes bytes of the header or, with a place behind it, of the entries; and makes the checksums right again.
fn forged(disk: &[u8], at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut disk = disk.to_owned();
    disk[at..at + bytes.len()].copy_from_slice(bytes);
    seal(&mut disk);
    disk
}

fn seal(disk: &mut [u8]) {
    let entries = crc32(&disk[1024..1024 + 128 * 128]);
    disk[512 + 88..512 + 92].copy_from_slice(&entries.to_le_bytes());
    disk[512 + 16..512 + 20].fill(0);
    let header = crc32(&disk[512..512 + 92]);
    disk[512 + 16..512 + 20].copy_from_slice(&header.to_le_bytes());
}

fn fails(disk: &[u8], words: &str) {
    let error = root_of(disk).unwrap_err();
    assert!(error.contains(words), "{error} instead of {words}");
}

#[test]
fn the_root_of_what_sfdisk_makes_is_found() {
    let disk = made(16, &format!("size=2MiB, type={ESP}\nsize=4MiB, type={ROOT}\ntype={LINUX}\n"));
    let wanted = Partition { number: 2, kind: ROOT.to_lowercase(), start: 3 << 20, length: 4 << 20 };
    assert_eq!(root_of(&disk), Ok(wanted));
    let only = made(16, &format!("size=2MiB, type={ESP}\ntype={LINUX}\n"));
    assert_eq!(root_of(&only).unwrap().number, 2);
    // Few entries, partitions in no order, a disk that is longer than its table knows.
    let mut odd =
        made(16, &format!("table-length: 4\nstart=8MiB, size=1MiB, type={ESP}\nstart=2MiB, size=1MiB, type={ROOT}\n"));
    odd.resize(20 << 20, 0);
    assert_eq!((root_of(&odd).unwrap().number, root_of(&odd).unwrap().start), (2, 2 << 20));
}

#[test]
fn sectors_may_have_4096_bytes() {
    let mut disk = vec![0; 1 << 20];
    let mut entry = [0; 128];
    let small = made(16, &format!("type={ROOT}\n"));
    entry[..32].copy_from_slice(&small[1024..1024 + 32]);
    entry[32..40].copy_from_slice(&16u64.to_le_bytes());
    entry[40..48].copy_from_slice(&99u64.to_le_bytes());
    disk[8192..8192 + 128].copy_from_slice(&entry);
    disk[4096..4096 + 92].copy_from_slice(&small[512..512 + 92]);
    for (at, value) in [(24, 1u64), (40, 6), (48, 250), (72, 2)] {
        disk[4096 + at..4096 + at + 8].copy_from_slice(&value.to_le_bytes());
    }
    let entries = crc32(&disk[8192..8192 + 128 * 128]);
    disk[4096 + 88..4096 + 92].copy_from_slice(&entries.to_le_bytes());
    disk[4096 + 16..4096 + 20].fill(0);
    let header = crc32(&disk[4096..4096 + 92]);
    disk[4096 + 16..4096 + 20].copy_from_slice(&header.to_le_bytes());
    let found = root_of(&disk).unwrap();
    assert_eq!((found.start, found.length), (16 * 4096, 84 * 4096));
}

#[test]
fn which_one_it_is_has_to_be_clear() {
    fails(&made(16, &format!("size=2MiB, type={ROOT}\ntype={ROOT}\n")), "partitions 1 and 2 could both be the root");
    fails(&made(16, &format!("size=2MiB, type={LINUX}\ntype={LINUX}\n")), "partitions 1 and 2 could both be the root");
    fails(&made(16, &format!("type={ESP}\n")), "without a partition of Linux");
    fails(&made(16, ""), "without a partition of Linux");
    fails(&made(16, "type=B921B045-1DF0-41C3-AF44-4C6F280D3FAE\n"), "a root for aarch64, and this machine is x86_64");
    let apart = format!("size=2MiB, type={ROOT}\ntype=8484680C-9521-48C6-9C11-B0720656F69E\n");
    fails(&made(16, &apart), "/usr in a partition of its own");
}

/// What is wrong is said even where the checksums are right, as whoever makes such a table makes them right.
#[test]
fn attack_48_a_partition_table_that_lies_is_refused() {
    let disk = made(16, &format!("size=2MiB, type={ROOT}\nsize=2MiB, type={ESP}\n"));
    assert!(root_of(&forged(&disk, 510, &[0x55, 0xaa])).is_ok());
    let header = |at: usize, value: u64| forged(&disk, 512 + at, &value.to_le_bytes());
    let entry = |at: usize, value: u64| forged(&disk, 1024 + 128 + at, &value.to_le_bytes());
    let nonsense = "its header makes no sense";
    fails(&header(24, 2), nonsense);
    fails(&header(40, u64::MAX), nonsense);
    fails(&header(48, u64::MAX), nonsense);
    fails(&header(48, 1), nonsense);
    fails(&header(72, 0), nonsense);
    fails(&header(72, 1), nonsense);
    // The entries among the partitions.
    fails(&header(72, 3000), nonsense);
    fails(&header(48, (16 << 11) - 1 + 8), "of a disk of at least");
    fails(&forged(&disk, 512 + 12, &5u32.to_le_bytes()), nonsense);
    fails(&forged(&disk, 512 + 12, &u32::MAX.to_le_bytes()), nonsense);
    fails(&forged(&disk, 512 + 8, &[0; 4]), nonsense);
    fails(&forged(&disk, 512 + 80, &u32::MAX.to_le_bytes()), "room for 4294967295 partitions");
    fails(&forged(&disk, 512 + 84, &u32::MAX.to_le_bytes()), "entries of 4294967295 bytes");
    for size in [0u32, 1, 127, 384] {
        fails(&forged(&disk, 512 + 84, &size.to_le_bytes()), nonsense);
    }
    fails(&entry(32, 2048), "partitions 1 and 2 overlap");
    fails(&entry(32, 2048 + 4095), "partitions 1 and 2 overlap");
    fails(&entry(32, 0), "partition 2 lies outside of the disk");
    fails(&entry(32, 33), "partition 2 lies outside of the disk");
    fails(&entry(40, u64::MAX), "partition 2 lies outside of the disk");
    fails(&entry(40, u64::MAX / 512), "partition 2 lies outside of the disk");
    fails(&entry(40, 16 << 11), "partition 2 lies outside of the disk");
    fails(&entry(40, 0), "partition 2 ends before it begins");
}

#[test]
fn damage_is_an_error() {
    let disk = made(16, &format!("type={ROOT}\n"));
    for at in [512 + 16, 512 + 40, 512 + 60, 512 + 88] {
        let mut damaged = disk.clone();
        damaged[at] ^= 1;
        fails(&damaged, "the checksum of its header is wrong");
    }
    for at in [1024 + 33, 1024 + 128 * 128 - 1] {
        let mut damaged = disk.clone();
        damaged[at] ^= 1;
        fails(&damaged, "the checksum of its entries is wrong");
    }
    fails(&disk[..1 << 20], "of a disk of at least");
    fails(&disk[..600], "it ends");
    assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
}
