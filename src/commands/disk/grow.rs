//! `soute disk grow`

use std::process::ExitCode;

use clap::Args;

use crate::commands::commit::stopped;
use crate::commands::each;
use crate::definition::types::{ByteSize, Name};
use crate::error::{Context, Error, Exit, Result};
use crate::host::definitions;
use crate::image::disk;
use crate::image::lock::Lock;
use crate::sandbox::exec::Target;
use crate::sandbox::grow;
use crate::settings::Host;

/// Gives raw disks the size that their definitions have now.
#[derive(Debug, Args)]
pub struct Grow {
    /// The containers, running or not.
    #[arg(required = true, value_name = "NAME")]
    names: Vec<Name>,
}

impl Grow {
    /// Grows them.
    pub fn run(self, host: &Host) -> Result<ExitCode> {
        each(&self.names, |name| {
            let size = one(host, name).with_context(|| format!("cannot give {name} its size"))?;
            eprintln!("{name}: {size}");
            Ok(())
        })
    }
}

fn one(host: &Host, name: &Name) -> Result<ByteSize> {
    let loaded = definitions::load(host, name)?;
    let none = || Error::new(Exit::Invalid, "its definition has no disk.size");
    let size = loaded.definition.disk.size.ok_or_else(none)?;
    let none = || Error::new(Exit::NotFound, "it has no disk: the next start makes one of that size");
    let disk = disk::open(&host.layout, name)?.ok_or_else(none)?;
    disk.kind()?.ok_or_else(none)?;
    let fs = disk.info()?.fs.ok_or_else(|| Error::new(Exit::Invalid, "its disk is a directory tree"))?;
    match Target::find(&host.layout, name) {
        Ok(target) => {
            let _lock = Lock::try_name(&host.layout, name)?;
            grow::running(&host.layout, name, &target, fs, size.0)?;
        }
        Err(error) if error.exit() == Exit::NotRunning => {
            let _lock = stopped(host, name)?;
            grow::stopped(&host.layout, name, fs, size.0)?;
        }
        Err(error) => return Err(error),
    }
    Ok(size)
}
