//! What systemd says of units: the list in one call, and single properties.

use zbus::message::Sequence;
use zbus::{OwnedObjectPath, OwnedVariant};

use super::bus::{Bus, SERVICE, SLICE, UNIT, read};
use super::failure::Failure;
use super::manager::Manager;
use super::pipeline::in_turn;
use super::value::{self, value};
use crate::error::{Error, Result};
use crate::plan::{Property, Value};

/// One unit, as `systemctl list-units` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitStatus {
    /// `soute@web.service`.
    pub name: String,
    /// Description=.
    pub description: String,
    /// "loaded", "not-found", "bad-setting", …
    pub load: String,
    /// "active", "activating", "inactive", "failed", …
    pub active: String,
    /// "running", "start", "auto-restart", …
    pub sub: String,
    /// The type of its queued or running job, "start" or "stop".
    pub job: Option<String>,
}

impl UnitStatus {
    /// systemd knows nothing of it: it never ran, or was collected after its end.
    pub(super) fn is_gone(&self) -> bool {
        self.load == "not-found" && self.job.is_none() && self.active == "inactive"
    }

    /// It has ended, and will not start by itself.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.active.as_str(), "inactive" | "failed") && self.job.is_none()
    }

    /// It has ended, and its automatic restart comes after RestartSec=.
    pub(super) fn waits_to_restart(&self) -> bool {
        self.active == "activating" && self.sub == "auto-restart" && self.job.is_none()
    }
}

type Row = (String, String, String, String, String, String, OwnedObjectPath, u32, String, OwnedObjectPath);

fn status(row: Row) -> UnitStatus {
    let (name, description, load, active, sub, _following, _path, job, job_type, _job_path) = row;
    UnitStatus { name, description, load, active, sub, job: (job != 0).then_some(job_type) }
}

/// One unit at one moment, which three single properties would not be. Unlike GetUnit, it knows also what is not loaded.
pub(super) async fn snapshot(bus: &Bus, unit: &str) -> Result<UnitStatus, Failure> {
    let rows: Vec<Row> = bus.manager("ListUnitsByNames", &(vec![unit],)).await?;
    rows.into_iter().next().map(status).ok_or_else(|| Failure::NoSuchUnit(format!("{unit} is no unit name")))
}

/// All loaded units whose names match one of these shell patterns.
pub(super) async fn matching(bus: &Bus, patterns: &[&str]) -> Result<Vec<UnitStatus>, Failure> {
    Ok(matching_at(bus, patterns).await?.0)
}

/// The same, and which message has said so.
pub(super) async fn matching_at(bus: &Bus, patterns: &[&str]) -> Result<(Vec<UnitStatus>, Sequence), Failure> {
    let none: Vec<&str> = vec![];
    let reply = bus.reply("ListUnitsByPatterns", &(none, patterns.to_vec())).await?;
    let rows: Vec<Row> = read(&reply)?;
    Ok((rows.into_iter().map(status).collect(), reply.recv_position()))
}

impl Manager {
    /// All loaded units whose names match a shell pattern, in one call.
    pub fn list(&self, pattern: &str) -> Result<Vec<UnitStatus>> {
        Ok(self.run(async |bus| matching(bus, &[pattern]).await)?)
    }

    /// The same for names that match one of several.
    pub fn list_any(&self, patterns: &[&str]) -> Result<Vec<UnitStatus>> {
        Ok(self.run(async |bus| matching(bus, patterns).await)?)
    }

    /// One unit, loaded or not.
    pub fn status(&self, unit: &str) -> Result<UnitStatus> {
        Ok(self.run(async |bus| snapshot(bus, unit).await)?)
    }

    /// Properties of a unit, by name; those that this systemd does not have are left out.
    pub fn properties(&self, unit: &str, names: &[&str]) -> Result<Properties> {
        let values = self.run(async |bus| {
            let mut values = Vec::new();
            for name in names {
                if let Some(value) = property(bus, unit, name).await? {
                    values.push(((*name).to_owned(), value));
                }
            }
            Ok(values)
        })?;
        Ok(Properties { values })
    }

