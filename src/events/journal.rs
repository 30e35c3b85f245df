//! The past: what PID 1 and soute have written into the journal, by one journalctl that ends by itself.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value};

use super::{Event, Kind, Told};
use crate::error::{Context, Error, Result};
use crate::logs::EVENT_ID;
use crate::systemd::{Code, Ended};

/// systemd's messages, see sd-messages(3) and systemd's sd-messages.h: the same in all versions.
const STARTING: &str = "7d4958e842da4a758f6c1cdc7b36dcc5";
const STARTED: &str = "39f53479d3a045ac8e11786248231fbf";
const STOPPING: &str = "de5b426a63be47a7b6ac3eaac82e2f6f";
const RELOADED: &str = "7b05ebc668384222baa8881179cfda54";
const EXITED: &str = "98e322203f7a4ed290d09fe03c09fe15";
const SUCCESS: &str = "7ad2d189f7e94e70a38c781354912448";
const FAILURE: &str = "d9b373ed55a64feb8242e02dbe79a49c";
const RESTARTING: &str = "5eb03494b6584870a536b337290809b3";
const OUT_OF_MEMORY: &str = "fe6faa94e7774663a0da52717891d8ef";

const FIELDS: &str = "MESSAGE_ID,MESSAGE,UNIT,OBJECT_SYSTEMD_UNIT,EXIT_CODE,EXIT_STATUS,UNIT_RESULT,N_RESTARTS,SOUTE_EVENT,\
                      _PID,_UID,_SOURCE_REALTIME_TIMESTAMP";

/// Which part of it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Past {
    /// Its beginning; none for that of the journal.
    pub since: Option<SystemTime>,
    /// Its end; none for now.
    pub until: Option<SystemTime>,
}

/// Tells of everything that happened to containers, oldest first, until `tell` wants no more. Whoever ends us ends journalctl
/// by the pipe, and it ends by itself otherwise.
pub fn read(past: Past, names: &[String], mut tell: impl FnMut(Event) -> Result<bool>) -> Result<()> {
    // What was said a moment ago may be in journald's socket still. Only root may ask for this.
    let _ = Command::new("journalctl").arg("--sync").stdin(Stdio::null()).stderr(Stdio::null()).status();
    let mut command = journalctl(past, names);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("cannot run journalctl")?;
    let output = child.stdout.take().ok_or_else(|| Error::failed("journalctl has no output"))?;
    let mut reader = Reader::default();
    for line in BufReader::new(output).split(b'\n') {
        let line = line.context("cannot read the journal")?;
        // "-- No entries --" is none.
        let Ok(entry) = serde_json::from_slice(&line) else { continue };
        let Some(event) = reader.event(&entry) else { continue };
        if (names.is_empty() || names.contains(&event.name)) && !tell(event)? {
            break;
        }
    }
    // Its output is closed: it has ended, or is ended by that.
    let status = child.wait().context("cannot wait for journalctl")?;
    match status.code() {
        Some(0) | None => Ok(()),
        Some(status) => Err(Error::failed(format!("journalctl ended with {status}"))),
    }
}

/// Only what PID 1 or root has sent: MESSAGE_ID= alone anybody may send.
fn journalctl(past: Past, names: &[String]) -> Command {
    let mut command = Command::new("journalctl");
    command.args(["--no-pager", "--output=json", "--all", "--output-fields", FIELDS]);
    let stamp = |time: SystemTime| {
        let time = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        format!("@{}.{:06}", time.as_secs(), time.subsec_micros())
    };
    command.args(past.since.map(|since| format!("--since={}", stamp(since))));
    command.args(past.until.map(|until| format!("--until={}", stamp(until))));
    let units = |field: &str| names.iter().map(|name| format!("{field}=soute@{name}.service")).collect::<Vec<_>>();
    let ids = [STARTING, STARTED, STOPPING, RELOADED, EXITED, SUCCESS, FAILURE, RESTARTING, OUT_OF_MEMORY];
    command.arg("_PID=1").args(ids.map(|id| format!("MESSAGE_ID={id}"))).args(units("UNIT"));
    command.args(["+", "_UID=0"]).arg(format!("MESSAGE_ID={EVENT_ID}")).args(units("OBJECT_SYSTEMD_UNIT"));
    command
}

/// What earlier entries have said that later ones leave out.
#[derive(Debug, Default)]
struct Reader {
    units: HashMap<String, Unit>,
}

#[derive(Debug, Default)]
struct Unit {
    code: Code,
    status: i32,
    asked: bool,
}

impl Reader {
    fn event(&mut self, entry: &Map<String, Value>) -> Option<Event> {
        let text = |name: &str| entry.get(name).and_then(Value::as_str);
        let id = text("MESSAGE_ID")?;
        let unit = text(if id == EVENT_ID { "OBJECT_SYSTEMD_UNIT" } else { "UNIT" })?;
        let name = unit.strip_prefix("soute@")?.strip_suffix(".service")?;
        let stamp = text("_SOURCE_REALTIME_TIMESTAMP").or_else(|| text("__REALTIME_TIMESTAMP"))?;
        let at = UNIX_EPOCH.checked_add(Duration::from_micros(stamp.parse().ok()?))?;
        let told = self.told(name, id, text)?;
        Some(Event { at, name: name.to_owned(), told })
    }

