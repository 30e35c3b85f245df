//! The part of a hosts file that changes under its readers: lines that never move.
//!
//! A reader takes a large file in parts, and what is written between two of them it sees half. So a line stays where it is
//! for as long as it holds; one that goes becomes a comment by its first byte, and one that comes is a comment until its
//! first byte is written, last. A comment's place is used again.

use std::collections::BTreeSet;

/// What a reader skips. musl takes no line that begins with a blank.
const DEAD: u8 = b'#';
/// How many bytes longer than a line the place may be that it takes.
const SLACK: usize = 32;

/// One line: an address and one name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Line(String);

impl Line {
    /// Of a name.
    pub fn new(address: std::net::IpAddr, name: &str) -> Self {
        Self(format!("{address}\t{name}"))
    }

    fn first(&self) -> u8 {
        self.0.as_bytes()[0]
    }

    fn name(&self) -> &str {
        self.0.split_once('\t').map_or("", |(_, name)| name)
    }
}

/// One step from a text to the next; each is true by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// The line there goes.
    Kill(usize),
    /// A line is there, all but its first byte; so many bytes with the break at its end.
    Fill(usize, Line, usize),
    /// The line there holds from now on.
    Wake(usize, Line),
}

/// How a text becomes another.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Change(Vec<Step>);

/// Bytes for a place.
pub type Write = (usize, Vec<u8>);

impl Change {
    /// From a text of ours to one that says these lines.
    pub fn between(text: &str, wanted: &[Line]) -> Self {
        let mut missing: BTreeSet<&Line> = wanted.iter().collect();
        let (mut steps, mut free, mut end) = (Vec::new(), Vec::new(), 0);
        for place in text.split_inclusive('\n') {
            let line = Line(place.trim_end().to_owned());
            match place.as_bytes().first() {
                Some(&DEAD) => free.push((end, place)),
                _ if missing.remove(&line) => {}
                _ => {
                    steps.push(Step::Kill(end));
                    free.push((end, place));
                }
            }
            end += place.len();
        }
        // What was there before comes back to its place; then others may have what is left.
        let is_place_of = |line: &Line, place: &str| place.trim_end().get(1..) == line.0.get(1..);
        let (back, new): (Vec<&Line>, Vec<&Line>) =
            missing.into_iter().partition(|line| free.iter().any(|(_, place)| is_place_of(line, place)));
        for line in back {
            if let Some(index) = free.iter().position(|(_, place)| is_place_of(line, place)) {
                steps.push(Step::Wake(free.swap_remove(index).0, line.clone()));
            }
        }
        for line in new {
            let needed = line.0.len() + 1;
            let fits = |(_, place): &(usize, &str)| (needed..=needed + SLACK).contains(&place.len());
            let (at, size) = match free.iter().position(fits) {
                Some(index) => {
                    let (at, place) = free.swap_remove(index);
                    (at, place.len())
                }
                None => (end, needed),
            };
            end = end.max(at + size);
            steps.push(Step::Fill(at, line.clone(), size));
            steps.push(Step::Wake(at, line.clone()));
        }
        Self(steps)
    }

    /// There is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What to write, in this order, for a reader to whom some names are `hidden`, as it has its own idea of them.
    pub fn writes(&self, hidden: &[String]) -> Vec<Write> {
        let is_hidden = |line: &Line| hidden.iter().any(|name| name == line.name());
        let step = |step: &Step| match step {
            Step::Kill(at) => Some((*at, vec![DEAD])),
            Step::Fill(at, line, size) => {
                let mut bytes = vec![b' '; *size];
                bytes[..line.0.len()].copy_from_slice(line.0.as_bytes());
                bytes[0] = DEAD;
                bytes[*size - 1] = b'\n';
                Some((*at, bytes))
            }
            Step::Wake(at, line) => (!is_hidden(line)).then(|| (*at, vec![line.first()])),
        };
        self.0.iter().filter_map(step).collect()
    }

