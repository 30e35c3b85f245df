//! "did you mean": the nearest known word, or the table that a key belongs in.

use super::schema;

/// The known word at most two typing errors away, unless the word is so short that two errors are all of it.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase().replace('_', "-");
    let most = if word.len() <= 3 { 1 } else { 2 };
    known
        .into_iter()
        .map(|known| (distance(&word, &known.to_lowercase()), known))
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// How many letters were left out, put in, changed, or swapped with the next one.
pub(crate) fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    // Rows of the table of Wagner and Fischer: what it takes from a beginning of `one` to each beginning of `other`.
    let (mut before, mut last): (Vec<usize>, Vec<usize>) = (Vec::new(), (0..=other.len()).collect());
    let mut previous = None;
    for c in one.chars() {
        let mut row = vec![last[0] + 1];
        for (at, &d) in other.iter().enumerate() {
            let mut least = (last[at + 1] + 1).min(row[at] + 1).min(last[at] + usize::from(c != d));
            if at > 0 && previous == Some(d) && other[at - 1] == c {
                least = least.min(before[at - 1] + 1);
            }
            row.push(least);
        }
        (before, last) = (last, row);
        previous = Some(c);
    }
    last[other.len()]
}

/// "a", "b" or "c"
pub(crate) fn listed(words: &[&str]) -> String {
    words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ")
}

/// What the user may have meant by an unknown key; `path` is without indexes.
pub(crate) fn for_key(path: &[&str]) -> Option<String> {
    let (key, table) = path.split_last()?;
    let tables = schema::tables();
    let table = table.join(".");
    let here = tables.get(&table)?;
    if let Some(near) = nearest(key, here.iter().map(String::as_str)) {
        return Some(format!("did you mean \"{near}\"?"));
    }
    let home = |word: &str| {
        let homes = tables.iter().filter(|(_, keys)| keys.iter().any(|known| known == word));
        homes.map(|(table, _)| heading(table)).collect::<Vec<_>>()
    };
    let elsewhere = tables.values().flatten().map(String::as_str);
    let found = home(key);
    match (found.is_empty(), nearest(key, elsewhere)) {
        (false, _) => Some(format!("this key belongs {}", found.join(" or "))),
        (true, Some(near)) => Some(format!("did you mean \"{near}\", {}?", home(near).join(" or "))),
        (true, None) => foreign(key).map(str::to_owned),
    }
}

fn heading(table: &str) -> String {
    match table {
        "" => "at the top, before the first [table]".to_owned(),
        _ if super::keys::identifying(table).is_some() => format!("in [[{table}]]"),
        _ => format!("in [{table}]"),
    }
}

/// Words of other container managers, and ours for them.
fn foreign(key: &str) -> Option<&'static str> {
    Some(match key {
        "privileged" => "there is no \"privileged\": use security.capabilities and namespaces for what is needed",
        "volumes" | "volume" | "binds" | "bind" => "use [[mount]]",
        "ports" | "port" | "expose" => "a container has an address of its own: use [[network]]",
        "env" | "env-vars" => "use [environment]",
        "depends-on" | "depends_on" | "links" => "use requires",
        "cmd" | "args" | "exec" => "use command",
        "workdir" | "cwd" => "use working-directory",
        "cap-add" | "cap_add" | "cap-drop" | "cap_drop" => "use security.capabilities = { add = [], drop = [] }",
        "ulimits" => "use limits.rlimits",
        "extra-hosts" | "extra_hosts" => "use [hosts]",
        "name" | "container-name" | "container_name" => "a container is called as its file is",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::distance;

    #[test]
    fn errors_of_typing_are_counted() {
        let pairs =
            [("", "", 0), ("", "abc", 3), ("memory", "memory", 0), ("memroy", "memory", 1), ("mem", "memory", 3)];
        for (one, other, wanted) in
            pairs.into_iter().chain([("umaks", "umask", 1), ("ü", "u", 1), ("kitten", "sitting", 3)])
        {
            assert_eq!((distance(one, other), distance(other, one)), (wanted, wanted), "{one} {other}");
        }
    }
}
