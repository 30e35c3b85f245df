//! `disk.size`: a raw disk as large as its definition says, and no larger.

use crate::lab::Lab;
use crate::lab::script::{both, run};

both!(raw_disks_are_as_large_as_they_are_told, sizes_that_cannot_be_had_are_refused);

fn raw_disks_are_as_large_as_they_are_told(lab: &Lab) {
    run(
        lab,
        r#"
        dir=$(mktemp -d); mkdir "$dir/mnt"
        mke2fs -q -t ext4 -d /images/busybox "$dir/ext4" 24M
        truncate -s 120M "$dir/btrfs"; mkfs.btrfs -q --mixed --rootdir /images/busybox "$dir/btrfs"
        truncate -s 320M "$dir/xfs"; mkfs.xfs -q "$dir/xfs"
        mount_loop "$dir/xfs" "$dir/mnt"; cp -a /images/busybox/. "$dir/mnt"; umount "$dir/mnt"
        for fs in ext4 btrfs xfs; do
            name=size-$fs
            soute image import $name "$dir/$fs" 2>/dev/null
            was=$(stat -c %s "$dir/$fs")
            define $name "image = \"$name\"" 'disk.size = "512M"'
            soute start $name
            file=/var/lib/soute/disks/$name/disk.raw
            is $((512 << 20)) "$(stat -c %s $file)"
            blocks() { soute exec $name -- stat -fc '%b %S' / | { read -r count size; echo $((count * size >> 20)); }; }
            [ "$(blocks)" -gt 400 ] && [ "$(blocks)" -le 512 ]
            # The image is as it was, and so is a disk without the key.
            is "$was" "$(stat -c %s /var/lib/soute/images/$name/disk.raw)"
            # More cannot be written than it has: on ext4 and xfs a whole one of it.
            written=$(soute exec $name -- sh -c 'dd if=/dev/zero of=/big bs=1M count=600 2>&1; sync; stat -c %s /big; rm /big')
            has "$written" "No space left on device"
            soute exec $name -- sh -c 'echo kept >/kept'
            # What runs grows, but for an ext4 where there is no CAP_SYS_RESOURCE.
            sed -i 's/512M/768M/' /etc/soute/containers/$name.toml
            if [ $fs != ext4 ] || capsh --has-p=cap_sys_resource 2>/dev/null; then
                before=$(pid $name)
                soute disk grow $name
                [ "$(blocks)" -gt 650 ] && [ "$(blocks)" -le 768 ]
                is "$before" "$(pid $name)"
                soute disk grow $name
                # And what does not run, at its next start.
                sed -i 's/768M/1G/' /etc/soute/containers/$name.toml
                soute restart $name
                [ "$(blocks)" -gt 900 ] && [ "$(blocks)" -le 1024 ]
                is kept "$(soute exec $name -- cat /kept)"
                # The other way there is none.
                sed -i 's/1G/700M/' /etc/soute/containers/$name.toml
                has "$(fails 1 soute restart $name)" "is never made smaller"
            else
                has "$(fails 9 soute disk grow $name)" "takes CAP_SYS_RESOURCE"
            fi
            soute rm -f $name; soute image rm $name
        done
        rm -r "$dir"
    "#,
    );
}

fn sizes_that_cannot_be_had_are_refused(lab: &Lab) {
    run(
        lab,
        r#"
        dir=$(mktemp -d)
        define size-tree 'disk.size = "1G"'
        has "$(fails 5 soute start size-tree)" "disk.size is for raw disks for now, and image busybox is a directory tree"
        mke2fs -q -t ext4 -d /images/busybox "$dir/ext4" 24M
        soute image import size-small "$dir/ext4" 2>/dev/null
        define size-small 'image = "size-small"' 'disk.size = "16M"'
        has "$(fails 5 soute start size-small)" "disk.size is 16M, less than the 24M of image size-small"
        define size-small 'image = "size-small"' 'disk.size = "64M"' 'disk.mode = "read-only"'
        has "$(fails 5 soute check size-small)" 'mode is "read-only"'
        soute rm size-tree size-small; soute image rm size-small; rm -r "$dir"
    "#,
    );
}
