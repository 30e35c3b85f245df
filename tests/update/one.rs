//! One container.

use super::run;
use crate::lab::Lab;
use crate::lab::script::both;

both!(
    the_old_disk_is_kept_and_comes_back,
    what_does_not_run_is_only_prepared,
    newer_content_of_the_same_image_is_an_update_too,
    whoever_requires_it_is_started_again,
    a_raw_disk_takes_the_place_of_a_tree,
    killed_at_any_step_the_next_start_brings_it_to_an_end,
);

fn the_old_disk_is_kept_and_comes_back(lab: &Lab) {
    run(
        lab,
        r##"
        made there one; made there two; made there three
        define there '# why' 'image = "there-one" # which' '[[mount]]' 'type = "volume"' 'source = "there-data"' 'target = "/data"'
        cp /etc/soute/containers/there.toml before
        soute start there
        inside() { soute exec there -- sh -c "$1"; }
        inside 'echo own >/own; echo data >/data/file'
        soute disk snapshot there early 2>/dev/null
        ids=$(grep ^ids /var/lib/soute/disks/there/disk.toml)
        said=$(soute update there --image there-two --settle 1s 2>&1)
        has "$said" "changed /etc/soute/containers/there.toml"
        has "$said" "the old disk is kept"
        is two "$(version there)"
        is data "$(inside 'test ! -e /own; cat /data/file')"
        is 'image = "there-two" # which' "$(grep ^image /etc/soute/containers/there.toml)"
        has "$(cat /etc/soute/containers/there.toml)" '# why'
        is "$ids" "$(grep ^ids /var/lib/soute/disks/there/disk.toml)"
        # What runs is what is written.
        soute diff there
        soute verify there
        lacks "$(soute audit there)" WRONG
        soon said there 'updated from image there-one to there-two (sha256:'
        # The snapshot is the container's, whatever it runs on.
        is early "$(soute disk snapshots there | awk 'NR > 1 { print $2 }')"
        has "$(soute status there)" "Kept: /var/lib/soute/disks/.previous-there (a copy of there-one"
        has "$(soute disk list | grep '^there ')" "the one before, of there-one, is kept"
        has "$(soute disk list --json)" '"image": "there-one"'
        has "$(soute disk du there)" "there (kept)"
        has "$(soute show there)" "a copy of there-one: soute rollback there"
        has "$(soute show --json there)" '"kept"'
        soute list -q --all | while read -r name; do lacks "$name" previous; done
        has "$(soute update there --image there-two 2>&1)" "up to date"
        rests there
        # Offline: neither image is there.
        soute image remove --force there-one 2>/dev/null
        soute rollback there
        is one "$(version there)"
        is "own data" "$(inside 'cat /own /data/file' | xargs)"
        cmp before /etc/soute/containers/there.toml
        soute diff there || [ $? = 7 ]
        soon said there 'back on image there-one'
        is early "$(soute disk snapshots there | awk 'NR > 1 { print $2 }')"
        has "$(soute status there)" "a copy of there-two"
        # Forward again, and what was written in the definition meanwhile stays.
        sed -i 's/# why/# why not/' /etc/soute/containers/there.toml
        soute stop there
        soute rollback there
        is inactive "$(state there)"
        has "$(cat /etc/soute/containers/there.toml)" '# why not'
        is 'image = "there-two" # which' "$(grep ^image /etc/soute/containers/there.toml)"
        soute start there
        is two "$(version there)"
        # One is kept, and no more than one.
        soute update there --image there-three --settle 0s 2>/dev/null
        has "$(soute status there)" "a copy of there-two"
        has "$(soute disk prune --dry-run there)" "there-two"
        has "$(soute disk prune there)" "there-two"
        lacks "$(soute status there)" Kept
        has "$(fails 4 soute rollback there)" "no disk is kept"
        is three "$(version there)"
        fails 4 soute rollback there-nobody >/dev/null
        soute update there --image there-two --settle 0s 2>/dev/null
        rests there
        soute remove --force there
        gone there
        is data "$(cat /var/lib/soute/volumes/there-data/file)"
        rm -r /var/lib/soute/volumes/there-data"##,
    );
}

