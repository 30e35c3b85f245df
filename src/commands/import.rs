//! `soute import`

use std::fs::{self, File};
use std::io::{BufReader, IsTerminal, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use rustix::fs::{OFlags, syncfs};

use crate::definition::model::UserNamespace;
use crate::definition::search::{self, Found};
use crate::definition::types::Name;
use crate::definition::{Loaded, Severity};
use crate::error::{Context, Error, Exit, Result};
use crate::host::definitions;
use crate::image::archive::{Archive, End, decompress};
use crate::image::bundle::Bundle;
use crate::image::disk::{self, DiskRecord, create_record, ids, volume};
use crate::image::lock::Lock;
use crate::image::raw::btrfs;
use crate::image::raw::superblock::{self, FsType};
use crate::image::record;
use crate::image::staging::{Staging, open_private};
use crate::image::store::{INFO, ImageInfo, Kind, RAW, ROOT, Store};
use crate::image::tree::access::open_inside;
use crate::layout::make_private;
use crate::output::diagnostics;
use crate::rewrite::definition_file;
use crate::settings::Host;

/// Makes the container that a file of `soute export` has.
#[derive(Debug, Args)]
pub struct Import {
    /// The file, or - for standard input.
    file: PathBuf,
    /// What the container will be called; as it was, by default.
    #[arg(long)]
    name: Option<Name>,
}

impl Import {
    /// A file of this machine.
    pub fn has_files(&self) -> bool {
        self.file != Path::new("-")
    }

    /// Makes it.
    pub fn run(self, host: &Host) -> Result<ExitCode> {
        let name = self.import(host).with_context(|| format!("cannot import {}", self.file.display()))?;
        eprintln!("{name}: imported, soute start {name} starts it");
        Ok(ExitCode::SUCCESS)
    }

    fn import(&self, host: &Host) -> Result<Name> {
        let input = match self.file == Path::new("-") {
            true => File::from(rustix::stdio::stdin().try_clone_to_owned()?),
            false => File::open(&self.file)?,
        };
        let reader = decompress::reader(BufReader::with_capacity(256 << 10, input))?;
        let bundle = Bundle::open(Archive::new(reader, End::Zeros))?;
        let name = match &self.name {
            Some(name) => name.clone(),
            None => bundle.manifest.name.parse().map_err(Error::failed)?,
        };
        let _lock = Lock::try_name(&host.layout, &name)?;
        refuse_taken(host, &name, &bundle.manifest.volumes)?;
        let copied = bundle.manifest.copied();
        if copied.is_none() {
            must_have_image(host, &bundle.manifest.image, &bundle.manifest.digest)?;
        }
        let checked = Checked::new(host, &name, &bundle, copied)?;
        put_in_place(host, &name, bundle, &checked)?;
        Ok(name)
    }
}

/// Nothing that is there is written over.
fn refuse_taken(host: &Host, name: &Name, volumes: &[String]) -> Result<()> {
    if let Some(found) = search::find(&host.layout, name)? {
        return Err(Error::failed(format!("{} is there already (--name gives it another name)", found.main.display())));
    }
    let beside = host.layout.own_definitions().join(format!("{name}.toml.d"));
    if beside.symlink_metadata().is_ok() {
        return Err(Error::failed(format!("{} is there already", beside.display())));
    }
    if disk::open(&host.layout, name)?.is_some() {
        return Err(Error::failed(format!("{name} has a disk here: soute remove {name}")));
    }
    let there = volume::names(&host.layout)?;
    match volumes.iter().find(|volume| there.contains(volume)) {
        Some(volume) => Err(Error::failed(format!("volume {volume} is there already"))),
        None => Ok(()),
    }
}

/// The same image, by its content: a name alone may be of anything.
fn must_have_image(host: &Host, name: &str, digest: &str) -> Result<()> {
    let help = "soute image export writes it there, soute image import or pull brings it here";
    match Store::new(&host.layout)?.open(name) {
        Ok(image) if image.info.digest == digest => Ok(()),
        Ok(_) => {
            let text = format!("image {name} is another one here than there, where its digest is {digest}: {help}");
            Err(Error::new(Exit::NotFound, text))
        }
        Err(error) if error.exit() == Exit::NotFound => {
            Err(Error::new(Exit::NotFound, format!("image {name} ({digest}) is not in the store: {help}")))
        }
        Err(error) => Err(error),
    }
}

/// A definition that this host accepts, in a directory of its own until it gets its name.
struct Checked {
    loaded: Loaded,
    /// What the disk in the archive is a copy of.
    copied: Option<ImageInfo>,
    directory: PathBuf,
}

impl Checked {
    fn new<R: Read>(host: &Host, name: &Name, bundle: &Bundle<R>, copied: Option<ImageInfo>) -> Result<Self> {
        let directory = host.layout.root().join(format!("run/soute/import-{}", std::process::id()));
        let _ = fs::remove_dir_all(&directory);
        make_private(&directory).with_context(|| format!("cannot create {}", directory.display()))?;
        let main = directory.join(format!("{name}.toml"));
        let checked = write(&main, bundle).and_then(|()| check(host, &main, copied.as_ref()));
        checked
            .map(|loaded| Self { loaded, copied, directory: directory.clone() })
            .inspect_err(|_| drop(fs::remove_dir_all(directory)))
    }
}

impl Drop for Checked {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn write<R: Read>(main: &Path, bundle: &Bundle<R>) -> Result<()> {
    // Drop-ins first: with its main file a definition is there.
    let beside = main.with_extension("toml.d");
    for (name, text) in &bundle.drop_ins {
        definition_file::create_as_is(&beside.join(name), text)?;
    }
    definition_file::create_as_is(main, &bundle.definition)
}

fn check(host: &Host, main: &Path, copied: Option<&ImageInfo>) -> Result<Loaded> {
    let systemd = definitions::systemd_version(host);
    let (faults, loaded) = definitions::alone_on(host, &Found::file(main)?, systemd, copied);
    if faults.0.iter().any(|fault| fault.severity == Severity::Error) {
        return Err(diagnostics::refuse(&faults.0));
    }
    eprint!("{}", diagnostics::render(&faults.0, std::io::stderr().is_terminal()));
    loaded.ok_or_else(|| Error::new(Exit::Invalid, "its definition cannot be used"))
}

/// The definition comes last: until then there is no container, and what is there is shown as an orphan's disk.
fn put_in_place<R: Read>(host: &Host, name: &Name, bundle: Bundle<R>, checked: &Checked) -> Result<()> {
    let (manifest, main) = (bundle.manifest.clone(), host.layout.own_definitions().join(format!("{name}.toml")));
    let (definition, drop_ins) = (bundle.definition.clone(), bundle.drop_ins.clone());
    disk::sweep(&host.layout)?;
    let (disks, volumes) = (open_private(&host.layout.disks())?, open_private(&host.layout.volumes())?);
    let volume_staging = Staging::begin(volumes.as_fd())?;
    let staging = manifest.disk.map(|_| Staging::begin(disks.as_fd())).transpose()?;
    bundle.unpack(staging.as_ref(), &volume_staging)?;
    for volume in &manifest.volumes {
        let path = std::ffi::CString::new(volume.as_str()).map_err(Error::failed)?;
        syncfs(volume_staging.dir()).context("cannot write the volumes")?;
        let put = volume_staging.hand_over(&path, volumes.as_fd(), &path);
        put.with_context(|| format!("cannot put volume {volume} in place"))?;
    }
    if let (Some(staging), Some(kind)) = (staging, manifest.disk) {
        let fs = match kind {
            Kind::Raw => Some(own_file_system(staging.dir()).context("disk/disk.raw")?),
            Kind::Tree => None,
        };
        syncfs(staging.dir()).context("cannot write the disk")?;
        let record = DiskRecord {
            image: manifest.image,
            digest: manifest.digest,
            created: Some(record::now()),
            // It has been written to since it was copied.
            snapshot: Some("import".to_owned()),
            ..DiskRecord::default()
        };
        let disk = match checked.loaded.definition.namespaces.user {
            UserNamespace::Auto => ids::assign(&host.layout, host.pool, name, record, true)?,
            UserNamespace::Host => create_record(&host.layout, name, &record, true)?,
        };
        if let Some(copied) = checked.copied.clone() {
            record::write(disk.dir(), INFO, &ImageInfo { fs, ..copied }, true)?;
        }
        let entry = if kind == Kind::Tree { ROOT } else { RAW };
        staging.hand_over(entry, disk.dir(), entry).context("cannot put the disk in place")?;
        rustix::fs::fsync(disk.dir())?;
    }
    for (file, text) in &drop_ins {
        definition_file::create_as_is(&main.with_extension("toml.d").join(file), text)?;
    }
    definition_file::create_as_is(&main, &definition)
}

/// A raw disk of a kind that we know, and not to be taken for the one that it was copied from.
fn own_file_system(dir: BorrowedFd<'_>) -> Result<FsType> {
    let file = open_inside(dir, RAW, OFlags::RDWR | OFlags::NONBLOCK)?;
    let fs = superblock::of_file(&file.try_clone()?.into())?.fs;
    if fs == FsType::Btrfs {
        btrfs::change_fsid(file.as_fd(), disk::random()?)?;
    }
    Ok(fs)
}
