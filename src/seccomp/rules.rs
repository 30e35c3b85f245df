//! What one container may call.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::table::errno::{ENOSYS, EPERM};
use super::table::{ABSENT, Access, GROUPS, RESTRICTIONS, Restriction};

/// The table, as one container is held to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules<'a> {
    /// A system that boots: `seccomp = "system"`.
    pub system: bool,
    /// Capabilities that the definition adds, one bit each.
    pub added: u64,
    /// Calls that the definition opens whatever the table says, with any argument.
    pub allowed: &'a [&'a str],
}

/// What becomes of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// It is made.
    Allow,
    /// It fails with this error.
    Refuse(u16),
    /// It is made if none of these is against it.
    Check(Vec<&'static Restriction>),
}

/// Whom each call is open to, since a filter takes hundreds of look-ups.
static OWNERS: LazyLock<HashMap<&str, Access>> = LazyLock::new(|| {
    let named = GROUPS.iter().flat_map(|group| group.names.split_ascii_whitespace().map(|name| (name, group.access)));
    named.collect()
});

impl Rules<'_> {
    /// `seccomp = "default"`.
    pub const DEFAULT: Rules<'static> = Rules { system: false, added: 0, allowed: &[] };
    /// `seccomp = "system"`.
    pub const SYSTEM: Rules<'static> = Rules { system: true, added: 0, allowed: &[] };

    /// Whether these are no more than the profile: nothing named, and no capability that opens anything.
    pub fn is_standard(&self) -> bool {
        let of = |access: Access| match access {
            Access::Everyone => 0,
            Access::System(capabilities) | Access::Added(capabilities) => capabilities,
        };
        let groups = GROUPS.iter().fold(0, |all, group| all | of(group.access));
        let opening = RESTRICTIONS.iter().fold(groups, |all, restriction| all | of(restriction.not_for));
        self.allowed.is_empty() && self.added & opening == 0
    }

    /// What becomes of the call of this name.
    pub fn action(&self, name: &str) -> Action {
        if self.allowed.contains(&name) {
            return Action::Allow;
        }
        match OWNERS.get(name) {
            Some(access) if self.open(*access) => {}
            None => return Action::Refuse(ENOSYS),
            Some(_) if ABSENT.contains(&name) => return Action::Refuse(ENOSYS),
            Some(_) => return Action::Refuse(EPERM),
        }
        let holds = |restriction: &&Restriction| restriction.calls.contains(&name) && !self.open(restriction.not_for);
        let restrictions: Vec<_> = RESTRICTIONS.iter().filter(holds).collect();
        if restrictions.is_empty() { Action::Allow } else { Action::Check(restrictions) }
    }

    fn open(&self, access: Access) -> bool {
        match access {
            Access::Everyone => true,
            Access::System(capabilities) => self.system || self.added & capabilities != 0,
            Access::Added(capabilities) => self.added & capabilities != 0,
        }
    }
}
