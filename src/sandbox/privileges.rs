//! What the payload may do: ids, capabilities, no-new-privileges. Never more than the plan names, and nothing inheritable.

use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};
use rustix::thread::{CapabilitySet, CapabilitySets, remove_capability_from_bounding_set, set_capabilities};

use super::user::Credentials;
use crate::error::{Context, Result};
use crate::plan::Process;

/// The highest capability number that any kernel may know of: one word of bits in the plan.
const HIGHEST: u32 = 63;

/// Takes away everything that the plan does not grant. The last step but execve(2): nothing after it needs a privilege.
pub fn drop_to(process: &Process, credentials: &Credentials) -> Result<()> {
    let granted = CapabilitySet::from_bits_retain(process.capabilities);
    cut_bounding_set(granted)?;
    let groups: Vec<_> = credentials.groups.iter().map(|gid| Gid::from_raw(*gid)).collect();
    setgroups(&groups).context("cannot set the supplementary groups")?;
    let gid = Gid::from_raw(credentials.gid);
    setresgid(gid, gid, gid).with_context(|| format!("cannot become group {gid}"))?;
    let uid = Uid::from_raw(credentials.uid);
    // Leaving uid 0 clears the permitted and effective sets, see capabilities(7).
    setresuid(uid, uid, uid).with_context(|| format!("cannot become user {uid}"))?;
    let kept = if uid.is_root() { granted & known() } else { CapabilitySet::empty() };
    let sets = CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() };
    rustix::thread::clear_ambient_capability_set().context("cannot clear the ambient capabilities")?;
    set_capabilities(None, sets).context("cannot set the capabilities")?;
    if process.no_new_privileges {
        rustix::thread::set_no_new_privs(true).context("cannot set no-new-privileges")?;
    }
    Ok(())
}

fn cut_bounding_set(granted: CapabilitySet) -> Result<()> {
    for capability in bits(known() - granted) {
        remove_capability_from_bounding_set(capability).context("cannot cut the bounding set")?;
    }
    Ok(())
}

/// The capabilities that this kernel has.
fn known() -> CapabilitySet {
    let has = |bit: &CapabilitySet| rustix::thread::capability_is_in_bounding_set(*bit).unwrap_or(false);
    bits(CapabilitySet::from_bits_retain(u64::MAX)).filter(has).collect()
}

fn bits(set: CapabilitySet) -> impl Iterator<Item = CapabilitySet> {
    (0..=HIGHEST).map(|number| CapabilitySet::from_bits_retain(1 << number)).filter(move |bit| set.contains(*bit))
}
