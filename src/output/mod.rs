//! What users read: faults with their lines, tables and amounts; and what programs read, JSON.

pub mod amount;
pub mod bar;
pub mod diagnostics;
pub mod json;
pub mod stdout;
pub mod table;
