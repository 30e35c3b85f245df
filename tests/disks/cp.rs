//! `soute cp`, in both directions, of running and stopped containers, and of those that mean us harm.

use crate::lab::Lab;
use crate::lab::script::{both, run};

both!(
    files_and_directories_go_where_cp_puts_them,
    mounts_of_a_running_container_are_seen,
    owners_are_the_containers,
    archives_come_and_go,
    hostile_trees_are_contained,
    raw_disks_of_stopped_containers,
);

fn files_and_directories_go_where_cp_puts_them(lab: &Lab) {
    run(
        lab,
        r#"
        define cp-paths
        work=$(mktemp -d); cd "$work"
        mkdir -p from/sub; echo one >from/one; echo two >from/sub/two; ln -s one from/link; ln from/one from/hard
        chmod 750 from/sub; touch -d '2001-02-03 04:05:06' from/one
        soute start cp-paths
        inside() { soute exec cp-paths -- "$@"; }
        for state in running stopped; do
            # A file: to a new name, into a directory, over a file.
            soute cp from/one cp-paths:/srv-$state
            soute cp from/one cp-paths:/tmp/
            soute cp ./from/sub/two cp-paths:/tmp/one
            has "$(fails 1 soute cp from/one cp-paths:/nowhere/)" "there is no directory /nowhere/"
            has "$(fails 1 soute cp from/one cp-paths:/nowhere/x)" "cannot open directory /nowhere: No such file"
            has "$(fails 1 soute cp from/one cp-paths:/tmp/one/)" "/tmp/one/ is no directory"
            has "$(fails 1 soute cp nothing cp-paths:/tmp)" "No such file or directory"
            # A directory: to a new name, into one that is there, and its content alone.
            soute cp from cp-paths:/new-$state
            soute cp from/ cp-paths:/new-$state
            soute cp from/. cp-paths:/new-$state/again
            has "$(fails 1 soute cp from cp-paths:/tmp/one)" "/tmp/one is no directory"
            # And back.
            soute cp cp-paths:/new-$state/one got-$state
            is one "$(cat got-$state)"
            is "$(stat -c '%Y %a' from/one)" "$(stat -c '%Y %a' got-$state)"
            mkdir back-$state
            soute cp cp-paths:/new-$state back-$state
            soute cp cp-paths:new-$state/. back-$state
            soute cp cp-paths:/tmp/one cp-paths:/other-$state 2>/dev/null || [ $state = stopped ]
            for tree in back-$state/new-$state/from back-$state/from back-$state/again; do
                diff -r from "$tree"
                is one "$(readlink "$tree/link")"
                is 2 "$(stat -c %h "$tree/one")"
                is 750 "$(stat -c %a "$tree/sub")"
            done
            [ $state = stopped ] || is two "$(inside cat /tmp/one)"
            [ $state = stopped ] || is two "$(inside cat /other-running)"
            soute stop cp-paths
        done
        # What runs has what was copied while it did not.
        soute start cp-paths
        is one "$(inside cat /srv-stopped)"
        fails 2 soute cp from to >/dev/null
        fails 4 soute cp from cp-nobody:/x >/dev/null
        fails 2 soute cp - - >/dev/null
        soute rm -f cp-paths
        define cp-paths
        has "$(fails 3 soute cp from cp-paths:/x)" "has no disk of its own"
        soute rm cp-paths; rm -r "$work"
    "#,
    );
}

fn mounts_of_a_running_container_are_seen(lab: &Lab) {
    run(
        lab,
        r#"
        mkdir -p /srv/cp-bind; echo bound >/srv/cp-bind/file
        define cp-mounts '[[mount]]' 'type = "volume"' 'source = "cp-data"' 'target = "/data"' \
            '[[mount]]' 'source = "/srv/cp-bind"' 'target = "/bind"' 'read-only = true' '[[mount]]' 'type = "tmpfs"' 'target = "/mem"'
        soute start cp-mounts
        work=$(mktemp -d); cd "$work"; echo x >x; mkdir -p tree/data/deep tree/mem; echo y | tee tree/data/deep/y tree/mem/y >/dev/null
        soute cp x cp-mounts:/mem/x
        soute cp x cp-mounts:/data/
        soute cp tree/. cp-mounts:/
        is "x y" "$(soute exec cp-mounts -- cat /mem/x /mem/y | xargs)"
        is "x" "$(cat /var/lib/soute/volumes/cp-data/x)"
        is "y" "$(cat /var/lib/soute/volumes/cp-data/deep/y)"
        soute cp cp-mounts:/bind got; is bound "$(cat got/file)"
        has "$(fails 1 soute cp x cp-mounts:/bind/x)" "Read-only file system"
        has "$(fails 1 soute cp x cp-mounts:/bind/file)" "Read-only file system"
        soute rm -f cp-mounts; rm -r "$work"
    "#,
    );
}

