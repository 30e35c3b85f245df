//! Snapshots of disks and the way back, of running and stopped containers, of trees and of raw files.

use crate::lab::Lab;
use crate::lab::script::{both, run};

both!(
    a_disk_is_kept_and_brought_back,
    a_raw_disk_is_kept_and_brought_back,
    who_is_killed_over_a_snapshot_leaves_nothing_frozen,
    changes_since_the_image_are_told,
);

fn a_disk_is_kept_and_brought_back(lab: &Lab) {
    run(
        lab,
        r#"
        define snap
        has "$(fails 4 soute disk snapshot snap)" "snap has no disk"
        fails 4 soute disk snapshot snap-nobody >/dev/null
        soute start snap
        inside() { soute exec snap -- sh -c "$1"; }
        inside 'echo one >/data; ln /data /hard; chown 33:44 /data; mkdir /dir'
        is first "$(soute disk snapshot snap first 2>/tmp/words-$$)"
        has "$(cat /tmp/words-$$)" "frozen for "
        first=$(pid snap)
        is active "$(state snap)"
        inside 'echo two >/data; rm -r /dir; echo more >/more'
        tag=$(soute disk snapshot snap 2>/dev/null)
        has "$(fails 1 soute disk snapshot snap first)" "there is a snapshot first already"
        is "first $tag" "$(soute disk snapshots snap --json | sed -n 's/.*"tag": "\(.*\)".*/\1/p' | xargs)"
        has "$(soute disk list | grep '^snap ')" " 2 "
        # Not while it runs, unless it may be stopped for it.
        has "$(fails 6 soute disk rollback snap first)" "--restart"
        has "$(fails 4 soute disk rollback --restart snap third)" "there is no snapshot third"
        is "$first" "$(pid snap)"
        ids=$(grep ^ids /var/lib/soute/disks/snap/disk.toml)
        soute disk rollback --restart snap first
        is active "$(state snap)"
        is "one 33 44 2" "$(inside 'cat /data; stat -c "%u %g %h" /data; [ -d /dir ] && [ ! -e /more ]' | xargs)"
        is "$ids" "$(grep ^ids /var/lib/soute/disks/snap/disk.toml)"
        soute stop snap
        soute disk rollback snap "$tag" 2>/dev/null
        is two "$(cat /var/lib/soute/disks/snap/root/data)"
        # A snapshot is not what runs: what is done to the disk does not reach it.
        echo other >/var/lib/soute/disks/snap/root/data
        soute disk rollback snap first 2>/dev/null
        is one "$(cat /var/lib/soute/disks/snap/root/data)"
        # Also where the disk is gone.
        soute disk reset snap
        soute disk rollback snap "$tag" 2>/dev/null
        is two "$(cat /var/lib/soute/disks/snap/root/data)"
        is stopped "$(soute disk snapshot snap stopped 2>/tmp/words-$$)"
        lacks "$(cat /tmp/words-$$)" frozen
        fails 4 soute disk remove snap nothing >/dev/null
        soute disk remove snap stopped
        is "snap first" "$(soute disk prune snap --keep 1 --dry-run)"
        is "snap first" "$(soute disk prune snap --keep 1)"
        is "$tag" "$(soute disk snapshots snap | awk 'NR > 1 { print $2 }')"
        # They go with the container, or stay with its disk.
        soute remove --keep-disk snap
        [ -d "/var/lib/soute/disks/snap/snapshots/$tag" ]
        soute remove snap
        [ ! -e /var/lib/soute/disks/snap ]
    "#,
    );
}

