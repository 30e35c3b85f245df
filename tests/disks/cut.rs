//! Row 11 of the list of attacks: a power cut at any moment of a command that makes, replaces or removes.
//!
//! The cut is that of the file system: an ioctl (EXT4_IOC_SHUTDOWN, XFS_IOC_GOINGDOWN) after which nothing more reaches its
//! device, neither what page cache holds nor the journal's last transactions, as at the moment when the power goes. What
//! was not synced is lost, so a rename before its data shows. The loop device below has no cache: one that loses what it has
//! not been told to keep is in cache.rs.

use crate::lab::Lab;
use crate::lab::script::run;

const STORE: &str = include_str!("store.sh");

/// As many as SOUTE_TORTURE says.
pub fn rounds() -> u32 {
    std::env::var("SOUTE_TORTURE").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(5)
}

/// Of one script: each has a time within which it ends.
pub const AT_A_TIME: u32 = 5;

#[test]
#[ignore = "rung 2: nested systemd"]
fn attack_11_a_power_cut_on_ext4_leaves_everything_absent_or_whole() {
    cut(&Lab::boot(None, &[]), "ext4");
}

#[test]
#[ignore = "rung 2: nested systemd"]
fn attack_11_a_power_cut_on_xfs_leaves_everything_absent_or_whole() {
    cut(&Lab::boot(None, &[]), "xfs");
}

fn cut(lab: &Lab, fs: &str) {
    let script = r#"
        sources 150; mkdir cut
        truncate -s 400M file; mkfs.FS -q file
        mount_loop file cut; store cut; sync
        operations=(
            'image import new one' 'image import --replace swap two' 'image import --replace swap one' 'image tag base tagged'
            'image remove tagged' 'image remove new' 'disk snapshot c third' 'disk remove c third' 'disk rollback c first'
            'disk rollback c second' 'import --name d bundle.tar' 'remove d' 'commit c new' 'image convert base raw --to raw'
            'image remove raw'
        )
        cuts=0 met=0
        # How long each takes here, so that the power goes while it is at work.
        declare -A whole
        for operation in "${operations[@]}"; do
            start=$(date +%s%N)
            s $operation >/dev/null 2>&1 || die "$operation"
            whole[$operation]=$((($(date +%s%N) - start) / 1000))
        done
        for ((round = 0; round < ROUNDS; round++)); do
            for operation in "${operations[@]}"; do
                s $operation >/dev/null 2>&1 & command=$!
                pause=$((whole[$operation] * (RANDOM % 100) / 100))
                sleep "$(printf '%d.%06d' $((pause / 1000000)) $((pause % 1000000)))"
                ! kill -0 $command 2>/dev/null || met=$((met + 1))
                xfs_io -x -c shutdown cut; cuts=$((cuts + 1))
                wait $command || true
                soon umount cut; mount_loop file cut
                # The next command takes away what was left, without being asked.
                images_are_whole "after '$operation'"
                disks_are_whole "after '$operation'"
                s disk list >/dev/null
            done
            s remove d >/dev/null 2>&1 || true
            s image import sweep two 2>sweep; s image remove sweep
            # A removal that was cut may be undone, whole: it is done again.
            s remove e >/dev/null 2>&1 || true
            s import --name e bundle.tar 2>sweep; s remove e; sync -f cut
            s disk remove c third >/dev/null 2>&1 || true
            is "" "$(find cut/var/lib/soute -maxdepth 3 -name '.t*')"
        done
        # The premise: most commands were cut while they were at work.
        [ $met -gt $((cuts / 4)) ] || die "only $met of $cuts met a command"
        umount cut; rm -r "$dir"
    "#;
    let script = [STORE, &script.replace("FS", fs).replace("ROUNDS", &AT_A_TIME.to_string())].concat();
    for _ in 0..rounds().div_ceil(AT_A_TIME) {
        run(lab, &script);
    }
}
