//! Several containers of one definition.

use super::{Subject, wrong};
use crate::definition::replicas::MOST;
use crate::definition::source::Layer;

pub(super) fn check(s: &mut Subject<'_>) {
    let Some(count) = s.definition.replicas else { return };
    if count > MOST {
        s.say(&["replicas"], wrong(format!("{count} replicas are more than {MOST}")));
    }
    if s.origin(&["replicas"]).is_some_and(|origin| origin.source.layer == Layer::Defaults) {
        let fault = wrong("how many there are is said by each definition, not for all of them");
        s.say(&["replicas"], fault.help("write it into NAME.toml"));
    }
}
