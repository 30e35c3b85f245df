//! `soute image tag`

use std::process::ExitCode;

use clap::Args;

use crate::definition::types::Name;
use crate::error::Result;
use crate::image::tag::tag;
use crate::output::bar;
use crate::settings::Host;

/// Gives an image a second name: the same content once more, whose bytes the two share. Each can be removed without the
/// other.
#[derive(Debug, Args)]
pub struct Tag {
    /// The image.
    name: Name,
    /// Its second name, which no image has.
    new: Name,
}

impl Tag {
    /// Does it.
    pub fn run(self, host: &Host) -> Result<ExitCode> {
        let bar = bar::new(format!("copying {}", self.name));
        let tagged = tag(&host.layout, &self.name, &self.new, &mut |done, total| bar::show(&bar, done, total));
        bar.finish_and_clear();
        tagged.map(|()| ExitCode::SUCCESS)
    }
}
