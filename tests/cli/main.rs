//! The verbs that need no systemd, as they are typed: standard output, standard error and exit status of the real binary.

mod autostart;
mod definition;
mod disk;
mod edit;
mod image;
mod remove;
mod site;
mod store;
mod unit;
