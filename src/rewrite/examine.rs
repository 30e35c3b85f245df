//! What a definition would be with new texts in the places of its files.

use std::path::Path;
use std::sync::Arc;

use crate::definition::Faults;
use crate::definition::search::Found;
use crate::definition::source::{Origin, Source};
use crate::error::Result;
use crate::host::definitions;
use crate::settings::Host;

/// The faults of the definition with drafts in the places of their targets, by the targets' names.
pub fn examine(host: &Host, found: &Found, drafts: &[(&Path, &Path)]) -> Result<Faults> {
    let mut found = found.clone();
    for (target, draft) in drafts {
        substitute(&mut found, target, draft);
    }
    // What has replicas is no container itself: it would have the address of its first one.
    if let Some(several) = found.replicas(&host.layout)? {
        found = several.into_iter().next().unwrap_or(found);
    }
    let mut faults = definitions::examine(host, &found)?;
    for fault in &mut faults.0 {
        for origin in fault.origin.iter_mut().chain(fault.related.iter_mut().map(|(origin, _)| origin)) {
            drafts.iter().for_each(|(target, draft)| rename(origin, draft, target));
        }
    }
    Ok(faults)
}

/// Puts a draft in the place of a file of a definition.
pub fn substitute(found: &mut Found, target: &Path, draft: &Path) {
    if found.main == target {
        draft.clone_into(&mut found.main);
        return;
    }
    let name = target.file_name();
    match found.drop_ins.iter().position(|path| path.file_name() == name) {
        Some(at) => draft.clone_into(&mut found.drop_ins[at]),
        None => {
            let at = found.drop_ins.iter().position(|path| path.file_name() > name).unwrap_or(found.drop_ins.len());
            found.drop_ins.insert(at, draft.to_owned());
        }
    }
}

fn rename(origin: &mut Origin, draft: &Path, target: &Path) {
    if Path::new(&origin.source.name) == draft {
        let Source { text, layer, .. } = &*origin.source;
        let source: Arc<Source> = Source::new(target.to_string_lossy(), text.clone(), *layer);
        *origin = Origin::new(&source, origin.span());
    }
}
