//! Images from elsewhere: from a real registry and a real server of files, and from ones that are broken or worse.

mod authority;
mod broken;
mod bundles;
mod files;
mod registry;
mod scripted;
mod signed;
mod tokens;

use std::time::Duration;

use soute::error::Result;
use soute::image::import::Options;
use soute::image::remote::bring::{self, Terms};
use soute::image::remote::client::Patience;
use soute::image::store::ImageInfo;
use soute::layout::Layout;

/// Short enough for tests, and long enough for a slow machine.
fn patience() -> Patience {
    Patience { connect: Duration::from_secs(60), idle: Duration::from_secs(60), pause: Duration::from_millis(1) }
}

fn terms() -> Terms {
    Terms { patience: patience(), ..Terms::default() }
}

fn import(layout: &Layout, name: &str, source: &str, terms: &Terms) -> Result<ImageInfo> {
    bring::import(layout, name, &source.parse().unwrap(), terms, &Options::default(), &mut |_, _| ())
}

/// What is in the store, finished or not.
fn store(layout: &Layout) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(layout.images()) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}
