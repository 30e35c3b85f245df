//! The file system of the store.

use crate::doctor::facts::Store;
use crate::doctor::finding::Finding;
use crate::output::amount;

const GIB: u64 = 1 << 30;

pub fn judge(store: &Store) -> Vec<Finding> {
    let mut list = Vec::new();
    let place = match store.exists {
        true => format!("{} on {}", store.path, store.kind),
        false => format!("{} is not there yet, and will be on {}", store.path, store.kind),
    };
    match &store.idmapped {
        Some(Ok(())) => {
            list.push(Finding::ok("store", format!("{place}, which shows files under ids of a container's own")))
        }
        Some(Err(why)) => list.push(Finding::problem(
            "store",
            format!("{place}: no idmapped mounts there: {why}"),
            "move the store to ext4, xfs or btrfs (store in /etc/soute/soute.toml)",
        )),
        None => {}
    }
    list.extend(reflink(store));
    list.extend(options(store));
    list.extend([space(store), inodes(store)].into_iter().flatten());
    match store.open.len() {
        0 => {}
        _ => list.push(Finding::problem(
            "store",
            format!("others than root can reach {}", store.open.join(", ")),
            "chown root: and chmod 0700 each of them",
        )),
    }
    list
}

fn reflink(store: &Store) -> Option<Finding> {
    Some(match store.reflink? {
        true => Finding::ok("copies", format!("{} shares blocks: a disk costs what is changed on it", store.kind)),
        false => Finding::warning(
            "copies",
            format!("{} has no reflinks: each disk is a full copy of its image", store.kind),
            "a store on btrfs or XFS",
        ),
    })
}

fn options(store: &Store) -> Vec<Finding> {
    let of = |option: &&str| match *option {
        "nosuid" => Finding::warning(
            "store",
            "mounted nosuid: sudo, su and file capabilities do nothing in containers",
            format!("mount the file system of {} without it", store.path),
        ),
        option => {
            let fix = format!("mount the file system of {} without it", store.path);
            Finding::problem("store", format!("mounted {option}: containers cannot run from it"), fix)
        }
    };
    store.options.iter().map(of).collect()
}

fn space(store: &Store) -> Option<Finding> {
    let (free, all) = store.space;
    let fix = "soute image prune, soute disk du, or a larger file system";
    Some(match free {
        0 if all == 0 => return None,
        0 => Finding::problem("space", "none is left", fix),
        free if free < GIB || free < all / 50 => {
            Finding::warning("space", format!("{} are left", amount::bytes(free)), fix)
        }
        free => Finding::ok("space", format!("{} are left", amount::bytes(free))),
    })
}

fn inodes(store: &Store) -> Option<Finding> {
    let (free, all) = store.inodes;
    let fix = "soute image prune, or a file system made with more (mkfs.ext4 -N, or xfs and btrfs, which make them as needed)";
    Some(match free {
        _ if all == 0 => return None,
        0 => Finding::problem("inodes", "none is left", fix),
        free if free < all / 50 => Finding::warning("inodes", format!("{free} are left of {all}"), fix),
        free => Finding::ok("inodes", format!("{free} are left of {all}")),
    })
}
