//! Compressed archives that ask for more memory than their content needs.

use std::fs;
use std::path::Path;

use soute::error::Result;
use soute::image::import::{Options, import};
use soute::image::store::ImageInfo;
use soute::layout::Layout;

use crate::lab::run;

/// A tar archive of one small file.
fn archive(dir: &Path) -> Vec<u8> {
    fs::write(dir.join("hello"), "hello").unwrap();
    let path = dir.join("archive.tar");
    run("tar", &["-cf", path.to_str().unwrap(), "-C", dir.to_str().unwrap(), "./hello"]);
    fs::read(path).unwrap()
}

fn xz(dir: &Path, bytes: &[u8]) -> Vec<u8> {
    let path = dir.join("part");
    fs::write(&path, bytes).unwrap();
    run("xz", &["--keep", "--force", path.to_str().unwrap()]);
    fs::read(dir.join("part.xz")).unwrap()
}

fn imported(dir: &Path, bytes: &[u8]) -> Result<ImageInfo> {
    let (file, layout) = (dir.join("file"), Layout::new(dir.join("host")));
    fs::write(&file, bytes).unwrap();
    let options = Options { replace: true, ..Options::default() };
    let info = import(&layout, "i", &file, &options, &mut |_, _| ())?;
    assert_eq!(fs::read(layout.images().join("i/root/hello")).unwrap(), b"hello");
    Ok(info)
}

#[test]
fn an_xz_file_has_a_dictionary_of_128_mib_at_most() {
    let dir = tempfile::tempdir().unwrap();
    let plain = xz(dir.path(), &archive(dir.path()));
    // The block's header: its size in words, flags, LZMA2, a byte of properties, which is the dictionary's size.
    assert_eq!((&plain[12..16], plain[12]), (&[2, 0, 0x21, 1][..], 2), "the premise");
    let with_dictionary = |size: u8| {
        let mut file = plain.clone();
        file[16] = size;
        let crc = crc32(&file[12..20]).to_le_bytes();
        file[20..24].copy_from_slice(&crc);
        file
    };
    assert_eq!(with_dictionary(plain[16]), plain, "the premise");
    // 128 MiB is 2 << (30 / 2 + 11), the next 192 MiB, 40 is 4 GiB less one byte.
    imported(dir.path(), &with_dictionary(30)).unwrap();
    for size in [31, 40] {
        let error = imported(dir.path(), &with_dictionary(size)).unwrap_err().to_string();
        assert!(error.starts_with("cannot import "), "{error}");
        assert!(error.ends_with(": its xz dictionary is larger than 128 MiB"), "{error}");
    }
}

#[test]
fn an_xz_file_may_have_several_streams() {
    let dir = tempfile::tempdir().unwrap();
    let archive = archive(dir.path());
    let (first, second) = archive.split_at(512);
    imported(dir.path(), &[xz(dir.path(), first), xz(dir.path(), second)].concat()).unwrap();
    let mut cut = xz(dir.path(), &archive);
    cut.truncate(cut.len() - 20);
    imported(dir.path(), &cut).expect_err("it has no end");
}

#[test]
fn a_zstd_file_has_a_window_of_128_mib_at_most() {
    let dir = tempfile::tempdir().unwrap();
    let archive = archive(dir.path());
    // RFC 8878: a frame header without a content size, and its window; then one stored block, the last.
    let with_window = |log: u8| {
        let block = (u32::try_from(archive.len()).unwrap() << 3 | 1).to_le_bytes();
        [&[0x28, 0xb5, 0x2f, 0xfd, 0, (log - 10) << 3], &block[..3], &archive[..]].concat()
    };
    imported(dir.path(), &with_window(27)).unwrap();
    for log in [28, 31, 41] {
        let error = imported(dir.path(), &with_window(log)).unwrap_err().to_string();
        assert!(error.contains("Frame requires too much memory for decoding"), "{error}");
    }
}

/// As IEEE 802.3 has it.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    })
}
