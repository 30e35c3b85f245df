//! The picture on a terminal: a tree.

use std::fmt::Write;

use super::picture::{Picture, Port};
use crate::definition::types::escaped;

/// What branches are drawn with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lines {
    /// The box drawing of Unicode.
    Unicode,
    /// Where the locale is not UTF-8.
    Ascii,
}

impl Lines {
    /// As locale(7) decides: the first of these that is set and not empty.
    pub fn of_locale() -> Self {
        let set = |name: &&str| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self::of(&["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(set).unwrap_or_default())
    }

    fn of(locale: &str) -> Self {
        let locale = locale.to_ascii_uppercase().replace('-', "");
        if locale.contains("UTF8") { Self::Unicode } else { Self::Ascii }
    }

    fn branch(self, last: bool) -> &'static str {
        match (self, last) {
            (Self::Unicode, false) => "├─",
            (Self::Unicode, true) => "└─",
            (Self::Ascii, false) => "|-",
            (Self::Ascii, true) => "`-",
        }
    }
}

/// A bridge a block, a port a line.
pub fn draw(picture: &Picture, lines: Lines) -> String {
    let mut text = String::new();
    for bridge in &picture.bridges {
        let state = if bridge.up { "" } else { "  down" };
        head(&mut text, &format!("{}{}{state}", bridge.name, after(&bridge.addresses)));
        ports(&mut text, &bridge.ports, lines);
    }
    for parent in &picture.parents {
        head(&mut text, &format!("{}{}", parent.name, after(&parent.addresses)));
        ports(&mut text, &parent.children, lines);
    }
    if !picture.unplugged.is_empty() {
        head(&mut text, "in no bridge");
        ports(&mut text, &picture.unplugged, lines);
    }
    text
}

fn head(text: &mut String, line: &str) {
    let _ = writeln!(text, "{}", escaped(line));
}

fn ports(text: &mut String, ports: &[Port], lines: Lines) {
    let cells: Vec<_> = ports.iter().map(cells).collect();
    let width = |column: usize| cells.iter().map(|row: &[String; 3]| row[column].chars().count()).max().unwrap_or(0);
    let (first, second) = (width(0), width(1));
    for (index, [who, name, addresses]) in cells.iter().enumerate() {
        let line = format!("{} {who:first$}  {name:second$}  {addresses}", lines.branch(index + 1 == cells.len()));
        let _ = writeln!(text, "{}", line.trim_end());
    }
}

fn cells(port: &Port) -> [String; 3] {
    let who = match (&port.container, &port.link) {
        (Some(container), Some(link)) => format!("{container} {link}"),
        _ => port.kind.clone().unwrap_or_else(|| "network card".to_owned()),
    };
    let carrier = if port.carrier { "" } else { "  no carrier" };
    [who, port.name.clone(), format!("{}{carrier}", port.addresses.join(", "))].map(|cell| escaped(&cell).to_string())
}

fn after(addresses: &[String]) -> String {
    if addresses.is_empty() { String::new() } else { format!("  {}", addresses.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::super::picture::tests::survey;
    use super::*;

    #[test]
    fn a_farm_is_drawn() {
        let picture = Picture::of(&survey());
        let unicode = "\
br-farm
├─ proxy eth1  vb-1  10.88.0.10/24
└─ web1 eth0   vb-2  10.88.0.11/24
br-front  10.89.0.1/24
├─ proxy eth0    vb-0  10.89.0.10/24
└─ network card  eth1
eth2
└─ public eth0  macvlan  192.0.2.5/24
in no bridge
└─ lost eth0  vb-9  10.90.0.2/24
";
        assert_eq!(draw(&picture, Lines::Unicode), unicode);
        assert_eq!(draw(&picture, Lines::Ascii), unicode.replace("├─", "|-").replace("└─", "`-"));
    }

    #[test]
    fn the_locale_decides() {
        for locale in ["de_DE.UTF-8", "C.utf8"] {
            assert_eq!(Lines::of(locale), Lines::Unicode);
        }
        for locale in ["", "C", "POSIX", "de_DE@euro"] {
            assert_eq!(Lines::of(locale), Lines::Ascii);
        }
    }
}
