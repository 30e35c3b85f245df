//! The end of a service: its result and its exit status.

/// How the main process ended, as in waitid(2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Code {
    /// It never was, or still runs.
    #[default]
    None,
    /// By itself; the status is its exit status.
    Exited,
    /// By a signal; the status is its number.
    Killed,
}

impl Code {
    /// From ExecMainCode: CLD_EXITED is 1, CLD_KILLED 2, CLD_DUMPED 3.
    pub(super) fn from_wait(code: i32) -> Self {
        match code {
            1 => Self::Exited,
            2 | 3 => Self::Killed,
            _ => Self::None,
        }
    }
}

/// How a service ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ended {
    /// systemd's word: "success", "exit-code", "signal", "oom-kill", "timeout", …
    pub result: String,
    /// How the main process ended.
    pub code: Code,
    /// Its exit status, or the signal that killed it.
    pub status: i32,
}

impl Ended {
    /// The status that a shell would show: the exit status, or 128 and the signal.
    pub fn shell_status(&self) -> i32 {
        match self.code {
            Code::Killed => 128 + self.status,
            Code::Exited | Code::None => self.status,
        }
    }
}
