//! For programs: one object, `{"version":1, …}`. Within a version fields are added, never changed.

use serde::Serialize;

use crate::error::{Error, Result};

const VERSION: u32 = 1;

#[derive(Serialize)]
struct Document<T> {
    version: u32,
    #[serde(flatten)]
    content: T,
}

/// The fields of `content`, a struct or a map, behind the version; with a line break at the end.
pub fn document(content: &impl Serialize) -> Result<String> {
    let text = serde_json::to_string_pretty(&Document { version: VERSION, content }).map_err(Error::failed)?;
    Ok(text + "\n")
}

#[cfg(test)]
mod tests {
    use super::document;

    #[test]
    fn the_version_comes_first() {
        let text = document(&serde_json::json!({ "images": [], "a": "\u{1b}" })).unwrap();
        assert_eq!(text, "{\n  \"version\": 1,\n  \"a\": \"\\u001b\",\n  \"images\": []\n}\n");
    }
}
