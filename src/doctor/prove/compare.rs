//! Two snapshots against each other: pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{Area, Item, Snapshot};

/// What became of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// It was there before.
    Removed,
    /// It is there after.
    Added,
    /// The same as before, in another order.
    Reordered,
    /// It can no longer be read.
    Unread,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Difference {
    /// Where.
    pub area: Area,
    /// How.
    pub change: Change,
    /// What.
    pub what: String,
}

impl Difference {
    /// A line for people.
    pub fn line(&self) -> String {
        let sign = match self.change {
            Change::Removed => "-",
            Change::Added => "+",
            Change::Reordered | Change::Unread => "!",
        };
        format!("{sign} {}: {}", self.area.word(), crate::definition::types::escaped(&self.what))
    }
}

/// All differences, by area.
pub fn compare(before: &Snapshot, after: &Snapshot) -> Vec<Difference> {
    let moved = came_or_went(before, after);
    let areas: BTreeSet<Area> = before.areas.keys().chain(after.areas.keys()).copied().collect();
    areas.into_iter().flat_map(|area| of_area(area, before, after, &moved)).collect()
}

fn of_area(area: Area, before: &Snapshot, after: &Snapshot, moved: &BTreeSet<String>) -> Vec<Difference> {
    let (old, new) = match (before.areas.get(&area), after.areas.get(&area)) {
        (Some(old), Some(new)) => (old, new),
        // What could not be read before was told then; what can be read no more may be anything.
        (Some(_), None) => {
            let what = after.unread.get(&area).cloned().unwrap_or_default();
            return vec![Difference { area, change: Change::Unread, what }];
        }
        _ => return Vec::new(),
    };
    // A link that is new has a hundred sysctls, and the link itself is in the list.
    let goes_with_its_link = |item: &&Item| {
        matches!(area, Area::Sysctls | Area::Queueing) && item.link.as_ref().is_some_and(|link| moved.contains(link))
    };
    let mut balance: BTreeMap<&str, i64> = BTreeMap::new();
    for item in old.iter().filter(|item| !goes_with_its_link(item)) {
        *balance.entry(&item.text).or_default() -= 1;
    }
    for item in new.iter().filter(|item| !goes_with_its_link(item)) {
        *balance.entry(&item.text).or_default() += 1;
    }
    let mut list = Vec::new();
    for (text, count) in balance {
        let change = if count < 0 { Change::Removed } else { Change::Added };
        list.extend((0..count.abs()).map(|_| Difference { area, change, what: text.to_owned() }));
    }
    if list.is_empty() && area.is_ordered() && old != new {
        list.push(Difference { area, change: Change::Reordered, what: "the same rules in another order".to_owned() });
    }
    list
}

fn came_or_went(before: &Snapshot, after: &Snapshot) -> BTreeSet<String> {
    let links = |snapshot: &Snapshot| -> BTreeSet<String> {
        let items = snapshot.areas.get(&Area::Links).into_iter().flatten();
        items.filter_map(|item| item.link.clone()).collect()
    };
    links(before).symmetric_difference(&links(after)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(link: &str, text: &str) -> Item {
        Item { link: Some(link.to_owned()).filter(|link| !link.is_empty()), text: text.to_owned() }
    }

    fn snapshot<const N: usize>(areas: [(Area, &[Item]); N]) -> Snapshot {
        let areas = areas.into_iter().map(|(area, items)| (area, items.to_vec())).collect();
        Snapshot { areas, ..Snapshot::default() }
    }

    fn lines(before: &Snapshot, after: &Snapshot) -> Vec<String> {
        compare(before, after).iter().map(Difference::line).collect()
    }

    #[test]
    fn what_is_the_same_is_no_difference() {
        let one =
            snapshot([(Area::Routes, &[item("br0", "10.0.0.0/8 dev br0")]), (Area::Sysctls, &[item("", "a = 1")])]);
        assert_eq!(compare(&one, &one.clone()), []);
    }

    #[test]
    fn what_is_gone_and_what_is_new_is_told() {
        let before =
            snapshot([(Area::Sysctls, &[item("", "net.ipv4.ip_forward = 0")]), (Area::Routes, &[item("", "r")])]);
        let after = snapshot([(Area::Sysctls, &[item("", "net.ipv4.ip_forward = 1")]), (Area::Routes, &[])]);
        assert_eq!(
            lines(&before, &after),
            ["- routes: r", "- sysctls: net.ipv4.ip_forward = 0", "+ sysctls: net.ipv4.ip_forward = 1"]
        );
    }

    #[test]
    fn a_rule_that_is_there_twice_is_not_there_once() {
        let (accept, drop) = (item("", "accept"), item("", "drop"));
        let before = snapshot([(Area::Iptables, std::slice::from_ref(&accept))]);
        let after = snapshot([(Area::Iptables, &[accept.clone(), accept.clone()])]);
        assert_eq!(lines(&before, &after), ["+ iptables: accept"]);
        let before = snapshot([(Area::Iptables, &[accept.clone(), drop.clone()])]);
        let after = snapshot([(Area::Iptables, &[drop.clone(), accept.clone()])]);
        assert_eq!(lines(&before, &after), ["! iptables: the same rules in another order"]);
        let before = snapshot([(Area::Rules, &[accept.clone(), drop.clone()])]);
        let after = snapshot([(Area::Rules, &[drop, accept])]);
        assert_eq!(lines(&before, &after), [""; 0], "rules of routing have their priorities in them");
    }

    #[test]
    fn a_new_link_is_told_once_and_a_sysctl_of_an_old_one_is_told() {
        let old = item("eth0", "eth0 mtu 1500");
        let before = snapshot([
            (Area::Links, std::slice::from_ref(&old)),
            (Area::Sysctls, &[item("eth0", "eth0.forwarding = 0")]),
        ]);
        let after = snapshot([
            (Area::Links, &[old, item("docker0", "docker0 mtu 1500")]),
            (Area::Sysctls, &[item("eth0", "eth0.forwarding = 1"), item("docker0", "docker0.forwarding = 1")]),
            (Area::Routes, &[]),
        ]);
        assert_eq!(
            lines(&before, &after),
            ["+ links: docker0 mtu 1500", "- sysctls: eth0.forwarding = 0", "+ sysctls: eth0.forwarding = 1"]
        );
    }

    #[test]
    fn what_can_be_read_no_more_is_a_difference() {
        let before = snapshot([(Area::Nftables, &[item("", "a table")])]);
        let mut after = snapshot([]);
        after.unread.insert(Area::Nftables, "nft is not installed".to_owned());
        assert_eq!(lines(&before, &after), ["! nftables: nft is not installed"]);
        assert_eq!(lines(&after, &before), [""; 0], "it was told before");
    }
}
