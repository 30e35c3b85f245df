//! `soute export` and `soute import`: a container goes to another machine, and nothing else comes with it.

use crate::lab::Lab;
use crate::lab::script::{both, run};

both!(a_container_is_the_same_elsewhere, a_disk_knows_what_its_image_declares, what_is_no_honest_archive_is_refused);

fn a_container_is_the_same_elsewhere(lab: &Lab) {
    run(
        lab,
        r#"
        dir=$(mktemp -d); cd "$dir"
        define moved 'hostname = "was-moved"' '[[mount]]' 'type = "volume"' 'source = "moved-data"' 'target = "/data"'
        mkdir /etc/soute/containers/moved.toml.d
        echo 'environment = { WHERE = "here" }' >/etc/soute/containers/moved.toml.d/10-where.toml
        soute start moved
        inside() { soute exec moved -- sh -c "$1"; }
        inside 'echo one >/file; ln /file /hard; chown 33:44 /file; chmod 4755 /file; ln -s /nowhere /link; echo two >/data/file; chown 5:6 /data/file'
        image=$(soute image show busybox --json | sed -n 's/.*"digest": "\(.*\)".*/\1/p' | head -n 1)
        # One that runs stands still for its disk, and has to be stopped for its volumes.
        has "$(fails 6 soute export moved all.tar --volumes)" "soute stop it first"
        payload=$(pid moved)
        soute export moved running.tar.gz --disk
        is "$payload" "$(pid moved)"
        soute stop moved
        before=$(soute show moved)
        digest_of() { (cd "$1" && find . -printf '%p %y %m %U %G %n %s %T@ %l\n' | LC_ALL=C sort) | sha256sum; }
        disk=$(digest_of /var/lib/soute/disks/moved/root); data=$(digest_of /var/lib/soute/volumes/moved-data)
        soute export moved all.tar.zst --disk --volumes
        soute export moved plain.tar
        fails 1 soute export moved plain.tar >/dev/null
        is 600 "$(stat -c %a all.tar.zst)"
        has "$(tar tf plain.tar | xargs)" "soute-container.toml definition/moved.toml definition/moved.toml.d/10-where.toml"
        fails 1 soute import all.tar.zst >/dev/null
        soute remove moved
        has "$(fails 1 soute import all.tar.zst)" "volume moved-data is there already"
        rm -r /var/lib/soute/volumes/moved-data
        soute import all.tar.zst
        is "$before" "$(soute show moved)"
        is "$disk" "$(digest_of /var/lib/soute/disks/moved/root)"
        is "$data" "$(digest_of /var/lib/soute/volumes/moved-data)"
        soute start moved
        is "one 33 44 2 /nowhere two here was-moved" \
            "$(inside 'cat /file; stat -c "%u %g %h" /file; readlink /link; cat /data/file; echo $WHERE; hostname' | xargs)"
        # A second one of the same file, with ids of its own; and one with a fresh disk.
        soute import --name moved-too running.tar.gz
        soute start moved-too
        is "one" "$(soute exec moved-too -- cat /file)"
        [ "$(grep ^ids /var/lib/soute/disks/moved/disk.toml)" != "$(grep ^ids /var/lib/soute/disks/moved-too/disk.toml)" ]
        soute export moved-too - | soute import --name moved-three -
        soute start moved-three
        fails 1 soute exec moved-three -- cat /file >/dev/null
        # It is of the same image, or not at all.
        soute rm -f moved-three
        tar xf plain.tar; sed -i 's/^digest = .*/digest = "sha256:00"/' soute-container.toml
        tar cf other.tar soute-container.toml definition
        has "$(fails 4 soute import --name moved-four other.tar)" "image busybox is another one here than there"
        sed -i 's/^image = .*/image = "moved-none"/' soute-container.toml; tar cf other.tar soute-container.toml definition
        has "$(fails 4 soute import --name moved-four other.tar)" "image moved-none (sha256:00) is not in the store"
        soute rm -f moved moved-too; rm -r "$dir" /var/lib/soute/volumes/moved-data
    "#,
    );
}