fn owners_are_the_containers(lab: &Lab) {
    run(
        lab,
        r#"
        define cp-owners
        work=$(mktemp -d); cd "$work"
        echo x >x; chown 33:44 x; chmod 4755 x
        soute start cp-owners
        for state in running stopped; do
            soute cp x cp-owners:/plain
            soute cp -a x cp-owners:/kept
            soute cp cp-owners:/kept got
            # On the host it has no power, whoever's it is.
            is "0:0 755" "$(stat -c '%u:%g %a' got)"
            soute cp --archive cp-owners:/kept got
            is "33:44 755" "$(stat -c '%u:%g %a' got)"
            soute stop cp-owners
        done
        disk=/var/lib/soute/disks/cp-owners/root
        is "0:0 4755 33:44 4755" "$(stat -c '%u:%g %a' $disk/plain $disk/kept | xargs)"
        soute start cp-owners
        is "0:0 33:44" "$(soute exec cp-owners -- stat -c %u:%g /plain /kept | xargs)"
        chown 70000 x
        fails 1 soute cp -a x cp-owners:/none >/dev/null
        soute stop cp-owners
        has "$(fails 1 soute cp -a x cp-owners:/none)" "its owner 70000 is none of the container's ids"
        soute rm cp-owners
        define cp-owners 'namespaces.user = "host"'
        soute start cp-owners
        soute cp -a x cp-owners:/none
        is 70000 "$(soute exec cp-owners -- stat -c %u /none)"
        soute rm -f cp-owners; rm -r "$work"
    "#,
    );
}

fn archives_come_and_go(lab: &Lab) {
    run(
        lab,
        r#"
        define cp-tar
        work=$(mktemp -d); cd "$work"
        mkdir -p d/e; echo a >d/a; echo b >d/e/b; chown 33:44 d/e/b; mkfifo d/fifo
        soute start cp-tar
        for state in running stopped; do
            tar cf - d | soute cp - cp-tar:/srv-$state 2>words
            has "$(cat words)" "leaving out: d/fifo"
            tar czf - d | soute cp - cp-tar:/tmp 2>/dev/null
            soute cp cp-tar:/tmp/d - >out.tar
            is "d/ d/a d/e/ d/e/b" "$(tar tf out.tar | sed 's,^\./,,' | sort | xargs)"
            is "33/44" "$(tar tvf out.tar | awk '$6 ~ /b$/ { print $2 }')"
            is a "$(soute cp cp-tar:/tmp/d/a - | tar xO)"
            has "$(tar cf - d | fails 1 soute cp - cp-tar:/tmp/d/a)" "is no directory"
            has "$(head -c 5000 /dev/urandom | fails 1 soute cp - cp-tar:/tmp)" "a header is damaged"
            soute stop cp-tar
        done
        soute rm cp-tar; rm -r "$work"
    "#,
    );
}