    fn told<'e>(&mut self, name: &str, id: &str, text: impl Fn(&str) -> Option<&'e str>) -> Option<Told> {
        let unit = self.units.entry(name.to_owned()).or_default();
        let plain = |kind| Some(Told::new(kind, ""));
        match id {
            STARTING => {
                *unit = Unit::default();
                plain(Kind::Starting)
            }
            STARTED => plain(Kind::Ready),
            RELOADED => plain(Kind::Reloaded),
            STOPPING => {
                unit.asked = true;
                plain(Kind::Stopping)
            }
            OUT_OF_MEMORY => plain(Kind::OutOfMemory),
            EXITED => {
                unit.code = match text("EXIT_CODE")? {
                    "exited" => Code::Exited,
                    _ => Code::Killed,
                };
                unit.status = text("EXIT_STATUS")?.parse().ok()?;
                None
            }
            SUCCESS | FAILURE => {
                let unit = std::mem::take(unit);
                let result = if id == SUCCESS { "success" } else { text("UNIT_RESULT").unwrap_or("failed") };
                let ended = Ended { result: result.to_owned(), code: unit.code, status: unit.status };
                Some(Told::end(ended, unit.asked))
            }
            RESTARTING => {
                let count = text("N_RESTARTS").and_then(|count| count.parse().ok());
                Some(Told::new(Kind::Restarting, count.map(super::counted).unwrap_or_default()))
            }
            EVENT_ID => {
                let kind = Kind::noted(text("SOUTE_EVENT")?)?;
                let said = text("MESSAGE").unwrap_or_default();
                Some(Told::new(kind, said.split_once(": ").map_or("", |(_, detail)| detail)))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(entries: &str) -> Vec<String> {
        let mut reader = Reader::default();
        let events = entries.lines().filter_map(|line| reader.event(&serde_json::from_str(line).unwrap()));
        events
            .map(|event| {
                let at = event.at.duration_since(UNIX_EPOCH).unwrap().as_micros();
                format!("{at} {} {} {}", event.name, event.told.kind.as_str(), event.told.detail).trim_end().to_owned()
            })
            .collect()
    }

    #[test]
    fn entries_of_a_life() {
        let entries = r#"{"MESSAGE_ID":"7d4958e842da4a758f6c1cdc7b36dcc5","UNIT":"soute@web.service","_SOURCE_REALTIME_TIMESTAMP":"1"}
{"MESSAGE_ID":"39f53479d3a045ac8e11786248231fbf","UNIT":"soute@web.service","__REALTIME_TIMESTAMP":"2"}
{"MESSAGE_ID":"39f53479d3a045ac8e11786248231fbf","UNIT":"ssh.service","__REALTIME_TIMESTAMP":"2"}
{"MESSAGE_ID":"98e322203f7a4ed290d09fe03c09fe15","UNIT":"soute@web.service","EXIT_CODE":"exited","EXIT_STATUS":"3","__REALTIME_TIMESTAMP":"3"}
{"MESSAGE_ID":"d9b373ed55a64feb8242e02dbe79a49c","UNIT":"soute@web.service","UNIT_RESULT":"exit-code","__REALTIME_TIMESTAMP":"4"}
{"MESSAGE_ID":"5eb03494b6584870a536b337290809b3","UNIT":"soute@web.service","N_RESTARTS":"11","__REALTIME_TIMESTAMP":"5"}
{"MESSAGE_ID":"7d4958e842da4a758f6c1cdc7b36dcc5","UNIT":"soute@web.service","__REALTIME_TIMESTAMP":"6"}
{"MESSAGE_ID":"de5b426a63be47a7b6ac3eaac82e2f6f","UNIT":"soute@web.service","__REALTIME_TIMESTAMP":"7"}
{"MESSAGE_ID":"7ad2d189f7e94e70a38c781354912448","UNIT":"soute@web.service","__REALTIME_TIMESTAMP":"8"}"#;
        let expected = [
            "1 web starting",
            "2 web ready",
            "4 web failed exited 3",
            "5 web restarting 11th time",
            "6 web starting",
            "7 web stopping",
            "8 web stopped",
        ];
        assert_eq!(read(entries), expected);
    }

    #[test]
    fn what_soute_notes_itself_and_what_is_none_of_it() {
        let entry = |event: &str, message: &str| {
            format!(
                r#"{{"MESSAGE_ID":"{EVENT_ID}","OBJECT_SYSTEMD_UNIT":"soute@web.service","SOUTE_EVENT":"{event}","MESSAGE":"{message}","__REALTIME_TIMESTAMP":"7"}}"#
            )
        };
        assert_eq!(read(&entry("unhealthy", "unhealthy: port 80: refused")), ["7 web unhealthy port 80: refused"]);
        assert_eq!(read(&entry("healthy", "healthy again")), ["7 web healthy"]);
        assert_eq!(read(&entry("stopped", "no")), [""; 0]);
        assert_eq!(read(r#"{"MESSAGE_ID":[1,2],"UNIT":null,"__REALTIME_TIMESTAMP":"7"}"#), [""; 0]);
    }
}
