//! Who has which names on which bridge, and where in its hosts file they begin: text, a line a container.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::section::Line;

/// A running container on bridges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Its host name.
    pub hostname: String,
    /// Where in its hosts file the names of others begin.
    pub base: u64,
    /// Names that its definition gives an address itself.
    pub hidden: Vec<String>,
    /// Bridges, with its addresses there.
    pub links: Vec<(String, Vec<IpAddr>)>,
}

impl Member {
    fn line(&self) -> String {
        let addresses = |list: &[IpAddr]| list.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        let links: Vec<_> = self.links.iter().map(|(bridge, list)| format!("{bridge} {}", addresses(list))).collect();
        let Self { name, hostname, base, hidden, .. } = self;
        format!("{name}\t{hostname}\t{base}\t{}\t{}\n", hidden.join(","), links.join("\t"))
    }

    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split('\t');
        let mut next = || fields.next().map(str::to_owned);
        let (name, hostname, base, hidden) = (next()?, next()?, next()?.parse().ok()?, next()?);
        let links = fields.map(|field| {
            let (bridge, addresses) = field.split_once(' ')?;
            let addresses = addresses.split(',').filter(|address| !address.is_empty());
            Some((bridge.to_owned(), addresses.map(|address| address.parse().ok()).collect::<Option<_>>()?))
        });
        let hidden = hidden.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        Some(Self { name, hostname, base, hidden, links: links.collect::<Option<_>>()? })
    }

    /// Those on the same bridges have the same text.
    pub fn bridges(&self) -> BTreeSet<&str> {
        self.links.iter().map(|(bridge, _)| bridge.as_str()).collect()
    }

    /// The names that it knows stand where they stood, and as they did.
    pub fn has_text_of(&self, other: &Self) -> bool {
        (self.base, &self.hidden, self.bridges()) == (other.base, &other.hidden, other.bridges())
    }

    fn lines<'a>(&'a self, bridges: &'a BTreeSet<&str>) -> impl Iterator<Item = Line> + 'a {
        let shared = self.links.iter().filter(|(bridge, _)| bridges.contains(bridge.as_str()));
        let other = (self.hostname != self.name).then_some(self.hostname.as_str());
        shared.flat_map(move |(_, addresses)| {
            let names = std::iter::once(self.name.as_str()).chain(other);
            names.flat_map(|name| addresses.iter().map(move |address| Line::new(*address, name)))
        })
    }
}

/// All members as text.
pub fn text(members: &[Member]) -> String {
    members.iter().map(Member::line).collect()
}

/// The members of a text; a damaged line is nobody's.
pub fn parse(text: &str) -> Vec<Member> {
    text.lines().filter_map(Member::parse).collect()
}

/// What is known on these bridges.
pub fn lines(members: &[Member], bridges: &BTreeSet<&str>) -> Vec<Line> {
    members.iter().flat_map(|member| member.lines(bridges)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str, links: &[(&str, &[&str])]) -> Member {
        let parse = |list: &[&str]| list.iter().map(|address| address.parse().unwrap()).collect();
        let links = links.iter().map(|(bridge, list)| ((*bridge).to_owned(), parse(list))).collect();
        Member { name: name.to_owned(), hostname: name.to_owned(), base: 12, hidden: Vec::new(), links }
    }

    #[test]
    fn what_is_written_reads_the_same() {
        let hidden = vec!["db".to_owned(), "api.local".to_owned()];
        let proxy = Member {
            hostname: "www".to_owned(),
            hidden,
            ..member("proxy", &[("br=0", &["10.0.0.1", "fd00::1"]), ("br1", &[])])
        };
        let members = [proxy, member("web", &[("br1", &["10.0.1.2"])])];
        assert_eq!(parse(&text(&members)), members);
        assert_eq!(parse(&(text(&members) + "damaged\tline\n\tx\n")), members);
    }

    #[test]
    fn only_addresses_on_shared_bridges_are_known() {
        let both = member("both", &[("br0", &["10.0.0.1"]), ("br1", &["10.0.1.1"])]);
        let members = [both, member("left", &[("br0", &["10.0.0.2"])]), member("right", &[("br1", &["10.0.1.2"])])];
        let known = |bridges: &[&str]| format!("{:?}", lines(&members, &bridges.iter().copied().collect()));
        assert!(known(&["br0"]).contains("10.0.0.1\\tboth") && known(&["br0"]).contains("left"));
        assert!(!known(&["br0"]).contains("10.0.1.1") && !known(&["br0"]).contains("right"));
        assert_eq!(known(&["br2"]), "[]");
    }
}
