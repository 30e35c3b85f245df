//! What the payload may do: ids, capabilities, no-new-privileges. Never more than the plan names.
//!
//! Root inside has what the plan grants, and nothing is inheritable or ambient. Another user has nothing, and an empty
//! bounding set where nothing could be gained anyway; what the definition adds by name is ambient for that user, as podman
//! has it: there is no other way for a capability through execve(2) of a program without capabilities of its own.

use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capability_is_in_bounding_set, clear_ambient_capability_set,
    configure_capability_in_ambient_set, remove_capability_from_bounding_set, set_capabilities, set_keep_capabilities,
    set_no_new_privs,
};

use super::user::Credentials;
use crate::error::{Context, Result};
use crate::plan::Process;

/// The highest capability number that any kernel may know of: one word of bits in the plan.
const HIGHEST: u32 = 63;

/// The sets of a process after execve(2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sets {
    bounding: CapabilitySet,
    permitted: CapabilitySet,
    ambient: CapabilitySet,
}

/// What a user has, as far as the kernel knows of it.
fn sets(process: &Process, uid: u32) -> Sets {
    let granted = CapabilitySet::from_bits_retain(process.capabilities);
    let added = granted & CapabilitySet::from_bits_retain(process.added_capabilities);
    match (uid, process.no_new_privileges) {
        (0, _) => Sets { bounding: granted, permitted: granted, ambient: CapabilitySet::empty() },
        (_, true) => Sets { bounding: added, permitted: added, ambient: added },
        // sudo becomes root, who has as much as root has.
        (_, false) => Sets { bounding: granted, permitted: added, ambient: added },
    }
}

/// Takes away everything that the plan does not grant. The last step but execve(2): nothing after it needs a privilege.
pub fn drop_to(process: &Process, credentials: &Credentials) -> Result<()> {
    let sets = sets(process, credentials.uid);
    cut_bounding_set(sets.bounding)?;
    let groups: Vec<_> = credentials.groups.iter().map(|gid| Gid::from_raw(*gid)).collect();
    setgroups(&groups).context("cannot set the supplementary groups")?;
    let gid = Gid::from_raw(credentials.gid);
    setresgid(gid, gid, gid).with_context(|| format!("cannot become group {gid}"))?;
    // Leaving uid 0 clears the permitted set otherwise, see capabilities(7); execve(2) clears this flag.
    set_keep_capabilities(!sets.ambient.is_empty()).context("cannot keep the capabilities")?;
    let uid = Uid::from_raw(credentials.uid);
    setresuid(uid, uid, uid).with_context(|| format!("cannot become user {uid}"))?;
    let known = known();
    let (permitted, ambient) = (sets.permitted & known, sets.ambient & known);
    clear_ambient_capability_set().context("cannot clear the ambient capabilities")?;
    // What is ambient has to be inheritable.
    let sets = CapabilitySets { effective: permitted, permitted, inheritable: ambient };
    set_capabilities(None, sets).context("cannot set the capabilities")?;
    for capability in bits(ambient) {
        configure_capability_in_ambient_set(capability, true).context("cannot pass a capability on")?;
    }
    if process.no_new_privileges {
        set_no_new_privs(true).context("cannot set no-new-privileges")?;
    }
    Ok(())
}

fn cut_bounding_set(granted: CapabilitySet) -> Result<()> {
    for capability in bits(known() - granted) {
        remove_capability_from_bounding_set(capability).context("cannot cut the bounding set")?;
    }
    Ok(())
}

/// The capabilities of this kernel that are left in the bounding set.
fn known() -> CapabilitySet {
    let has = |bit: &CapabilitySet| capability_is_in_bounding_set(*bit).unwrap_or(false);
    bits(CapabilitySet::from_bits_retain(u64::MAX)).filter(has).collect()
}

fn bits(set: CapabilitySet) -> impl Iterator<Item = CapabilitySet> {
    (0..=HIGHEST).map(|number| CapabilitySet::from_bits_retain(1 << number)).filter(move |bit| set.contains(*bit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Sandbox;

    const GRANTED: CapabilitySet = CapabilitySet::CHOWN.union(CapabilitySet::NET_ADMIN);

    fn of(uid: u32, no_new_privileges: bool, added: CapabilitySet) -> Sets {
        let process = Sandbox::example().process;
        let (capabilities, added_capabilities) = (GRANTED.bits(), added.bits());
        sets(&Process { capabilities, added_capabilities, no_new_privileges, ..process }, uid)
    }

    #[test]
    fn root_has_what_is_granted_and_passes_nothing_on() {
        let nothing = CapabilitySet::empty();
        for no_new_privileges in [true, false] {
            let all = Sets { bounding: GRANTED, permitted: GRANTED, ambient: nothing };
            assert_eq!(of(0, no_new_privileges, CapabilitySet::NET_ADMIN), all);
        }
    }

    #[test]
    fn another_user_has_what_was_added_by_name_and_a_bounding_set_only_for_sudo() {
        let (nothing, added) = (CapabilitySet::empty(), CapabilitySet::NET_ADMIN);
        assert_eq!(of(33, true, nothing), Sets { bounding: nothing, permitted: nothing, ambient: nothing });
        assert_eq!(of(33, true, added), Sets { bounding: added, permitted: added, ambient: added });
        assert_eq!(of(33, false, nothing), Sets { bounding: GRANTED, permitted: nothing, ambient: nothing });
    }
}
