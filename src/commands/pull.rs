//! `soute pull`, and what a start may fetch.

use std::process::ExitCode;

use clap::Args;

use super::each;
use super::image::import::{Elsewhere, stored};
use super::image::users;
use crate::definition::Loaded;
use crate::definition::model::{DiskMode, Image, Pull as When};
use crate::definition::types::{ImageSource, Name};
use crate::error::{Context, Error, Exit, Result};
use crate::host::definitions;
use crate::image::disk;
use crate::image::import::Options;
use crate::image::oci::digest::Digest;
use crate::image::remote::bring::{self, Terms};
use crate::image::store::{ImageInfo, Store};
use crate::output::bar;
use crate::settings::Host;

/// Fetches the images of containers from where their definitions say, image.source, if they have another one there now.
#[derive(Debug, Args)]
pub struct Pull {
    /// The containers.
    #[arg(required = true, value_name = "NAME")]
    names: Vec<Name>,
    #[command(flatten)]
    elsewhere: Elsewhere,
}

impl Pull {
    /// Each of them.
    pub fn run(self, host: &Host) -> Result<ExitCode> {
        let terms = self.elsewhere.terms(host);
        each(&self.names, |name| {
            let loaded = definitions::load_for(host, name, None)?;
            let image = &loaded.definition.image;
            let missing = || Error::new(Exit::Usage, format!("the definition of {name} has no image.source"));
            fetch(host, image, image.source.as_ref().ok_or_else(missing)?, &terms)?;
            if has_copy(host, &loaded)? {
                eprintln!("{name}: its disk stays a copy of what it was (soute disk reset {name})");
            }
            Ok(())
        })
    }
}

/// Fetches what a start needs, is not there, and may be fetched by it; says whether it did.
pub fn fetch_missing(host: &Host, loaded: &Loaded) -> Result<bool> {
    let image = &loaded.definition.image;
    let Image { source: Some(source), pull: When::Missing, .. } = image else { return Ok(false) };
    if has_copy(host, loaded)? || is_there(host, image)? {
        return Ok(false);
    }
    fetch(host, image, source, &Terms { rules: host.verify.clone(), ..Terms::default() }).map(|()| true)
}

/// Refuses to make a disk of another image than the definition wants.
pub fn refuse_other(image: &Image, info: &ImageInfo) -> Result<()> {
    let Some(wanted) = &image.digest else { return Ok(()) };
    if is(info, wanted.digest()) {
        return Ok(());
    }
    let is = info.manifest.as_ref().unwrap_or(&info.digest);
    Err(Error::failed(format!("image {image} is {is}, and its definition wants {wanted} (soute pull)")))
}

fn fetch(host: &Host, image: &Image, source: &ImageSource, terms: &Terms) -> Result<()> {
    let name = &image.name;
    let wanted = image.digest.as_ref().map(|wanted| wanted.digest());
    let digest = match (&terms.digest, wanted) {
        (Some(typed), Some(wanted)) if typed != wanted => {
            return Err(Error::new(Exit::Usage, format!("the definition wants {wanted}, not {typed}")));
        }
        (typed, wanted) => typed.as_ref().or(wanted).cloned(),
    };
    let terms = Terms { digest, ..terms.clone() };
    users::sweep_replaced(&host.layout)?;
    let options = Options { on_image: Some(users::on_image), ..Options::default() };
    let bar = bar::new(format!("pulling {name}"));
    let progress = &mut |done, total| bar::show(&bar, done, total);
    let pulled = bring::pull(&host.layout, name, source.source(), &terms, &options, progress);
    bar.finish_and_clear();
    match pulled? {
        Some(info) => eprintln!("{}", stored(name, &info)),
        None => eprintln!("{name}: up to date"),
    }
    Ok(())
}

/// Does it start on a disk that it has?
pub fn has_copy(host: &Host, loaded: &Loaded) -> Result<bool> {
    if loaded.definition.disk.mode != DiskMode::Keep {
        return Ok(false);
    }
    match disk::open(&host.layout, &loaded.name)? {
        Some(disk) => Ok(disk.kind()?.is_some()),
        None => Ok(false),
    }
}

fn is_there(host: &Host, image: &Image) -> Result<bool> {
    match Store::new(&host.layout)?.open(&image.name) {
        Ok(found) => Ok(image.digest.as_ref().is_none_or(|wanted| is(&found.info, wanted.digest()))),
        Err(error) if error.exit() == Exit::NotFound => Ok(false),
        Err(error) => Err(error).with_context(|| format!("cannot tell whether image {image} is there")),
    }
}

fn is(info: &ImageInfo, wanted: &Digest) -> bool {
    let wanted = wanted.to_string();
    info.digest == wanted || [&info.pinned, &info.manifest].into_iter().flatten().any(|digest| *digest == wanted)
}
