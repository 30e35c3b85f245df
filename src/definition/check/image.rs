//! The image, and where it is from.

use super::{Subject, wrong};
use crate::definition::model::{Image, Pull};

pub(super) fn check(s: &mut Subject<'_>) {
    let Image { source, digest, pull, .. } = &s.definition.image;
    let Some(source) = source else {
        if *pull == Pull::Missing && !s.refused.contains("image.source") {
            s.say(&["image", "pull"], wrong("nobody says where from").help("add source = \"docker://HOST/NAME:TAG\""));
        }
        return;
    };
    if let (Some(wanted), Some(given)) = (digest, source.digest())
        && wanted.digest() != given
    {
        s.say(&["image", "digest"], wrong(format!("the source has another digest, {given}")));
    }
}
