//! What a definition comes to on this host, on the disk that is kept.

use super::addresses::{self, Addresses};
use super::facts;
use crate::definition::Definition;
use crate::definition::load::Loaded;
use crate::definition::model::Image;
use crate::definition::types::Name;
use crate::error::Result;
use crate::image::disk::{self, Disk};
use crate::image::store::ImageInfo;
use crate::plan::{self, Facts, Plan};
use crate::settings::Host;

/// The plan that a start would make now, with nothing recorded for it.
pub fn preview(host: &Host, loaded: &Loaded) -> Result<Plan> {
    let settled = Settled::new(host, loaded)?;
    settled.tell(loaded);
    settled.build(host, loaded)
}

/// The same for who asks of every container, and is told what differs.
pub fn would_be(host: &Host, loaded: &Loaded) -> Result<Plan> {
    Settled::new(host, loaded)?.build(host, loaded)
}

/// The plan on a new disk, of the image that the definition names.
pub fn anew(host: &Host, loaded: &Loaded) -> Result<Plan> {
    let disk = disk::open(&host.layout, &loaded.name)?;
    let image = facts::image(host, loaded.definition.image.as_str(), None)?;
    Settled { definition: loaded.definition.clone(), image, disk }.build(host, loaded)
}

/// The plan of a definition whose image, ids and addresses are known.
pub fn build(
    host: &Host,
    loaded: &Loaded,
    definition: &Definition,
    image: ImageInfo,
    ids: Option<u32>,
    addresses: Addresses,
) -> Result<Plan> {
    let facts = Facts { addresses, ..facts::facts(host, loaded, image, ids)? };
    let mut plan = Plan::build(definition, &facts)?;
    plan.fingerprint = fingerprint(loaded);
    Ok(plan)
}

/// A definition on the image that it will really run: a disk that is kept stays a copy of its own.
pub struct Settled {
    pub definition: Definition,
    pub image: ImageInfo,
    pub disk: Option<Disk>,
}

impl Settled {
    /// Finds what is kept, and what the image is.
    pub fn new(host: &Host, loaded: &Loaded) -> Result<Self> {
        let name = loaded.name.as_str();
        let disk = disk::open(&host.layout, name)?;
        let mut definition = loaded.definition.clone();
        if let Some(image) = kept_image(disk.as_ref(), definition.image.as_str())? {
            definition.image = Image::named(image);
        }
        let image = facts::image(host, definition.image.as_str(), disk.as_ref())?;
        Ok(Self { definition, image, disk })
    }

    /// Says so where the definition has gone on to another image.
    pub fn tell(&self, loaded: &Loaded) {
        let (name, kept, wanted) = (&loaded.name, &self.definition.image, &loaded.definition.image);
        if kept != wanted {
            eprintln!(
                "soute: {name} keeps its disk, a copy of image {kept}; `soute update {name}` makes it one of {wanted}"
            );
        }
    }

    fn build(self, host: &Host, loaded: &Loaded) -> Result<Plan> {
        let addresses = addresses::given(&host.layout, &loaded.name, &self.definition)?;
        build(host, loaded, &self.definition, self.image, self.disk.and_then(|disk| disk.record.ids), addresses)
    }
}

/// The hash of a definition as it is, whatever disk it finds.
pub fn fingerprint(loaded: &Loaded) -> String {
    let environment = loaded.image_environment.iter();
    let environment: Vec<_> = environment.map(|(name, value)| (name.as_str().to_owned(), value.to_string())).collect();
    plan::fingerprint(&loaded.definition, &environment)
}

/// The image of a disk that is kept, where the definition has gone on to another one.
fn kept_image(disk: Option<&Disk>, wanted: &str) -> Result<Option<Name>> {
    let Some(disk) = disk else { return Ok(None) };
    let changed = disk.record.image != wanted && disk.kind()?.is_some();
    Ok(changed.then(|| disk.record.image.parse().ok()).flatten())
}
