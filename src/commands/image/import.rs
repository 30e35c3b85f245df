//! `soute image import`

use std::ffi::OsString;
use std::process::ExitCode;
use std::str::FromStr;

use clap::Args;
use clap::builder::{OsStringValueParser, TypedValueParser};

use super::users;
use crate::definition::types::{EnvironmentName, GuestPath, Name, Signal, Text, UserSpec};
use crate::error::Result;
use crate::image::import::Options;
use crate::image::oci::digest::Digest;
use crate::image::remote::bring::{Terms, import};
use crate::image::remote::source::Source;
use crate::image::store::{Declared, ImageInfo};
use crate::output::{amount, bar};
use crate::settings::Host;

/// Brings into the store a directory, a tar archive (plain, gz, zst, xz, bz2), a raw file-system image (ext4, xfs, btrfs,
/// erofs, squashfs) or a disk with one in a GPT, an OCI layout (a directory, or an archive of one), or an archive of `docker save` or `podman save`:
/// which of them is seen by its content; or an image of a registry, or a file like these of a server, with SHA256SUMS and a signature beside it. An image in layers becomes one directory tree. What containers of the image do
/// unless their definition says otherwise is what it declares itself, and what the flags declare over that.
#[derive(Debug, Args)]
pub struct Import {
    /// What the image will be called.
    name: Name,
    /// The directory or file, or docker://HOST/NAME:TAG, or https://HOST/FILE.
    #[arg(value_parser = OsStringValueParser::new().try_map(source))]
    source: Source,
    /// Take the place of an image of that name.
    #[arg(long)]
    replace: bool,
    /// Of a layout or an archive with several images, the one with this name, such as nginx:1.27 or 1.27.
    #[arg(long)]
    tag: Option<String>,
    #[command(flatten)]
    elsewhere: Elsewhere,
    #[command(flatten)]
    declares: Declares,
}

impl Import {
    /// A file of this machine.
    pub fn has_files(&self) -> bool {
        matches!(self.source, Source::Path(_))
    }
}

/// How what is not on this machine is fetched.
#[derive(Debug, Args)]
pub struct Elsewhere {
    /// Refuse anything else than this: the digest of an image in a registry, or of a file of a server, which then needs no
    /// signature.
    #[arg(long, value_name = "sha256:…")]
    digest: Option<Digest>,
    /// Take from elsewhere what nothing vouches for: no signature is asked for, certificates are not looked at, and HTTP
    /// without TLS will do.
    #[arg(long)]
    insecure: bool,
    /// Take a raw file system from elsewhere: the kernel reads it as it is, and faults in it are faults of the kernel.
    #[arg(long)]
    trust_file_system: bool,
}

impl Elsewhere {
    /// As the store has it.
    pub fn terms(self, host: &Host) -> Terms {
        Terms {
            rules: host.verify.clone(),
            insecure: self.insecure,
            digest: self.digest,
            trust_file_system: self.trust_file_system,
            ..Terms::default()
        }
    }
}

/// A path may be any bytes.
fn source(text: OsString) -> Result<Source, String> {
    match text.to_str() {
        Some(text) => text.parse(),
        None => Ok(Source::Path(text.into())),
    }
}

#[derive(Debug, Args)]
#[command(next_help_heading = "What the image declares")]
struct Declares {
    /// What runs: a program, or a list such as '["nginx", "-g", "daemon off;"]'.
    #[arg(long, value_name = "ARGV")]
    command: Option<Argv>,
    /// What runs in front of the command, written as it.
    #[arg(long, value_name = "ARGV")]
    entrypoint: Option<Argv>,
    /// A variable of the environment; may be given again.
    #[arg(long = "env", value_name = "NAME=VALUE")]
    environment: Vec<Variable>,
    /// Who runs it: a name or a number, with ":GROUP" if need be.
    #[arg(long)]
    user: Option<UserSpec>,
    /// Where it runs.
    #[arg(long, value_name = "DIR")]
    working_directory: Option<GuestPath>,
    /// What asks it to end.
    #[arg(long, value_name = "SIGNAL")]
    stop_signal: Option<Signal>,
}

/// A program, or a JSON list of it and its arguments.
#[derive(Debug, Clone)]
struct Argv(Vec<Text>);

impl FromStr for Argv {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words: Vec<String> = match text.starts_with('[') {
            true => serde_json::from_str(text).map_err(|error| format!("it is no list of strings: {error}"))?,
            false => vec![text.to_owned()],
        };
        if words.first().is_none_or(String::is_empty) {
            return Err("it names no program".to_owned());
        }
        let words = words.iter().map(|word| word.parse().map_err(|refused| format!("{refused}")));
        words.collect::<Result<_, _>>().map(Self)
    }
}

#[derive(Debug, Clone)]
struct Variable(EnvironmentName, Text);

impl FromStr for Variable {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once('=').ok_or("it is not of the form NAME=VALUE")?;
        let name = name.parse().map_err(|refused| format!("{refused}"))?;
        Ok(Self(name, value.parse().map_err(|refused| format!("{refused}"))?))
    }
}

impl Declares {
    fn declared(self) -> Declared {
        let argv = |argv: Option<Argv>| argv.map(|argv| argv.0.into_iter().map(Text::into_string).collect());
        Declared {
            entrypoint: argv(self.entrypoint),
            command: argv(self.command),
            user: self.user.map(|user| user.to_string()),
            working_directory: self.working_directory.map(|path| path.to_string()),
            stop_signal: self.stop_signal.map(|signal| signal.to_string()),
            environment: self.environment.into_iter().map(|Variable(n, v)| (n.to_string(), v.into_string())).collect(),
            ..Declared::default()
        }
    }
}

impl Import {
    /// Imports it.
    pub fn run(self, host: &Host) -> Result<ExitCode> {
        let bar = bar::new(format!("importing {}", self.name));
        users::sweep_replaced(&host.layout)?;
        let options = Options {
            replace: self.replace,
            on_image: Some(users::on_image),
            origin: origin(&self.source),
            tag: self.tag.as_deref(),
            declared: self.declares.declared(),
        };
        let progress = &mut |done, total| bar::show(&bar, done, total);
        let imported = import(&host.layout, &self.name, &self.source, &self.elsewhere.terms(host), &options, progress);
        bar.finish_and_clear();
        eprintln!("{}", stored(&self.name, &imported?));
        Ok(ExitCode::SUCCESS)
    }
}

fn origin(source: &Source) -> Option<String> {
    match source {
        Source::Path(path) => std::path::absolute(path).ok().map(|path| path.display().to_string()),
        elsewhere => Some(elsewhere.to_string()),
    }
}

/// A line about what is in the store now.
pub fn stored(name: &Name, info: &ImageInfo) -> String {
    let digest = info.manifest.as_ref().unwrap_or(&info.digest);
    format!("{name}: {} of {}, {digest}", users::kind(info), amount::bytes(info.size))
}