fn what_does_not_run_is_only_prepared(lab: &Lab) {
    run(
        lab,
        r##"
        made still one; made still two
        define still 'image = "still-one"'
        # Without a disk there is only the definition to change.
        has "$(soute update still --image still-two 2>&1)" "its next start makes one"
        is 'image = "still-two"' "$(grep ^image /etc/soute/containers/still.toml)"
        is inactive "$(state still)"
        soute start still
        is two "$(version still)"
        soute stop still
        has "$(soute update still --image still-one 2>&1)" "its next start is on the new disk"
        is inactive "$(state still)"
        soute start still
        is one "$(version still)"
        soute rollback still
        is two "$(version still)"
        # The definition was changed by hand.
        sed -i s/still-two/still-one/ /etc/soute/containers/still.toml
        has "$(soute restart still 2>&1)" "soute update still"
        is two "$(version still)"
        soute update still --settle 0s
        is one "$(version still)"
        # A definition of a package's gets a drop-in.
        soute stop still
        mkdir -p /run/shipped
        mv /etc/soute/containers/still.toml /run/shipped/still.toml
        ln -s /run/shipped/still.toml /etc/soute/containers/still.toml
        soute update still --image still-two 2>/dev/null
        has "$(cat /run/shipped/still.toml)" still-two
        # An image table becomes a name: source and digest were the other's.
        printf 'image = { name = "still-two", source = "docker://registry.invalid/still:2" }\ncommand = ["sleep", "infinity"]\n' >/etc/soute/containers/still.toml
        soute update still --image still-one 2>/dev/null
        is 'image = "still-one"' "$(grep ^image /etc/soute/containers/still.toml)"
        soute rollback still
        has "$(cat /etc/soute/containers/still.toml)" registry.invalid
        # Without a disk of its own the way back is the definition.
        soute remove still
        define still 'image = "still-one"' 'disk.mode = "read-only"'
        soute start still
        has "$(fails 5 soute update still)" "it keeps no disk"
        soute update still --image still-two --settle 0s 2>/dev/null
        is two "$(version still)"
        soute rollback still
        is one "$(version still)"
        rests still
        soute remove --force still
        gone still"##,
    );
}

fn newer_content_of_the_same_image_is_an_update_too(lab: &Lab) {
    run(
        lab,
        r##"
        tree=$(mktemp -d /var/tmp/XXXXXX)
        cp -a /images/busybox/. "$tree"
        echo one >"$tree/version"
        soute image import newer "$tree" --command '["sleep", "11111"]' 2>/dev/null
        printf 'image = "newer"\n' >/etc/soute/containers/newer.toml
        soute start newer
        before=$(pid newer)
        argv() { tr '\0' ' ' <"/proc/$(pid newer)/cmdline"; }
        has "$(argv)" "sleep 11111"
        has "$(soute update newer 2>&1)" "up to date"
        is "$before" "$(pid newer)"
        echo two >"$tree/version"
        soute image import newer "$tree" --replace --command '["sleep", "22222"]' 2>/dev/null
        soute update newer --settle 0s 2>/dev/null
        is two "$(version newer)"
        has "$(argv)" "sleep 22222"
        # The old one is what it was, though no image says so any more.
        soute rollback newer
        is one "$(version newer)"
        has "$(argv)" "sleep 11111"
        soute restart newer
        has "$(argv)" "sleep 11111"
        soute update newer --settle 0s 2>/dev/null
        has "$(argv)" "sleep 22222"
        is two "$(version newer)"
        rests newer
        rm -r "$tree"
        soute remove --force newer
        soute image remove newer"##,
    );
}

