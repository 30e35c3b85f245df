//! Who the payload runs as, looked up in the container's own /etc/passwd and /etc/group by a reader that nothing in them
//! can fool: no NSS, no library of the image, bounded, and only a regular file is read.

use std::io::Read;
use std::os::fd::BorrowedFd;

use rustix::fs::{FileType, OFlags};
use rustix::io::Errno;

use super::root;
use crate::error::{Context, Error, Result};
use crate::plan::Process;

/// /etc/group of a directory service's export has been seen at 2 MB; nobody needs more.
const LARGEST: u64 = 8 << 20;

/// The ids of a process, and its home.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Supplementary groups, sorted, with `gid` among them.
    pub groups: Vec<u32>,
    /// The home directory that passwd names, else "/".
    pub home: String,
    /// The shell that passwd names.
    pub shell: Option<String>,
}

/// Looks up the user and the groups of a process in the root given; ids from `limit` up have no meaning there.
pub fn resolve(root: BorrowedFd<'_>, process: &Process, limit: u32) -> Result<Credentials> {
    let passwd = read(root, "/etc/passwd")?;
    let group = read(root, "/etc/group")?;
    let credentials = lookup(process, &passwd, &group)?;
    match [credentials.uid, credentials.gid].iter().chain(&credentials.groups).find(|id| **id >= limit) {
        Some(id) => Err(Error::failed(format!("id {id} is outside the container's {limit} ids"))),
        None => Ok(credentials),
    }
}

fn lookup(process: &Process, passwd: &str, group: &str) -> Result<Credentials> {
    let (user, chosen) = match process.user.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (process.user.as_str(), None),
    };
    let entries = || passwd.lines().filter_map(Entry::parse);
    let number = id(user);
    let entry = match number {
        Some(uid) => entries().find(|entry| entry.id == uid),
        None => entries().find(|entry| entry.name == user),
    };
    // "root" needs no file: an image of one static program has none.
    let uid = number.or(entry.as_ref().map(|entry| entry.id)).or((user == "root").then_some(0));
    let uid = uid.ok_or_else(|| Error::failed(format!("no such user in the container: {user}")))?;
    let own_gid = entry.as_ref().and_then(|entry| id(entry.third)).unwrap_or(0);
    let gid = match chosen {
        Some(name) => group_id(group, name)?,
        None => own_gid,
    };
    let mut groups = vec![gid];
    if let (None, Some(entry)) = (chosen, &entry) {
        groups.extend(memberships(group, entry.name));
    }
    for name in &process.groups {
        groups.push(group_id(group, name)?);
    }
    groups.sort_unstable();
    groups.dedup();
    let home = entry.as_ref().and_then(|entry| entry.home).filter(|home| home.starts_with('/')).unwrap_or("/");
    let shell = entry.as_ref().and_then(|entry| entry.shell).map(str::to_owned);
    Ok(Credentials { uid, gid, groups, home: home.to_owned(), shell })
}

/// One line of passwd (name:x:uid:gid:gecos:home:shell) or group (name:x:gid:members).
struct Entry<'a> {
    name: &'a str,
    id: u32,
    third: &'a str,
    home: Option<&'a str>,
    shell: Option<&'a str>,
}

impl<'a> Entry<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let mut fields = line.split(':');
        let (name, _, number) = (fields.next()?, fields.next()?, fields.next()?);
        let third = fields.next()?;
        let home = fields.nth(1);
        let shell = fields.next();
        Some(Self { name, id: id(number)?, third, home, shell })
    }
}

fn group_id(group: &str, name: &str) -> Result<u32> {
    let by_name = || group.lines().filter_map(Entry::parse).find(|entry| entry.name == name).map(|entry| entry.id);
    id(name)
        .or_else(by_name)
        .or((name == "root").then_some(0))
        .ok_or_else(|| Error::failed(format!("no such group in the container: {name}")))
}