    /// Properties of many units in the types that they are set in; a unit that has gone has none.
    pub fn values(&self, units: &[(String, Vec<String>)]) -> Result<Vec<Vec<(String, Value)>>> {
        let each = || units.iter().flat_map(|(unit, names)| names.iter().map(move |name| (unit, name)));
        let found = self.run(async |bus| {
            let calls = each().map(|(unit, name)| async move {
                match property(bus, unit, name).await {
                    Ok(found) => Ok(found.as_ref().and_then(value)),
                    Err(Failure::NoSuchUnit(_)) => Ok(None),
                    Err(failure) => Err(failure),
                }
            });
            in_turn(calls).await.into_iter().collect::<Result<Vec<_>, _>>()
        })?;
        let mut found = found.into_iter();
        let mut of = |names: &Vec<String>| {
            let values = names.iter().zip(found.by_ref().take(names.len()));
            values.filter_map(|(name, value)| Some((name.clone(), value?))).collect()
        };
        Ok(units.iter().map(|(_, names)| of(names)).collect())
    }

    /// Changes running units, all of it or nothing of each, until the unit is stopped. Nothing is asked for none.
    pub fn set_properties(&self, units: &[(String, &[Property])]) -> Vec<Result<()>> {
        let told = self.run(async |bus| {
            let calls = units.iter().map(|(unit, list)| async move {
                match list.is_empty() {
                    true => Ok(()),
                    false => bus.manager("SetUnitProperties", &(unit, true, value::properties(list))).await,
                }
            });
            let told = in_turn(calls).await;
            match told.iter().find(|told| matches!(told, Err(Failure::Lost(_)))) {
                Some(Err(Failure::Lost(reason))) => Err(Failure::Lost(reason.clone())),
                _ => Ok(told),
            }
        });
        match told.map_err(Error::from) {
            Ok(told) => told.into_iter().map(|told| Ok(told?)).collect(),
            Err(error) => units.iter().map(|_| Err(Error::new(error.exit(), &error))).collect(),
        }
    }
}

/// What is asked of every unit; all else is asked of services.
const OF_UNITS: [&str; 17] = [
    "ActiveEnterTimestamp",
    "ActiveState",
    "After",
    "CollectMode",
    "ConsistsOf",
    "Description",
    "FragmentPath",
    "InvocationID",
    "LoadState",
    "NeedDaemonReload",
    "PartOf",
    "Requires",
    "SourcePath",
    "StartLimitBurst",
    "StartLimitIntervalUSec",
    "SubState",
    "Wants",
];

async fn property(bus: &Bus, unit: &str, name: &str) -> Result<Option<OwnedVariant>, Failure> {
    // What every unit has is on one interface, what services have on the other; a wrong guess costs 24 µs.
    let own = if unit.ends_with(".slice") { SLICE } else { SERVICE };
    let usual = if OF_UNITS.contains(&name) { [UNIT, own] } else { [own, UNIT] };
    for interface in usual {
        match bus.get(unit, interface, name).await {
            Ok(value) => return Ok(Some(value)),
            Err(Failure::NoSuchProperty) => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(None)
}

/// The values of some properties of one unit.
#[derive(Debug, Default)]
pub struct Properties {
    values: Vec<(String, OwnedVariant)>,
}

impl Properties {
    fn get(&self, name: &str) -> Option<&OwnedVariant> {
        self.values.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// s; empty when absent.
    pub fn text(&self, name: &str) -> &str {
        self.get(name).and_then(|value| value.try_into().ok()).unwrap_or_default()
    }

    /// i, u or t. Systemd's "infinity" and "not set" are u64::MAX.
    pub fn number(&self, name: &str) -> Option<u64> {
        let value = self.get(name)?;
        let signed = || i32::try_from(value).ok().and_then(|number| u64::try_from(number).ok());
        u64::try_from(value).ok().or_else(|| u32::try_from(value).ok().map(u64::from)).or_else(signed)
    }

    /// b; false when absent.
    pub fn flag(&self, name: &str) -> bool {
        self.get(name).and_then(|value| value.try_into().ok()).unwrap_or_default()
    }

    /// as; empty when absent.
    pub fn texts(&self, name: &str) -> Vec<String> {
        self.get(name).and_then(|value| value.try_clone().ok()?.try_into().ok()).unwrap_or_default()
    }

    /// a(ss); empty when absent.
    pub fn pairs(&self, name: &str) -> Vec<(String, String)> {
        self.get(name).and_then(|value| value.try_clone().ok()?.try_into().ok()).unwrap_or_default()
    }

    /// ay, in hexadecimal digits as journalctl wants an InvocationID; empty when absent.
    pub fn id(&self, name: &str) -> String {
        let bytes: Vec<u8> =
            self.get(name).and_then(|value| value.try_clone().ok()?.try_into().ok()).unwrap_or_default();
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
