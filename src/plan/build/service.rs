//! The unit: a service of systemd's in every respect.

use std::path::Path;

use nix::libc::{SIGHUP, SIGINT, SIGKILL, SIGPIPE, SIGTERM};

use super::super::{
    Exec, ExitStatuses, Facts, Init, Measure, MountSource, Property, Publish, Sandbox, Unit, Value, lease, timer,
};
use super::limits;
use crate::definition::directives::{self, PropertyValue};
use crate::definition::model::{Credential, DirectiveValue, LogOutput, Network, RestartPolicy};
use crate::definition::types::{Dependency, ExitStatus, HostPath, Limit, Name, SizeOrShare, Span};
use crate::definition::{Definition, Group, group};
use crate::error::{Error, Exit, Result};

/// The transient unit of a container.
pub fn unit(definition: &Definition, facts: &Facts, sandbox: &Sandbox, publish: &[Publish]) -> Result<Unit> {
    let mut properties = identity(definition, facts);
    properties.extend(order(definition, facts, sandbox, publish));
    properties.extend(commands(facts, sandbox));
    properties.extend(lifecycle(definition, sandbox));
    properties.extend(log(definition, facts));
    properties.extend(confinement(sandbox, facts));
    properties.extend(credentials(definition, facts));
    properties.extend(limits::limits(definition, facts));
    for (name, value) in &definition.systemd {
        add(&mut properties, further(name, value)?);
    }
    Ok(Unit { name: format!("soute@{}.service", facts.name), properties })
}

/// The slice of a group, with the limits that its containers have together.
pub fn slice(name: &Name, group: &Group, measure: &Measure) -> Unit {
    let description = group.description.clone().unwrap_or_else(|| format!("Containers of group {name}"));
    let mut properties = vec![text("Description", description)];
    let swap = group.limits.swap.unwrap_or(SizeOrShare::Infinity);
    properties.extend(limits::of_cgroup(&group.limits, swap, measure));
    // The slice may be there already, with a limit that its file has no more.
    let not_set = limits::not_set().into_iter();
    let not_set: Vec<_> = not_set.filter(|none| properties.iter().all(|said| said.name != none.name)).collect();
    properties.extend(not_set);
    Unit { name: group::slice(name), properties }
}

/// A directive of `[systemd]`. A check has read it already, so this fails only for what was never checked.
fn further(name: &str, value: &DirectiveValue) -> Result<Property> {
    let refused = |what: &str| Error::new(Exit::Invalid, format!("systemd.{name}: {what}"));
    let directive = directives::lookup(name).ok_or_else(|| refused("cannot be set here"))?;
    let value = match directive.value(value).map_err(|reason| refused(&reason.message))? {
        PropertyValue::Bool(flag) => Value::Bool(flag),
        PropertyValue::I32(number) => Value::I32(number),
        PropertyValue::U32(number) => Value::U32(number),
        PropertyValue::U64(number) => Value::U64(number),
        PropertyValue::Text(text) => Value::Text(text),
        PropertyValue::Texts(list) => Value::Texts(list),
    };
    Ok(Property::new(directive.property, value))
}

/// A list goes on where ours ends, as it does over D-Bus; anything else takes the place of ours.
fn add(properties: &mut Vec<Property>, property: Property) {
    match (properties.iter_mut().find(|ours| ours.name == property.name), property) {
        (Some(Property { value: Value::Texts(ours), .. }), Property { value: Value::Texts(more), .. }) => {
            ours.extend(more);
        }
        (Some(ours), property) => *ours = property,
        (None, property) => properties.push(property),
    }
}

fn text(name: &str, value: impl Into<String>) -> Property {
    Property::new(name, Value::Text(value.into()))
}

fn identity(definition: &Definition, facts: &Facts) -> Vec<Property> {
    let description = definition.description.as_ref().map_or_else(|| facts.name.clone(), ToString::to_string);
    let source = facts.definition.as_ref().map(|path| text("SourcePath", path.display().to_string()));
    let mut list = vec![text("Description", description)];
    list.push(Property::new("Documentation", Value::Texts(vec!["man:soute(8)".to_owned()])));
    list.extend(source);
    let slice = definition.group.as_ref().map_or_else(|| "soute.slice".to_owned(), |group| group::slice(group));
    list.extend([text("Slice", slice), text("CollectMode", "inactive")]);
    list
}

