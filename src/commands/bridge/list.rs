//! `soute bridge list`

use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::survey::{Survey, maker};
use crate::error::Result;
use crate::output::table::Table;
use crate::output::{json, stdout};
use crate::settings::Host;

/// Lists all bridges of the host.
#[derive(Debug, Args)]
pub struct List {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Bridges {
    bridges: Vec<Entry>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Entry {
    name: String,
    /// Only in definitions.
    missing: bool,
    addresses: Vec<String>,
    ports: Vec<String>,
    mtu: Option<u32>,
    up: bool,
    vlan_filtering: bool,
    made_by: Option<&'static str>,
    used_by: Vec<String>,
}

impl List {
    /// Also those that are not there and that a definition names, or a running container was started on.
    pub fn run(self, host: &Host) -> Result<ExitCode> {
        let survey = Survey::take(&host.layout)?;
        let mut bridges: Vec<Entry> = survey
            .bridges()
            .into_iter()
            .map(|bridge| Entry {
                name: bridge.name.clone(),
                missing: false,
                addresses: survey.addresses(bridge),
                ports: survey.ports(bridge).into_iter().map(|port| port.name.clone()).collect(),
                mtu: Some(bridge.mtu),
                up: bridge.up,
                vlan_filtering: bridge.vlan_filtering,
                made_by: Some(maker(&host.layout, bridge)).filter(|maker| !maker.is_empty()),
                used_by: survey.users(bridge).into_iter().collect(),
            })
            .collect();
        for (name, users) in &survey.named {
            if !bridges.iter().any(|bridge| bridge.name == *name) {
                bridges.push(missing(name, users.iter().cloned().collect()));
            }
        }
        bridges.sort_by(|one, other| one.name.cmp(&other.name));
        let text = if self.json { json::document(&Bridges { bridges })? } else { table(&bridges).to_string() };
        stdout::write(&text).map(|()| ExitCode::SUCCESS)
    }
}

fn missing(name: &str, used_by: Vec<String>) -> Entry {
    Entry {
        name: name.to_owned(),
        missing: true,
        addresses: Vec::new(),
        ports: Vec::new(),
        mtu: None,
        up: false,
        vlan_filtering: false,
        made_by: None,
        used_by,
    }
}

fn table(bridges: &[Entry]) -> Table {
    let mut table = Table::new(["NAME", "ADDRESS", "PORTS", "MTU", "STATE", "MADE-BY", "USED-BY"]);
    for bridge in bridges {
        let state = match (bridge.missing, bridge.up) {
            (true, _) => "missing",
            (false, true) => "up",
            (false, false) => "down",
        };
        let vlans = if bridge.vlan_filtering { ", vlans" } else { "" };
        table.row([
            bridge.name.clone(),
            bridge.addresses.join(","),
            bridge.ports.len().to_string(),
            bridge.mtu.map(|mtu| mtu.to_string()).unwrap_or_default(),
            format!("{state}{vlans}"),
            bridge.made_by.unwrap_or_default().to_owned(),
            bridge.used_by.join(","),
        ]);
    }
    table
}
