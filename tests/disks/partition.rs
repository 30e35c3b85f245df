//! Disks with a partition table: their root partition runs as any raw image does.

use std::path::Path;
use std::process::Command;

use crate::lab::script::{both, run};
use crate::lab::{Lab, Ran, image};

both!(the_root_partition_of_a_disk_is_an_image);

/// The lab of 257 has no sfdisk.
fn make_disk(dir: &Path) {
    let script = r#"
        mke2fs -q -t ext4 -d "$1" root.ext4 24M
        truncate -s 48M disk
        sfdisk -q --no-tell-kernel disk <<'T'
label: gpt
size=8MiB, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B
size=24MiB, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709
type=0FC63DAF-8483-4772-8E79-3D69D8477DE4
T
        dd if=root.ext4 of=disk bs=1M seek=9 conv=notrunc,sparse status=none
        zstd -q disk -o disk.zst
        cp disk damaged
        printf x | dd of=damaged bs=1 seek=1124 conv=notrunc status=none"#;
    let tree = image::tree("busybox");
    let mut command = Command::new("bash");
    command.args(["-euc", script, "bash"]).arg(tree).current_dir(dir).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    Ran::of("a disk", &mut command).ok();
}

fn the_root_partition_of_a_disk_is_an_image(lab: &Lab) {
    let dir = lab.root().join("root/partition");
    std::fs::create_dir(&dir).unwrap();
    make_disk(&dir);
    run(
        lab,
        r#"
        cd /root/partition
        wanted=$(sha256sum <root.ext4)
        for from in disk disk.zst; do
            has "$(soute image import part $from 2>&1)" "ext4"
            is "$wanted" "$(sha256sum </var/lib/soute/images/part/disk.raw)"
            soute image verify part
            define part 'image = "part"' 'disk.size = "64M"'
            soute start part
            soute exec part -- sh -c 'echo kept >/kept'
            soute restart part
            is kept "$(soute exec part -- cat /kept)"
            soute rm -f part; soute image rm part
        done
        has "$(fails 1 soute image import part damaged)" "its partition table (GPT): it is damaged: the checksum of its entries is wrong"
        head -c 20M disk >short
        has "$(fails 1 soute image import part short)" "it is of a disk of at least"
        fails 4 soute image show part >/dev/null
        is "" "$(find /var/lib/soute/images -name '.*' -mindepth 1)"
        cd /; rm -r /root/partition"#,
    );
}
