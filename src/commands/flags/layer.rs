//! Flags as a TOML document, in the order of soute.toml(5).

use toml_edit::{Array, DocumentMut, InlineTable, Item, Table, Value};

use super::Flags;
use super::pairs::{MOUNT, NETWORK, device, number, pair, published, volume};
use crate::error::{Error, Result};

/// A document that grows by keys such as "limits.memory".
#[derive(Debug, Default)]
pub struct Layer {
    document: DocumentMut,
}

impl Layer {
    /// Sets a key, over what it had.
    pub fn set(&mut self, path: &str, value: impl Into<Value>) {
        let mut keys: Vec<_> = path.split('.').collect();
        let Some(last) = keys.pop() else { return };
        if let Some(table) = self.table(&keys) {
            table.insert(last, Item::Value(value.into()));
        }
    }

    /// Sets a key unless it is there.
    pub fn set_default(&mut self, path: &str, value: impl Into<Value>) {
        if !self.has(path) {
            self.set(path, value);
        }
    }

    /// Whether a key is there.
    pub fn has(&self, path: &str) -> bool {
        let mut item = Some(self.document.as_item());
        for key in path.split('.') {
            item = item.and_then(|item| item.get(key));
        }
        item.is_some()
    }

    /// The text of a definition.
    pub fn text(&self) -> String {
        self.document.to_string()
    }

    /// The layer as the reader of definitions takes it.
    pub fn to_toml(&self) -> Result<toml::Table> {
        self.text().parse().map_err(Error::failed)
    }

    fn table(&mut self, keys: &[&str]) -> Option<&mut Table> {
        let mut table = self.document.as_table_mut();
        for key in keys {
            table = table.entry(key).or_insert_with(|| Item::Table(implicit())).as_table_mut()?;
        }
        Some(table)
    }

    fn text_of(&mut self, path: &str, value: Option<&String>) {
        if let Some(text) = value {
            self.set(path, text.as_str());
        }
    }

    fn number_of(&mut self, path: &str, value: Option<&String>) {
        if let Some(text) = value {
            self.set(path, number(text));
        }
    }

    fn list(&mut self, path: &str, values: &[String]) {
        if !values.is_empty() {
            self.set(path, values.iter().map(String::as_str).collect::<Array>());
        }
    }

    /// KEY=VALUE words below a key; keys may have dots of their own, as sysctls do.
    fn words(&mut self, path: &str, flag: &str, words: &[String], value: impl Fn(&str) -> Value) -> Result<()> {
        let keys: Vec<_> = path.split('.').collect();
        for word in words {
            let (key, text) = pair(flag, word)?;
            if let Some(table) = self.table(&keys) {
                table.insert(key, Item::Value(value(text)));
            }
        }
        Ok(())
    }

    /// One more `[[path]]`.
    fn entry(&mut self, path: &str, entry: InlineTable) {
        let list = self.document.entry(path).or_insert_with(|| Item::ArrayOfTables(Default::default()));
        if let Some(list) = list.as_array_of_tables_mut() {
            list.push(entry.into_table());
        }
    }
}

/// Without a header as long as only tables are in it.
fn implicit() -> Table {
    let mut table = Table::new();
    table.set_implicit(true);
    table
}

impl Flags {
    /// The definition that they, the image and the command make.
    pub fn layer(&self, image: &str, command: &[String]) -> Result<Layer> {
        let mut layer = Layer::default();
        layer.text_of("description", self.description.as_ref());
        layer.set("image", image);
        layer.list("entrypoint", &self.entrypoint);
        layer.list("command", command);
        self.process(&mut layer)?;
        self.order(&mut layer);
        layer.words("labels", "--label", &self.label, quoted)?;
        self.environment(&mut layer)?;
        self.limits(&mut layer)?;
        self.network(&mut layer)?;
        self.mounts(&mut layer)?;
        self.ends(&mut layer);
        self.security(&mut layer)?;
        Ok(layer)
    }

    fn mounts(&self, layer: &mut Layer) -> Result<()> {
        let mounts = self.mount.iter().map(|mount| MOUNT.table(mount));
        let tmpfs = |target: &String| [("type", "tmpfs"), ("target", target.as_str())].into_iter().collect();
        let tmpfs = self.tmpfs.iter().map(|target| Ok(tmpfs(target)));
        for table in mounts.chain(self.volume.iter().map(|text| volume(text))).chain(tmpfs) {
            let mut table = table?;
            if let Some(path) = table.get("source").and_then(Value::as_str).filter(|path| path.starts_with('.')) {
                let path = absolute(path)?;
                table.insert("source", path.into());
            }
            layer.entry("mount", table);
        }
        for text in &self.device {
            layer.entry("device", device(text)?);
        }
        for word in &self.credential {
            let (name, path) = pair("--credential", word)?;
            let file: InlineTable = [("file", absolute(path)?)].into_iter().collect();
            if let Some(table) = layer.table(&["credentials"]) {
                table.insert(name, Item::Value(file.into()));
            }
        }
        Ok(())
    }