fn whoever_requires_it_is_started_again(lab: &Lab) {
    run(
        lab,
        r##"
        made needed one; made needed two; made needed bad 'rm "$tree/bin/sleep"'
        define needed 'image = "needed-one"'
        define needs 'requires = ["needed"]'
        soute start needs
        first=$(pid needs)
        soute update needed --image needed-two --settle 0s 2>/dev/null
        is active "$(state needs)"
        [ "$(pid needs)" != "$first" ]
        fails 1 soute update needed --image needed-bad --settle 0s >/dev/null
        is two "$(version needed)"
        is active "$(state needs)"
        soute rollback needed
        is active "$(state needs)"
        is one "$(version needed)"
        # Somebody who stops it meanwhile is heard.
        soute update needed --image needed-two --settle 5min >said 2>&1 &
        soon eval '[ "$(version needed 2>/dev/null)" = two ]'
        has "$(soute status needed)" "Update: goes on"
        has "$(fails 6 soute update needed)" "is being updated by another command"
        has "$(fails 6 soute rollback needed)" "is being updated by another command"
        soute stop needed
        status=0; wait $! || status=$?
        is 1 $status
        has "$(cat said)" "it was stopped while it was watched"
        is inactive "$(state needed)"
        soute rollback needed
        rests needed
        soute remove --force needed needs
        gone needed"##,
    );
}

fn a_raw_disk_takes_the_place_of_a_tree(lab: &Lab) {
    run(
        lab,
        r##"
        made raw one
        dir=$(mktemp -d)
        cp -a /images/busybox "$dir/tree"
        echo two >"$dir/tree/version"
        mke2fs -q -t ext4 -d "$dir/tree" "$dir/raw" 32M
        soute image import raw-two "$dir/raw" 2>/dev/null
        rm -r "$dir"
        define raw 'image = "raw-one"'
        soute start raw
        soute exec raw -- touch /own
        soute update raw --image raw-two --settle 0s 2>/dev/null
        is "two ext4" "$(version raw) $(soute exec raw -- awk '$2 == "/" { print $3 }' /proc/mounts | tail -n1)"
        soute rollback raw
        is one "$(version raw)"
        soute exec raw -- test -e /own
        soute rollback raw
        is two "$(version raw)"
        rests raw
        soute remove --force raw
        gone raw"##,
    );
}

fn killed_at_any_step_the_next_start_brings_it_to_an_end(lab: &Lab) {
    run(
        lab,
        r##"
        made cut one; made cut two
        define cut 'image = "cut-one"'
        soute start cut
        calls=rename,renameat,renameat2
        agrees() {
            local now=$1
            is "image = \"cut-$now\"" "$(grep ^image /etc/soute/containers/cut.toml)"
            is "$now" "$(version cut)"
            soute diff cut >/dev/null
            rests cut
            is early "$(soute disk snapshots cut | awk 'NR > 1 { print $2 }')"
        }
        soute disk snapshot cut early 2>/dev/null
        for verb in "update cut --settle 0s --image" rollback; do
            for ((step = 1; step < 60; step++)); do
                now=$(version cut)
                other=$([ "$now" = one ] && echo two || echo one)
                arguments=$verb
                [ "$verb" = rollback ] && arguments="rollback cut" || arguments="$verb cut-$other"
                status=0
                # shellcheck disable=SC2086
                strace -qq -f -o /dev/null -e trace=$calls -e inject=$calls:signal=KILL:when=$step soute $arguments >/dev/null 2>&1 || status=$?
                [ $status = 0 ] || [ $status = 137 ] || die "step $step of $verb ended with $status"
                soute start cut 2>/dev/null
                # Whichever it is, all agree.
                agrees "$(version cut)"
                [ $status != 0 ] || break
                if [ "$verb" = rollback ] && ! [ -d /var/lib/soute/disks/.previous-cut ]; then die "nothing is kept at step $step"; fi
            done
            [ $status = 0 ] || die "$verb never came to its end"
            [ $step -gt 4 ] || die "$verb has only $step steps"
        done
        soute remove --force cut
        gone cut"##,
    );
}
