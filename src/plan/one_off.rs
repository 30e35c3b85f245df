//! What `soute run` makes of a plan.

use super::{Init, Plan, Property, Value};

impl Plan {
    /// Whatever way it ends, its unit is forgotten.
    pub fn forget_at_end(&mut self) {
        self.unit.properties.retain(|property| property.name != "CollectMode");
        self.unit.properties.push(Property::new("CollectMode", Value::Text("inactive-or-failed".to_owned())));
        if self.ephemeral {
            // It is gone before anybody looks for it in a list.
            self.unit.properties.retain(|property| property.name != "ExecStartPost");
            let ends = self.unit.properties.iter_mut().filter(|property| property.name == "ExecStopPost");
            ends.for_each(|property| {
                if let Value::Exec(commands) = &mut property.value {
                    commands.truncate(1);
                }
            });
        }
    }

    /// The caller's streams take the place of the journal's; where they are a terminal it is the payload's own.
    pub fn attach(&mut self, terminal: bool) {
        const STREAMS: [&str; 3] = ["StandardInput", "StandardOutput", "StandardError"];
        self.unit.properties.retain(|property| !STREAMS.contains(&property.name.as_str()));
        // Descriptors 1 and 2 can be opened by name now: nothing has to stand behind /dev/stdout. Nor is there anybody who
        // waits for this container, or would start it again.
        self.sandbox.log = None;
        let name = &self.name;
        let beside = [
            format!("soute-log@{name}.socket"),
            format!("soute-up@{name}.target"),
            format!("soute-start@{name}.service"),
        ];
        for property in &mut self.unit.properties {
            if let Value::Texts(units) = &mut property.value {
                units.retain(|unit| !beside.contains(unit));
            }
        }
        let empty = |property: &Property| matches!(&property.value, Value::Texts(units) if units.is_empty());
        self.unit.properties.retain(|property| !empty(property));
        self.sandbox.process.terminal = terminal;
        // Each of these processes costs PID 1 a fork and a way through a cgroup, after the payload has ended too.
        if self.ephemeral {
            // Whoever waits for it takes its traces away.
            self.unit.properties.retain(|property| property.name != "ExecStopPost");
            // The reaper hears every signal, and of a container that goes nobody asks later whether it was stopped.
            self.unit.properties.retain(|property| property.name != "ExecStop" || self.sandbox.init != Init::Reaper);
        }
    }
}