    fn process(&self, layer: &mut Layer) -> Result<()> {
        layer.list(
            "environment-files",
            &self.environment_file.iter().map(|path| absolute(path)).collect::<Result<Vec<_>>>()?,
        );
        layer.text_of("user", self.user.as_ref());
        layer.list("groups", &self.group);
        layer.text_of("working-directory", self.working_directory.as_ref());
        layer.text_of("umask", self.umask.as_ref());
        layer.text_of("hostname", self.hostname.as_ref());
        layer.text_of("timezone", self.timezone.as_ref());
        layer.text_of("init", self.init.as_ref());
        layer.text_of("ready", self.ready.as_ref());
        layer.text_of("start-timeout", self.start_timeout.as_ref());
        layer.text_of("watchdog", self.watchdog.as_ref());
        Ok(())
    }

    fn order(&self, layer: &mut Layer) {
        layer.list("requires", &self.requires);
        layer.list("wants", &self.wants);
        layer.list("after", &self.after);
        layer.text_of("disk.mode", self.disk_mode.as_ref());
        if self.read_only {
            layer.set("disk.mode", "read-only");
        }
        layer.text_of("disk.size", self.disk_size.as_ref());
    }

    /// A name without a value is the caller's variable, or nothing where the caller has none.
    fn environment(&self, layer: &mut Layer) -> Result<()> {
        let with_values = self.env.iter().filter_map(|word| match word.contains('=') {
            true => Some(word.clone()),
            false => std::env::var(word).ok().map(|value| format!("{word}={value}")),
        });
        layer.words("environment", "--env", &with_values.collect::<Vec<_>>(), quoted)
    }

    fn limits(&self, layer: &mut Layer) -> Result<()> {
        let limits = [
            ("memory", &self.memory),
            ("memory-high", &self.memory_high),
            ("memory-low", &self.memory_low),
            ("swap", &self.swap),
            ("cpus", &self.cpus),
            ("cpu-weight", &self.cpu_weight),
            ("tasks", &self.tasks),
            ("read-bandwidth", &self.read_bandwidth),
            ("write-bandwidth", &self.write_bandwidth),
            ("read-iops", &self.read_iops),
            ("write-iops", &self.write_iops),
            ("io-weight", &self.io_weight),
        ];
        for (key, value) in limits {
            layer.number_of(&format!("limits.{key}"), value.as_ref());
        }
        layer.text_of("limits.cpu-set", self.cpu_set.as_ref());
        layer.words("limits.rlimits", "--rlimit", &self.rlimit, number)
    }

    fn network(&self, layer: &mut Layer) -> Result<()> {
        for network in &self.network {
            match network.as_str() {
                "host" | "private" => layer.set("namespaces.network", network.as_str()),
                other if other.starts_with("container:") => layer.set("namespaces.network", other),
                pairs => layer.entry("network", NETWORK.table(pairs)?),
            }
        }
        for publish in &self.publish {
            layer.entry("publish", published(publish)?);
        }
        layer.words("namespaces", "--namespace", &self.namespace, quoted)?;
        layer.list("dns.servers", &self.dns);
        layer.list("dns.search", &self.dns_search);
        layer.list("dns.options", &self.dns_option);
        layer.words("hosts", "--host", &self.host, quoted)?;
        layer.words("sysctl", "--sysctl", &self.sysctl, quoted)
    }

    fn ends(&self, layer: &mut Layer) {
        layer.text_of("restart.policy", self.restart.as_ref());
        layer.text_of("restart.delay", self.restart_delay.as_ref());
        layer.text_of("stop.signal", self.stop_signal.as_ref());
        layer.text_of("stop.timeout", self.stop_timeout.as_ref());
    }

    fn security(&self, layer: &mut Layer) -> Result<()> {
        if let Some(value) = self.no_new_privileges {
            layer.set("security.no-new-privileges", value);
        }
        layer.list("security.capabilities.add", &self.cap_add);
        layer.list("security.capabilities.drop", &self.cap_drop);
        layer.text_of("security.seccomp", self.seccomp.as_ref());
        layer.list("security.allow-syscalls", &self.allow_syscall);
        layer.words("systemd", "--systemd", &self.systemd, |text| match text {
            "true" => true.into(),
            "false" => false.into(),
            text => number(text),
        })
    }
}

/// A flag is relative to where it is typed; a definition to where it lies.
fn absolute(path: &str) -> Result<String> {
    let (dash, path) = path.strip_prefix('-').map_or(("", path), |path| ("-", path));
    let absolute = std::path::absolute(path)?;
    Ok(format!("{dash}{}", absolute.display()))
}

fn quoted(text: &str) -> Value {
    text.into()
}