/// CVE-2018-15664, CVE-2019-10152 and their kin: the container decides what lies on the way.
fn hostile_trees_are_contained(lab: &Lab) {
    run(
        lab,
        r#"
        canary=$(mktemp -d /root/canary.XXXX); echo safe >"$canary/file"; before=$(digest "$canary")
        define cp-evil
        work=$(mktemp -d); cd "$work"; echo evil >x; mkdir -p dir/sub; echo evil >dir/sub/file
        soute start cp-evil
        soute exec cp-evil -- sh -c "
            ln -s / top; ln -s '$canary' out; ln -s '$canary/file' file; ln -s '$canary/file' link; ln -s ../../../../../../../.. up
            mkdir tree; ln -s '$canary' tree/sub; mkfifo pipe; ln -s /proc/1/root magic; ln -s /proc/self/fd/0 fd
            mkdir -p swap/a; ln -s '$canary' swap/b; ln -s loop loop; mkdir evil; ln -s '$canary' evil/sub
            mkdir names; touch 'names/'\$(printf 'a\\033[31m\\nb'); mkdir -p '$canary'"
        for state in running stopped; do
            # Out of it: what a link names is looked for inside.
            has "$(fails 1 soute cp cp-evil:/out/file got)" "No such file or directory"
            has "$(fails 1 soute cp cp-evil:/file got)" "No such file or directory"
            has "$(fails 1 soute cp cp-evil:/up$canary/file got)" "No such file or directory"
            fails 1 soute cp cp-evil:/magic/etc/hostname got >/dev/null
            fails 1 soute cp cp-evil:/fd got >/dev/null
            has "$(fails 1 soute cp cp-evil:/loop got)" "Too many levels of symbolic links"
            is 1 "$(ends soute cp cp-evil:/pipe got)"
            [ $state = stopped ] || is 1 "$(ends soute cp cp-evil:/dev/zero got)"
            [ ! -e got ]
            # Into it: the same, and no link is written through below the target.
            soute cp x cp-evil:/out/new
            soute cp x cp-evil:/link
            has "$(fails 1 soute cp dir/. cp-evil:/tree)" "what is there is no directory"
            soute cp cp-evil:/names names-$state; [ $(find names-$state -type f | wc -l) = 1 ]
            # On the host a tree of the container's may not be a way out either.
            mkdir -p host/evil; ln -sfn "$canary" host/evil/sub
            soute exec cp-evil -- sh -c 'rm evil/sub; mkdir evil/sub; echo bad >evil/sub/file' 2>/dev/null || true
            has "$(fails 1 soute cp cp-evil:/evil host)" "what is there is no directory"
            is "$before" "$(digest "$canary")"
            soute stop cp-evil
        done
        # While names are swapped in it all the time nothing is read or written elsewhere.
        soute start cp-evil
        cat >swap.sh <<'S'
while :; do mv swap/a swap/c; mv swap/b swap/a; mv swap/a swap/b; mv swap/c swap/a; done 2>/dev/null
S
        soute cp swap.sh cp-evil:/swap.sh
        soute exec cp-evil -- sh /swap.sh & racing=$!
        for ((i = 0; i < 60; i++)); do
            soute cp dir/. cp-evil:/swap/a >/dev/null 2>&1 || true
            soute cp x cp-evil:/swap/b/new >/dev/null 2>&1 || true
            soute cp cp-evil:/swap "raced-$i" >/dev/null 2>&1 || true
            soute cp cp-evil:/swap/a/file "file-$i" >/dev/null 2>&1 || true
        done
        [ -z "$(cat file-* 2>/dev/null | grep safe)" ]
        [ -z "$(grep -rs safe raced-*)" ]
        is "$before" "$(digest "$canary")"
        # It dies meanwhile: the copy ends.
        soute exec cp-evil -- dd if=/dev/zero of=/big bs=1M count=64 2>/dev/null
        soute cp cp-evil:/big big >/dev/null 2>&1 & copying=$!
        soute kill --signal KILL cp-evil
        wait $copying || true
        wait $racing || true
        soute rm -f cp-evil; rm -r "$work" "$canary"
    "#,
    );
}

fn raw_disks_of_stopped_containers(lab: &Lab) {
    run(
        lab,
        r#"
        work=$(mktemp -d); cd "$work"; echo x >x
        mke2fs -q -t ext4 -d /images/busybox raw.img 24M
        soute image import cp-raw raw.img
        define cp-raw 'image = "cp-raw"'
        soute start cp-raw; soute stop cp-raw
        soute cp x cp-raw:/etc/x
        soute cp cp-raw:/etc/x got; is x "$(cat got)"
        [ -z "$(losetup -l -n -O BACK-FILE | grep "disks/cp-raw")" ]
        soute start cp-raw
        is x "$(soute exec cp-raw -- cat /etc/x)"
        soute cp x cp-raw:/etc/y
        is "0:0" "$(soute exec cp-raw -- stat -c %u:%g /etc/y)"
        soute rm -f cp-raw; soute image rm cp-raw; rm -r "$work"
    "#,
    );
}
