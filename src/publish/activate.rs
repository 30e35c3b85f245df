//! Starting the container for who comes, and stopping it when nobody has come for a while. Both run beside the forwarder,
//! which may do neither: as root, before its start and after its end, and ask systemd.

use std::os::unix::process::CommandExt;
use std::process::Command;

use super::IDLE_END;
use super::inside::Payload;
use crate::error::{Context, Error, Result};
use crate::layout::Layout;
use crate::plan;

/// `soute-runner activate INSTANCE`, ExecStartPre= of the forwarder: returns when the container is ready. One that does not
/// start is the forwarder's to deal with, which has the sockets.
pub fn start(instance: &str, layout: &Layout) -> Result<()> {
    let name = super::container(instance)?;
    let published = plan::published(&layout.state(name))?;
    let activates = published.iter().any(|port| port.instance == instance && port.activate);
    if !activates || Payload::find(layout, name)?.is_some() {
        return Ok(());
    }
    systemctl(&["start", &format!("soute-activate@{name}.service")])
}

/// `soute-runner idle INSTANCE`, ExecStopPost=: stops the container if this was the last forwarder, and ended because
/// nobody was there. Connections that come meanwhile wait for us, and then start it again.
pub fn stop(instance: &str, layout: &Layout) -> Result<()> {
    let name = super::container(instance)?;
    let ended = std::env::var("EXIT_STATUS").unwrap_or_default();
    if ended != IDLE_END.to_string() || Payload::find(layout, name)?.is_none() {
        return Ok(());
    }
    let others = format!("soute-publish@{name}:*.service");
    let list = ["list-units", "--plain", "--no-legend", "--state=active,activating,reloading", "--", &others];
    let output = Command::new("systemctl").args(list).output().context("cannot run systemctl")?;
    match output.status.success() && output.stdout.is_empty() {
        true => systemctl(&["stop", &format!("soute@{name}.service")]),
        false => Ok(()),
    }
}

fn systemctl(arguments: &[&str]) -> Result<()> {
    Err(Error::from(Command::new("systemctl").args(arguments).exec())).context("cannot run systemctl")
}
