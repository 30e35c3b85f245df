//! Plan values in the types that D-Bus wants.

use zbus::{OwnedVariant, Variant};

use crate::plan::{Exec, Property, Value};

/// Properties as a(sv).
pub(super) fn properties(list: &[Property]) -> Vec<(&str, Variant<'_>)> {
    list.iter().map(|property| (property.name.as_str(), variant(&property.value))).collect()
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
        Value::Timers(limits) | Value::DeviceLimits(limits) => {
            Variant::from(limits.iter().map(|(device, limit)| (device.as_str(), *limit)).collect::<Vec<_>>())
        }
        Value::Listen(pairs) | Value::Credentials(pairs) | Value::DeviceAllow(pairs) => {
            Variant::from(pairs.iter().map(|(first, second)| (first.as_str(), second.as_str())).collect::<Vec<_>>())
        }
    }
}

/// What systemd says, in the types that it is told in; none for those that are read back in another form.
pub(super) fn value(variant: &OwnedVariant) -> Option<Value> {
    let owned = || variant.try_clone().ok();
    match variant.value_signature().to_string().as_str() {
        "b" => variant.try_into().ok().map(Value::Bool),
        "i" => variant.try_into().ok().map(Value::I32),
        "u" => variant.try_into().ok().map(Value::U32),
        "t" => variant.try_into().ok().map(Value::U64),
        "s" => <&str>::try_from(variant).ok().map(|text| Value::Text(text.to_owned())),
        "as" => owned()?.try_into().ok().map(Value::Texts),
        "ay" => owned()?.try_into().ok().map(Value::Bytes),
        "a(st)" => owned()?.try_into().ok().map(Value::DeviceLimits),
        "a(ss)" => owned()?.try_into().ok().map(Value::DeviceAllow),
        _ => None,
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
