//! `soute export`

use std::io::{IsTerminal, Write, stdout};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::disk::snapshot::copy_still;
use crate::definition::model::MountType;
use crate::definition::types::{MountSource, Name};
use crate::definition::{Loaded, search};
use crate::error::{Context, Error, Exit, Result};
use crate::host::definitions;
use crate::image::archive::pack::{View, WHOLE, pack_end, pack_part, pack_text};
use crate::image::bundle::{MANIFEST, Manifest, VERSION};
use crate::image::disk::snapshot::Making;
use crate::image::disk::{self, volume};
use crate::image::export::{Compression, Output, compressed, compression};
use crate::image::lock::Lock;
use crate::image::record;
use crate::image::store::{Kind, Store};
use crate::image::tree::access::{Reach, shown};
use crate::image::tree::xattr::Shift;
use crate::output::bar;
use crate::sandbox::exec::Target;
use crate::settings::Host;

/// Writes a container to a file, for another machine.
#[derive(Debug, Args)]
pub struct Export {
    /// The container.
    name: Name,
    /// The file, or - for standard output. It appears when it is whole, is for its owner alone, and is compressed by the
    /// suffix of its name: .tar.zst, .tar.gz, .tar.xz and so on.
    file: PathBuf,
    /// With its disk. One that runs stands still while that is copied, as for a snapshot.
    #[arg(long)]
    disk: bool,
    /// With its volumes. It may not run then.
    #[arg(long)]
    volumes: bool,
    /// Replace a file that is there.
    #[arg(long, short)]
    force: bool,
}

impl Export {
    /// A file of this machine.
    pub fn has_files(&self) -> bool {
        self.file != Path::new("-")
    }

    /// Writes it.
    pub fn run(self, host: &Host) -> Result<ExitCode> {
        let action = || format!("cannot export {}", self.name);
        let left_out = self.export(host).with_context(action)?;
        for path in left_out {
            eprintln!("an archive has no sockets, leaving out: {}", shown(&path[1..]));
        }
        Ok(ExitCode::SUCCESS)
    }

    fn export(&self, host: &Host) -> Result<Vec<Vec<u8>>> {
        let loaded = definitions::load(host, &self.name)?;
        let _lock = Lock::try_name(&host.layout, &self.name)?;
        let running = match Target::anyhow(&host.layout, &self.name) {
            Err(error) if error.exit() == Exit::NotRunning => None,
            found => Some(found?),
        };
        if running.is_some() && self.volumes {
            return Err(Error::new(Exit::Busy, "its volumes change while it runs: soute stop it first"));
        }
        let disk = self.disk.then(|| self.copy_disk(host, running.as_ref())).transpose()?;
        let manifest = self.manifest(host, &loaded, disk.as_ref())?;
        if self.file == Path::new("-") {
            if stdout().is_terminal() {
                return Err(Error::new(Exit::Usage, "standard output is a terminal"));
            }
            return self.write(host, &manifest, disk.as_ref(), stdout().as_fd(), Compression::No);
        }
        let output = Output::begin(&self.file, self.force)?;
        let left_out = self.write(host, &manifest, disk.as_ref(), output.file(), compression(&self.file))?;
        output.commit()?;
        Ok(left_out)
    }

    /// As a snapshot that never gets a tag, and goes when it has been written.
    fn copy_disk(&self, host: &Host, running: Option<&Target>) -> Result<Making> {
        let making = Making::begin(&host.layout, &self.name, "export")?;
        let manager = definitions::manager(host)?;
        copy_still(&making, &self.name, running, manager.as_ref())?;
        Ok(making)
    }

    fn manifest(&self, host: &Host, loaded: &Loaded, disk: Option<&Making>) -> Result<Manifest> {
        let wanted = loaded.definition.image.to_string();
        let image = Store::new(&host.layout)?.open(&wanted).map(|image| image.info);
        let (name, digest, origin) = match (disk::open(&host.layout, &self.name)?, image) {
            // What it runs on, where there is that.
            (Some(disk), image) if !disk.record.digest.is_empty() => {
                let origin = image.map(|info| info.origin).unwrap_or_default();
                (disk.record.image, disk.record.digest, origin)
            }
            (_, image) => image.map(|info| (wanted.clone(), info.digest, info.origin))?,
        };
        let volumes = if self.volumes { volumes(loaded) } else { Vec::new() };
        let copied = disk.map(|making| making.disk().image(&Store::new(&host.layout)?)).transpose()?.flatten();
        Ok(Manifest {
            version: VERSION,
            name: self.name.to_string(),
            exported: record::now(),
            image: name,
            digest,
            origin,
            disk: disk.map(Making::kind),
            volumes,
            declared: copied.map(|image| image.declared),
        })
    }

    fn write(
        &self,
        host: &Host,
        manifest: &Manifest,
        disk: Option<&Making>,
        to: BorrowedFd<'_>,
        compression: Compression,
    ) -> Result<Vec<Vec<u8>>> {
        let bar = bar::new(format!("exporting {}", self.name));
        let mut done = 0;
        let mut count = |bytes: u64| {
            done += bytes;
            bar::show(&bar, done, None);
        };
        let written = compressed(to, compression, |out| {
            pack_text(MANIFEST, &toml::to_string(manifest).map_err(Error::failed)?, out)?;
            self.write_definition(host, out)?;
            let mut left_out = Vec::new();
            if let Some(making) = disk {
                let record = &making.disk().record;
                let shift = record.ids.filter(|_| record.shifted).map(Shift::From);
                let view = View { reach: Reach::Inside, shift, layer: false };
                let path = if making.kind() == Kind::Tree { "./disk/root" } else { "./disk/disk.raw" };
                left_out.extend(pack_part(path.as_bytes(), making.content()?.as_fd(), view, out, &mut count)?);
            }
            for name in &manifest.volumes {
                let (volume, view) = (volume::open(&host.layout, name)?, WHOLE);
                let path = format!("./volumes/{name}");
                left_out.extend(pack_part(path.as_bytes(), volume.as_fd(), view, out, &mut count)?);
            }
            pack_end(out)?;
            Ok(left_out)
        });
        bar.finish_and_clear();
        written
    }

    fn write_definition(&self, host: &Host, out: &mut dyn Write) -> Result<()> {
        let found = search::find(&host.layout, &self.name)?.ok_or_else(|| definitions::unknown(&self.name))?;
        let text = |path: &Path| String::from_utf8(definitions::read(path)?).map_err(Error::failed);
        pack_text(&format!("definition/{}.toml", self.name), &text(&found.main)?, out)?;
        for drop_in in &found.drop_ins {
            let name = drop_in.file_name().unwrap_or_default().to_string_lossy();
            let text = text(drop_in)?;
            // A mask has done its work here: what it hides is not in the file.
            if !text.is_empty() {
                pack_text(&format!("definition/{}.toml.d/{name}", self.name), &text, out)?;
            }
        }
        Ok(())
    }
}

fn volumes(loaded: &Loaded) -> Vec<String> {
    let mounts = loaded.definition.mount.iter().filter(|mount| mount.r#type == MountType::Volume);
    let mut names: Vec<String> = mounts
        .filter_map(|mount| match &mount.source {
            Some(MountSource::Volume(name)) => Some(name.to_string()),
            _ => None,
        })
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}
