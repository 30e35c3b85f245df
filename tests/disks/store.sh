# A store with images, and a container with a disk and two snapshots of it, on a file system that is to fail.

# sources FILES: two trees, one with hard links, in a directory of their own, which is where we are then.
sources() {
    local n
    dir=$(mktemp -d); cd "$dir"; mkdir one two
    for n in $(seq "$1"); do
        head -c $((n * 100)) /dev/urandom >one/$n; ln one/$n one/link-$n
        head -c $((n * 90)) /dev/urandom >two/$n
    done
    # A container with a disk, made of an archive that holds one.
    mkdir -p b/definition b/disk; cp -a one b/disk/root
    printf '%s\n' 'image = "base"' 'command = ["true"]' >b/definition/c.toml
}
# content DIR: all there is to know of a tree. Access times are not: whoever reads changes them.
content() {
    (cd "$1" && { find . -type d -printf '%P %m %U %G %T@\n' -o -printf '%P %y %m %U %G %n %s %T@ %l\n' | LC_ALL=C sort
        find . -type f -exec sha256sum {} + | LC_ALL=C sort; }) | sha256sum
}
s() { soute --root "$dir/$at" "$@"; }
# store DIR: images base and swap, container c with the snapshots first and second.
store() {
    local digest
    at=$1 disk=$1/var/lib/soute/disks
    mkdir -p $at/run $at/etc
    s image import base one 2>/dev/null; s image import swap one 2>/dev/null
    digest=$(s image show base --json | sed -n 's/.*"digest": "\(.*\)".*/\1/p' | head -n 1)
    printf '%s\n' 'version = 1' 'name = "c"' 'exported = "now"' 'image = "base"' "digest = \"$digest\"" 'disk = "tree"' >b/soute-container.toml
    tar cf bundle.tar -C b soute-container.toml definition disk/root
    s import bundle.tar 2>/dev/null
    s disk snapshot c first >/dev/null 2>&1; first=$(content $disk/c/root)
    cp -a two/. $disk/c/root/; s disk snapshot c second >/dev/null 2>&1; second=$(content $disk/c/root)
}
# images_are_whole WHEN
images_are_whole() {
    s image verify $(ls $at/var/lib/soute/images) >verified 2>&1 || die "$1: $(cat verified)"
    has "$(cat verified)" "base: ok"; has "$(cat verified)" "swap: ok"
}
# disks_are_whole WHEN
disks_are_whole() {
    local now tag found
    now=$(content $disk/c/root)
    [ "$now" = "$first" ] || [ "$now" = "$second" ] || die "$1 the disk is neither of the two"
    for tag in first second third; do
        [ -e $disk/c/snapshots/$tag ] || { [ $tag = third ] && continue; die "$1 snapshot $tag is lost"; }
        found=$(content $disk/c/snapshots/$tag/root)
        [ "$found" = "$first" ] || [ "$found" = "$second" ] || die "$1 snapshot $tag is of neither"
    done
    [ ! -e $disk/d/root ] || is "$first" "$(content $disk/d/root)"
}
# fill BYTES: leaves so much room. What is delayed takes more than was asked for: by less and less.
fill() {
    local left
    left=$(($(stat -f -c '%a * %S' $at) - $1))
    [ $left -lt $((8 << 20)) ] || fallocate -l $((left - (4 << 20))) $at/fill
    left=$(($(stat -f -c '%a * %S' $at) - $1))
    [ $left -le 0 ] || dd if=/dev/zero of=$at/fill2 bs=64K iflag=count_bytes count=$left conv=fsync status=none 2>/dev/null || true
}
# device FILE DIR: mounts a file system whose device fails where the file can grow no more. The loop driver takes a short
# write for a whole one (lo_complete_rq), so that each request has to be of one page.
device() {
    local device try
    for ((try = 0; try < 50; try++)); do
        # Of one that has no node util-linux 2.41 says "(lost)".
        device=$(losetup -f); device=${device%% *}
        [ -e "$device" ] || mknod "$device" b 7 "${device#/dev/loop}" 2>/dev/null || true
        losetup --sector-size 4096 "$device" "$1" 2>looped && break || device=
    done
    [ -n "$device" ] || die "no loop device: $(cat looped)"
    echo 4 >"/sys/block/${device#/dev/}/queue/max_sectors_kb"
    mount "$device" "$2"; losetup -d "$device"
}
