//! What `make bench-images` times: the copy of an image that a start makes, in a process of its own as cp(1) is one.
//!
//!     clone import DIRECTORY IMAGE SOURCE
//!     clone copy DIRECTORY IMAGE NAME     prints the microseconds of the copy alone
//!     clone remove DIRECTORY NAME
//!     clone peak COMMAND…                 runs it and prints the KiB that it had in memory at most

use std::path::Path;
use std::time::Instant;

use soute::error::{Error, Exit, Result};
use soute::image::disk::{self, DiskPlan, DiskRecord};
use soute::image::import::{Options, import};
use soute::layout::Layout;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["import", directory, image, source] => {
            import(&Layout::new(directory), image, Path::new(source), &Options::default(), &mut |_, _| ()).map(drop)
        }
        ["copy", directory, image, name] => copy(&Layout::new(directory), image, name),
        ["remove", directory, name] => disk::remove(&Layout::new(directory), name).map(drop),
        ["peak", command, ref arguments @ ..] => peak(command, arguments),
        _ => Err(Error::new(Exit::Usage, "usage: clone import|copy|remove DIRECTORY …, or peak COMMAND…")),
    }
}

fn copy(layout: &Layout, image: &str, name: &str) -> Result<()> {
    disk::create_record(layout, name, &DiskRecord { image: image.to_owned(), ..DiskRecord::default() }, false)?;
    let begin = Instant::now();
    let plan = DiskPlan { name, image, shift: false, durable: false };
    let made = disk::materialize(layout, &plan, &|_| Ok(None), &mut |_, _| ())?;
    println!("{}", begin.elapsed().as_micros());
    let method = made.record.copied.map(|method| method.to_string()).unwrap_or_default();
    eprintln!("{method}");
    Ok(())
}

fn peak(command: &str, arguments: &[&str]) -> Result<()> {
    if !std::process::Command::new(command).args(arguments).stdout(std::io::stderr()).status()?.success() {
        return Err(Error::failed(format!("{command} failed")));
    }
    let used = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_CHILDREN).map_err(Error::failed)?;
    println!("{}", used.max_rss());
    Ok(())
}