    /// The text afterwards.
    pub fn apply(&self, text: &str, hidden: &[String]) -> String {
        let mut bytes = text.as_bytes().to_vec();
        for (at, part) in self.writes(hidden) {
            bytes.resize(bytes.len().max(at + part.len()), b' ');
            bytes[at..at + part.len()].copy_from_slice(&part);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// A text as somebody sees it to whom some names are hidden.
pub fn hide(text: &str, hidden: &[String]) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let mut start = 0;
    for place in text.split_inclusive('\n') {
        let name = place.trim_end().split_once('\t').map_or("", |(_, name)| name);
        if hidden.iter().any(|hidden| hidden == name) {
            bytes[start] = DEAD;
        }
        start += place.len();
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(list: &[(&str, &str)]) -> Vec<Line> {
        list.iter().map(|(address, name)| Line::new(address.parse().unwrap(), name)).collect()
    }

    fn said(text: &str) -> Vec<&str> {
        text.lines().filter(|line| !line.starts_with('#')).map(str::trim_end).collect()
    }

    #[test]
    fn a_line_that_comes_back_has_its_place_and_another_may_have_it_meanwhile() {
        let [web, db, db2, far] =
            [("10.0.0.1", "web"), ("10.0.0.2", "db"), ("10.0.0.3", "db2"), ("fd00::1:2:3", "a-name-that-is-longer")];
        let step = |text: &str, wanted: &[(&str, &str)]| Change::between(text, &lines(wanted)).apply(text, &[]);
        let both = step("", &[web, db]);
        assert_eq!(both, "10.0.0.1\tweb\n10.0.0.2\tdb\n");
        let one = step(&both, &[db]);
        assert_eq!(one, "#0.0.0.1\tweb\n10.0.0.2\tdb\n");
        assert_eq!(step(&one, &[db, web]), both);
        assert_eq!(step(&one, &[db, db2]), "10.0.0.3\tdb2\n10.0.0.2\tdb\n");
        assert_eq!(step(&one, &[db, far]), "#0.0.0.1\tweb\n10.0.0.2\tdb\nfd00::1:2:3\ta-name-that-is-longer\n");
        assert!(Change::between(&one, &lines(&[db])).is_empty());
    }

    #[test]
    fn every_moment_of_a_change_shows_what_stays_and_no_half_of_what_comes() {
        let before = Change::between("", &lines(&[("10.0.0.1", "stays"), ("10.0.0.2", "goes"), ("10.0.0.3", "also")]));
        let before = before.apply("", &[]);
        let wanted = [("10.0.0.1", "stays"), ("10.0.0.77", "new"), ("fd00::7", "new"), ("10.0.0.3", "also")];
        let change = Change::between(&before, &lines(&wanted));
        let known = ["10.0.0.1\tstays", "10.0.0.2\tgoes", "10.0.0.3\talso", "10.0.0.77\tnew", "fd00::7\tnew"];
        let mut bytes = before.into_bytes();
        for (at, part) in change.writes(&[]) {
            // The kernel copies from the front, and a file grows as it is copied.
            for (index, byte) in part.into_iter().enumerate() {
                bytes.resize(bytes.len().max(at + index + 1), b' ');
                bytes[at + index] = byte;
                let text = String::from_utf8(bytes.clone()).unwrap();
                let said = said(&text);
                assert!(said.iter().all(|line| known.contains(line)), "{text}");
                assert!(said.contains(&"10.0.0.1\tstays") && said.contains(&"10.0.0.3\talso"), "{text}");
            }
        }
        assert_eq!(said(&String::from_utf8(bytes).unwrap()).len(), 4);
    }

    #[test]
    fn a_hidden_name_is_never_said() {
        let hidden = ["db".to_owned()];
        let first = Change::between("", &lines(&[("10.0.0.1", "web"), ("10.0.0.2", "db")]));
        assert_eq!(first.apply("", &hidden), "10.0.0.1\tweb\n#0.0.0.2\tdb\n");
        let text = first.apply("", &[]);
        let moved = Change::between(&text, &lines(&[("10.0.0.1", "web"), ("10.0.0.9", "db")]));
        assert_eq!(said(&moved.apply(&first.apply("", &hidden), &hidden)), ["10.0.0.1\tweb"]);
    }
}
