//! The filter of a container: a profile of soute's own, or one that is compiled for it.

use crate::definition::{Definition, model};
use crate::plan::Seccomp;
use crate::seccomp::{Machine, Rules, compile};

pub fn seccomp(definition: &Definition) -> Seccomp {
    let security = &definition.security;
    let (usual, standard) = match definition.seccomp() {
        model::Seccomp::Off => return Seccomp::Off,
        model::Seccomp::Default => (Rules::DEFAULT, Seccomp::Default),
        model::Seccomp::System => (Rules::SYSTEM, Seccomp::System),
    };
    let added = security.capabilities.add.iter().fold(0, |mask, capability| mask | 1 << capability.number());
    let allowed: Vec<_> = security.allow_syscalls.iter().map(|call| call.as_str()).collect();
    let rules = Rules { added, allowed: &allowed, ..usual };
    if rules.is_standard() {
        return standard;
    }
    let program = compile(Machine::HOST, &rules);
    Seccomp::Own(program.iter().map(|step| (step.code, step.jt, step.jf, step.k)).collect())
}
