//! Row 12 of the list of attacks: no space (ENOSPC), no quota (EDQUOT) or a device that fails (EIO), at any write of any
//! command that makes or replaces. By means of the kernel alone: a file system that is filled to some bytes short, a quota
//! group of btrfs, and a loop device whose file lies on a tmpfs that is full: what is written reaches page cache and fails
//! on its way to the device, data with the tmpfs's ENOSPC where syncfs(2) has to tell of it, a journal with EIO or EROFS.
//!
//! Whatever a command says afterwards, each image, disk and snapshot is what it was or what it was to be, and a command
//! that says that it is done has done it.

use crate::lab::Lab;
use crate::lab::script::run;

const STORE: &str = include_str!("store.sh");

/// `short BYTES` leaves so much to write; `longer` gives it back, and what is on the device is what there is then.
const SPACE: &str = r#"
    truncate -s SIZE file; mkfs.FS -q file; mount_loop file small
    words="No space left on device"
    short() { fill $1; }
    longer() { rm -f small/fill small/fill2; sync -f small; }
"#;
const QUOTA: &str = r#"
    # The limit is a subvolume's: to lift one from the top is a write that it forbids.
    truncate -s 400M file; mkfs.btrfs -q file; mkdir top; mount_loop file top; btrfs quota enable top
    btrfs subvolume create top/sub >said; mount --bind top/sub small
    group=0/$(btrfs subvolume show top/sub | awk '/Subvolume ID:/ { print $3 }')
    words="Disk quota exceeded"
    short() {
        sync -f top; btrfs quota rescan -w top >said
        btrfs qgroup limit $(($(btrfs qgroup show --raw top | awk -v group=$group '$1 == group { print $2 }') + $1)) $group top
    }
    longer() { btrfs qgroup limit none $group top; }
"#;
const DEVICE: &str = r#"
    mkdir full; mount -t tmpfs -o size=1G tmpfs full
    truncate -s SIZE full/file; mkfs.FS -q full/file; device full/file small
    words="No space left on device|Input/output error|Read-only file system|Structure needs cleaning"
    # What nothing is in has no room of its own.
    short() {
        sync -f small; fstrim small; sync -f small
        mount -o remount,size=$(($(df --output=used -B 1 full | tail -n 1) + $1)) full
    }
    longer() {
        mount -o remount,size=1G full
        umount small/run; soon umount small; device full/file small; mount -t tmpfs tmpfs small/run
    }
"#;

fn short(lab: &Lab, means: &str, undone: bool) {
    let script = r#"
        mkdir small/run; mount -t tmpfs tmpfs small/run; store small
        sync -f small
        # What is done, what there is then, and how it is undone.
        images=small/var/lib/soute/images containers=small/etc/soute/containers
        operations=(
            'image import new one|'$images/new'|image remove new' 'image import --replace swap two||' 'image import --replace swap one||'
            'image tag base new|'$images/new'|image remove new' 'commit c new|'$images/new'|image remove new'
            'image convert base new --to raw|'$images/new'|image remove new'
            'disk snapshot c third|'$disk/c/snapshots/third'|disk remove c third' 'disk rollback c second||' 'disk rollback c first||'
            'import --name d bundle.tar|'$disk/d/root'|remove d' 'image export base small/out|small/out|'
            'export c small/out --disk|small/out|' 'create x --image base -- true|'$containers/x.toml'|remove x' 'enable c||' 'disable c||'
        )
        failed=0
        for step in STEPS; do
            for line in "${operations[@]}"; do
                IFS='|' read -r operation made undo <<<"$line"
                status=0
                short $((step + RANDOM % (step / 2 + 1)))
                s $operation >said 2>&1 || status=$?
                longer
                when="'$operation' with $step ended with $status, $(tail -n 1 said): "
                if [ $status != 0 ]; then
                    failed=$((failed + 1))
                    [ $status = 1 ] && grep -qE "$words" said || die "$when not as it should"
                    [ -z "$made" ] || [ "$made" = $disk/d/root ] || [ ! -e "$made" ] || MAYBE die "$when $made is there"
                else
                    [ -z "$made" ] || [ -e "$made" ] || die "$when $made is not there"
                fi
                images_are_whole "$when"; disks_are_whole "$when"
                s image list >/dev/null; s disk list >/dev/null; s check c 2>said || die "$when $(cat said)"
                [ ! -e small/out ] || { tar tf small/out >/dev/null || die "$when it is no archive"; rm small/out; }
                [ -z "$undo" ] || [ ! -e "$made" ] || s $undo >said 2>&1 || die "$when then '$undo': $(cat said)"
                case $operation in import*) s remove d >/dev/null 2>&1 || true ;; esac
            done
            # The next command takes away what was left.
            s image import sweep two 2>/dev/null; s image remove sweep; s disk snapshot c fourth >/dev/null 2>&1; s disk remove c fourth
            s enable c; s disable c
            is "" "$(find small -mindepth 1 -name '.t*' -o -name '.soute-export*' -o -path "*/containers/.*")"
        done
        # The premise: with nothing left, most of them cannot.
        [ $failed -gt 10 ] || die "only $failed failed"
        umount small/run; umount small; [ ! -d full ] || umount full; [ ! -d top ] || umount top; rm -r "$dir"
    "#;
    let steps = if std::env::var_os("SOUTE_TORTURE").is_some() {
        "0 1000 4096 10000 20000 40000 80000 160000 320000 640000 1000000 2000000"
    } else {
        "0 20000 300000"
    };
    let script = script.replace("STEPS", steps);
    // What the journal has not got is undone when the device is seen again, whole or not at all; else it is as it seems.
    let script = script.replace("MAYBE", if undone { "true ||" } else { "" });
    run(lab, &[STORE, "sources 40; mkdir small\n", means, &script].concat());
}

/// In a lab of its own: what it mounts is not for other tests to see.
fn with(means: &str, fs: &str, size: &str) {
    // For others the room that ext4 keeps for root is none.
    let fs = fs.replace("ext4", "ext4 -m 0");
    short(&Lab::boot(None, &[]), &means.replace("FS", &fs).replace("SIZE", size), means == DEVICE);
}

#[test]
#[ignore = "rung 2: nested systemd"]
fn attack_12_no_space_at_any_write_leaves_what_was() {
    with(SPACE, "ext4", "120M");
    with(SPACE, "xfs", "320M");
}

#[test]
#[ignore = "rung 2: nested systemd"]
fn attack_12_no_quota_at_any_write_leaves_what_was() {
    with(QUOTA, "btrfs", "400M");
}

#[test]
#[ignore = "rung 2: nested systemd"]
fn attack_12_a_device_that_fails_at_any_write_leaves_what_was() {
    with(DEVICE, "ext4 -b 4096", "120M");
    with(DEVICE, "xfs -s size=4096", "320M");
}
