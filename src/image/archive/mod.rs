//! Reading tar archives: one member after the other, with bounded memory, whatever the archive says; and in the files below,
//! what is unpacked of them, and how they are written.
//!
//! Only the numbers of a header are read by the `tar` crate. Which header counts, how far a member's content reaches and
//! where its holes are is decided here, as two readers that differ in it see two archives.

pub mod acl;
pub mod ahead;
pub mod decompress;
pub mod extract;
pub mod layer;
pub mod member;
pub mod pack;
pub mod path;
pub mod pax;
pub mod pending;
pub mod receive;

use std::ffi::CStr;
use std::io::{self, Read};

use tar::{EntryType, GnuExtSparseHeader, GnuSparseHeader, Header};

use crate::error::{Context, Error, Result};
use crate::image::archive::member::{Kind, Member, attributes, sparse};
use crate::image::archive::pax::{Pax, number};
use crate::image::tree::attributes::Attributes;

/// How much may follow the end of an archive: GNU tar fills up to 10 KiB, and tapes to a few MiB.
pub const MAX_TRAILER: u64 = 64 << 20;
const BLOCK: usize = 512;
/// Names and extended headers; attributes of one file are at most 64 KiB in all on most file systems.
const MAX_HEADER: u64 = 1 << 20;
/// Pieces of one sparse file.
const MAX_PIECES: usize = 1 << 20;

/// An archive, uncompressed.
pub struct Archive<R> {
    reader: R,
    global: Pax,
    /// Content of the current member that has not been read, and the fill behind it.
    content: u64,
    padding: u64,
    end: End,
}

/// What stands at the end of an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// A block of zeros, without which it has been cut off.
    Zeros,
    /// That, or nothing: what is known by its digest is whole, and umoci writes none.
    Any,
}

impl<R: Read> Archive<R> {
    /// Begins at the first header.
    pub fn new(reader: R, end: End) -> Self {
        Self { reader, global: Pax::default(), content: 0, padding: 0, end }
    }

    /// The next member, none after the last.
    pub fn next_member(&mut self) -> Result<Option<Member>> {
        self.skip()?;
        let mut names = Names::default();
        loop {
            let Some(header) = self.header()? else {
                return if names.any() {
                    Err(Error::failed("the archive ends after an extended header"))
                } else {
                    Ok(None)
                };
            };
            let size = header.entry_size().context("a header is damaged")?;
            match header.entry_type() {
                EntryType::GNULongName => names.path = Some(to_nul(self.small(size)?)),
                EntryType::GNULongLink => names.link = Some(to_nul(self.small(size)?)),
                EntryType::XHeader => names.pax.get_or_insert_default().read(&self.small(size)?)?,
                EntryType::XGlobalHeader => {
                    let content = self.small(size)?;
                    self.global.read(&content)?;
                    if ["path", "linkpath", "size"].iter().any(|key| self.global.get(key).is_some()) {
                        return Err(Error::failed("one name or size for all members makes no sense"));
                    }
                }
                _ => return self.member(&header, size, names).map(Some),
            }
        }
    }

    /// Reads on to the end of the stream, where decompressors find their checksums.
    pub fn finish(mut self, limit: u64) -> Result<()> {
        let rest =
            io::copy(&mut (&mut self.reader).take(limit + 1), &mut io::sink()).context("cannot read the archive")?;
        if rest > limit { Err(Error::failed("the archive goes on after its end")) } else { Ok(()) }
    }

    /// How much content of the current member has not been read, for a reader that can pass it over: `over` gets it with
    /// the fill behind it.
    pub fn pass_over(&mut self, over: impl FnOnce(&mut R, u64) -> Result<()>) -> Result<u64> {
        let content = self.content;
        over(&mut self.reader, content + self.padding)?;
        (self.content, self.padding) = (0, 0);
        Ok(content)
    }

    /// The reader itself.
    pub fn reader(&self) -> &R {
        &self.reader
    }

