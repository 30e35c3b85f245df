//! soute runs containers as systemd units.
//!
//! A TOML [`definition`] is read and checked, becomes a pure [`plan`], and the plan is told to systemd ([`systemd`]) as one
//! transient unit. systemd starts the runner in it, which makes the disk (`image`), builds the namespaces (`sandbox`),
//! plugs in the wires ([`network`]) and hands the payload over as MainPID. Nothing of soute stays.

pub mod definition;
pub mod plan;
pub mod systemd;

pub mod generator;

pub mod image;
pub mod network;
pub mod sandbox;

pub mod logs;
pub mod terminal;

pub mod commands;
pub mod output;

pub mod error;
pub mod instances;
pub mod layout;
pub mod settings;
