# Roots by file system, on a kernel that cannot idmap all of them.

# ---- A store on tmpfs, which Linux can idmap since 6.3.
mkdir -p /var/lib/soute
mount -t tmpfs tmpfs /var/lib/soute
soute image import busybox /lab/busybox >/dev/null
define shifted <<'T'
image = "busybox"
command = ["sleep", "infinity"]
T
start shifted
disk=/var/lib/soute/disks/shifted
ids=$(awk '/^ids/ { print $3 }' $disk/disk.toml)
say "shifted record" "$(grep -E '^(ids|shifted|copied)' $disk/disk.toml | tr '\n' ' ')"
say "shifted outside" "$(($(stat -c %u $disk/root/etc/passwd) - ids)) $(($(stat -c %g $disk/root/etc/passwd) - ids))"
say "shifted inside" "$(soute exec shifted -- stat -c '%u %g' /etc/passwd)"
soute exec --user www-data shifted -- touch /tmp/made
soute restart shifted
say "shifted again" "$(soute exec shifted -- stat -c %u /etc/passwd /tmp/made | tr '\n' ' ')$(($(stat -c %u $disk/root/tmp/made) - ids))"
say "shifted status" "$(soute status shifted | grep -E '^ *Ids:' | tr -s ' ')"
soute rm --force shifted
define unshifted <<'T'
image = "busybox"
command = ["true"]
restart.policy = "no"
disk.mode = "read-only"
T
refused "read-only tmpfs" soute start unshifted
define volume <<'T'
image = "busybox"
command = ["true"]
restart.policy = "no"
[[mount]]
type = "volume"
source = "data"
target = "/data"
T
refused "volume tmpfs" soute start volume
mke2fs -q -t ext4 -d /lab/busybox /root/ext4.raw 16M
soute image import ext4 /root/ext4.raw >/dev/null
define buffered <<'T'
image = "ext4"
command = ["sleep", "infinity"]
restart.policy = "no"
limits.write-bandwidth = "2MB/s"
T
refused "write limit tmpfs" soute start buffered
soute rm --force unshifted volume buffered 2>/dev/null
umount /var/lib/soute

# ---- Raw disks, two containers from one image at a time.
raw=/root/raw
mkdir -p /root/mnt
truncate -s 32M $raw.xfs
mkfs.xfs -q --unsupported $raw.xfs
mount -o loop $raw.xfs /root/mnt && cp -a /lab/busybox/. /root/mnt/ && umount /root/mnt
truncate -s 64M $raw.btrfs
mkfs.btrfs -q --mixed --rootdir /lab/busybox $raw.btrfs >/dev/null
mkfs.erofs --quiet $raw.erofs /lab/busybox >/dev/null 2>&1
mksquashfs /lab/busybox $raw.squashfs -quiet -no-progress >/dev/null
cp /root/ext4.raw $raw.ext4
for fs in ext4 xfs btrfs erofs squashfs; do
    soute image import raw-$fs $raw.$fs >/dev/null
    for name in $fs-a $fs-b; do
        define $name <<T
image = "raw-$fs"
command = ["sleep", "infinity"]
restart.policy = "no"
T
    done
    [ $fs != squashfs ] || break
    start $fs-a $fs-b
    say "$fs root" "$(soute exec $fs-a -- awk '$5 == "/" { sub(/.* - /, ""); print $1 }' /proc/self/mountinfo)"
    say "$fs owner" "$(soute exec $fs-b -- stat -c '%u %g' /etc/passwd)"
    say "$fs write" "$(soute exec $fs-a -- sh -c 'echo kept >/kept && cat /kept' 2>&1)"
    say "$fs other" "$(soute exec $fs-b -- cat /kept 2>&1)"
    soute restart $fs-a
    say "$fs restarted" "$(soute exec $fs-a -- cat /kept 2>&1)"
    say "$fs loops" "$(losetup --noheadings --list --output DIO,AUTOCLEAR,BACK-FILE | grep /var/lib/soute | tr -s ' ' | cut -d' ' -f1-3 | sort -u | tr '\n' ' ')"
    soute rm --force $fs-a $fs-b
    say "$fs loops left" "$(losetup --noheadings --list --output BACK-FILE | grep -c /var/lib/soute)"
done
refused "squashfs" soute start squashfs-a
say "squashfs unit" "$(property squashfs-a Result) $(soute status squashfs-a | grep -E '^ *Status:' | sed 's,^ *,,')"
cat >>/etc/soute/containers/squashfs-b.toml <<'T'
namespaces.user = "host"
T
start squashfs-b
say "squashfs host ids" "$(soute exec squashfs-b -- stat -c '%u %g' /etc/passwd)"
soute rm --force squashfs-a squashfs-b

# ---- ext4 images that ask for a panic at the first error (attack 48).
panics() {
    mkdir -p /root/evil/bad
    cp -a /lab/busybox/. /root/evil/
    echo x >/root/evil/bad/file
    mke2fs -q -t ext4 -O metadata_csum -d /root/evil "$1" 16M
    tune2fs -e panic "$1" >/dev/null
    # An inode whose checksum is wrong: that of the root at mount(2), that of a directory when somebody looks.
    local at
    at=$(debugfs -R "imap $2" "$1" 2>/dev/null | sed -n 's/.*located at block \([0-9]*\), offset \(0x[0-9a-f]*\).*/\1 \2/p')
    printf '\xff\xff' | dd of="$1" bs=1 seek=$((${at% *} * $(dumpe2fs -h "$1" 2>/dev/null | awk '/^Block size/ { print $3 }') + ${at#* } + 16)) conv=notrunc 2>/dev/null
    say "$1" "$(dumpe2fs -h "$1" 2>/dev/null | grep 'Errors behavior')"
}
panics /root/at-mount.raw /
panics /root/at-look.raw /bad
for name in at-mount at-look; do
    soute image import $name /root/$name.raw >/dev/null
    define $name <<T
image = "$name"
command = ["sleep", "infinity"]
restart.policy = "no"
T
done
refused "panic at mount" soute start at-mount
start at-look
say "panic at look before" "$(soute exec at-look -- sh -c 'echo fine >/fine; cat /fine')"
say "panic at look" "$(soute exec at-look -- ls /bad 2>&1) $(soute exec at-look -- touch /more 2>&1)"
say "panic kernel" "$(dmesg | grep -c 'EXT4-fs error')"
soute rm --force at-mount at-look