    fn member(&mut self, header: &Header, size: u64, names: Names) -> Result<Member> {
        let pax = names.pax.unwrap_or_default().over(&self.global);
        let path =
            pax.get("path").map(<[u8]>::to_vec).or(names.path).unwrap_or_else(|| header.path_bytes().into_owned());
        let path = pax.get("GNU.sparse.name").map_or(path, <[u8]>::to_vec);
        let link = pax.get("linkpath").map(<[u8]>::to_vec).or(names.link);
        let link = link.or_else(|| header.link_name_bytes().map(std::borrow::Cow::into_owned)).unwrap_or_default();
        let shown = crate::image::tree::access::shown(&path);
        let read = || -> Result<(Kind, Attributes)> {
            self.begin(pax.number("size")?.unwrap_or(size))?;
            Ok((self.kind(header, &pax, &path, link)?, attributes(header, &pax)?))
        };
        let (kind, attributes) = { read }().with_context(|| format!("entry {shown}"))?;
        let acl = |key: &str, name: &'static CStr| pax.get(key).map(|text| (name, text.to_vec()));
        let acls = [
            acl("SCHILY.acl.access", c"system.posix_acl_access"),
            acl("SCHILY.acl.default", c"system.posix_acl_default"),
        ];
        Ok(Member { path, kind, attributes, acls: acls.into_iter().flatten().collect() })
    }

    fn kind(&mut self, header: &Header, pax: &Pax, path: &[u8], link: Vec<u8>) -> Result<Kind> {
        let device = || -> Result<(u32, u32)> {
            Ok((header.device_major()?.unwrap_or_default(), header.device_minor()?.unwrap_or_default()))
        };
        let kind = match header.entry_type() {
            // Before POSIX there was no type for directories; GNU tar and bsdtar read what ends so as one to this day.
            EntryType::Regular | EntryType::Continuous if path.ends_with(b"/") => Kind::Directory,
            EntryType::Regular | EntryType::Continuous => return self.file(pax),
            EntryType::GNUSparse => return self.old_sparse(header),
            EntryType::Link => Kind::HardLink(link),
            EntryType::Symlink => Kind::Symlink(link),
            EntryType::Char => device().map(|(major, minor)| Kind::Character(major, minor))?,
            EntryType::Block => device().map(|(major, minor)| Kind::Block(major, minor))?,
            EntryType::Directory => Kind::Directory,
            EntryType::Fifo => Kind::Fifo,
            other => {
                let letter = (other.as_byte() as char).escape_default();
                return Err(Error::failed(format!("members of type '{letter}' are not read")));
            }
        };
        // Readers differ in whether these have content, so an archive that says so is read in two ways.
        if self.content > 0 { Err(Error::failed("it has content that its type does not have")) } else { Ok(kind) }
    }

    /// A regular file, or a sparse one of GNU tar's formats 0.1 and 1.0.
    fn file(&mut self, pax: &Pax) -> Result<Kind> {
        let stored = self.content;
        if pax.get("GNU.sparse.major") == Some(b"1") && pax.get("GNU.sparse.minor") == Some(b"0") {
            let size = pax.number("GNU.sparse.realsize")?.unwrap_or(stored);
            let pieces = self.map_in_content()?;
            return sparse(size, pieces, self.content);
        }
        if let Some(map) = pax.get("GNU.sparse.map") {
            let size = pax.number("GNU.sparse.size")?.unwrap_or(stored);
            let numbers: Option<Vec<u64>> = map.split(|&byte| byte == b',').map(number).collect();
            let numbers =
                numbers.filter(|n| n.len() % 2 == 0).ok_or_else(|| Error::failed("its map of holes is damaged"))?;
            return sparse(size, numbers.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect(), stored);
        }
        if pax.with_prefix("GNU.sparse.").next().is_some() {
            return Err(Error::failed("its kind of sparse file is not known"));
        }
        Ok(Kind::File { size: stored, pieces: vec![(0, stored)] })
    }

    /// Format 1.0: the map is in front of the content, a number a line, filled up to a block.
    fn map_in_content(&mut self) -> Result<Vec<(u64, u64)>> {
        let damaged = || Error::failed("its map of holes is damaged");
        let (mut numbers, mut digits) = (Vec::new(), Vec::new());
        let mut wanted = 1;
        while numbers.len() < wanted {
            let mut block = [0; BLOCK];
            self.read_content(&mut block).context("cannot read its map of holes")?;
            for &byte in &block {
                match byte {
                    _ if numbers.len() == wanted => break,
                    b'\n' => {
                        numbers.push(number(&digits).filter(|_| !digits.is_empty()).ok_or_else(damaged)?);
                        digits.clear();
                        if numbers.len() == 1 {
                            let count = usize::try_from(numbers[0]).ok().filter(|&count| count <= MAX_PIECES);
                            wanted = 1 + 2 * count.ok_or_else(damaged)?;
                        }
                    }
                    _ if digits.len() < 20 => digits.push(byte),
                    _ => return Err(damaged()),
                }
            }
        }
        Ok(numbers[1..].chunks_exact(2).map(|pair| (pair[0], pair[1])).collect())
    }

