//! What reads other people's bytes, fed with bytes that are nearly right: whatever they are, it ends, and with a word.
//!
//! A second for each target by `cargo test`, always the same bytes; `make fuzz SECONDS=600` for as long as that, others
//! every time. What a target cannot stand is written to target/fuzz, and belongs into tests/image/corpus.

use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use soute::image::archive::path::normalized;
use soute::image::archive::{Archive, End, decompress, has_checksum};
use soute::image::oci::config::Config;
use soute::image::oci::document::{Document, Saved, json};
use soute::image::raw::gpt::{self, crc32};
use soute::image::remote::challenge::Challenge;
use soute::image::remote::source::Source;
use soute::image::remote::url::Url;
use soute::image::remote::{base64, cosign, sigstore, sums};

/// xorshift64*: the same bytes for the same seed, everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % most.max(1)
    }
}

/// What breaks parsers: ends of ranges, and what ends or begins something.
const PIECES: [&[u8]; 16] = [
    b"\0",
    b"\xff\xff\xff\xff",
    b"\x80\0\0\0\0\0\0\0",
    b"77777777777",
    b"00000000000",
    b"-1",
    b"18446744073709551615",
    b"..",
    b"/",
    b"\"",
    b"{",
    b"[",
    b"\n",
    b"=",
    b"9999999999 path=x\n",
    b"GNU.sparse.map=",
];

fn mutated(seeds: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut bytes = seeds[random.below(seeds.len())].clone();
    for _ in 0..=random.below(8) {
        let at = random.below(bytes.len() + 1);
        match random.below(7) {
            0 => bytes.truncate(at),
            1 => drop(bytes.splice(at..at, PIECES[random.below(PIECES.len())].iter().copied())),
            2 => {
                let piece = PIECES[random.below(PIECES.len())];
                let end = (at + piece.len()).min(bytes.len());
                bytes.splice(at..end, piece.iter().copied());
            }
            3 => {
                let end = (at + random.below(1024)).min(bytes.len());
                bytes.drain(at..end);
            }
            4 => {
                let other = &seeds[random.below(seeds.len())];
                let from = random.below(other.len());
                let end = (from + random.below(1024)).min(other.len());
                bytes.splice(at..at, other[from..end].iter().copied());
            }
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
        }
    }
    bytes
}

/// Headers that have been changed are made whole again, or nothing behind their checksum would ever be reached.
fn with_checksums(mut bytes: Vec<u8>) -> Vec<u8> {
    for block in bytes.chunks_exact_mut(512).filter(|block| block[257..262] == *b"ustar" && !has_checksum(block)) {
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
    bytes
}

/// The same for the partition tables of disks, which have two of them.
fn with_sums(mut bytes: Vec<u8>) -> Vec<u8> {
    let (at, length) = (1024, 4 * 128);
    if let Some(entries) = bytes.get(at..at + length).map(crc32) {
        bytes[512 + 88..512 + 92].copy_from_slice(&entries.to_le_bytes());
        bytes[512 + 16..512 + 20].fill(0);
        let header = crc32(&bytes[512..512 + 92]);
        bytes[512 + 16..512 + 20].copy_from_slice(&header.to_le_bytes());
    }
    bytes
}

fn seeds(kind: &str) -> Vec<Vec<u8>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/image/corpus").join(kind);
    let mut paths: Vec<PathBuf> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

fn fuzz(kind: &str, target: fn(&[u8])) {
    let seeds = seeds(kind);
    assert!(!seeds.is_empty());
    seeds.iter().for_each(|seed| target(seed));
    let wanted: Option<u64> = std::env::var("SOUTE_FUZZ_SECONDS").ok().map(|text| text.parse().unwrap());
    let clock = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64 | 1;
    let mut random = Random(wanted.map_or(0x9e37_79b9_7f4a_7c15, |_| clock()));
    let (begun, time) = (Instant::now(), Duration::from_secs(wanted.unwrap_or(1)));
    let mut count = 0;
    while begun.elapsed() < time {
        let mut bytes = mutated(&seeds, &mut random);
        if kind == "archives" && random.below(4) > 0 {
            bytes = with_checksums(bytes);
        }
        if kind == "disks" && random.below(4) > 0 {
            bytes = with_sums(bytes);
        }
        let one = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| target(&bytes)));
        if outcome.is_err() || one.elapsed() > Duration::from_secs(60) {
            let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/fuzz");
            std::fs::create_dir_all(&directory).unwrap();
            let path = directory.join(format!("{kind}-{}", soute::image::oci::digest::Digest::of(&bytes).hex()));
            std::fs::write(&path, bytes).unwrap();
            panic!("after {count} others: {}", path.display());
        }
        count += 1;
    }
    eprintln!("{kind}: {count} in {time:?}");
}

