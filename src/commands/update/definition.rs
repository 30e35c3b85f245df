//! The file that names the image: as it is while one disk is in use, and while the other one is.

use std::fs;
use std::path::Path;

use toml_edit::{DocumentMut, Item};

use crate::definition::check;
use crate::definition::load::{self, Loaded};
use crate::definition::types::{Name, escaped};
use crate::error::{Context, Error, Exit, Result};
use crate::host::definitions;
use crate::host::known::Known;
use crate::image::disk::switch::DefinitionFile;
use crate::output::diagnostics;
use crate::rewrite::replace::Replacement;
use crate::rewrite::{drafts, examine};
use crate::settings::Host;

/// A change of one file, comments kept.
#[derive(Debug, Clone)]
pub struct Edit {
    pub before: DefinitionFile,
    pub after: DefinitionFile,
}

impl Edit {
    /// To another image; none where the definition names that already.
    pub fn to_image(host: &Host, name: &Name, image: &Name) -> Result<Option<Self>> {
        let found = definitions::find(host, name)?;
        let Some((path, text)) = drafts::with_image(host, &found, image)? else { return Ok(None) };
        let before = DefinitionFile { text: current(&path)?, path: path.clone() };
        Ok(Some(Self { before, after: DefinitionFile { path, text: Some(text) } }))
    }

    /// Writes it, unless somebody else has written something else meanwhile.
    pub fn write(&self) -> Result<()> {
        let now = current(&self.after.path)?;
        if now == self.after.text {
            return Ok(());
        }
        if now != self.before.text {
            let path = self.after.path.display();
            return Err(Error::new(Exit::Busy, format!("somebody else has changed {path} meanwhile")));
        }
        write(&self.after)
    }
}

/// A container's definition as it would be.
pub fn load(host: &Host, name: &Name, edit: Option<&Edit>, systemd: Option<u32>) -> Result<Loaded> {
    let mut found = definitions::find(host, name)?;
    let draft = match edit {
        Some(Edit { after: DefinitionFile { path, text: Some(text) }, .. }) => {
            Some((path, Replacement::begin(path, text)?))
        }
        _ => None,
    };
    if let Some((path, draft)) = &draft {
        examine::substitute(&mut found, path, draft.path());
    }
    // Not by its disk, which is to be another one.
    let declared = |image: &Name| Known::new(host).declared(image);
    let loaded = load::load_found(&host.layout, &found, declared, toml::Table::new(), check::Host { systemd });
    loaded.map_err(|faults| diagnostics::refuse(&faults.0))
}

/// Makes the definition that of the disk `to`, where it still is that of the disk `from`; what was changed in it since stays.
pub fn follow(to: Option<&DefinitionFile>, from: Option<&DefinitionFile>) -> Result<()> {
    let (Some(to), Some(from)) = (to, from) else { return Ok(()) };
    let now = current(&to.path)?;
    if now == to.text || to.path != from.path {
        return Ok(());
    }
    if now == from.text {
        return write(to);
    }
    let next = now.as_deref().and_then(|now| with_image_of(now, to.text.as_deref(), from.text.as_deref()));
    match next {
        Some(text) => write(&DefinitionFile { path: to.path.clone(), text: Some(text) }),
        None => {
            let path = escaped(&to.path.to_string_lossy());
            eprintln!("soute: {path} names yet another image by now, and is left as it is");
            Ok(())
        }
    }
}

/// The text with the image of `to`, if it has that of `from`; none for one that has neither.
fn with_image_of(now: &str, to: Option<&str>, from: Option<&str>) -> Option<String> {
    let parse = |text: Option<&str>| text.unwrap_or_default().parse::<DocumentMut>().ok();
    let (mut now, to, from) = (parse(Some(now))?, parse(to)?, parse(from)?);
    // Without the comments around it.
    let said = |document: &DocumentMut| {
        document.get("image").map(|item| match item.as_value().cloned() {
            Some(mut value) => {
                value.decor_mut().clear();
                value.to_string()
            }
            None => item.to_string().trim().to_owned(),
        })
    };
    if said(&now) == said(&to) {
        return Some(now.to_string());
    }
    if said(&now) != said(&from) {
        return None;
    }
    match (to.get("image").cloned(), now.get_mut("image")) {
        (Some(mut item), Some(old)) => {
            if let (Some(new), Some(old)) = (item.as_value_mut(), old.as_value()) {
                *new.decor_mut() = old.decor().clone();
            }
            *old = item;
        }
        (Some(item), None) => now["image"] = item,
        (None, _) => drop(now.as_table_mut().remove("image").unwrap_or(Item::None)),
    }
    Some(now.to_string())
}

fn current(path: &Path) -> Result<Option<String>> {
    if path.symlink_metadata().is_err() {
        return Ok(None);
    }
    let bytes = definitions::read(path)?;
    String::from_utf8(bytes).map(Some).map_err(|_| Error::failed(format!("{} is not UTF-8", path.display())))
}

fn write(file: &DefinitionFile) -> Result<()> {
    match &file.text {
        Some(text) => {
            if current(&file.path)?.as_deref() == Some(text) {
                return Ok(());
            }
            Replacement::begin(&file.path, text)?.commit()?;
            eprintln!("changed {}", file.path.display());
        }
        None => {
            fs::remove_file(&file.path).with_context(|| format!("cannot remove {}", file.path.display()))?;
            // Not empty, or the administrator's own: it stays.
            let _ = file.path.parent().map(fs::remove_dir);
            eprintln!("removed {}", file.path.display());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_changed_since_stays() {
        let of = |now, to, from| with_image_of(now, Some(to), Some(from));
        let (a, b) = ("image = \"a\"\n", "image = \"b\"\n");
        assert_eq!(
            of("# mine\nimage = \"b\" # why\numask = \"0022\"\n", a, b).unwrap(),
            "# mine\nimage = \"a\" # why\numask = \"0022\"\n"
        );
        assert_eq!(of("image = \"c\"\n", a, b), None);
        assert_eq!(of("umask = \"0022\"\nimage = \"a\"\n", a, b).unwrap(), "umask = \"0022\"\nimage = \"a\"\n");
        assert_eq!(
            of("image = \"b\"\n", "image = { name = \"a\", pull = \"missing\" }\n", b).unwrap(),
            "image = { name = \"a\", pull = \"missing\" }\n"
        );
        // A drop-in of ours that somebody else has added to.
        assert_eq!(with_image_of("image = \"b\"\numask = \"0022\"\n", None, Some(b)).unwrap(), "umask = \"0022\"\n");
    }
}
