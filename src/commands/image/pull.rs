//! `soute image pull`

use std::process::ExitCode;

use clap::Args;

use super::import::{Elsewhere, stored};
use super::users;
use crate::definition::types::Name;
use crate::error::{Context, Error, Exit, Result};
use crate::image::import::Options;
use crate::image::remote::bring;
use crate::image::remote::source::Source;
use crate::image::store::Store;
use crate::output::bar;
use crate::settings::Host;

/// Fetches an image from elsewhere, or again from where it came from. Where that has another one now, it takes the place of
/// the old one; what runs on that keeps it. What `import` was told that the image declares is not kept.
#[derive(Debug, Args)]
pub struct Pull {
    /// The image.
    name: Name,
    /// Where from: docker://HOST/NAME:TAG or https://HOST/FILE. Where the image in the store is from, if not given.
    #[arg(value_parser = Source::remote)]
    source: Option<Source>,
    #[command(flatten)]
    elsewhere: Elsewhere,
}

impl Pull {
    /// Fetches it.
    pub fn run(self, host: &Host) -> Result<ExitCode> {
        let source = self.source.map_or_else(|| recorded(host, &self.name), Ok)?;
        users::sweep_replaced(&host.layout)?;
        let options = Options { on_image: Some(users::on_image), ..Options::default() };
        let bar = bar::new(format!("pulling {}", self.name));
        let progress = &mut |done, total| bar::show(&bar, done, total);
        let pulled = bring::pull(&host.layout, &self.name, &source, &self.elsewhere.terms(host), &options, progress);
        bar.finish_and_clear();
        match pulled? {
            Some(info) => eprintln!("{}", stored(&self.name, &info)),
            None => eprintln!("{}: up to date", self.name),
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn recorded(host: &Host, name: &Name) -> Result<Source> {
    let image = Store::new(&host.layout)?.open(name)?;
    let source = Source::remote(&image.info.origin).map_err(|why| Error::new(Exit::Usage, why));
    source.with_context(|| format!("cannot pull {name}: it is from {}", image.info.origin))
}