    /// GNU tar's own format: four pieces in the header, 21 in each block that follows it.
    fn old_sparse(&mut self, header: &Header) -> Result<Kind> {
        let gnu = header.as_gnu().ok_or_else(|| Error::failed("a sparse file needs a GNU header"))?;
        let mut pieces = Vec::new();
        let mut add = |sparse: &[GnuSparseHeader]| -> Result<()> {
            for piece in sparse.iter().filter(|piece| !piece.is_empty()) {
                pieces.push((piece.offset()?, piece.length()?));
            }
            if pieces.len() > MAX_PIECES { Err(Error::failed("it has too many holes")) } else { Ok(()) }
        };
        add(&gnu.sparse)?;
        let mut extended = gnu.is_extended();
        while extended {
            let mut block = GnuExtSparseHeader::new();
            self.reader.read_exact(block.as_mut_bytes())?;
            add(block.sparse())?;
            extended = block.is_extended();
        }
        sparse(gnu.real_size()?, pieces, self.content)
    }

    fn header(&mut self) -> Result<Option<Header>> {
        let mut header = Header::new_old();
        let mut first = [0];
        if self.end == End::Any && self.reader.read(&mut first).context("cannot read the archive")? == 0 {
            return Ok(None);
        }
        let known = if self.end == End::Any { &first[..] } else { &[] };
        match known.chain(&mut self.reader).read_exact(header.as_mut_bytes()) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(Error::failed("the archive is cut off"));
            }
            other => other.context("cannot read the archive")?,
        }
        if header.as_bytes().iter().all(|&byte| byte == 0) {
            return Ok(None);
        }
        if has_checksum(header.as_bytes()) { Ok(Some(header)) } else { Err(Error::failed("a header is damaged")) }
    }

    /// The content of a name or an extended header.
    fn small(&mut self, size: u64) -> Result<Vec<u8>> {
        if size > MAX_HEADER {
            return Err(Error::failed(format!("an extended header has {size} bytes, more than {MAX_HEADER}")));
        }
        self.begin(size)?;
        let mut content = vec![0; usize::try_from(size).unwrap_or_default()];
        self.read_content(&mut content).context("cannot read an extended header")?;
        self.skip()?;
        Ok(content)
    }

    fn begin(&mut self, size: u64) -> Result<()> {
        if size > i64::MAX.cast_unsigned() {
            return Err(Error::failed("its size makes no sense"));
        }
        self.content = size;
        self.padding = size.next_multiple_of(BLOCK as u64) - size;
        Ok(())
    }

    fn read_content(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        let length = buffer.len() as u64;
        self.content = self.content.checked_sub(length).ok_or(io::ErrorKind::UnexpectedEof)?;
        self.reader.read_exact(buffer)
    }

    fn skip(&mut self) -> Result<()> {
        let (content, rest) = (self.content, self.content + self.padding);
        (self.content, self.padding) = (0, 0);
        let skipped =
            io::copy(&mut (&mut self.reader).take(rest), &mut io::sink()).context("cannot read the archive")?;
        // `umoci insert` does not fill the last block either.
        let whole = skipped == rest || self.end == End::Any && skipped >= content;
        if whole { Ok(()) } else { Err(Error::failed("the archive is cut off")) }
    }
}

/// The content of the current member.
impl<R: Read> Read for Archive<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let limit = usize::try_from(self.content).unwrap_or(usize::MAX).min(buffer.len());
        let length = self.reader.read(&mut buffer[..limit])?;
        if length == 0 && limit > 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the archive is cut off"));
        }
        self.content -= length as u64;
        Ok(length)
    }
}

/// Does a block have the checksum of a tar header?
pub fn has_checksum(block: &[u8]) -> bool {
    let Some(block) = block.get(..BLOCK) else { return false };
    let sum: u32 = block[..148].iter().chain(&block[156..]).map(|&byte| u32::from(byte)).sum::<u32>() + 8 * 32;
    Header::from_byte_slice(block).cksum().is_ok_and(|stored| stored == sum)
}

/// What comes before a member and is for it.
#[derive(Default)]
struct Names {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    pax: Option<Pax>,
}

impl Names {
    fn any(&self) -> bool {
        self.path.is_some() || self.link.is_some() || self.pax.is_some()
    }
}

/// GNU tar's long names end with a NUL that counts.
fn to_nul(mut name: Vec<u8>) -> Vec<u8> {
    let end = name.iter().position(|&byte| byte == 0).unwrap_or(name.len());
    name.truncate(end);
    name
}
