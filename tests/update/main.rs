//! Rung 2: another image under a container, and the way back, on systemd 252 and on 257.

#[path = "../lab/mod.rs"]
mod lab;

mod bad;
mod one;
mod proxy;
mod roll;

/// Images NAME-VERSION, each of busybox and a file that says which it is.
const IMAGES: &str = r##"
    # made NAME VERSION [COMMAND…]: COMMAND changes the tree, which is $tree.
    made() {
        local tree image=$1-$2
        soute image show "$image" >/dev/null 2>&1 && return
        tree=$(mktemp -d /var/tmp/XXXXXX)
        cp -a /images/busybox/. "$tree"
        echo "$2" >"$tree/version"
        shift 2
        [ $# = 0 ] || tree=$tree bash -ec "$*"
        soute image import "$image" "$tree" 2>/dev/null
        rm -r "$tree"
    }
    version() { soute exec "$1" -- cat /version; }
    # rests NAME: nothing lies beside its disk but what is kept.
    rests() {
        [ ! -e "/var/lib/soute/disks/.next-$1" ] || die ".next-$1 is left"
        [ ! -e "/run/soute/lock/.update-$1" ] || die ".update-$1 is left"
    }
    # gone NAME: and not even that.
    gone() {
        rests "$1"
        [ ! -e "/var/lib/soute/disks/$1" ] && [ ! -e "/var/lib/soute/disks/.previous-$1" ] || die "a disk of $1 is left"
    }
"##;

fn run(lab: &lab::Lab, script: &str) -> String {
    lab::script::run(lab, &format!("{IMAGES}{script}"))
}
