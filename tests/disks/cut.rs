//! Row 11 of the list of attacks: a power cut at any moment of a command that makes, replaces or removes.
//!
//! The cut is that of the file system: an ioctl (EXT4_IOC_SHUTDOWN, XFS_IOC_GOINGDOWN) after which nothing more reaches its
//! device, neither what page cache holds nor the journal's last transactions, as at the moment when the power goes. What
//! was not synced is lost, so a rename before its data shows. What this cannot show is a device that keeps its own cache
//! from the platter in an order of its own, or tears a sector: the loop device below has none. dm-log-writes shows more.

use crate::lab::Lab;
use crate::lab::script::run;

/// As many as SOUTE_TORTURE says.
fn rounds() -> u32 {
    std::env::var("SOUTE_TORTURE").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(5)
}

#[test]
#[ignore = "rung 2: nested systemd"]
fn attack_11_a_power_cut_on_ext4_leaves_everything_absent_or_whole() {
    cut(crate::lab::script::host(), "ext4");
}

#[test]
#[ignore = "rung 2: nested systemd"]
fn attack_11_a_power_cut_on_xfs_leaves_everything_absent_or_whole() {
    cut(crate::lab::script::host(), "xfs");
}

fn cut(lab: &Lab, fs: &str) {
    let script = r#"
        dir=$(mktemp -d); cd "$dir"; mkdir cut one two
        # Some hundred files: each operation is many steps.
        for n in $(seq 150); do
            head -c $((n * 100)) /dev/urandom >one/$n; ln one/$n one/link-$n
            head -c $((n * 90)) /dev/urandom >two/$n
        done
        truncate -s 400M file; mkfs.FS -q file
        mount_loop() {
            local try device
            for ((try = 0; try < 50; try++)); do
                device=$(losetup -f)
                [ -e "$device" ] || mknod "$device" b 7 "${device#/dev/loop}" 2>/dev/null || true
                if mount -o "loop=$device" "$1" "$2" 2>/dev/null; then return; fi
            done
            die "cannot mount $1"
        }
        mount_loop file cut
        mkdir -p cut/run cut/etc
        s() { soute --root "$dir/cut" "$@"; }
        # But for the time of the top directory: XFS sets it when directories change places (RENAME_EXCHANGE).
        content() { (cd "$1" && { find . -mindepth 1 -type d -printf '%P %m %U %G %T@\n' -o -printf '%P %y %m %U %G %n %s %T@ %l\n' | LC_ALL=C sort; find . -type f -exec sha256sum {} + | LC_ALL=C sort; }) | sha256sum; }
        s image import base one 2>/dev/null; s image import swap one 2>/dev/null
        # A container with a disk, made of an archive that holds one.
        mkdir -p b/definition b/disk; cp -a one b/disk/root; printf '%s\n' 'image = "base"' 'command = ["true"]' >b/definition/c.toml
        digest=$(s image show base --json | sed -n 's/.*"digest": "\(.*\)".*/\1/p' | head -n 1)
        printf '%s\n' 'version = 1' 'name = "c"' 'exported = "now"' 'image = "base"' "digest = \"$digest\"" 'disk = "tree"' >b/soute-container.toml
        tar cf bundle.tar -C b soute-container.toml definition disk/root
        s import bundle.tar 2>/dev/null
        disk=cut/var/lib/soute/disks
        s disk snapshot c first >/dev/null 2>&1; first=$(content $disk/c/root)
        cp -a two/. $disk/c/root/; s disk snapshot c second >/dev/null 2>&1; second=$(content $disk/c/root)
        sync
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
                s image verify $(ls cut/var/lib/soute/images) >verified 2>&1 || die "after '$operation': $(cat verified)"
                has "$(cat verified)" "base: ok"; has "$(cat verified)" "swap: ok"
                now=$(content $disk/c/root)
                [ "$now" = "$first" ] || [ "$now" = "$second" ] || die "after '$operation' the disk is neither of the two"
                for tag in first second third; do
                    [ -e $disk/c/snapshots/$tag ] || { [ $tag = third ] && continue; die "after '$operation' snapshot $tag is lost"; }
                    found=$(content $disk/c/snapshots/$tag/root)
                    [ "$found" = "$first" ] || [ "$found" = "$second" ] || die "after '$operation' snapshot $tag is of neither"
                done
                [ ! -e $disk/d/root ] || is "$first" "$(content $disk/d/root)"
                s disk list >/dev/null
            done
            s remove d >/dev/null 2>&1 || true
            s image import sweep two 2>sweep; s image remove sweep
            # A removal that was cut may be undone, whole: it is done again.
            s remove e >/dev/null 2>&1 || true
            s import --name e bundle.tar 2>sweep; s remove e; sync -f cut
            s disk remove c third >/dev/null 2>&1 || true
            is "" "$(find cut/var/lib/soute -maxdepth 2 -name '.t*')"
        done
        # The premise: most commands were cut while they were at work.
        [ $met -gt $((cuts / 4)) ] || die "only $met of $cuts met a command"
        umount cut; rm -r "$dir"
    "#;
    run(lab, &script.replace("FS", fs).replace("ROUNDS", &rounds().to_string()));
}
