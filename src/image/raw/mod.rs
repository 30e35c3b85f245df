//! Raw images: where in a file their file system lies, which it is, and the block device that it becomes.

pub mod btrfs;
pub mod gpt;
pub mod loopdev;
pub mod region;
pub mod superblock;
