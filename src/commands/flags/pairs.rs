//! `key=value,key=value` of one flag, as a table.

use toml_edit::{Array, InlineTable, Value};

use crate::error::{Error, Exit, Result};

/// What a flag of pairs is about.
pub struct Pairs {
    /// The flag, for messages.
    pub flag: &'static str,
    /// Words for keys that other tools have.
    pub aliases: &'static [(&'static str, &'static str)],
    /// Keys that hold a list: given again they grow.
    pub lists: &'static [&'static str],
    /// Keys that are true where they stand alone.
    pub flags: &'static [&'static str],
    /// Keys that hold a whole number.
    pub numbers: &'static [&'static str],
}

/// --network
pub const NETWORK: Pairs = Pairs {
    flag: "--network",
    aliases: &[("ip", "address")],
    lists: &["address", "gateway", "tagged"],
    flags: &["create", "isolated", "hairpin", "learning", "spoof-check"],
    numbers: &["mtu", "vlan"],
};

/// --mount
pub const MOUNT: Pairs = Pairs {
    flag: "--mount",
    aliases: &[
        ("src", "source"),
        ("dst", "target"),
        ("destination", "target"),
        ("ro", "read-only"),
        ("readonly", "read-only"),
    ],
    lists: &["options"],
    flags: &["read-only", "recursive"],
    numbers: &[],
};

/// --publish, where it is not written as podman has it.
const PUBLISH: Pairs =
    Pairs { flag: "--publish", aliases: &[], lists: &[], flags: &["proxy-protocol", "activate"], numbers: &["to"] };

/// "8080:80", "127.0.0.1:53:53/udp", or pairs.
pub fn published(text: &str) -> Result<InlineTable> {
    if text.contains('=') {
        return PUBLISH.table(text);
    }
    let (ports, protocol) = text.split_once('/').map_or((text, None), |(ports, protocol)| (ports, Some(protocol)));
    let Some((listen, to)) = ports.rsplit_once(':') else {
        let shown = crate::definition::types::escaped(text);
        let message = format!("--publish: \"{shown}\" is not PORT:PORT, the host's and the container's");
        return Err(Error::new(Exit::Usage, message));
    };
    let mut table = InlineTable::new();
    table.insert("listen", listen.into());
    table.insert("to", number(to));
    if let Some(protocol) = protocol {
        table.insert("protocol", protocol.into());
    }
    Ok(table)
}

/// --device, where it is not written as podman has it.
const DEVICE: Pairs = Pairs {
    flag: "--device",
    aliases: &[("src", "source"), ("dst", "target"), ("destination", "target")],
    lists: &[],
    flags: &[],
    numbers: &[],
};

/// "/dev/fuse", "/dev/ttyS0:/dev/modem:rw", or pairs.
pub fn device(text: &str) -> Result<InlineTable> {
    if text.contains('=') {
        return DEVICE.table(text);
    }
    Ok(["source", "target", "access"].into_iter().zip(text.splitn(3, ':')).collect())
}

/// "/srv/www:/var/www", "data:/var/lib/data", "/srv/www:/var/www:ro,noexec".
pub fn volume(text: &str) -> Result<InlineTable> {
    let refuse = |what: &str| {
        let shown = crate::definition::types::escaped(text);
        Error::new(Exit::Usage, format!("--volume: \"{shown}\" {what}"))
    };
    let mut parts = text.splitn(3, ':');
    let (Some(source), Some(target)) = (parts.next().filter(|source| !source.is_empty()), parts.next()) else {
        return Err(refuse("is not SOURCE:TARGET, a path or the name of a volume, and where it is mounted"));
    };
    let mut table: InlineTable = [("source", source), ("target", target)].into_iter().collect();
    if !source.starts_with(['/', '.']) {
        table.insert("type", "volume".into());
    }
    let mut options = Vec::new();
    for option in parts.next().into_iter().flat_map(|options| options.split(',')) {
        match option {
            "ro" => drop(table.insert("read-only", true.into())),
            "rw" => {}
            "nosuid" | "nodev" => {}
            "noexec" | "noatime" => options.push(option),
            _ => return Err(refuse("has options other than ro, rw, noexec and noatime; --mount has more")),
        }
    }
    if !options.is_empty() {
        table.insert("options", ["nosuid", "nodev"].into_iter().chain(options).collect::<Array>().into());
    }
    Ok(table)
}

impl Pairs {
    /// The table that the words stand for.
    pub fn table(&self, text: &str) -> Result<InlineTable> {
        let mut table = InlineTable::new();
        for word in text.split(',') {
            let (key, value) = match word.split_once('=') {
                Some((key, value)) => (self.key(key), Some(value)),
                None => (self.key(word), None),
            };
            let value = self.value(key, value).ok_or_else(|| self.refuse(word))?;
            self.insert(&mut table, key, value)?;
        }
        Ok(table)
    }

    fn key<'a>(&self, word: &'a str) -> &'a str {
        self.aliases.iter().find(|(alias, _)| *alias == word).map_or(word, |(_, key)| key)
    }

    fn value(&self, key: &str, text: Option<&str>) -> Option<Value> {
        let is = |keys: &[&str]| keys.contains(&key);
        match text {
            _ if key.is_empty() => None,
            None => is(self.flags).then(|| true.into()),
            Some("true") if is(self.flags) => Some(true.into()),
            Some("false") if is(self.flags) => Some(false.into()),
            Some(text) if is(self.numbers) => Some(number(text)),
            Some(text) => Some(text.into()),
        }
    }

    fn insert(&self, table: &mut InlineTable, key: &str, value: Value) -> Result<()> {
        if self.lists.contains(&key) {
            let list = table.get_or_insert(key, Array::new());
            list.as_array_mut().map(|list| list.push(value)).ok_or_else(|| self.refuse(key))
        } else if table.insert(key, value).is_some() {
            Err(Error::new(Exit::Usage, format!("{} has {key} twice", self.flag)))
        } else {
            Ok(())
        }
    }

    fn refuse(&self, word: &str) -> Error {
        let word = crate::definition::types::escaped(word);
        Error::new(Exit::Usage, format!("{}: \"{word}\" is not KEY=VALUE", self.flag))
    }
}

/// A number where the text is one, as TOML has it without quotes.
pub fn number(text: &str) -> Value {
    // "infinity" and "nan" are numbers to Rust.
    if !text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.".contains(&byte)) {
        return text.into();
    }
    let whole = text.parse::<i64>().map(Value::from);
    whole.or_else(|_| text.parse::<f64>().map(Value::from)).unwrap_or_else(|_| text.into())
}

/// KEY=VALUE of a flag.
pub fn pair<'a>(flag: &str, word: &'a str) -> Result<(&'a str, &'a str)> {
    let shown = crate::definition::types::escaped(word);
    word.split_once('=')
        .filter(|(key, _)| !key.is_empty())
        .ok_or_else(|| Error::new(Exit::Usage, format!("{flag}: \"{shown}\" is not KEY=VALUE")))
}
