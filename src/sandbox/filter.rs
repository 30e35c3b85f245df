//! The seccomp filter is put on.

use super::raw;
use crate::error::{Context, Result};
use crate::plan::Seccomp;
use crate::seccomp::Instruction;

// DEFAULT and SYSTEM: build.rs has compiled them from src/seccomp.
include!(concat!(env!("OUT_DIR"), "/filters.rs"));

/// Of this process and all that come of it, for good.
pub fn put_on(seccomp: &Seccomp) -> Result<()> {
    let own: Vec<Instruction>;
    let program: &[Instruction] = match seccomp {
        Seccomp::Off => return Ok(()),
        Seccomp::Default => &DEFAULT,
        Seccomp::System => &SYSTEM,
        Seccomp::Own(steps) => {
            own = steps.iter().map(|&(code, jt, jf, k)| Instruction::new(code, jt, jf, k)).collect();
            &own
        }
    };
    raw::set_seccomp_filter(program).context("cannot put the seccomp filter on")
}
