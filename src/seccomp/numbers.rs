//! The numbers of system calls, from `syscalls.tbl`.

const TABLE: &str = include_str!("syscalls.tbl");

/// A way into the kernel: it has numbers of its own, and `struct seccomp_data` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// `syscall` in 64-bit code. x32 comes in here too, with bit 30 set in the number.
    X86_64,
    /// `int 0x80` and `sysenter`, open to 64-bit programs as well.
    I386,
    /// 64-bit `svc`.
    Aarch64,
    /// 32-bit `svc`, by the EABI.
    Arm,
}

impl Entry {
    /// AUDIT_ARCH_*, linux/audit.h.
    pub fn audit_arch(self) -> u32 {
        match self {
            Self::X86_64 => 0xc000_003e,
            Self::I386 => 0x4000_0003,
            Self::Aarch64 => 0xc000_00b7,
            Self::Arm => 0x4000_0028,
        }
    }

    /// Number and name of all that it has, ascending by number.
    pub fn calls(self) -> Vec<(u32, &'static str)> {
        let column = self as usize;
        let call = |(name, numbers): (&'static str, [Option<u32>; 4])| Some((numbers[column]?, name));
        let mut calls: Vec<_> = lines().filter_map(call).collect();
        calls.sort_unstable();
        calls
    }
}

/// What the kernel runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Machine {
    /// 64-bit PCs.
    X86_64,
    /// 64-bit ARM.
    Aarch64,
}

impl Machine {
    /// The one that this program is for.
    #[cfg(target_arch = "x86_64")]
    pub const HOST: Self = Self::X86_64;
    /// The one that this program is for.
    #[cfg(target_arch = "aarch64")]
    pub const HOST: Self = Self::Aarch64;

    /// By the name that Rust has for it.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "x86_64" => Some(Self::X86_64),
            "aarch64" => Some(Self::Aarch64),
            _ => None,
        }
    }

    /// Its ways into the kernel, the usual one first.
    pub fn entries(self) -> [Entry; 2] {
        match self {
            Self::X86_64 => [Entry::X86_64, Entry::I386],
            Self::Aarch64 => [Entry::Aarch64, Entry::Arm],
        }
    }
}

/// Every name, of any architecture.
pub fn names() -> impl Iterator<Item = &'static str> {
    lines().map(|(name, _)| name)
}

/// The file is part of the program: a line that is not as it should be is met by the tests.
fn lines() -> impl Iterator<Item = (&'static str, [Option<u32>; 4])> {
    TABLE.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        let name = words.next()?;
        Some((name, [(); 4].map(|()| words.next()?.parse().ok())))
    })
}
