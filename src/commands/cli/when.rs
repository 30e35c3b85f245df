//! Points in time, as users type them.

use std::process::{Command, Stdio};
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// `2026-11-22 07:00`, `yesterday`, `-1h` as journalctl(1) takes them; `10m` and RFC 3339 as podman-events(1) does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct When(pub SystemTime);

impl FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refused = || "expected a time such as \"10m\", \"-1h\", yesterday or \"2026-11-22 07:00\"".to_owned();
        if let Ok(ago) = humantime::parse_duration(text) {
            return SystemTime::now().checked_sub(ago).map(Self).ok_or_else(refused);
        }
        if let Ok(time) = humantime::parse_rfc3339(text) {
            return Ok(Self(time));
        }
        let mut command = Command::new("systemd-analyze");
        command.args(["timestamp", "--", text]).env("LC_ALL", "C.UTF-8").stdin(Stdio::null()).stderr(Stdio::null());
        let output = command.output().map_err(|error| format!("cannot run systemd-analyze: {error}"))?;
        let said = String::from_utf8_lossy(&output.stdout);
        seconds(&said).filter(|_| output.status.success()).map(Self).ok_or_else(refused)
    }
}

/// `   UNIX seconds: @1795328261.544632`
fn seconds(said: &str) -> Option<SystemTime> {
    let line = said.lines().find_map(|line| line.trim().strip_prefix("UNIX seconds: @"))?;
    let (seconds, rest) = line.split_once('.').unwrap_or((line, ""));
    let micros: u32 = format!("{rest:0<6.6}").parse().ok()?;
    UNIX_EPOCH.checked_add(Duration::new(seconds.parse().ok()?, micros * 1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_systemd_analyze_says() {
        let at = |micros| UNIX_EPOCH + Duration::from_micros(micros);
        let said =
            "  Original form: yesterday\nNormalized form: Sat 2026-11-21 00:00:00 UTC\n   UNIX seconds: @1795219200\n";
        assert_eq!(seconds(said), Some(at(1_795_219_200_000_000)));
        assert_eq!(seconds("   UNIX seconds: @1795328261.5446\n"), Some(at(1_795_328_261_544_600)));
        assert_eq!(seconds("Failed to parse"), None);
    }

    #[test]
    fn times_that_need_nobody_else() {
        assert_eq!("2026-11-22T07:00:00Z".parse(), Ok(When(UNIX_EPOCH + Duration::from_secs(1_795_330_800))));
        let When(ago) = "10m".parse().unwrap();
        let ago = ago.elapsed().unwrap();
        assert!((Duration::from_secs(600)..Duration::from_secs(700)).contains(&ago), "{ago:?}");
    }
}