/// Order between containers goes through soute-up@.target, never from one transient unit to another: a reference pins a
/// stopped transient unit, and its name could not be used again.
fn order(definition: &Definition, facts: &Facts, sandbox: &Sandbox, publish: &[Publish]) -> Vec<Property> {
    let up = |name: &str| format!("soute-up@{name}.target");
    let own = up(&facts.name);
    // Before=network.target at shutdown: networkd would take the bridges away first.
    let mut after = vec!["network.target".to_owned()];
    let mut part_of = vec![format!("soute-start@{}.service", facts.name)];
    let mut reached = vec![own];
    // What waits for a definition with replicas waits for the first of them, and goes with the last.
    if let Some(of) = &facts.replica_of {
        part_of.push(format!("soute-start@{of}.service"));
        reached.push(up(of));
    }
    let (mut wants, mut requires) = (reached.clone(), Vec::new());
    wants.extend(definition.health.as_ref().map(|_| timer(&facts.name)));
    let leased = sandbox.init != Init::Image && definition.network.iter().any(Network::asks_dhcp);
    wants.extend(leased.then(|| lease::timer(&facts.name)));
    if sandbox.log.is_some() {
        let socket = format!("soute-log@{}.socket", facts.name);
        requires.push(socket.clone());
        after.push(socket);
    }
    for port in publish.iter().filter(|port| !port.activate) {
        requires.push(port.socket());
        after.push(port.socket());
    }
    let required = definition.required();
    for dependency in required.iter().chain(definition.wants.iter()).chain(definition.after.iter()) {
        after.push(match dependency {
            Dependency::Container(name) => up(name),
            Dependency::Unit(unit) => unit.clone(),
        });
    }
    for dependency in &required {
        match dependency {
            Dependency::Container(name) => part_of.push(up(name)),
            Dependency::Unit(unit) => requires.push(unit.clone()),
        }
    }
    wants.extend(definition.wants.iter().filter_map(|dependency| match dependency {
        Dependency::Unit(unit) => Some(unit.clone()),
        Dependency::Container(_) => None,
    }));
    let mut mounts = vec![facts.layout.store().display().to_string()];
    mounts.extend(sandbox.mounts.iter().filter_map(|mount| match &mount.source {
        MountSource::Bind { path, .. } => Some(plain_part(path).display().to_string()),
        MountSource::Tmpfs { .. } => None,
    }));
    let lists = [
        ("After", after),
        ("Before", reached),
        ("Wants", wants),
        ("Requires", requires),
        ("PartOf", part_of),
        ("RequiresMountsFor", mounts),
    ];
    lists
        .into_iter()
        .filter(|(_, list)| !list.is_empty())
        .map(|(name, list)| Property::new(name, Value::Texts(list)))
        .collect()
}

/// As much of a path as RequiresMountsFor= can bear: systemd writes it into the transient file without quotes, and its
/// percent signs as they are, so that "/srv/my files" is "/srv/my" after a daemon-reload, and "/srv/%n" something else
/// (252 and 257).
fn plain_part(path: &Path) -> &Path {
    let plain = |part: &Path| !part.as_os_str().as_encoded_bytes().iter().any(|byte| b" \t\"'\\%".contains(byte));
    path.ancestors().find(|part| plain(part)).unwrap_or(path)
}

fn commands(facts: &Facts, sandbox: &Sandbox) -> Vec<Property> {
    let exec = |program: &Path, verbs: &[&str], ignore_failure| {
        let mut argv = vec![program.display().to_string()];
        if facts.layout.root() != Path::new("/") {
            argv.extend(["--root".to_owned(), facts.layout.root().display().to_string()]);
        }
        argv.extend(verbs.iter().map(|verb| (*verb).to_owned()));
        argv.push(facts.name.clone());
        Exec { argv, ignore_failure }
    };
    let line = |verb: &str| Value::Exec(vec![exec(&facts.runner, &[verb], false)]);
    // Somebody else's list is no reason to fail.
    let machine = |verb| facts.machined.as_ref().map(|soute| exec(soute, &["machine", verb], true));
    let mut ends = vec![exec(&facts.runner, &["clean"], false)];
    ends.extend(machine("unregister"));
    let mut list = vec![
        text("Type", "notify"),
        // The payload is MainPID before the runner says READY=1.
        text("NotifyAccess", "all"),
        Property::new("FileDescriptorStoreMax", Value::U32(0)),
        Property::new("ExecStart", line("start")),
        Property::new("ExecStop", line("stop")),
        Property::new("ExecStopPost", Value::Exec(ends)),
    ];
    list.extend(machine("register").map(|exec| Property::new("ExecStartPost", Value::Exec(vec![exec]))));
    list.extend(sandbox.reload.as_ref().map(|_| Property::new("ExecReload", line("reload"))));
    list
}

