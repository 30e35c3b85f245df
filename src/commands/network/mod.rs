//! `soute network`

mod dot;
mod picture;
mod tree;

use std::process::ExitCode;

use clap::Args;

use super::bridge::survey::Survey;
use crate::error::Result;
use crate::output::{json, stdout};
use crate::settings::Host;
use picture::Picture;

/// Draws bridges, what is in them, and the addresses of both.
#[derive(Debug, Args)]
pub struct Network {
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Print a graph for Graphviz: soute network --dot | dot -Tsvg.
    #[arg(long, conflicts_with = "json")]
    dot: bool,
}

impl Network {
    /// From the kernel's links and the snapshots of what was started.
    pub fn run(self, host: &Host) -> Result<ExitCode> {
        let picture = Picture::of(&Survey::take(&host.layout)?);
        let text = match (self.json, self.dot) {
            (true, _) => json::document(&picture)?,
            (_, true) => dot::graph(&picture),
            _ => tree::draw(&picture, tree::Lines::of_locale()),
        };
        stdout::write(&text).map(|()| ExitCode::SUCCESS)
    }
}
