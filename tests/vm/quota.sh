# What the lab has not: CAP_SYS_RESOURCE, by which an ext4 that is mounted grows, and quotas of ext4 and XFS.

grows() {
    define grows <<T
image = "raw-ext4"
command = ["sleep", "infinity"]
disk.size = "$1"
T
}
megabytes() { soute exec grows -- stat -fc '%b %S' / | { read -r count size; echo $((count * size >> 20)); }; }
grows 32M
start grows
main=$(property grows MainPID)
soute exec grows -- sh -c 'echo kept >/kept'
say "grows first" "$(megabytes)"
grows 48M
soute disk grow grows >/dev/null
say "grows disk grow" $?
say "grows second" "$(megabytes)"
grows 64M
soute apply grows >/dev/null
say "grows apply" $?
say "grows third" "$(megabytes)"
say "grows filled" "$(soute exec grows -- sh -c 'dd if=/dev/zero of=/big bs=1M count=100 2>&1; sync' | tr '\n' ' ')"
say "grows written" "$(($(soute exec grows -- stat -c %s /big) >> 20))"
say "grows process" "$([ "$(property grows MainPID)" = "$main" ] && echo same) $(soute exec grows -- cat /kept)"
soute rm --force grows

# limited FS: a store below small/in, a project with a limit. XFS calls that of a project by the name of another errno
# (xfs_trans_dqresv of Linux).
limited() {
    truncate -s 320M file
    case $1 in
        ext4) mke2fs -q -t ext4 -O quota,project -E quotatype=prjquota file; words="Disk quota exceeded" ;;
        xfs) mkfs.xfs -q -f file; words="No space left on device" ;;
    esac
    mount -o loop,prjquota file small
    mkdir small/in
    chattr +P -p 42 small/in
}
limit() { xfs_quota -x -f -c "limit -p bhard=$1 42" small; }
# short BYTES: leaves so much to write; `longer` lifts it.
short() {
    sync -f small
    limit $(($(xfs_quota -x -f -c 'quota -p -N -b 42' small | awk '{ print $2 }') * 1024 + $1))
}
longer() { limit 0; }

# With CAP_SYS_RESOURCE there is no quota on ext4.
quota() {
    local operation status
    s() { setpriv --inh-caps=-sys_resource --bounding-set=-sys_resource soute --root "$dir/$at" "$@"; }
    limited "$1"
    store small/in
    for operation in 'image import new one' 'image import --replace swap two' 'commit c new' 'image convert base new --to raw' \
        'disk snapshot c third' 'disk rollback c first' 'import --name d bundle.tar' 'image export base small/in/out' 'export c small/in/out --disk'; do
        status=0
        short 20000
        s $operation >said 2>&1 || status=$?
        longer
        [ $status = 1 ] || die "'$operation' ended with $status: $(tail -n 1 said)"
        has "$(cat said)" "$words"
        images_are_whole "after '$operation'"
        disks_are_whole "after '$operation'"
        [ ! -e small/in/out ] && [ ! -e $at/var/lib/soute/images/new ] && [ ! -e $disk/d/root ] || die "half of '$operation'"
    done
    s image import --replace swap two 2>said || die "$(cat said)"
    s disk rollback c first >said 2>&1 || die "$(cat said)"
    is "" "$(find small -mindepth 1 -name '.t*' -o -name '.soute-export*')"
    images_are_whole "at last"
    disks_are_whole "at last"
    umount small
    echo whole
}
sources 20
mkdir small
for fs in ext4 xfs; do
    say "quota $fs" "$(quota $fs 2>&1 | tail -n 1)"
    ! mountpoint -q small || umount small
done

# The first start of a container, whose copy the runner makes.
mkdir -p /etc/soute /etc/systemd/system/soute@quota-first.service.d
printf '[Service]\nCapabilityBoundingSet=~CAP_SYS_RESOURCE\n' >/etc/systemd/system/soute@quota-first.service.d/10.conf
define quota-first <<'T'
image = "quota-first"
command = ["sleep", "infinity"]
restart.policy = "no"
T
for fs in ext4 xfs; do
    limited $fs
    echo "store = \"$dir/small/in\"" >/etc/soute/soute.toml
    soute image import quota-first /lab/busybox >/dev/null
    short 20000
    refused "quota $fs start" soute start quota-first
    say "quota $fs root" "$(ls small/in/disks/quota-first/root 2>/dev/null || echo none)"
    longer
    start quota-first
    say "quota $fs again" "$(soute exec quota-first -- id -un)"
    soute rm --force quota-first --keep-definition
    rm /etc/soute/soute.toml
    until_true "umount small 2>/dev/null"
done
soute rm --force quota-first
rm -r /etc/systemd/system/soute@quota-first.service.d
cd /root
