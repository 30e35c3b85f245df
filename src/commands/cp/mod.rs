//! `soute cp`
//!
//! Two sides and an archive between them: one side packs, the other unpacks. The side of a running container is a process
//! in its namespaces, that of a stopped one works on its disk, which is held meanwhile.

mod ends;
mod side;

use std::fs::File;
use std::io::{BufReader, IsTerminal};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::process::ExitCode;

use clap::Args;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::stdio::{stdin, stdout};

use self::ends::{Source, Wanted, accept, send};
use self::side::{Root, Side};
use crate::definition::types::Name;
use crate::error::{Context, Error, Exit, Result};
use crate::image::archive::decompress;
use crate::image::archive::receive::Policy;
use crate::image::tree::access::shown;
use crate::sandbox::exec::Target;
use crate::sandbox::visit;
use crate::settings::Host;

/// Copies files between a container and the host, or two containers.
#[derive(Debug, Args)]
pub struct Cp {
    /// Keep owners and extended attributes. Else what is copied belongs to the container's root, or to the caller.
    #[arg(long, short)]
    archive: bool,
    /// A path of the host, NAME:PATH in a container, or - for a tar archive on standard input.
    #[arg(value_name = "SOURCE")]
    source: String,
    /// A path of the host, NAME:PATH in a container, or - for a tar archive on standard output.
    #[arg(value_name = "TARGET")]
    target: String,
}

impl Cp {
    /// Files of this machine.
    pub fn has_files(&self) -> bool {
        [&self.source, &self.target].into_iter().any(|text| matches!(Spec::of(text), Spec::Host(_)))
    }
}

