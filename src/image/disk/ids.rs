//! Ranges of ids: 65536 for each container, never shared, kept for as long as its disk.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use nix::unistd::{Gid, Group, Uid, User};
use sha2::{Digest, Sha256};

use crate::error::{Context, Error, Result};
use crate::image::disk::{self, Disk, DiskRecord};
use crate::image::lock::Lock;
use crate::layout::Layout;

/// How many ids a container has.
pub const COUNT: u32 = 65536;

/// The ids that ranges are taken from, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pool {
    /// The first id; ranges begin at multiples of 65536 from here on.
    pub first: u32,
    /// The last id.
    pub last: u32,
}

/// systemd-nspawn's pool too (nspawn-settings.h), which avoids what other programs allocate from.
impl Default for Pool {
    fn default() -> Self {
        Self { first: 524_288, last: 1_878_982_655 }
    }
}

/// Ids that are someone's, first and count.
type Taken = (u64, u64);

/// Writes a container's record, with a range of ids that is its own: the one it has, else a new one.
pub fn assign(layout: &Layout, pool: Pool, name: &str, record: DiskRecord, durable: bool) -> Result<Disk> {
    let _lock = Lock::ids(layout)?;
    let own = disk::open(layout, name)?.and_then(|disk| disk.record.ids);
    let ids = match own {
        Some(first) => first,
        None => {
            let taken = taken(layout, name)?;
            choose(pool, name, |first| is_taken(&taken, first) || is_account(first))?
        }
    };
    disk::create_record(layout, name, &DiskRecord { ids: Some(ids), ..record }, durable)
}

/// The first free range, beginning at a place that depends on the name: a container that is made anew, or made on another
/// host, mostly has the same ids, and files that it left in bind mounts stay its own.
fn choose(pool: Pool, name: &str, taken: impl Fn(u32) -> bool) -> Result<u32> {
    let base = pool.first.div_ceil(COUNT);
    let slots = ((u64::from(pool.last) + 1) / u64::from(COUNT)).saturating_sub(base.into());
    let hash = Sha256::digest(name);
    let start = hash.first_chunk().copied().map_or(0, u64::from_le_bytes);
    (0..slots)
        .filter_map(|probe| u32::try_from(u64::from(base) + (start % slots + probe) % slots).ok()?.checked_mul(COUNT))
        .find(|&first| !taken(first))
        .ok_or_else(|| {
            Error::failed(format!(
                "no range of {COUNT} ids is free in {}-{}: remove containers, or widen the pool in soute.toml",
                pool.first, pool.last
            ))
        })
}

fn is_taken(taken: &[Taken], first: u32) -> bool {
    let (first, end) = (u64::from(first), u64::from(first) + u64::from(COUNT));
    taken.iter().any(|&(other, count)| other < end && first < other.saturating_add(count))
}

/// Some other program has made an account of it (systemd-nspawn asks so, and is seen so by nss-systemd).
fn is_account(first: u32) -> bool {
    matches!(User::from_uid(Uid::from_raw(first)), Ok(Some(_)))
        || matches!(Group::from_gid(Gid::from_raw(first)), Ok(Some(_)))
}

/// A record that cannot be read is an error: its ids could be given twice.
fn taken(layout: &Layout, name: &str) -> Result<Vec<Taken>> {
    let mut taken = Vec::new();
    for file in ["etc/subuid", "etc/subgid"] {
        taken.extend(parse_subids(&read_bounded(&layout.root().join(file))?));
    }
    for other in disk::names(layout)?.iter().filter(|other| *other != name) {
        let record = disk::open(layout, other).context("cannot tell which ids are free")?.map(|disk| disk.record);
        taken.extend(record.and_then(|record| record.ids).map(|first| (first.into(), COUNT.into())));
    }
    Ok(taken)
}

/// subuid(5): `name:first:count`; what is not of this form is nobody's range.
fn parse_subids(text: &str) -> impl Iterator<Item = Taken> + '_ {
    text.lines().filter_map(|line| {
        let mut fields = line.rsplitn(3, ':');
        let count = fields.next()?.trim().parse().ok()?;
        Some((fields.next()?.trim().parse().ok()?, count))
    })
}

fn read_bounded(path: &Path) -> Result<String> {
    let mut bytes = Vec::new();
    let read =
        || -> std::io::Result<u64> { File::open(path)?.take(16 << 20).read_to_end(&mut bytes).map(|n| n as u64) };
    match { read }() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        other => other
            .with_context(|| format!("cannot read {}", path.display()))
            .map(|_| String::from_utf8_lossy(&bytes).into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use crate::image::disk::ids::*;

    #[test]
    fn the_pool_holds_28664_ranges_and_each_name_finds_its_own() {
        let pool = Pool::default();
        let first = choose(pool, "web", |_| false).unwrap();
        assert_eq!(first % COUNT, 0);
        assert!(first >= pool.first && first + (COUNT - 1) <= pool.last);
        assert_eq!(choose(pool, "web", |_| false).unwrap(), first, "the same name, the same range");
        let next = choose(pool, "web", |id| id == first).unwrap();
        assert!(next == first + COUNT || next == pool.first, "the next one, or round the end");
        assert_ne!(choose(pool, "db", |_| false).unwrap(), first);
    }

    #[test]
    fn attack_25_every_range_is_given_once_then_it_is_an_error() {
        let pool = Pool { first: 524_288, last: 524_288 + 10 * COUNT - 1 };
        let mut given = Vec::new();
        for n in 0..10 {
            let first = choose(pool, &format!("c{n}"), |id| given.contains(&id)).unwrap();
            assert!(!given.contains(&first));
            given.push(first);
        }
        let error = choose(pool, "one-more", |id| given.contains(&id)).unwrap_err().to_string();
        assert!(error.contains("no range of 65536 ids is free in 524288-1179647"), "{error}");
    }

    #[test]
    fn a_pool_that_is_not_aligned_or_too_small_gives_nothing_outside() {
        let pool = Pool { first: 524_289, last: 524_288 + 3 * COUNT - 2 };
        assert_eq!(choose(pool, "x", |_| false).unwrap(), 524_288 + COUNT);
        assert!(choose(Pool { first: 1, last: 65_535 }, "x", |_| false).is_err());
        let end = Pool { first: u32::MAX - COUNT, last: u32::MAX };
        assert_eq!(choose(end, "x", |_| false).unwrap(), u32::MAX - COUNT + 1);
    }

    #[test]
    fn subids_overlap_by_any_part() {
        let taken: Vec<_> = parse_subids("a:100000:65536\n# no\nb:589824:1\nbad:x:1\n:c:\n").collect();
        assert_eq!(taken, [(100_000, 65536), (589_824, 1)]);
        assert!(is_taken(&taken, 131_072), "100000..165536 reaches into it");
        assert!(is_taken(&taken, 589_824));
        assert!(!is_taken(&taken, 524_288));
        assert!(is_taken(&[(0, u64::MAX)], 0));
    }
}
