//! Name and password for a registry, from where podman and docker keep them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::reference::Reference;
use crate::definition::types::escaped;
use crate::error::{Context, Error, Result};
use crate::file;

const LARGEST: u64 = 1 << 20;
/// The name that docker writes for its own registry.
const DOCKER: &str = "https://index.docker.io/v1/";

/// What was found for a registry.
#[derive(Debug, PartialEq, Eq)]
pub enum Credentials {
    /// base64 of "name:password", which is what Basic wants.
    Basic(String),
    /// A program is to be asked, which soute does not.
    Helper(PathBuf),
    /// Nothing.
    None,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct File {
    #[serde(default)]
    auths: BTreeMap<String, Entry>,
    creds_store: Option<IgnoredAny>,
    #[serde(default)]
    cred_helpers: BTreeMap<String, IgnoredAny>,
}

#[derive(Deserialize)]
struct Entry {
    auth: Option<String>,
}

/// The first file with an entry wins.
pub fn find(root: &Path, reference: &Reference) -> Result<Credentials> {
    let mut found = Credentials::None;
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
        match of_file(&file, reference, &path)? {
            Credentials::None => {}
            Credentials::Helper(path) => found = Credentials::Helper(path),
            basic => return Ok(basic),
        }
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

fn of_file(file: &File, reference: &Reference, path: &Path) -> Result<Credentials> {
    for key in keys(reference) {
        if let Some(auth) = file.auths.get(&key).and_then(|entry| entry.auth.as_ref()).filter(|auth| !auth.is_empty()) {
            let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'-' | b'_');
            return match auth.bytes().all(is_base64) {
                true => Ok(Credentials::Basic(auth.clone())),
                false => {
                    Err(Error::failed(format!("{}: what it has for {} is not base64", path.display(), escaped(&key))))
                }
            };
        }
        if file.cred_helpers.contains_key(&key) || (file.creds_store.is_some() && file.auths.contains_key(&key)) {
            return Ok(Credentials::Helper(path.to_owned()));
        }
    }
    Ok(Credentials::None)
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

    fn found(json: &str, name: &str) -> Result<Credentials, String> {
        let file: File = serde_json::from_str(json).unwrap();
        of_file(&file, &name.parse().unwrap(), Path::new("f")).map_err(|error| error.to_string())
    }

    #[test]
    fn the_longest_name_wins() {
        let json =
            r#"{"auths":{"a.b":{"auth":"host"},"a.b/c":{"auth":"part"},"a.b/c/d":{"auth":"all"},"x.y":{}},"more":1}"#;
        let basic = |auth: &str| Ok(Credentials::Basic(auth.to_owned()));
        assert_eq!(found(json, "a.b/c/d"), basic("all"));
        assert_eq!(found(json, "a.b/c/e"), basic("part"));
        assert_eq!(found(json, "a.b/cc"), basic("host"));
        assert_eq!(found(json, "b.a/c"), Ok(Credentials::None));
        assert_eq!(found(json, "x.y/c"), Ok(Credentials::None));
        assert_eq!(found(r#"{"auths":{"https://index.docker.io/v1/":{"auth":"d"}}}"#, "nginx"), basic("d"));
        assert!(found(r#"{"auths":{"a.b":{"auth":"a\r\nX: y"}}}"#, "a.b/c").is_err());
    }

    #[test]
    fn helpers_are_told_of() {
        let helper = Ok(Credentials::Helper(PathBuf::from("f")));
        assert_eq!(found(r#"{"credHelpers":{"a.b":"x"}}"#, "a.b/c"), helper);
        assert_eq!(found(r#"{"credsStore":"x","auths":{"a.b":{}}}"#, "a.b/c"), helper);
        assert_eq!(found(r#"{"credsStore":"x"}"#, "a.b/c"), Ok(Credentials::None));
    }
}