#[test]
fn fuzz_archives() {
    fuzz("archives", |bytes| {
        // No more than the extractor would have room for.
        let Ok(reader) = decompress::reader(bytes) else { return };
        let mut archive = Archive::new(reader.take(64 << 20), End::Any);
        let mut members = 0;
        while let Ok(Some(member)) = archive.next_member() {
            let _ = normalized(&member.path);
            members += 1;
            // Each has a header of its own.
            assert!(members <= (64 << 20) / 512);
        }
        let _ = archive.finish(1 << 20);
    });
}

#[test]
fn fuzz_disks() {
    fuzz("disks", |bytes| {
        // Longer than what there is of it: only the table is read.
        let length = 16 << 20;
        let read = |at: u64, buffer: &mut [u8]| {
            let from = bytes.get(usize::try_from(at).unwrap()..).unwrap_or_default();
            let there = from.len().min(buffer.len());
            buffer[..there].copy_from_slice(&from[..there]);
            Ok(())
        };
        let Some(sector) = gpt::sector(bytes) else { return };
        let Ok(found) = gpt::partitions(sector, length, &read) else { return };
        let ends = found.iter().scan(0, |end, part| {
            let apart = part.start >= *end;
            *end = part.start + part.length;
            Some(apart && *end <= length && part.length > 0)
        });
        assert!(ends.into_iter().all(|sane| sane), "{found:?}");
        let _ = gpt::root(sector, length, &read);
    });
}

#[test]
fn fuzz_documents() {
    fuzz("documents", |bytes| {
        for media_type in [None, Some("application/vnd.oci.image.index.v1+json")] {
            let _ = Document::parse(bytes, media_type);
        }
        if let Ok(config) = Config::parse(bytes) {
            let declared = config.declared;
            let shown = declared.labels.values().chain(declared.environment.values()).chain(&declared.exposed_ports);
            assert!(shown.clone().all(|text| !text.contains('\u{1b}')), "{shown:?}");
        }
        let _ = json::<Vec<Saved>>(bytes);
        let _ = cosign::signatures(bytes);
        let _ = (sigstore::manifests(bytes), sigstore::bundle(bytes), sigstore::signed(bytes));
        let text = String::from_utf8_lossy(bytes);
        let _ = Challenge::parse(&text);
        let _ = sums::find(&text, "debian.tar");
        let _ = base64::dearmored(&text);
    });
}

#[test]
fn fuzz_references() {
    fuzz("references", |bytes| {
        let text = String::from_utf8_lossy(bytes);
        let read = text.parse::<Source>();
        if let Ok(source @ (Source::Registry(_) | Source::Server(_))) = &read {
            let written = source.to_string();
            assert!(written.bytes().all(|byte| byte.is_ascii_graphic()), "{written:?}");
            assert_eq!(written.parse::<Source>().as_ref(), Ok(source), "it reads as what it is");
        }
        if let Err(error) = &read {
            assert!(!error.chars().any(char::is_control), "{error:?}");
        }
        let here: Url = "https://a.example/b/c".parse().unwrap();
        if let Ok(url) = here.join(&text) {
            assert!(url.to_string().bytes().all(|byte| byte.is_ascii_graphic()), "{url}");
            assert_eq!(url.to_string().parse().as_ref(), Ok(&url));
        }
    });
}
