//! Start and stop for who is not root: systemd is asked, and polkit decides. The launcher does it as root.
//!
//! A rule that lets somebody start soute@NAME.service itself would let them say what that is, as it has no file:
//! StartTransientUnit is a start, too. So containers are started by the launcher's name alone.

use crate::commands::{must_exist, unit};
use crate::definition::types::Name;
use crate::error::{Error, Exit, Result};
use crate::settings::Host;
use crate::systemd::Manager;

/// Whether this is how it is done.
pub fn is_how() -> bool {
    !rustix::process::geteuid().is_root()
}

/// Starts one by its launcher.
pub fn start(host: &Host, manager: &Manager, name: &Name) -> Result<()> {
    must_exist(host, manager, name)?;
    if matches!(manager.status(&unit(name))?.active.as_str(), "active" | "reloading") {
        return Ok(());
    }
    let launcher = format!("soute-start@{name}.service");
    manager.start(&launcher).map_err(|error| told("start", name, &error)).map_err(|error| match error.exit() {
        Exit::NotPermitted => error,
        exit => Error::new(exit, format!("{error}: journalctl -u {launcher} says why")),
    })
}

/// Stops one.
pub fn stop(host: &Host, manager: &Manager, name: &Name) -> Result<()> {
    must_exist(host, manager, name)?;
    let unit = unit(name);
    let status = manager.status(&unit)?;
    let stopped = match status.active.as_str() {
        "inactive" if status.job.is_none() => Ok(()),
        "failed" if status.job.is_none() => manager.reset_failed(&unit),
        _ => match manager.stop(&unit) {
            Err(error) if error.exit() == Exit::NotRunning => Ok(()),
            stopped => stopped,
        },
    };
    stopped.map_err(|error| told("stop", name, &error))
}

fn told(verb: &str, name: &Name, error: &Error) -> Error {
    let hint = match error.exit() {
        Exit::NotPermitted => "; a polkit rule can allow it, see soute(8)",
        _ => "",
    };
    Error::new(error.exit(), format!("cannot {verb} {name}: {error}{hint}"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_rule_that_is_shown_allows_no_start_of_what_has_no_file() {
        for text in [include_str!("../../../contrib/polkit/50-soute.rules"), include_str!("../../../man/soute.8.in")] {
            let of_unit = |unit: &str| {
                let begin = format!("\"{unit}\": [");
                let mut lines = text.lines().filter_map(|line| line.trim().strip_prefix(&begin));
                let verbs = lines.next().expect("it is in the rule").trim_end_matches([']', ',']);
                assert_eq!(lines.next(), None, "{unit} is there twice");
                verbs.split(", ").collect::<Vec<_>>()
            };
            assert_eq!(of_unit("soute@web.service"), ["\"stop\"", "\"reset-failed\""]);
            assert_eq!(of_unit("soute-start@web.service"), ["\"start\"", "\"stop\"", "\"restart\""]);
        }
    }
}
