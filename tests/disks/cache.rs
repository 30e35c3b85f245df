//! Row 11 of the list of attacks on a device with a cache of its own: a power cut loses any part of what was written since
//! the last flush, in any order and in pieces of 4 KiB.
//!
//! QEMU's storage daemon shows a file through FUSE and logs what is written to it (blklogwrites, the format of
//! dm-log-writes); a loop device makes flushes of the file system's. A sequence of commands is run once, and each round makes
//! what a device may hold after a cut at another moment of it (`replay`). What this cannot show is a device that lies about
//! its flushes, or that tears what it takes at once.

use super::cut::rounds;
use crate::lab::Lab;
use crate::lab::script::run;

const STORE: &str = include_str!("store.sh");
const REPLAY: &str = include_str!("replay");

#[test]
#[ignore = "rung 2: nested systemd"]
fn attack_11_a_cache_that_is_lost_on_ext4_leaves_everything_absent_or_whole() {
    cached(&Lab::boot(None, &[]), "ext4 -b 4096");
}

#[test]
#[ignore = "rung 2: nested systemd"]
fn attack_11_a_cache_that_is_lost_on_xfs_leaves_everything_absent_or_whole() {
    cached(&Lab::boot(None, &[]), "xfs");
}

fn cached(lab: &Lab, fs: &str) {
    lab.write("/root/replay", REPLAY);
    let script = r#"
        sources 60; mkdir logged; touch device
        truncate -s 320M back; mkfs.FS -q back; cp --sparse=always back base; : >log
        qemu-storage-daemon --blockdev driver=file,node-name=back,filename=back --blockdev driver=file,node-name=log,filename=log \
            --blockdev driver=blklogwrites,node-name=both,file=back,log=log --export type=fuse,id=shown,node-name=both,mountpoint=device,writable=on &
        daemon=$!
        shown() { [ "$(stat -c %s device)" = $((320 << 20)) ]; }
        soon shown
        mount_loop device logged; store logged
        # done DIR…: what a command that has ended has made; it is to be there whatever is lost, until it is removed.
        ended() { echo "$(perl /root/replay offset log) $*" >>history; }
        does() { s $1 >said 2>&1 || die "$1: $(cat said)"; ended "${@:2}"; }
        ended
        images=var/lib/soute/images disks=var/lib/soute/disks
        for again in 1 2; do
            does 'image import new one' $images/new; does 'image import --replace swap two' $images/new
            does 'image tag base tagged' $images/new $images/tagged
            does 'disk snapshot c third' $images/new $images/tagged $disks/c/snapshots/third
            ended; does 'image remove tagged'; does 'image remove new'; does 'disk rollback c first'
            does 'import --name d bundle.tar' $disks/d/root etc/soute/containers/d.toml
            does 'image import --replace swap one' $disks/d/root
            does 'commit c new' $disks/d/root $images/new; does 'disk rollback c second' $disks/d/root $images/new
            ended; does 'disk remove c third'; does 'remove d'; does 'image remove new'
            does 'image convert base raw --to raw' $images/raw; ended; does 'image remove raw'
        done
        umount logged; kill $daemon; wait $daemon || true; mkdir cut; at=cut disk=cut/$disks
        begin=$(head -n 1 history | cut -d ' ' -f 1) end=$(perl /root/replay offset log)
        for ((round = 0; round < ROUNDS; round++)); do
            cp --sparse=always base file
            cut=$((begin + (RANDOM << 15 | RANDOM) % (end - begin)))
            lost=$(perl /root/replay cut log file $cut $round)
            mount_loop file cut
            when="cut at $cut of $end, $lost:"
            images_are_whole "$when"; disks_are_whole "$when"
            for made in $(awk -v cut=$cut '$1 <= cut { last = $0 } END { $0 = last; $1 = ""; print }' history); do
                [ -e cut/$made ] || die "$when $made was done, and is lost"
            done
            s image import sweep two 2>/dev/null; s image remove sweep; s disk snapshot c fourth >/dev/null 2>&1; s disk remove c fourth
            # Of volumes too.
            s import --name e bundle.tar 2>/dev/null; s remove e
            is "" "$(find cut/var/lib/soute -maxdepth 3 -name '.t*')"
            soon umount cut
        done
        [ $end -gt $((begin + (1 << 20))) ] || die "nothing was logged"
        rm -r "$dir"
    "#;
    // All of it comes from one log; more of them are another time's.
    run(lab, &[STORE, &script.replace("FS", fs).replace("ROUNDS", &(4 * rounds()).to_string())].concat());
}
