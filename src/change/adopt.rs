//! The snapshot after `apply`: what is live is as the definition says now, all else as it was started, so that an automatic
//! restart brings back exactly what runs.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::drift::KEYS;
use super::fields::{identity, joined, quoted};
use super::{Change, Class};
use crate::definition::{Definition, keys};
use crate::error::{Context, Error, Result};
use crate::plan::{self, Plan, Property};

/// What runs once the live ones of `changes` are applied.
pub fn adopt_definition(runs: &Definition, now: &Definition, changes: &[Change]) -> Result<Definition> {
    let live = changes.iter().filter(|change| change.class == Class::Live).map(|change| change.field.clone()).collect();
    let value = |definition| serde_json::to_value(definition).map_err(Error::failed);
    let merged = Adopt { live }.value(value(runs)?, value(now)?, "", "");
    serde_json::from_value(merged.unwrap_or_default()).map_err(Error::failed).context("cannot note what is applied")
}

struct Adopt {
    live: BTreeSet<String>,
}

impl Adopt {
    /// None for what is not there.
    fn value(&self, runs: Value, now: Value, path: &str, shown: &str) -> Option<Value> {
        match (runs, now) {
            // A table that only one of them has: its leaves are among the changes, it is not.
            (Value::Object(runs), Value::Null) => {
                self.table(runs, Map::new(), path, shown).filter(|table| !is_empty(table))
            }
            (Value::Null, Value::Object(now)) => {
                self.table(Map::new(), now, path, shown).filter(|table| !is_empty(table))
            }
            (Value::Object(runs), Value::Object(now)) => self.table(runs, now, path, shown),
            (Value::Array(runs), Value::Array(now)) if keys::identifying(path).is_some() => {
                Some(Value::Array(self.entries(runs, now, path, shown)))
            }
            (runs, now) => Some(if self.is_live(shown) { now } else { runs }).filter(|value| !value.is_null()),
        }
    }

    fn table(
        &self,
        mut runs: Map<String, Value>,
        mut now: Map<String, Value>,
        path: &str,
        shown: &str,
    ) -> Option<Value> {
        let names: BTreeSet<String> = runs.keys().chain(now.keys()).cloned().collect();
        let one = |key: String| {
            let (old, new) = (runs.remove(&key), now.remove(&key));
            let (path, shown) = (joined(path, &key), joined(shown, &quoted(&key)));
            let value = self.value(old.unwrap_or_default(), new.unwrap_or_default(), &path, &shown);
            Some((key, value?))
        };
        Some(Value::Object(names.into_iter().filter_map(one).collect()))
    }

    /// In the new order; those that cannot go yet stay behind.
    fn entries(&self, runs: Vec<Value>, now: Vec<Value>, path: &str, shown: &str) -> Vec<Value> {
        let named = |list: Vec<Value>| -> Vec<(String, Value)> {
            let name = |(index, entry): (usize, Value)| (identity(path, &entry, index), entry);
            list.into_iter().enumerate().map(name).collect()
        };
        let (mut runs, mut list) = (named(runs), Vec::new());
        for (name, entry) in named(now) {
            let shown = joined(shown, &quoted(&name));
            match runs.iter().position(|(old, _)| *old == name) {
                Some(at) => list.extend(self.value(runs.remove(at).1, entry, path, &shown)),
                None if self.is_live(&shown) => list.push(entry),
                None => {}
            }
        }
        let kept = runs.into_iter().filter(|(name, _)| !self.is_live(&joined(shown, &quoted(name))));
        list.extend(kept.map(|(_, entry)| entry));
        list
    }

    fn is_live(&self, field: &str) -> bool {
        self.live.contains(field)
    }
}

fn is_empty(value: &Value) -> bool {
    value.as_object().is_some_and(Map::is_empty)
}

/// The snapshot with the live parts of a plan that was made of the adopted definition.
pub fn adopt_plan(runs: &Plan, adopted: &Plan) -> Plan {
    let mut plan = runs.clone();
    plan.fingerprint.clone_from(&adopted.fingerprint);
    plan.labels.clone_from(&adopted.labels);
    plan.links.clone_from(&adopted.links);
    plan.disk.size = adopted.disk.size;
    // The next check reads it; how often there is one the timer knows.
    if plan.health.is_some() && adopted.health.is_some() {
        plan.health.clone_from(&adopted.health);
    }
    for file in &mut plan.sandbox.files {
        if let Some(new) = adopted.sandbox.files.iter().find(|new| new.target == file.target) {
            file.content.clone_from(&new.content);
            file.leased = new.leased;
        }
    }
    let is_live = |property: &Property| KEYS.iter().any(|(name, ..)| property.name == *name);
    // The order is that of a new plan, where `soute unit` shows it.
    plan.unit.properties.retain(|property| !is_live(property));
    plan.unit.properties.extend(adopted.unit.properties.iter().filter(|property| is_live(property)).cloned());
    plan
}

/// What SetUnitProperties has to say to get from one plan to the other.
pub fn properties(runs: &Plan, target: &Plan, drifted: &[Change]) -> Vec<Property> {
    let value = |plan: &Plan, name: &str, usual: &plan::Value| plan.unit.get(name).unwrap_or(usual).clone();
    let mut list = Vec::new();
    for (name, key, usual) in KEYS.iter() {
        let (old, new) = (value(runs, name, usual), value(target, name, usual));
        let drifted = drifted.iter().any(|change| change.field == *key);
        if old == new && !drifted {
            continue;
        }
        // A list goes on where the old one ends: it is emptied first.
        if matches!(new, plan::Value::DeviceLimits(_)) && new != *usual {
            list.push(Property::new(name, usual.clone()));
        }
        list.push(Property::new(name, new));
    }
    list
}