/// What was typed.
#[derive(Debug, PartialEq, Eq)]
enum Spec<'a> {
    Stream,
    Host(&'a str),
    Container(Name, &'a str),
}

impl<'a> Spec<'a> {
    /// What begins with "." or "/" is a path of the host, whatever else is in it.
    fn of(text: &'a str) -> Self {
        if text == "-" {
            return Self::Stream;
        }
        match text.split_once(':').map(|(name, path)| (name.parse(), path)) {
            Some((Ok(name), path)) => Self::Container(name, path),
            _ => Self::Host(text),
        }
    }
}

impl Cp {
    /// Copies.
    pub fn run(self, host: &Host) -> Result<ExitCode> {
        let left_out = self.copy(host).with_context(|| format!("cannot copy {} to {}", self.source, self.target))?;
        for path in left_out {
            eprintln!(
                "neither file, directory nor link, leaving out: {}",
                shown(path.strip_prefix(b"./").unwrap_or(&path))
            );
        }
        Ok(ExitCode::SUCCESS)
    }

    fn copy(&self, host: &Host) -> Result<Vec<Vec<u8>>> {
        match (Spec::of(&self.source), Spec::of(&self.target)) {
            (Spec::Container(name, path), Spec::Stream) => {
                if std::io::stdout().is_terminal() {
                    return Err(Error::new(Exit::Usage, "standard output is a terminal"));
                }
                let side = Side::of(host, &name)?;
                let out = File::from(stdout().try_clone_to_owned()?);
                let path = Source::of(path)?;
                side.run(|root| send(root, path, path.base().unwrap_or("."), out))
            }
            (Spec::Stream, Spec::Container(name, path)) => {
                let side = Side::of(host, &name)?;
                let policy = Policy { owner: None, ..side.policy(self.archive) };
                let input = File::from(stdin().try_clone_to_owned()?);
                side.run(|root| {
                    let reader = decompress::reader(BufReader::with_capacity(256 << 10, input))?;
                    accept(root, &Wanted { target: path, base: None, contents: true }, policy, reader)
                })
            }
            (Spec::Host(_) | Spec::Stream, Spec::Host(_) | Spec::Stream) => {
                Err(Error::new(Exit::Usage, "neither is a path in a container, such as web:/etc/nginx"))
            }
            (source, target) => self.between(host, &source, &target),
        }
    }

    fn between(&self, host: &Host, source: &Spec<'_>, target: &Spec<'_>) -> Result<Vec<Vec<u8>>> {
        let (from, from_path) = Side::of_spec(host, source)?;
        let (to, to_path) = match (source, target) {
            (Spec::Container(one, _), Spec::Container(other, _)) if one == other && matches!(from, Side::Root(_)) => {
                return Err(Error::new(Exit::Busy, format!("{one} has to run to be copied from and to")));
            }
            _ => Side::of_spec(host, target)?,
        };
        let (source, policy) = (Source::of(&from_path)?, to.policy(self.archive));
        let (base, contents) = (source.base().map(str::to_owned), source.contents());
        let (input, output) = pipe_with(PipeFlags::CLOEXEC).context("cannot make a pipe")?;
        let pack = move |root: &Root, out: OwnedFd| send(root, source, ".", out.into());
        let unpack = move |root: &Root, input: OwnedFd| {
            let wanted = Wanted { target: &to_path, base: base.as_deref(), contents };
            accept(root, &wanted, policy, BufReader::new(File::from(input)))
        };
        let (sent, received) = match (from, to) {
            (Side::Running(target, user), to) => {
                let (visitor, input) = visited(&target, user, output, input, |root, out| pack(root, out))?;
                let received = to.run(|root| unpack(root, input));
                (visitor.wait(), received)
            }
            (from, Side::Running(target, user)) => {
                let (visitor, output) = visited(&target, user, input, output, |root, input| unpack(root, input))?;
                let sent = from.run(|root| pack(root, output));
                (sent, visitor.wait())
            }
            (Side::Root(from), Side::Root(to)) => std::thread::scope(|scope| {
                let packing = scope.spawn(|| pack(&from, output));
                let received = unpack(&to, input);
                (packing.join().unwrap_or_else(|_| Err(Error::failed("the copy has failed"))), received)
            }),
        };
        both(sent, received)
    }
}

/// Sends a visitor who has `its` end of a pipe, and gives back ours.
fn visited(
    target: &Target,
    own_user: bool,
    its: OwnedFd,
    ours: OwnedFd,
    work: impl FnOnce(&Root, OwnedFd) -> Result<Vec<Vec<u8>>>,
) -> Result<(visit::Visitor, OwnedFd)> {
    let work = |root: BorrowedFd<'_>| work(&Root::of(root.try_clone_to_owned()?), its);
    let (visitor, mut others) = visit::send(target, own_user, vec![ours], work)?;
    Ok((visitor, others.pop().ok_or_else(|| Error::failed("the pipe is gone"))?))
}

/// Of two failures one is the other's consequence: whoever reads hears of a cut-off archive, whoever writes of a closed pipe.
fn both(sent: Result<Vec<Vec<u8>>>, received: Result<Vec<Vec<u8>>>) -> Result<Vec<Vec<u8>>> {
    match (sent, received) {
        (Err(sent), Err(received)) if sent.to_string().ends_with("Broken pipe") => Err(received),
        (Err(sent), _) => Err(sent),
        (Ok(sent), Ok(received)) => Ok([sent, received].concat()),
        (Ok(_), Err(received)) => Err(received),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_containers_and_paths_of_the_host_are_told_apart() {
        let container = |name: &str, path| Spec::Container(name.parse().unwrap(), path);
        assert_eq!(Spec::of("web:/etc"), container("web", "/etc"));
        assert_eq!(Spec::of("web:"), container("web", ""));
        assert_eq!(Spec::of("web:a:b"), container("web", "a:b"));
        assert_eq!(Spec::of("-"), Spec::Stream);
        for host in ["web", "./web:x", "/web:x", "Web:x", ":x", "a b:c"] {
            assert_eq!(Spec::of(host), Spec::Host(host));
        }
    }
}
