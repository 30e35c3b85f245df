//! Rules become a program.

use super::numbers::{Entry, Machine};
use super::rules::{Action, Rules};
use super::table::errno::ENOSYS;
use super::table::{Permits, Restriction};

/// One of classic BPF, `struct sock_filter` of linux/filter.h.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Instruction {
    /// The operation.
    pub code: u16,
    /// How many instructions are skipped if its condition holds.
    pub jt: u8,
    /// How many if not.
    pub jf: u8,
    /// Its operand.
    pub k: u32,
}

impl Instruction {
    /// All four.
    pub const fn new(code: u16, jt: u8, jf: u8, k: u32) -> Self {
        Self { code, jt, jf, k }
    }
}

/// Operations, linux/bpf_common.h.
pub(super) mod operation {
    /// BPF_LD | BPF_W | BPF_ABS: a word of `struct seccomp_data`.
    pub const LOAD: u16 = 0x20;
    /// BPF_JMP | BPF_JA.
    pub const SKIP: u16 = 0x05;
    /// BPF_JMP | BPF_JEQ | BPF_K.
    pub const IF_EQUAL: u16 = 0x15;
    /// BPF_JMP | BPF_JGE | BPF_K.
    pub const IF_AT_LEAST: u16 = 0x35;
    /// BPF_JMP | BPF_JSET | BPF_K.
    pub const IF_ANY_BIT: u16 = 0x45;
    /// BPF_RET | BPF_K.
    pub const RETURN: u16 = 0x06;
}
use operation::*;

/// SECCOMP_RET_*, linux/seccomp.h.
pub(super) mod verdict {
    pub const ALLOW: u32 = 0x7fff_0000;
    pub const ERRNO: u32 = 0x0005_0000;
    pub const KILL_PROCESS: u32 = 0x8000_0000;
}

/// Offsets in `struct seccomp_data`.
const NUMBER: u32 = 0;
const AUDIT_ARCH: u32 = 4;
const ARGUMENTS: u32 = 16;

/// The filter: first the way into the kernel, then a search for the number.
pub fn compile(machine: Machine, rules: &Rules<'_>) -> Vec<Instruction> {
    let mut program = vec![load(AUDIT_ARCH)];
    for entry in machine.entries() {
        let mut search = vec![load(NUMBER)];
        search.extend(tree(&segments(entry, rules)));
        program.extend(branch(IF_EQUAL, entry.audit_arch(), search, Vec::new()));
    }
    // A machine has no other entry.
    program.push(answer(verdict::KILL_PROCESS));
    program
}

/// Numbers from `from` up to the next one's meet this action.
#[derive(Debug)]
struct Segment {
    from: u32,
    action: Action,
}

/// All 2³² numbers. What is in no table answers ENOSYS: holes, x32 (bit 30), and calls of a later kernel, for which the C
/// library of that day has another way.
fn segments(entry: Entry, rules: &Rules<'_>) -> Vec<Segment> {
    let mut segments = vec![Segment { from: 0, action: Action::Refuse(ENOSYS) }];
    let mut next = 0;
    let mut add = |from: u32, action: Action| {
        let Some(last) = segments.last_mut() else { return };
        if last.from == from {
            last.action = action;
        } else if last.action != action {
            segments.push(Segment { from, action });
        }
    };
    for (number, name) in entry.calls() {
        if number > next {
            add(next, Action::Refuse(ENOSYS));
        }
        add(number, rules.action(name));
        next = number + 1;
    }
    add(next, Action::Refuse(ENOSYS));
    segments
}

/// A binary search, as deep as the logarithm of how many segments there are.
fn tree(segments: &[Segment]) -> Vec<Instruction> {
    match segments {
        [] => Vec::new(),
        [only] => leaf(&only.action),
        _ => {
            let (below, above) = segments.split_at(segments.len() / 2);
            branch(IF_AT_LEAST, above[0].from, tree(above), tree(below))
        }
    }
}

/// `yes` if the condition holds, else `no`, which may go on behind both. Conditional jumps reach 255 instructions, the
/// unconditional one as far as there are.
fn branch(operation: u16, operand: u32, yes: Vec<Instruction>, no: Vec<Instruction>) -> Vec<Instruction> {
    let mut code = match u8::try_from(yes.len()) {
        Ok(length) => vec![Instruction::new(operation, 0, length, operand)],
        Err(_) => {
            let skip = Instruction::new(SKIP, 0, 0, yes.len() as u32);
            vec![Instruction::new(operation, 1, 0, operand), skip]
        }
    };
    code.extend(yes);
    code.extend(no);
    code
}

fn leaf(action: &Action) -> Vec<Instruction> {
    match action {
        Action::Allow => vec![answer(verdict::ALLOW)],
        Action::Refuse(errno) => vec![refuse(*errno)],
        Action::Check(restrictions) => {
            let mut code: Vec<_> = restrictions.iter().flat_map(|restriction| check(restriction)).collect();
            code.push(answer(verdict::ALLOW));
            code
        }
    }
}

/// Returns the error, or goes on behind.
fn check(restriction: &Restriction) -> Vec<Instruction> {
    let mut code = vec![argument(restriction.argument)];
    match restriction.permits {
        Permits::Without(bits) => code.push(Instruction::new(IF_ANY_BIT, 0, 1, bits)),
        // The last comparison is followed by the refusal.
        Permits::Only(values) => {
            code.extend((1..=values.len()).rev().zip(values).map(|(left, value)| jump_if(*value, left, 0)));
        }
        Permits::Not(values) => {
            let last = |left| u8::from(left == 0);
            code.extend((0..values.len()).rev().zip(values).map(|(left, value)| jump_if(*value, left, last(left))));
        }
    }
    code.push(refuse(restriction.errno));
    match restriction.only_if {
        Some((other, value)) => {
            let mut whole = vec![argument(other)];
            whole.extend(branch(IF_EQUAL, value, code, Vec::new()));
            whole
        }
        None => code,
    }
}

/// The lists of the table are short.
fn jump_if(value: u32, equal: usize, not: u8) -> Instruction {
    Instruction::new(IF_EQUAL, equal as u8, not, value)
}

/// The lower half of an argument: all these machines are little-endian.
fn argument(index: u8) -> Instruction {
    load(ARGUMENTS + 8 * u32::from(index))
}

fn load(offset: u32) -> Instruction {
    Instruction::new(LOAD, 0, 0, offset)
}

fn answer(verdict: u32) -> Instruction {
    Instruction::new(RETURN, 0, 0, verdict)
}

fn refuse(errno: u16) -> Instruction {
    answer(verdict::ERRNO | u32::from(errno))
}