fn memberships<'a>(group: &'a str, user: &'a str) -> impl Iterator<Item = u32> + 'a {
    let member = move |entry: &Entry<'_>| entry.third.split(',').any(|name| name == user);
    group.lines().filter_map(Entry::parse).filter(member).map(|entry| entry.id)
}

/// Decimal digits and nothing else: no sign, no blank, no "0x", no wrap-around; 2^32-1 means "no id" to the kernel.
fn id(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.len() <= 10 && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|id| digits && *id != u32::MAX)
}

fn read(root: BorrowedFd<'_>, path: &str) -> Result<String> {
    // A FIFO in its place must not make us wait, a device must not be touched.
    let file = match root::open(root, path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY) {
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(String::new()),
        other => other.with_context(|| format!("cannot open {path} in the container"))?,
    };
    let stat = rustix::fs::fstat(&file)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(Error::failed(format!("{path} in the container is not a regular file")));
    }
    let mut bytes = Vec::new();
    std::fs::File::from(file).take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(Error::failed(format!("{path} in the container is larger than {} MiB", LARGEST >> 20)));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Sandbox;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nwww:x:33:33::/var/www:/bin/false\nbroken\n1000:x:7:7::/x:/x\n";
    const GROUP: &str = "root:x:0:\nwww:x:33:\nssl:x:101:db,www\nadm:x:4:www2\n";

    fn ask(user: &str, groups: &[&str]) -> Result<Credentials> {
        let groups = groups.iter().map(ToString::to_string).collect();
        lookup(&Process { user: user.into(), groups, ..Sandbox::example().process }, PASSWD, GROUP)
    }

    fn ids(user: &str, groups: &[&str]) -> (u32, u32, Vec<u32>) {
        let found = ask(user, groups).unwrap();
        (found.uid, found.gid, found.groups)
    }

    #[test]
    fn a_name_brings_its_groups_and_home() {
        assert_eq!(ids("www", &[]), (33, 33, vec![33, 101]));
        assert_eq!(ask("www", &[]).unwrap().home, "/var/www");
        assert_eq!(ask("www", &[]).unwrap().shell.as_deref(), Some("/bin/false"));
    }

    #[test]
    fn a_number_is_a_number_even_where_a_user_is_called_so() {
        assert_eq!(ids("1000", &[]), (1000, 0, vec![0]));
        assert_eq!(ids("33", &[]), (33, 33, vec![33, 101]));
    }

    #[test]
    fn a_group_replaces_the_memberships() {
        assert_eq!(ids("www:ssl", &["4"]), (33, 101, vec![4, 101]));
        assert_eq!(ids("0:0", &[]), (0, 0, vec![0]));
    }

    #[test]
    fn what_is_not_found_is_an_error_never_root() {
        for user in ["", "0x0", "+0", "-1", "4294967295", "4294967296", "1000:", ":0", "nobody", " 0", "www:none"] {
            assert!(ask(user, &[]).is_err(), "{user:?} was taken");
        }
    }

    #[test]
    fn root_needs_no_file() {
        let process = Sandbox::example().process;
        assert_eq!(lookup(&process, "", "").unwrap().uid, 0);
    }

    #[test]
    fn a_fifo_in_place_of_passwd_is_refused_at_once() {
        use std::os::fd::AsFd;
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("etc")).unwrap();
        nix::unistd::mkfifo(&dir.path().join("etc/passwd"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let root = std::fs::File::open(dir.path()).unwrap();
        let error = resolve(root.as_fd(), &Sandbox::example().process, 65536).unwrap_err();
        assert_eq!(error.to_string(), "/etc/passwd in the container is not a regular file");
    }

    #[test]
    fn ids_beyond_the_range_are_refused() {
        use std::os::fd::AsFd;
        let dir = tempfile::tempdir().unwrap();
        let root = std::fs::File::open(dir.path()).unwrap();
        let process = Process { user: "70000".into(), ..Sandbox::example().process };
        assert!(resolve(root.as_fd(), &process, 65536).is_err());
        assert!(resolve(root.as_fd(), &process, u32::MAX).is_ok());
    }
}
