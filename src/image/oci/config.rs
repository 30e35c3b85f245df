//! The configuration of an image: what it declares for containers. The rest of it is for who built it.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::digest::Digest;
use super::document::{Platform, json};
use crate::definition::types::{EnvironmentName, GuestPath, Signal, Text, UserSpec, escaped};
use crate::error::{Context, Error, Result};
use crate::image::store::Declared;

#[derive(Deserialize)]
struct Raw {
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    os: String,
    variant: Option<String>,
    config: Option<Container>,
    rootfs: RootFs,
}

#[derive(Deserialize)]
struct RootFs {
    diff_ids: Vec<Digest>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Container {
    user: Option<String>,
    exposed_ports: Option<BTreeMap<String, IgnoredAny>>,
    env: Option<Vec<String>>,
    entrypoint: Option<Vec<String>>,
    cmd: Option<Vec<String>>,
    working_dir: Option<String>,
    stop_signal: Option<String>,
    labels: Option<BTreeMap<String, Option<String>>>,
}

/// A configuration.
#[derive(Debug)]
pub struct Config {
    /// Where it runs; empty where it does not say.
    pub platform: Platform,
    /// The digests of the layers as they are unpacked.
    pub layers: Vec<Digest>,
    /// What it declares.
    pub declared: Declared,
}

impl Config {
    /// Reads one. Its strings are held to what a definition may say, so that a bad one is refused now and not at a start.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let raw: Raw = json(bytes)?;
        Ok(Self {
            platform: Platform { architecture: raw.architecture, os: raw.os, variant: raw.variant },
            layers: raw.rootfs.diff_ids,
            declared: declared(raw.config.unwrap_or_default())?,
        })
    }
}

fn declared(config: Container) -> Result<Declared> {
    // Labels often have more than one line. They are shown and never obeyed, so what is in them cannot keep an image out.
    let labels = config.labels.unwrap_or_default().into_iter();
    let labels = labels.map(|(name, value)| (escaped(&name), escaped(&value.unwrap_or_default())));
    Ok(Declared {
        entrypoint: argv("Entrypoint", config.entrypoint)?,
        command: argv("Cmd", config.cmd)?,
        user: value::<UserSpec>("User", config.user)?,
        working_directory: value::<GuestPath>("WorkingDir", config.working_dir)?,
        stop_signal: value::<Signal>("StopSignal", config.stop_signal)?,
        environment: environment(config.env.unwrap_or_default())?,
        exposed_ports: config
            .exposed_ports
            .unwrap_or_default()
            .into_keys()
            .map(|port| parsed::<Text>("ExposedPorts", &port).map(Text::into_string))
            .collect::<Result<_>>()?,
        labels: labels.collect(),
    })
}

fn argv(key: &str, words: Option<Vec<String>>) -> Result<Option<Vec<String>>> {
    let Some(words) = words.filter(|words| !words.is_empty()) else { return Ok(None) };
    let words = words.iter().map(|word| parsed::<Text>(key, word).map(Text::into_string));
    words.collect::<Result<_>>().map(Some)
}

fn value<T: FromStr<Err: ToString> + ToString>(key: &str, text: Option<String>) -> Result<Option<String>> {
    let text = text.filter(|text| !text.is_empty());
    text.map(|text| parsed::<T>(key, &text).map(|value| value.to_string())).transpose()
}

fn environment(variables: Vec<String>) -> Result<BTreeMap<String, String>> {
    let variable = |text: &String| {
        // Docker takes one without "=" for unset.
        let (name, value) = text.split_once('=')?;
        let pair = || {
            let name = parsed::<EnvironmentName>("Env", name)?.to_string();
            let value = parsed::<Text>(&format!("Env: {name}"), value)?;
            Ok((name, value.into_string()))
        };
        Some(pair())
    };
    variables.iter().filter_map(variable).collect()
}

fn parsed<T: FromStr<Err: ToString>>(key: &str, text: &str) -> Result<T> {
    text.parse()
        .map_err(|refused: T::Err| Error::failed(escaped(&refused.to_string())))
        .with_context(|| format!("its {key}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(config: &str) -> Result<Declared, String> {
        let text = format!(r#"{{"os":"linux","rootfs":{{"diff_ids":[]}},"history":7,"config":{config}}}"#);
        Config::parse(text.as_bytes()).map(|config| config.declared).map_err(|error| error.to_string())
    }

    #[test]
    fn what_an_image_declares() {
        let declared = parse(
            r#"{"User":"www-data:33","ExposedPorts":{"80/tcp":{},"443/tcp":{}},"Env":["PATH=/bin","A=b=c","A=d","OLD"],
                "Entrypoint":["/init"],"Cmd":["a","b c"],"WorkingDir":"/srv/","StopSignal":"SIGQUIT","Hostname":"x",
                "Volumes":{"/../x":{}},"Labels":{"note":"two\nlines\u001b[2J"}}"#,
        )
        .unwrap();
        assert_eq!(declared.entrypoint.unwrap(), ["/init"]);
        assert_eq!(declared.command.unwrap(), ["a", "b c"]);
        assert_eq!(declared.user.unwrap(), "www-data:33");
        assert_eq!(declared.working_directory.unwrap(), "/srv");
        assert_eq!(declared.stop_signal.unwrap(), "SIGQUIT");
        assert_eq!(declared.environment, [("A", "d"), ("PATH", "/bin")].map(|(a, b)| (a.into(), b.into())).into());
        assert_eq!(declared.exposed_ports, ["443/tcp", "80/tcp"]);
        assert_eq!(declared.labels["note"], r"two\u{a}lines\u{1b}[2J");
    }

    #[test]
    fn what_is_empty_declares_nothing() {
        let empty =
            r#"{"User":"","Env":null,"Cmd":[],"Entrypoint":null,"WorkingDir":"","StopSignal":"","Labels":null}"#;
        assert_eq!(parse(empty), Ok(Declared::default()));
        assert_eq!(parse("null"), Ok(Declared::default()));
    }

    #[test]
    fn attack_02_no_control_character_of_a_configuration_is_taken() {
        for character in ["\\n", "\\r", "\\u0000", "\\u001b", "\\u009b", "\\u202e"] {
            for (key, config) in [
                ("Cmd", r#"{"Cmd":["a","bX"]}"#),
                ("Entrypoint", r#"{"Entrypoint":["X"]}"#),
                ("Env", r#"{"Env":["A=X"]}"#),
                ("Env", r#"{"Env":["X=a"]}"#),
                ("User", r#"{"User":"aX"}"#),
                ("WorkingDir", r#"{"WorkingDir":"/X"}"#),
                ("StopSignal", r#"{"StopSignal":"X"}"#),
                ("ExposedPorts", r#"{"ExposedPorts":{"80X":{}}}"#),
            ] {
                let error = parse(&config.replace('X', character)).expect_err(config);
                assert!(error.starts_with(&format!("its {key}: ")), "{error:?}");
                assert!(!error.chars().any(char::is_control), "{error:?}");
            }
            let labels = parse(&r#"{"Labels":{"aX":"bX"}}"#.replace('X', character)).unwrap().labels;
            assert!(labels.iter().all(|(a, b)| a.starts_with(r"a\u{") && b.starts_with(r"b\u{")), "{labels:?}");
        }
    }
}
