//! The first start of a container, which makes its disk: on a device whose power goes or that is full, there is no disk or
//! a whole one, and the next start needs nobody's help. Rows 11 and 12 of the list of attacks.

use super::cut::{AT_A_TIME, rounds};
use crate::lab::Lab;
use crate::lab::script::run;

const STORE: &str = include_str!("store.sh");

#[test]
#[ignore = "rung 2: nested systemd"]
fn attack_11_a_power_cut_of_a_first_start_leaves_no_disk_or_a_whole_one() {
    // Labs of their own, as a host has one store.
    for release in [None, Some("trixie")] {
        first(&Lab::boot(release, &[]));
    }
}

#[test]
#[ignore = "rung 2: nested systemd"]
fn attack_12_a_first_start_on_a_device_that_fails_leaves_no_disk_or_a_whole_one() {
    for release in [None, Some("trixie")] {
        failing(&Lab::boot(release, &[]));
    }
}

fn failing(lab: &Lab) {
    crate::lab::image::in_lab("busybox");
    let script = r#"
        sources 80; mkdir small full; cp -a /images/busybox/. one/; echo "127.0.0.1 localhost" >one/etc/hosts
        mkdir -p /etc/soute; trap 'rm -f /etc/soute/soute.toml' EXIT; echo "store = \"$dir/small/store\"" >/etc/soute/soute.toml
        words="No space left on device|Input/output error|Read-only file system|Structure needs cleaning"
        # But for directories: a start makes what it needs in them.
        files() { (cd "$1" && find . ! -type d -printf '%P %y %m %U %G %s %T@ %l\n' | LC_ALL=C sort && find . -type f -exec sha256sum {} + | LC_ALL=C sort) | sha256sum; }
        mount -t tmpfs -o size=1G tmpfs full
        # Not on XFS: there a copy shares what is there, and has nothing to write that has no place yet.
        truncate -s 320M full/file; mkfs.ext4 -q -m 0 -b 4096 full/file; device full/file small
        soute image import first one 2>/dev/null
        define first 'image = "first"' 'restart.policy = "no"'
        wanted=$(files small/store/images/first/root) root=small/store/disks/first/root failed=0
        for bytes in 0 50000 500000 1000000; do
            # What nothing is in has no room of its own: so many bytes reach the device, and then it fails.
            sync -f small; fstrim small; sync -f small
            mount -o remount,size=$(($(df --output=used -B 1 full | tail -n 1) + bytes)) full
            status=0
            soute start first >said 2>&1 || status=$?
            mount -o remount,size=1G full
            if [ $status != 0 ]; then
                failed=$((failed + 1))
                [ $status = 1 ] && grep "^soute: cannot start first: " said | grep -E "$words" >/dev/null || die "$status $(cat said)"
            fi
            soute stop first 2>/dev/null || true; systemctl reset-failed soute@first 2>/dev/null || true
            soon umount small; device full/file small
            # Who was told that it runs has its disk.
            [ $status != 0 ] || [ -e $root ] || die "its disk is lost"
            [ ! -e $root ] || is "$wanted" "$(files $root)"
            has "$(soute image verify first)" "first: ok"
            soute start first; is "$wanted" "$(files $root)"
            soute stop first; soute disk reset first
        done
        [ $failed -gt 0 ] || die "no start failed"
        soute rm -f first; soute image rm first; umount small
        umount full; rm -r "$dir"
    "#;
    run(lab, &[STORE, script].concat());
}

fn first(lab: &Lab) {
    crate::lab::image::in_lab("busybox");
    let script = r#"
        sources 80; mkdir small; cp -a /images/busybox/. one/; echo "127.0.0.1 localhost" >one/etc/hosts
        truncate -s 400M file
        mkdir -p /etc/soute; trap 'rm -f /etc/soute/soute.toml' EXIT; echo "store = \"$dir/small/store\"" >/etc/soute/soute.toml
        # But for directories: a start makes what it needs in them.
        files() { (cd "$1" && find . ! -type d -printf '%P %y %m %U %G %s %T@ %l\n' | LC_ALL=C sort && find . -type f -exec sha256sum {} + | LC_ALL=C sort) | sha256sum; }
        again() { umount small; mount_loop file small; }
        for fs in "ext4 -m 0" "xfs -f"; do
            mkfs.$fs -q file; mount_loop file small
            soute image import first one 2>/dev/null
            define first 'image = "first"' 'restart.policy = "no"'
            wanted=$(files small/store/images/first/root) root=small/store/disks/first/root
            begin=$(date +%s%N); soute start first; whole=$((($(date +%s%N) - begin) / 1000))
            is "$wanted" "$(files $root)"
            cuts=0
            # A copy that shares what is there is short: as many more as it takes to meet one.
            for ((round = 0; round < ROUNDS || cuts == 0 && round < 10 * ROUNDS; round++)); do
                soute stop first; soute disk reset first
                soute start first >/dev/null 2>&1 & start=$!
                # From when the copy has begun.
                while [ -d /proc/$start ] && ! compgen -G "small/store/disks/.tmp-*/root" >/dev/null; do :; done
                pause=$((cuts == 0 ? 0 : whole * (RANDOM % 100) / 200))
                sleep "$(printf '%d.%06d' $((pause / 1000000)) $((pause % 1000000)))"
                xfs_io -x -c shutdown small
                wait $start || cuts=$((cuts + 1))
                systemctl stop soute@first 2>/dev/null || true
                systemctl reset-failed soute@first 2>/dev/null || true
                soon again
                [ ! -e $root ] || is "$wanted" "$(files $root)"
                has "$(soute image verify first)" "first: ok"
                soute start first; soute exec first -- true
                is "$wanted" "$(files $root)"
            done
            [ $cuts -gt 0 ] || die "no start was cut"
            # A full one: the reason is told, and there is no half of a disk.
            for bytes in 0 100000 500000; do
                soute stop first; soute disk reset first; sync -f small
                at=small; fill $bytes
                # On XFS a copy shares what is there, and takes little.
                if said=$(soute start first 2>&1); then
                    is xfs "${fs%% *}"
                else
                    has "$said" "No space left on device"; [ ! -e $root ]
                fi
                rm -f small/fill small/fill2; sync -f small
                systemctl reset-failed soute@first 2>/dev/null || true
                soute start first; is "$wanted" "$(files $root)"
            done
            soute rm -f first; soute image rm first; umount small
        done
        rm -r "$dir"
    "#;
    let script = [STORE, &script.replace("ROUNDS", &AT_A_TIME.to_string())].concat();
    for _ in 0..rounds().div_ceil(AT_A_TIME) {
        run(lab, &script);
    }
}
