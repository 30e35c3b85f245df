//! Plan values in the types that D-Bus wants.

use zbus::Variant;

use crate::plan::{Exec, Unit, Value};

/// The properties of a unit as a(sv).
pub(super) fn properties(unit: &Unit) -> Vec<(&str, Variant<'_>)> {
    unit.properties.iter().map(|property| (property.name.as_str(), variant(&property.value))).collect()
}

fn variant(value: &Value) -> Variant<'_> {
    match value {
        Value::Bool(value) => Variant::from(*value),
        Value::I32(value) => Variant::from(*value),
        Value::U32(value) => Variant::from(*value),
        Value::U64(value) => Variant::from(*value),
        Value::Text(value) => Variant::from(value.as_str()),
        Value::Texts(values) => Variant::from(values.iter().map(String::as_str).collect::<Vec<_>>()),
        Value::Bytes(bytes) => Variant::from(bytes.clone()),
        Value::Exec(commands) => Variant::from(commands.iter().map(exec).collect::<Vec<_>>()),
        Value::ExitStatuses(statuses) => Variant::from((statuses.codes.clone(), statuses.signals.clone())),
        Value::DeviceLimits(limits) => {
            Variant::from(limits.iter().map(|(device, limit)| (device.as_str(), *limit)).collect::<Vec<_>>())
        }
        Value::DeviceAllow(devices) => {
            Variant::from(devices.iter().map(|(device, access)| (device.as_str(), access.as_str())).collect::<Vec<_>>())
        }
    }
}

fn exec(command: &Exec) -> (&str, Vec<&str>, bool) {
    let argv: Vec<&str> = command.argv.iter().map(String::as_str).collect();
    (argv.first().copied().unwrap_or_default(), argv, command.ignore_failure)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::ExitStatuses;

    /// A wrong signature fails the whole StartTransientUnit call, an empty list included.
    #[test]
    fn signatures_are_those_of_transient_properties_tsv() {
        let signature = |value: &Value| variant(value).value_signature().to_string();
        assert_eq!(signature(&Value::Texts(vec![])), "as");
        assert_eq!(signature(&Value::Bytes(vec![3])), "ay");
        assert_eq!(signature(&Value::Exec(vec![])), "a(sasb)");
        assert_eq!(signature(&Value::ExitStatuses(ExitStatuses { codes: vec![], signals: vec![9] })), "(aiai)");
        assert_eq!(signature(&Value::DeviceLimits(vec![])), "a(st)");
        assert_eq!(signature(&Value::DeviceAllow(vec![])), "a(ss)");
        assert_eq!(signature(&Value::U64(1)), "t");
    }
}