fn lifecycle(definition: &Definition, sandbox: &Sandbox) -> Vec<Property> {
    let micros = |span: Limit<Span>| span.value().map_or(u64::MAX, Span::micros);
    let restart = &definition.restart;
    // limit = 0 restarts for ever: without an interval systemd does not count.
    let interval = if restart.limit == 0 { 0 } else { restart.interval.micros() };
    let kill_mode = if sandbox.init == Init::Image { "mixed" } else { "control-group" };
    let (success, force, prevent) = exit_statuses(definition, sandbox);
    let mut list = vec![
        Property::new("TimeoutStartUSec", Value::U64(micros(definition.start_timeout))),
        Property::new("TimeoutStopUSec", Value::U64(micros(definition.stop_timeout()))),
        text("KillMode", kill_mode),
        Property::new("KillSignal", Value::I32(sandbox.stop_signal)),
        text("Restart", restart.policy.as_str()),
        Property::new("RestartUSec", Value::U64(restart.delay.micros())),
        Property::new("StartLimitIntervalUSec", Value::U64(interval)),
        Property::new("StartLimitBurst", Value::U32(restart.limit)),
    ];
    if let Some(watchdog) = definition.watchdog.value() {
        list.push(Property::new("WatchdogUSec", Value::U64(watchdog.micros())));
        // SIGABRT does nothing to a PID 1 that does not catch it, and systemd would wait for the stop timeout.
        let alone = sandbox.init == Init::None && sandbox.namespaces.pid;
        list.extend(alone.then(|| Property::new("WatchdogSignal", Value::I32(SIGKILL))));
    }
    let statuses =
        [("SuccessExitStatus", success), ("RestartForceExitStatus", force), ("RestartPreventExitStatus", prevent)];
    let some = statuses.into_iter().filter(|(_, statuses)| *statuses != ExitStatuses::default());
    list.extend(some.map(|(name, statuses)| Property::new(name, Value::ExitStatuses(statuses))));
    list
}

/// Loaded by systemd at each start, as an automatic restart is one.
fn credentials(definition: &Definition, facts: &Facts) -> Vec<Property> {
    let beside = facts.definition.as_deref().and_then(Path::parent).unwrap_or(Path::new("/"));
    let (mut plain, mut encrypted) = (Vec::new(), Vec::new());
    for (name, credential) in &definition.credentials {
        let of_file = |path: &HostPath| (name.to_string(), path.resolve(beside).display().to_string());
        match credential {
            Credential::File(path) => plain.push(of_file(path)),
            Credential::Encrypted(path) => encrypted.push(of_file(path)),
            Credential::Host(host) => plain.push((name.to_string(), host.to_string())),
        }
    }
    let lists = [("LoadCredential", plain), ("LoadCredentialEncrypted", encrypted)];
    let some = lists.into_iter().filter(|(_, list)| !list.is_empty());
    some.map(|(property, list)| Property::new(property, Value::Credentials(list))).collect()
}

