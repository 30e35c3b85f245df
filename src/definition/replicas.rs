//! `replicas`: one definition, several containers. web.toml with `replicas = 3` is web-1, web-2 and web-3, and no web.

use toml::de::{DeTable, DeValue};

use super::read::read;
use super::search::Found;
use super::source::Layer;
use super::types::Name;

/// More than that are a farm that one file should not make by a slip of the finger.
pub const MOST: u32 = 1000;

/// How many containers these files ask for; none if they are the definition of one. What cannot be read asks for none: its
/// own check tells.
pub fn count(found: &Found) -> Option<u32> {
    let drop_ins = found.drop_ins.iter().map(|path| (path, Layer::DropIn));
    let mut count = None;
    for (path, layer) in std::iter::once((&found.main, Layer::Main)).chain(drop_ins) {
        let Ok(Some(source)) = read(path, layer, found.explicit) else { continue };
        // A thousand neighbours are looked at before a start, and hardly any has the word.
        if source.text.contains("replicas") {
            count = said(&source.text, count);
        }
    }
    count
}

fn said(text: &str, below: Option<u32>) -> Option<u32> {
    let Ok(document) = DeTable::parse(text) else { return below };
    let table = document.get_ref();
    let unset = table.get("unset").is_some_and(|unset| match unset.get_ref() {
        DeValue::Array(keys) => keys.iter().any(|key| key.get_ref().as_str() == Some("replicas")),
        key => key.as_str() == Some("replicas"),
    });
    match table.get("replicas").map(|value| value.get_ref()) {
        Some(DeValue::Integer(number)) => {
            u32::from_str_radix(number.as_str(), number.radix()).ok().filter(|count| *count <= MOST)
        }
        Some(_) => None,
        None if unset => None,
        None => below,
    }
}

/// "web-12" as the name of a definition and a number from 1; none for a name that no replica can have.
pub fn split(name: &Name) -> Option<(Name, u32)> {
    let (of, number) = name.rsplit_once('-')?;
    let n: u32 = number.parse().ok().filter(|n| (1..=MOST).contains(n))?;
    // "web-01" is a name of its own.
    (n.to_string() == number).then_some((of.parse().ok()?, n))
}

/// The name of the n-th; none if it is too long for a name.
pub fn name(of: &Name, n: u32) -> Option<Name> {
    format!("{of}-{n}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_file_that_says_so_counts() {
        assert_eq!(said("replicas = 3", None), Some(3));
        assert_eq!(said("image = 'a'", Some(3)), Some(3));
        assert_eq!(said("unset = ['replicas']", Some(3)), None);
        assert_eq!(said("replicas = 2\nunset = 'replicas'", Some(3)), Some(2));
        assert_eq!(said("replicas = 'x'", Some(3)), None);
        assert_eq!(said("[labels]\nreplicas = 7", None), None);
        assert_eq!(said("replicas = 1001", None), None);
    }

    #[test]
    fn numbers_at_the_end_of_names() {
        let split = |name: &str| split(&name.parse().unwrap()).map(|(of, n)| format!("{of} {n}"));
        assert_eq!(split("web-2").as_deref(), Some("web 2"));
        assert_eq!(split("my-web-10").as_deref(), Some("my-web 10"));
        for none in ["web", "web-02", "web-0", "web-x", "web-1001", "7"] {
            assert_eq!(split(none), None, "{none}");
        }
    }
}
