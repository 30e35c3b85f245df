//! What a definition comes to on this host, on the disk that is kept.

use super::addresses::{self, Addresses};
use super::facts;
use super::known::Known;
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
    let known = Known::new(host);
    let settled = Settled::new(&known, loaded)?;
    settled.tell(loaded);
    settled.build(&known, loaded)
}

/// The same for who asks of every container, and is told what differs.
pub fn would_be(known: &Known<'_>, loaded: &Loaded) -> Result<Plan> {
    Settled::new(known, loaded)?.build(known, loaded)
}

/// The plan on a new disk, of the image that the definition names.
pub fn anew(host: &Host, loaded: &Loaded) -> Result<Plan> {
    let disk = disk::open(&host.layout, &loaded.name)?;
    let known = Known::new(host);
    let image = known.image_of(loaded.definition.image.as_str(), None)?;
    Settled { definition: loaded.definition.clone(), image, disk }.build(&known, loaded)
}

/// The plan of a definition whose image, ids and addresses are known.
pub fn build(
    known: &Known<'_>,
    loaded: &Loaded,
    definition: &Definition,
    image: ImageInfo,
    ids: Option<u32>,
    addresses: Addresses,
) -> Result<Plan> {
    let facts = Facts { addresses, ..facts::facts(known.host, known.machine()?, loaded, image, ids)? };
    let mut plan = Plan::build(definition, &facts)?;
    plan.fingerprint = fingerprint(loaded);
    Ok(plan)
}

/// A definition on the image that it will really run: a disk that is kept stays a copy of its own.
pub struct Settled {
    /// With the image of the disk that is kept.
    pub definition: Definition,
    /// Its record.
    pub image: ImageInfo,
    /// What is kept.
    pub disk: Option<Disk>,
}

impl Settled {
    /// Finds what is kept, and what the image is.
    pub fn new(known: &Known<'_>, loaded: &Loaded) -> Result<Self> {
        let disk = disk::open(&known.host.layout, &loaded.name)?;
        let mut definition = loaded.definition.clone();
        if let Some(image) = kept_image(disk.as_ref(), definition.image.as_str())? {
            definition.image = Image::named(image);
        }
        let image = known.image_of(definition.image.as_str(), disk.as_ref())?;
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

    fn build(self, known: &Known<'_>, loaded: &Loaded) -> Result<Plan> {
        let addresses = addresses::given(&known.host.layout, &loaded.name, &self.definition)?;
        build(known, loaded, &self.definition, self.image, self.disk.and_then(|disk| disk.record.ids), addresses)
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