fn a_disk_knows_what_its_image_declares(lab: &Lab) {
    run(
        lab,
        r#"
        dir=$(mktemp -d); cd "$dir"
        for kind in tree raw; do
            soute image import brought /images/busybox --command '["sleep", "infinity"]' --env WHERE=image 2>/dev/null
            [ $kind = tree ] || soute image convert brought --to raw
            # `define` would say what runs.
            mkdir -p /etc/soute/containers; echo 'image = "brought"' >/etc/soute/containers/brought.toml
            soute start brought
            inside() { soute exec brought -- sh -c 'cat /mine; echo $WHERE' | xargs; }
            soute exec brought -- sh -c 'echo mine >/mine'
            soute image rm -f brought
            soute restart brought; is "mine image" "$(inside)"
            soute stop brought
            soute commit brought brought-too; has "$(soute image show brought-too)" 'command = ["sleep", "infinity"]'
            soute export brought all.tar --disk --force; soute export brought plain.tar --force
            soute rm brought
            has "$(fails 4 soute import plain.tar)" "is not in the store"
            lacks "$(soute import all.tar 2>&1)" "not in the store"
            soute start brought; is "mine image" "$(inside)"
            # Another image of that name is not what it is a copy of, but for a new disk.
            soute image import brought /images/busybox --command '["sleep", "1000"]' 2>/dev/null
            soute restart brought; is "mine image" "$(inside)"
            soute stop brought; soute disk reset brought; soute start brought
            is "" "$(soute exec brought -- sh -c 'echo $WHERE')"
            soute rm -f brought; soute image rm brought brought-too
        done
        # What it declares is held against the same rules as a definition.
        tar xf all.tar
        sed -i 's/^command = .*/command = ["sleep", "in\\u0001finity"]/' soute-container.toml
        tar cf evil.tar soute-container.toml definition disk/disk.raw
        fails 5 soute import evil.tar >/dev/null
        [ ! -e /var/lib/soute/disks/brought ] && [ ! -e /etc/soute/containers/brought.toml ]
        rm -r "$dir"
    "#,
    );
}

fn what_is_no_honest_archive_is_refused(lab: &Lab) {
    run(
        lab,
        r#"
        dir=$(mktemp -d); cd "$dir"; mkdir canary; echo safe >canary/file; before=$(digest canary)
        define honest; soute start honest; soute stop honest
        soute export honest honest.tar --disk; soute rm honest
        left() { find /var/lib/soute/disks /var/lib/soute/volumes /etc/soute/containers /run/soute -maxdepth 1 -name '*honest*' | grep -v lock || true; }
        refused() {
            local said
            said=$(fails "$1" soute import evil.tar)
            has "$said" "$2"
            is "" "$(left)"
            is "$before" "$(digest canary)"
        }
        # $1 is put behind what an honest archive has.
        tar xf honest.tar soute-container.toml definition
        made() { tar cf evil.tar soute-container.toml definition; tar rf evil.tar -P --hard-dereference "$@"; }
        mkdir -p disk/root; ln -s "$dir/canary" disk/root/link; mkdir other; echo evil >other/file
        made disk/root --transform "s,other,disk/root/link," other
        refused 1 "is in the archive twice"
        made disk/root --transform "s,other/,disk/root/link/," other/file
        refused 1 "lies behind the symbolic link"
        made disk/root --transform "s,other,disk/root/../../../../../../..$dir/canary," other/file
        refused 1 'has ".." in it'
        made --transform "s,other,$dir/canary," other/file
        refused 1 "absolute path"
        made disk/root other/file
        refused 1 "other/file is none of what it says that it has"
        made disk/root --transform "s,other,volumes/data," other
        refused 1 "volumes/data is none of what it says that it has"
        ln canary/file disk/root/first; before=$(digest canary); made canary/file disk/root
        refused 1 "is none of what it says that it has"
        tar cf evil.tar soute-container.toml definition
        refused 1 "lacks what it says that it has"
        head -c 3000 honest.tar >evil.tar
        refused 1 "cut off"
        tar cf evil.tar definition
        refused 1 "it is no container that soute export has written"
        sed -i 's/^version = 1/version = 2/' soute-container.toml; made disk/root
        refused 1 "it is of version 2"
        sed -i 's/^version = 2/version = 1/; s/^name = .*/name = "..\/honest"/' soute-container.toml; made disk/root
        refused 2 "is not a name"
        sed -i 's/^name = .*/name = "honest"/' soute-container.toml
        echo 'comand = "x"' >>definition/honest.toml; made disk/root
        refused 5 'unknown key "comand"'
        rm -r definition; mkfifo definition; made disk/root
        refused 1 "it has no definition/honest.toml"
        rm -r "$dir"
    "#,
    );
}
