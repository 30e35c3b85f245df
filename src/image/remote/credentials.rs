//! Name and password for a registry, from where podman and docker keep them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::helper::Helper;
use super::reference::Reference;
use crate::definition::types::escaped;
use crate::error::{Context, Error, Result};
use crate::file;

const LARGEST: u64 = 1 << 20;
/// The name that docker writes for its own registry.
const DOCKER: &str = "https://index.docker.io/v1/";

/// Who keeps something for a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keeper {
    /// The file itself: base64 of "name:password", which is what Basic wants.
    File(String),
    /// A program that is to be asked, and for what.
    Helper(Helper, String),
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct File {
    #[serde(default)]
    auths: BTreeMap<String, Entry>,
    creds_store: Option<String>,
    #[serde(default)]
    cred_helpers: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Entry {
    auth: Option<String>,
}

/// Everybody who may have something for a registry, in the order in which they are asked: the first that has it counts.
pub fn keepers(root: &Path, reference: &Reference) -> Result<Vec<Keeper>> {
    let mut found = Vec::new();
    for path in files(root) {
        let action = || format!("cannot read {}", path.display());
        let text = match file::read_of_host(&path, LARGEST) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            other => other.with_context(action)?,
        };
        // What is wrong with it is not shown: it could be a password.
        let file: File = serde_json::from_str(&text)
            .map_err(|error| Error::failed(format!("line {} is not of the form of such a file", error.line())))
            .with_context(action)?;
        found.extend(of_file(&file, reference).with_context(action)?);
    }
    Ok(found)
}

fn files(root: &Path) -> Vec<PathBuf> {
    let variable = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    if let Some(path) = variable("REGISTRY_AUTH_FILE") {
        return vec![path];
    }
    let mut files = vec![root.join("run/containers/0/auth.json")];
    files.extend(variable("XDG_RUNTIME_DIR").map(|dir| dir.join("containers/auth.json")));
    if let Some(home) = variable("HOME") {
        let config = variable("XDG_CONFIG_HOME").unwrap_or_else(|| home.join(".config"));
        files.push(config.join("containers/auth.json"));
        files.push(home.join(".docker/config.json"));
    }
    files
}

fn of_file(file: &File, reference: &Reference) -> Result<Vec<Keeper>> {
    let mut found = Vec::new();
    for key in keys(reference) {
        if let Some(auth) = file.auths.get(&key).and_then(|entry| entry.auth.as_ref()).filter(|auth| !auth.is_empty()) {
            let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'-' | b'_');
            if !auth.bytes().all(is_base64) {
                return Err(Error::failed(format!("what it has for {} is not base64", escaped(&key))));
            }
            found.push(Keeper::File(auth.clone()));
        }
        if let Some(helper) = file.cred_helpers.get(&key) {
            found.push(Keeper::Helper(Helper::named(helper)?, key));
        }
    }
    // One that keeps all of them is asked as docker asks it.
    if let Some(store) = &file.creds_store {
        let server = if reference.host == "docker.io" { DOCKER } else { &reference.host };
        found.push(Keeper::Helper(Helper::named(store)?, server.to_owned()));
    }
    Ok(found)
}

/// From the repository up to the host, as containers-auth.json(5) has it; then what docker writes.
fn keys(reference: &Reference) -> Vec<String> {
    let name = reference.name();
    let mut keys: Vec<String> = name.match_indices('/').map(|(at, _)| name[..at].to_owned()).collect();
    keys.push(name);
    keys.reverse();
    let host = &reference.host;
    keys.extend([format!("https://{host}"), format!("https://{host}/v1/"), format!("https://{host}/v2/")]);
    if host == "docker.io" {
        keys.push(DOCKER.to_owned());
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(json: &str, name: &str) -> Result<Vec<Keeper>, String> {
        let file: File = serde_json::from_str(json).unwrap();
        of_file(&file, &name.parse().unwrap()).map_err(|error| error.to_string())
    }

    fn first(json: &str, name: &str) -> Option<Keeper> {
        found(json, name).unwrap().into_iter().next()
    }

    #[test]
    fn the_longest_name_wins() {
        let json =
            r#"{"auths":{"a.b":{"auth":"host"},"a.b/c":{"auth":"part"},"a.b/c/d":{"auth":"all"},"x.y":{}},"more":1}"#;
        let file = |auth: &str| Some(Keeper::File(auth.to_owned()));
        assert_eq!(first(json, "a.b/c/d"), file("all"));
        assert_eq!(first(json, "a.b/c/e"), file("part"));
        assert_eq!(first(json, "a.b/cc"), file("host"));
        assert_eq!(first(json, "b.a/c"), None);
        assert_eq!(first(json, "x.y/c"), None);
        assert_eq!(first(r#"{"auths":{"https://index.docker.io/v1/":{"auth":"d"}}}"#, "nginx"), file("d"));
        assert!(found(r#"{"auths":{"a.b":{"auth":"a\r\nX: y"}}}"#, "a.b/c").is_err());
    }

    #[test]
    fn helpers_are_asked_for_what_they_keep() {
        let helper = |name: &str, server: &str| Keeper::Helper(Helper::named(name).unwrap(), server.to_owned());
        assert_eq!(found(r#"{"credHelpers":{"a.b":"x"}}"#, "a.b/c"), Ok(vec![helper("x", "a.b")]));
        assert_eq!(found(r#"{"credHelpers":{"a.b":"x"}}"#, "a.c/c"), Ok(vec![]));
        let all = r#"{"credsStore":"x","auths":{"a.b":{"auth":"b"}},"credHelpers":{"a.b/c":"y"}}"#;
        let wanted = vec![helper("y", "a.b/c"), Keeper::File("b".to_owned()), helper("x", "a.b")];
        assert_eq!(found(all, "a.b/c"), Ok(wanted));
        assert_eq!(found(r#"{"credsStore":"x"}"#, "nginx"), Ok(vec![helper("x", DOCKER)]));
        assert!(found(r#"{"credsStore":"../x"}"#, "nginx").is_err());
    }
}
