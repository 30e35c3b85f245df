//! Definitions that soute changes: a new text takes the place of the old one whole, and comments stay.

pub mod autostart;
pub mod definition_file;
pub mod drafts;
pub mod examine;
mod key;
pub mod replace;
