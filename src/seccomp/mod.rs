//! Which system calls a payload may make, and the classic BPF program that holds it to that, see seccomp(2).
//!
//! [`table`] is the policy, to be read; `syscalls.tbl` has the numbers of each architecture. [`Rules`] are what one container
//! may do, and [`compile()`] makes a program of them: a binary search over the numbers, because the kernel runs a new filter
//! once for every system call there is (seccomp_cache_prepare), and a list of comparisons makes that a millisecond.
//!
//! Pure, and without a dependency: build.rs compiles the programs of the two profiles by this very module.

mod compile;
mod numbers;
mod rules;
pub mod table;

pub use compile::{Instruction, compile};
pub use numbers::{Entry, Machine, names};
pub use rules::{Action, Rules};

#[cfg(test)]
mod tests;
