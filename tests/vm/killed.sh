# Commands on images and disks, one after the other, until the machine is killed in the middle of one. At its next boot
# everything is looked at; with $last it then goes off as usual.
#
# What the disk of the machine was told to write is in the host's page cache, in its order: like cuts of the power in
# tests/disks/cut.rs, this shows what was not written yet, and tests/disks/cache.rs what a disk's own cache may lose besides.

export TMPDIR=/root
looked_at() {
    local path
    images_are_whole "after the kill"
    disks_are_whole "after the kill"
    for path in $made; do
        [ -e "cut/$path" ] || die "$path was made, and is lost"
    done
    s disk list >said || die "disk list"
    s image import sweep two 2>said || die "$(cat said)"
    s image remove sweep
    s remove d >said 2>&1 || true
    s import --name e bundle.tar 2>said || die "$(cat said)"
    s remove e
    s disk remove c third >said 2>&1 || true
    is "" "$(find cut/var/lib/soute -maxdepth 3 -name '.t*')"
    echo whole
}
if [ -e /root/wanted ]; then
    . /root/wanted
    cd "$dir"
    at=cut disk=cut/var/lib/soute/disks
    say "after the kill" "$(looked_at | tail -n 1)"
else
    sources 40
    mkdir cut
    store cut
    declare -p dir first second >/root/wanted
    sync
fi
[ -z "${last:-}" ] || exit 0

# does COMMAND [PATH…]: what it says is not what is of interest, and what is there when it has ended is told.
does() {
    s $1 >said 2>&1 || true
    say "made" "${@:2}"
}
images=var/lib/soute/images disks=var/lib/soute/disks
s image remove new tagged raw >said 2>&1
say "made" ""
say "at work" "now"
while true; do
    does 'image import new one' $images/new
    does 'image import --replace swap two' $images/new
    does 'image tag base tagged' $images/new $images/tagged
    does 'disk snapshot c third' $images/tagged $disks/c/snapshots/third
    does 'image remove new' $images/tagged $disks/c/snapshots/third
    does 'disk rollback c first' $disks/c/snapshots/third
    does 'image remove tagged' $disks/c/snapshots/third
    does 'import --name d bundle.tar' $disks/d/root etc/soute/containers/d.toml
    does 'disk remove c third' $disks/d/root
    does 'image import --replace swap one' $disks/d/root
    does 'commit c new' $images/new
    does 'remove d' $images/new
    does 'image convert base raw --to raw' $images/raw
    does 'image remove new' $images/raw
    does 'disk rollback c second' ''
    does 'image remove raw'
done
