//! /run/soute/instances: the text file of running containers, one line each, tab-separated below a header; and beside it [`leases`],
//! what each was given for a time.

pub mod leases;

use std::time::SystemTime;

use crate::error::{Context, Result};
use crate::file;
use crate::image::lock::Lock;
use crate::layout::Layout;

/// A hundred thousand containers.
const LARGEST: u64 = 16 << 20;
const HEADER: &str = "NAME\tIMAGE\tSTARTED\tPID\tADDRESSES";

/// One running container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Its name.
    pub name: String,
    /// The image it runs a copy of.
    pub image: String,
    /// RFC 3339, UTC.
    pub started: String,
    /// The payload, as the host numbers it.
    pub pid: i32,
    /// Without their prefixes, in the order of the links.
    pub addresses: Vec<String>,
}

impl Instance {
    /// One that starts at this moment.
    pub fn now(name: &str, image: &str, pid: i32, addresses: Vec<String>) -> Self {
        let started = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        Self { name: name.to_owned(), image: image.to_owned(), started, pid, addresses }
    }

    /// The process is still that of the container.
    pub fn is_up(&self) -> bool {
        let groups = std::fs::read_to_string(format!("/proc/{}/cgroup", self.pid)).unwrap_or_default();
        let unit = format!("soute@{}.service", self.name);
        groups.lines().any(|line| line.starts_with("0::") && line.split('/').any(|part| part == unit))
    }

    fn line(&self) -> String {
        format!("{}\t{}\t{}\t{}\t{}", self.name, self.image, self.started, self.pid, self.addresses.join(","))
    }

    fn parse(line: &str) -> Option<Self> {
        let fields: Vec<_> = line.split('\t').collect();
        let [name, image, started, pid, addresses] = fields[..] else { return None };
        let addresses = addresses.split(',').filter(|address| !address.is_empty()).map(str::to_owned).collect();
        let pid = pid.parse().ok()?;
        Some(Self { name: name.to_owned(), image: image.to_owned(), started: started.to_owned(), pid, addresses })
    }
}

/// What the file says; an absent or damaged one says less than there is.
pub fn read(layout: &Layout) -> Vec<Instance> {
    parse(&text_of(layout))
}

/// Adds or replaces a line.
pub fn add(layout: &Layout, instance: &Instance) -> Result<()> {
    update(layout, |list| {
        list.retain(|other| other.name != instance.name);
        list.push(instance.clone());
    })
}

/// Takes a line out.
pub fn remove(layout: &Layout, name: &str) -> Result<()> {
    update(layout, |list| list.retain(|other| other.name != name))
}

/// Makes the file say what `change` leaves, under a lock and whole: a reader sees the old or the new one.
pub fn update(layout: &Layout, change: impl FnOnce(&mut Vec<Instance>)) -> Result<()> {
    let path = layout.instances();
    let action = || format!("cannot bring {} up to date", path.display());
    let write = || -> std::io::Result<()> {
        let before = text_of(layout);
        let mut list = parse(&before);
        change(&mut list);
        let after = text(list);
        if after == before {
            return Ok(());
        }
        file::write(&path, after.as_bytes(), 0o644)
    };
    let _lock = Lock::instances(layout)?;
    write().with_context(action)
}

/// Makes the lines say what was found to be `up`, and leaves alone what has come or gone since they read `noted`.
pub fn reconcile(list: &mut Vec<Instance>, noted: &[Instance], up: Vec<Instance>) {
    let gone = |instance: &Instance| noted.contains(instance) && !list.contains(instance);
    let up: Vec<_> = up.into_iter().filter(|instance| !gone(instance)).collect();
    let come = |instance: &Instance| !noted.contains(instance) && up.iter().all(|known| known.name != instance.name);
    list.retain(come);
    list.extend(up);
}

/// What cannot be read is as good as lost: the next change makes it good.
fn text_of(layout: &Layout) -> String {
    file::read(&layout.instances(), LARGEST).ok().flatten().unwrap_or_default()
}

fn parse(text: &str) -> Vec<Instance> {
    text.lines().skip(1).filter_map(Instance::parse).collect()
}

fn text(mut list: Vec<Instance>) -> String {
    list.sort_by(|a, b| a.name.cmp(&b.name));
    let lines = list.iter().map(Instance::line);
    std::iter::once(HEADER.to_owned()).chain(lines).map(|line| line + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn instance(name: &str, addresses: &[&str]) -> Instance {
        Instance::now(name, "nginx", 42, addresses.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn lines_come_and_go_sorted_by_name() {
        let root = tempfile::tempdir().unwrap();
        let layout = Layout::new(root.path());
        add(&layout, &instance("web", &["10.88.0.10", "fd00:88::10"])).unwrap();
        add(&layout, &instance("db", &[])).unwrap();
        add(&layout, &instance("web", &["10.88.0.11"])).unwrap();
        assert_eq!(read(&layout), [instance("db", &[]), instance("web", &["10.88.0.11"])]);
        remove(&layout, "web").unwrap();
        remove(&layout, "web").unwrap();
        let text = fs::read_to_string(layout.instances()).unwrap();
        assert_eq!(text, format!("NAME\tIMAGE\tSTARTED\tPID\tADDRESSES\n{}\n", instance("db", &[]).line()));
    }

    #[test]
    fn what_came_or_went_while_systemd_was_asked_stays_as_it_is() {
        let [web, db, new, lost, stale] = ["web", "db", "new", "lost", "stale"].map(|name| instance(name, &[]));
        let noted = [web.clone(), db.clone(), stale.clone()];
        let mut list = vec![web.clone(), new.clone(), stale];
        reconcile(&mut list, &noted, vec![web.clone(), db, lost.clone()]);
        assert_eq!(list, [new, web, lost]);
    }

    #[test]
    fn two_hundred_at_once_are_all_there() {
        let root = tempfile::tempdir().unwrap();
        let layout = Layout::new(root.path());
        std::thread::scope(|scope| {
            for number in 0..200 {
                let layout = &layout;
                scope.spawn(move || add(layout, &instance(&format!("c{number}"), &[])).unwrap());
            }
        });
        assert_eq!(read(&layout).len(), 200);
    }

    #[test]
    fn a_damaged_file_is_made_good_by_the_next_change() {
        let root = tempfile::tempdir().unwrap();
        let layout = Layout::new(root.path());
        fs::create_dir_all(layout.instances().parent().unwrap()).unwrap();
        fs::write(layout.instances(), "NAME\nweb\tnginx\n\0\0").unwrap();
        add(&layout, &instance("db", &[])).unwrap();
        assert_eq!(read(&layout), [instance("db", &[])]);
    }
}
