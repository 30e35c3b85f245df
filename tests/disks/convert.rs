//! `soute image convert`: trees become raw file systems and come back as they were.

use crate::lab::Lab;
use crate::lab::script::{both, run};

both!(trees_and_raw_images_become_each_other);

fn trees_and_raw_images_become_each_other(lab: &Lab) {
    run(
        lab,
        r#"
        dir=$(mktemp -d); cd "$dir"; cp -a /images/busybox tree
        ln tree/bin/busybox tree/hard; mkdir -p tree/a/b; echo x >tree/a/file; chown -R 33:44 tree/a; chmod 2750 tree/a/b
        ln -s /nowhere tree/link; mkfifo tree/fifo; mknod tree/null c 1 3; truncate -s 5M tree/hole
        chmod 4755 tree/a/file; touch -d '1999-12-31 23:59:59.123456789' tree/a/file; touch -d '2001-02-03' tree/a tree
        ! type setcap >/dev/null 2>&1 || setcap cap_net_raw+ep tree/bin/busybox
        soute image import conv tree 2>/dev/null
        digest_of() { soute image show "$1" --json | sed -n 's/.*"digest": "\(.*\)".*/\1/p' | head -n 1; }
        mounts=$(cat /proc/self/mountinfo)
        for fs in ext4 xfs btrfs erofs; do
            soute image convert conv conv-$fs --to raw --fs $fs
            soute image verify conv-$fs
            soute image convert conv-$fs conv-back --to tree
            is "$(digest_of conv)" "$(digest_of conv-back)"
            soute image rm conv-back
            define conv-$fs "image = \"conv-$fs\""
            soute start conv-$fs
            is "33 44 4755" "$(soute exec conv-$fs -- stat -c '%u %g %a' /a/file)"
            soute rm -f conv-$fs
        done
        # A layout has the tree, of whichever kind the image is.
        for image in conv conv-xfs; do
            soute image export $image $image.oci --format oci
            soute image export $image $image.tar --format oci
            for layout in oci tar; do
                soute image import conv-back $image.$layout 2>/dev/null
                is "$(digest_of conv)" "$(digest_of conv-back)"
                soute image rm conv-back
            done
        done
        is "$(ls conv.oci/blobs/sha256 | head -c 1000 | wc -l)" 3
        has "$(fails 1 soute image export conv conv.oci --format oci --force)" "a directory is never replaced"
        has "$(fails 2 soute image export conv conv.tgz --format oci)" "the layer in it is compressed"
        fails 2 soute image export conv - --format oci >/dev/null
        is "$mounts" "$(cat /proc/self/mountinfo)"
        # From one file system to another, in its own place, and with a size.
        soute image convert conv-ext4 --to raw --fs btrfs --size 256M
        is "btrfs $((256 << 20))" "$(soute image show conv-ext4 --json | sed -n 's/.*"fs": "\(.*\)".*/\1/p; s/.*"size": \([0-9]*\).*/\1/p' | xargs)"
        has "$(fails 1 soute image convert conv conv-small --to raw --size 1M)" "cannot convert image conv"
        fails 1 soute image convert conv conv-xfs --to raw >/dev/null
        fails 2 soute image convert conv conv-none --to tree --size 1G >/dev/null
        fails 4 soute image convert conv-nothing --to raw >/dev/null
        # Not under a disk that is a copy of it.
        define conv-kept 'image = "conv"'; soute start conv-kept
        has "$(fails 6 soute image convert conv --to raw)" "the disk of conv-kept is a copy of it"
        soute rm -f conv-kept
        is "conv conv-btrfs conv-erofs conv-ext4 conv-xfs" "$(ls /var/lib/soute/images | grep ^conv | xargs)"
        soute image rm conv conv-btrfs conv-erofs conv-ext4 conv-xfs; rm -r "$dir"
    "#,
    );
}
