//! soute runs containers as systemd units.
//!
//! A TOML definition is read in layers and checked, becomes a plan, and the plan is told to systemd as one transient unit
//! and written to a snapshot. systemd starts the runner in that unit; from the snapshot it makes the disk, builds the
//! namespaces, plugs in the wires, hands the payload over as MainPID and is gone. Nothing of soute stays.
//!
//! In the order of that path, and arrows never go back:
//!
//! 1. [`definition`]: what the user wrote; types, layers, checks, faults. Pure, but for the files that it reads.
//! 2. [`plan`]: what it means; a pure function of the definition and of facts about the host.
//! 3. [`systemd`]: how systemd is told; the one place with D-Bus.
//! 4. [`sandbox`]: inside the unit; the runner, in one thread, and the one file with `unsafe`.
//! 5. [`image`]: where roots come from; the store, the private copies, the ids.
//! 6. [`network`]: wires; a veth a link, by rtnetlink.
//! 7. [`logs`]: what a payload writes to /dev/stdout, from a FIFO into the journal.
//! 8. [`publish`]: ports of the host that lead into containers; what moves the bytes.
//! 9. [`health`]: whether a container does what it is for; a timer's check, and what follows.
//!    Beside it [`dhcp`]: addresses that somebody on the wire gives, for a time.
//! 10. [`generator`]: at boot; definitions become launcher links.
//! 11. [`audit`]: what a running container can do, by the kernel's word; shares nothing with what set it up.
//! 12. [`doctor`]: what a host lacks for containers, and what a command has changed of it.
//! 13. [`change`]: what has changed since the start, and what each change costs; pure.
//! 14. [`events`]: what happens to containers, from systemd's signals and the journal.
//!
//! Beside that path: [`seccomp`], the table of system calls and the filter that is compiled from it, pure and used by the
//! first four.
//!
//! Around it: [`commands`] has a file or a folder for each verb and puts the others together, with what the verbs share:
//! [`host`] adds to a definition what this host has for it, so that it can become a plan; [`inventory`] knows who is there;
//! [`rewrite`] changes definitions for the user. [`terminal`] relays for the attached verbs, [`output`] is what users read.
//!
//! Below all: [`layout`] says where everything lives, [`mod@file`] reads and writes what is small, [`settings`] what the host
//! decides, [`instances`] who runs and what they were given, [`names`] by which names they find each other, and [`error`] is
//! the voice of every failure.

pub mod definition;
pub mod plan;
pub mod systemd;

pub mod sandbox;
pub mod seccomp;

pub mod image;
pub mod network;

pub mod logs;
pub mod publish;

pub mod health;

pub mod dhcp;

pub mod generator;

pub mod audit;
pub mod doctor;

pub mod change;
pub mod events;

pub mod commands;
pub mod host;
pub mod inventory;
pub mod output;
pub mod rewrite;
pub mod terminal;

pub mod error;
pub mod file;
pub mod instances;
pub mod layout;
pub mod names;
pub mod settings;