/// What counts as a good end, what restarts in any case, and what never does.
fn exit_statuses(definition: &Definition, sandbox: &Sandbox) -> (ExitStatuses, ExitStatuses, ExitStatuses) {
    let (mut success, mut force, mut prevent) = <(ExitStatuses, ExitStatuses, ExitStatuses)>::default();
    for status in definition.restart.success_status.iter() {
        match status {
            ExitStatus::Code(code) => success.codes.push(i32::from(*code)),
            ExitStatus::Signal(signal) => success.signals.push(signal.0),
        }
    }
    match sandbox.init {
        // ExecStop= kills a PID 1 that does not catch the stop signal, which is a good end; a kill -9 of somebody else
        // must still restart: RestartForceExitStatus=.
        Init::None if sandbox.namespaces.pid => {
            success.signals.push(SIGKILL);
            match definition.restart.policy {
                RestartPolicy::No | RestartPolicy::OnWatchdog => {}
                RestartPolicy::OnSuccess => prevent.signals.push(SIGKILL),
                _ => force.signals.push(SIGKILL),
            }
        }
        // reboot(2) ends the PID 1 of a namespace: by SIGHUP to start again, by SIGINT to stay off.
        Init::Image => {
            success.signals.extend([SIGHUP, SIGINT]);
            force.signals.push(SIGHUP);
        }
        // The reaper says 128 and the signal where its payload has died of one; of these systemd takes it for a good end.
        Init::Reaper => success.codes.extend([SIGHUP, SIGINT, SIGPIPE, SIGTERM].map(|signal| 128 + signal)),
        Init::None => {}
    }
    (success, force, prevent)
}

fn log(definition: &Definition, facts: &Facts) -> Vec<Property> {
    let log = &definition.log;
    let output = match log.output {
        LogOutput::Journal => "journal",
        LogOutput::None => "null",
    };
    let identifier = log.identifier.as_ref().map_or_else(|| facts.name.clone(), ToString::to_string);
    let mut list = vec![
        text("StandardInput", "null"),
        text("StandardOutput", output),
        text("StandardError", output),
        text("SyslogIdentifier", identifier),
        Property::new("LogRateLimitIntervalUSec", Value::U64(log.rate_limit.interval.micros())),
        Property::new("LogRateLimitBurst", Value::U32(log.rate_limit.burst)),
    ];
    if !log.namespace.is_empty() {
        list.push(text("LogNamespace", log.namespace.as_str()));
    }
    list
}

/// What nobody in the unit has to do with, the runner included: modules, raw devices, clocks, the host's power, audit, other
/// security modules, the kernel's log, alarms, tracing, BPF.
const NEVER: [u32; 18] = [11, 14, 15, 16, 17, 20, 22, 25, 26, 28, 30, 32, 33, 34, 35, 36, 37, 40];

/// What the runner needs, and where ids are the host's what the payload is granted; in ids of its own it has a set of its
/// own, see user_namespaces(7).
fn bounding_set(sandbox: &Sandbox) -> u64 {
    /// CAP_CHECKPOINT_RESTORE, the last that systemd 252 knows.
    const LAST: u32 = 40;
    let all = (0..=LAST).fold(0, |all, number| all | 1 << number);
    let never = NEVER.iter().fold(0, |never, number| never | 1 << number);
    let granted = if sandbox.namespaces.user { 0 } else { sandbox.process.capabilities };
    all & !never | granted
}

/// What systemd itself keeps from the payload. Not more than the runner can bear: it mounts, maps ids and makes namespaces.
fn confinement(sandbox: &Sandbox, facts: &Facts) -> Vec<Property> {
    // "m" alone lets the runner copy an image's device nodes. The payload can neither make one, without CAP_MKNOD in the
    // host's user namespace, nor open one by it.
    let mut devices = vec![("char-*", "m"), ("block-*", "m")];
    if facts.image.fs.is_some() {
        devices.extend([("/dev/loop-control", "rw"), ("block-loop", "rw")]);
    }
    let devices = devices.into_iter().map(|(device, access)| (device.to_owned(), access.to_owned()));
    let declared = sandbox.devices.iter().map(|device| (device.source.display().to_string(), device.access.clone()));
    let devices = devices.chain(declared).collect();
    let mut list = vec![
        Property::new("CapabilityBoundingSet", Value::U64(bounding_set(sandbox))),
        // It goes with execve(2) to whatever follows: not where sudo is to work.
        Property::new("NoNewPrivileges", Value::Bool(sandbox.process.no_new_privileges)),
        text("KeyringMode", "private"),
        text("DevicePolicy", "closed"),
        Property::new("DeviceAllow", Value::DeviceAllow(devices)),
    ];
    if sandbox.init == Init::Image {
        list.push(Property::new("Delegate", Value::Bool(true)));
    }
    list
}