fn a_raw_disk_is_kept_and_brought_back(lab: &Lab) {
    run(
        lab,
        r#"
        dir=$(mktemp -d)
        mke2fs -q -t ext4 -d /images/busybox "$dir/raw" 32M
        soute image import snap-ext4 "$dir/raw" 2>/dev/null
        for fs in ext4; do
            name=snap-raw-$fs
            define $name "image = \"snap-$fs\""
            soute start $name
            inside() { soute exec $name -- sh -c "$1"; }
            inside 'echo one >/data'
            soute disk snapshot $name first >/dev/null 2>/tmp/words-$$
            has "$(cat /tmp/words-$$)" "frozen for "
            inside 'echo two >/data'
            # What is in it is a whole file system, that no journal has to mend: the disk was frozen in its own way too.
            e2fsck -fn /var/lib/soute/disks/$name/snapshots/first/disk.raw
            lacks "$(dumpe2fs -h /var/lib/soute/disks/$name/snapshots/first/disk.raw 2>/dev/null)" needs_recovery
            has "$(dumpe2fs -h /var/lib/soute/disks/$name/disk.raw 2>/dev/null)" needs_recovery
            soute disk rollback --restart $name first
            is one "$(inside 'cat /data')"
            soute stop $name; soute disk diff $name | grep -x 'A /data' >/dev/null
            soute start $name; soute disk diff $name | grep -x 'A /data' >/dev/null
            soute rm -f $name
            soute image rm snap-$fs
        done
        rm -r "$dir"
    "#,
    );
}

fn who_is_killed_over_a_snapshot_leaves_nothing_frozen(lab: &Lab) {
    run(
        lab,
        r#"
        dir=$(mktemp -d)
        mke2fs -q -t ext4 -d /images/busybox "$dir/raw" 400M
        soute image import snap-big "$dir/raw" 2>/dev/null
        for image in busybox snap-big; do
            name=snap-kill-$image
            define $name "image = \"$image\""
            soute start $name
            soute exec $name -- dd if=/dev/urandom of=/big bs=1M count=256 2>/dev/null
            frozen() { grep -x 'frozen 1' "/sys/fs/cgroup$(systemctl show -P ControlGroup soute@$name)/cgroup.events" >/dev/null; }
            runs() { ! frozen; }
            caught=
            for ((try = 0; try < 10; try++)); do
                soute disk snapshot $name try-$try >/dev/null 2>&1 & command=$!
                while kill -0 $command 2>/dev/null && ! frozen; do :; done
                if frozen && kill -KILL $command 2>/dev/null; then caught=yes; break; fi
                wait $command || true
            done
            # The premise: it was killed while the container stood still.
            [ -n "$caught" ]
            wait $command || true
            soon runs
            within 20000 soute exec $name -- sh -c 'echo more >/more; sync'
            is active "$(state $name)"
            # The next one finds nothing in its way, and takes what was left.
            soute disk snapshot $name next >/dev/null 2>&1
            [ ! -e /var/lib/soute/disks/$name/snapshots/try-$try ]
            soute rm -f $name
            soon eval "! systemctl is-active --quiet soute-thaw-$name.service"
        done
        soute image rm snap-big; rm -r "$dir"
    "#,
    );
}

fn changes_since_the_image_are_told(lab: &Lab) {
    run(
        lab,
        r#"
        define differs
        soute start differs
        is "" "$(soute disk diff differs | grep -vE '^[AC] /(dev|proc|sys|run|etc|tmp)(/|$)|^C /$' || true)"
        sleep 1
        soute exec differs -- sh -c 'mkdir -p /new/sub; echo x >/new/sub/file; rm /etc/passwd; chmod 600 /etc/group
            echo more >>/etc/shadow; ln -s x /link; mkdir /gone; rmdir /gone'
        wanted="A /link,A /new,A /new/sub,A /new/sub/file,C /etc/group,D /etc/passwd"
        for state in running stopped; do
            got=$(soute disk diff differs | grep -E ' /(link|new|gone|etc/(group|passwd)$)' | paste -sd,)
            is "$wanted" "$(tr , '\n' <<<"$got" | LC_ALL=C sort | paste -sd,)"
            soute stop differs
        done
        soute disk diff differs --json | grep '"deleted"' >/dev/null
        # Content that was changed behind an unchanged time is found by itself.
        soute disk reset differs; soute start differs; soute stop differs
        file=/var/lib/soute/disks/differs/root/bin/busybox
        [ -f $file ] || file=$(find /var/lib/soute/disks/differs/root -type f -size +10k | head -n 1)
        time=$(stat -c %y "$file")
        printf X | dd of="$file" bs=1 seek=5000 conv=notrunc 2>/dev/null
        touch -d "$time" "$file"
        has "$(soute disk diff differs)" "C ${file#/var/lib/soute/disks/differs/root}"
        soute rm differs
    "#,
    );
}
