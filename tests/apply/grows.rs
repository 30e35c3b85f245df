//! `disk.size`, changed while the container runs.

use crate::lab::Lab;
use crate::lab::script::{both, run};

both!(a_disk_grows_while_it_is_used, where_a_disk_cannot_grow_nothing_is_applied);

fn a_disk_grows_while_it_is_used(lab: &Lab) {
    run(
        lab,
        r#"
        dir=$(mktemp -d)
        truncate -s 120M "$dir/btrfs"; mkfs.btrfs -q --mixed --rootdir /images/busybox "$dir/btrfs"
        soute image import grows "$dir/btrfs" 2>/dev/null
        define grows 'image = "grows"' 'disk.size = "256M"'
        soute start grows
        pid=$(pid grows)
        size() { stat -c %s /var/lib/soute/disks/grows/disk.raw; }
        blocks() { soute exec grows -- stat -fc '%b %S' / | { read -r count size; echo $((count * size >> 20)); }; }
        is "" "$(soute verify grows)"
        define grows 'image = "grows"' 'disk.size = "512M"' 'limits.tasks = 77'
        has "$(fails 7 soute diff grows | tr -s ' ')" 'grows disk.size live "256M" "512M"'
        soute apply grows >/dev/null
        is $((512 << 20)) "$(size)"
        [ "$(blocks)" -gt 400 ]
        is 77 "$(prop grows TasksMax)"
        is $pid "$(pid grows)"
        for again in diff apply verify; do is "" "$(soute $again grows)"; done
        # No disk is made smaller, but by a new one.
        define grows 'image = "grows"' 'disk.size = "300M"' 'limits.tasks = 78'
        has "$(fails 7 soute apply grows | tr -s ' ')" 'grows disk.size recreate "512M" "300M"'
        is "$((512 << 20)) 78" "$(size) $(prop grows TasksMax)"
        soute apply --restart --recreate grows >/dev/null
        is $((300 << 20)) "$(size)"
        is "" "$(soute verify grows)"
        # Without the key it stays as it is.
        define grows 'image = "grows"'
        soute apply grows >/dev/null
        is "$((300 << 20)) $(pid grows)" "$(size) $(pid grows)"
        is "" "$(soute verify grows)"
        # While it is frozen its file system may be, too.
        define grows 'image = "grows"' 'disk.size = "400M"' 'limits.tasks = 79'
        soute pause grows
        has "$(fails 125 soute exec grows true)" "soute resume grows"
        has "$(fails 6 soute apply grows)" "soute resume grows"
        is "$((300 << 20)) 2048" "$(size) $(prop grows TasksMax)"
        soute resume grows
        soute apply grows >/dev/null
        is "$((400 << 20)) 79" "$(size) $(prop grows TasksMax)"
        soute remove --force grows
        soute image remove grows
        rm -r "$dir""#,
    );
}

fn where_a_disk_cannot_grow_nothing_is_applied(lab: &Lab) {
    run(
        lab,
        r#"
        dir=$(mktemp -d)
        truncate -s 120M "$dir/btrfs"; mkfs.btrfs -q --mixed --rootdir /images/busybox "$dir/btrfs"
        soute image import bound "$dir/btrfs" 2>/dev/null
        define bound 'image = "bound"' 'disk.size = "256M"'
        soute start bound
        # Larger than any file of the store can be.
        define bound 'image = "bound"' 'disk.size = "8000000T"' 'limits.tasks = 77'
        has "$(fails 1 soute apply bound)" "cannot apply bound: cannot grow the disk of bound"
        is 2048 "$(prop bound TasksMax)"
        is $((256 << 20)) "$(stat -c %s /var/lib/soute/disks/bound/disk.raw)"
        has "$(fails 7 soute diff bound)" limits.tasks
        is "" "$(soute verify bound | grep -v -e ' live ' -e NEEDS)"
        soute remove --force bound
        soute image remove bound
        rm -r "$dir""#,
    );
}
