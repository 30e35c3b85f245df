//! The text tables of /proc. What does not have the form that the kernel writes is left out.

use std::collections::BTreeMap;
use std::str::FromStr;

use crate::audit::facts::Mount;

/// A number between spaces.
pub fn number<T: FromStr>(text: &str) -> Option<T> {
    text.trim().parse().ok()
}

/// `Key:\tvalue` lines.
pub fn status(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    lines.map(|(key, value)| (key.to_owned(), value.trim().to_owned())).collect()
}

/// uid_map and gid_map.
pub fn id_map(text: &str) -> Vec<[u64; 3]> {
    let extent = |line: &str| {
        let mut fields = line.split_whitespace().map(|field| field.parse().ok());
        Some([fields.next()??, fields.next()??, fields.next()??])
    };
    text.lines().filter_map(extent).collect()
}

/// /proc/PID/limits: names are padded to 26 characters, then come soft and hard.
pub fn limits(text: &str) -> BTreeMap<String, (Option<u64>, Option<u64>)> {
    let line = |line: &str| {
        let (name, rest) = line.split_at_checked(26)?;
        let mut values = rest.split_whitespace();
        let mut value = || match values.next()? {
            "unlimited" => Some(None),
            number => number.parse().ok().map(Some),
        };
        Some((name.trim().to_owned(), (value()?, value()?)))
    };
    text.lines().filter_map(line).collect()
}

/// mountinfo, see proc_pid_mountinfo(5).
pub fn mounts(text: &str) -> Vec<Mount> {
    text.lines().filter_map(mount).collect()
}

fn mount(line: &str) -> Option<Mount> {
    let (before, after) = line.split_once(" - ")?;
    let mut fields = before.split(' ');
    let mut next = || fields.next();
    let mut mount = Mount {
        id: next()?.parse().ok()?,
        parent: next()?.parse().ok()?,
        device: next()?.to_owned(),
        root: unescaped(next()?),
        target: unescaped(next()?),
        options: next()?.split(',').map(str::to_owned).collect(),
        kind: after.split(' ').next()?.to_owned(),
        ..Mount::default()
    };
    for (name, group) in fields.filter_map(|field| field.split_once(':')) {
        match name {
            "shared" => mount.shared = group.parse().ok(),
            "master" => mount.master = group.parse().ok(),
            _ => {}
        }
    }
    Some(mount)
}

/// Space, tab, line break and backslash are octal in there.
fn unescaped(field: &str) -> String {
    let mut text = field.to_owned();
    // The backslash last: what it escapes must not be taken for an escape itself.
    for (escape, character) in [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\043", "#"), ("\\134", "\\")] {
        text = text.replace(escape, character);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_mountinfo() {
        let line =
            "36 35 98:0 /mnt1 /a\\040b\\134012 rw,nosuid shared:3 master:7 - ext3 /dev/root rw,errors=continue\n";
        let mounts = mounts(&format!("{line}nonsense\n"));
        let wanted = Mount {
            id: 36,
            parent: 35,
            device: "98:0".into(),
            root: "/mnt1".into(),
            target: "/a b\\012".into(),
            options: ["rw", "nosuid"].map(str::to_owned).into(),
            shared: Some(3),
            master: Some(7),
            kind: "ext3".into(),
        };
        assert_eq!(mounts, [wanted]);
    }

    #[test]
    fn limits_have_names_with_spaces() {
        let text = "Limit                     Soft Limit           Hard Limit           Units     \n\
                    Max core file size        0                    unlimited            bytes     \n";
        assert_eq!(limits(text), BTreeMap::from([("Max core file size".to_owned(), (Some(0), None))]));
    }

    #[test]
    fn maps_and_status() {
        assert_eq!(id_map("         0     524288      65536\n"), [[0, 524_288, 65_536]]);
        assert_eq!(status("Name:\tsh\nCapEff:\t00000000800405fb\n")["CapEff"], "00000000800405fb");
    }
}
