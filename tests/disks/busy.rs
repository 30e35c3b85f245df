//! Two commands on one name: one wins, the other says busy, and nothing is half of one and half of the other. The first is
//! stopped (SIGSTOP) in the middle of its work, so that each of the others meets it there.

use crate::lab::script::run;
use crate::lab::{Lab, image};

#[test]
#[ignore = "rung 2: nested systemd"]
fn of_two_commands_on_one_name_one_wins_on_252() {
    one_wins(None);
}

#[test]
#[ignore = "rung 2: nested systemd 257"]
fn of_two_commands_on_one_name_one_wins_on_257() {
    one_wins(Some("trixie"));
}

fn one_wins(release: Option<&str>) {
    image::in_lab("busybox");
    run(
        // Its own: the signs of work are of any container.
        &Lab::boot(release, &[]),
        r#"
        dir=$(mktemp -d); cd "$dir"; cp -a /images/busybox one; mkdir one/many
        for n in $(seq 1500); do echo $n >one/many/$n; done
        cp -a one two; echo two >two/which; echo one >one/which
        soute image import busy-base one 2>/dev/null; soute image import busy-spare /images/busybox 2>/dev/null
        define busy-c 'image = "busy-base"'; soute start busy-c; soute stop busy-c
        # A lock's file stays when nobody has it. For the store's own lock, held for a moment, everybody waits.
        at_work() {
            compgen -G "$1" >/dev/null && flock -n /run/soute/lock/.store true || return 1
            [[ $1 != */lock/* ]] || ! flock -n "$1" true
        }
        # hold SIGN COMMAND…: begins it, and stops it as soon as there is a sign of its work.
        hold() {
            local try sign=$1
            shift
            for ((try = 0; try < 20; try++)); do
                eval "$prepare"
                soute "$@" >held 2>&1 & holder=$!
                while [ -d /proc/$holder ] && ! compgen -G "$sign" >/dev/null; do :; done
                kill -STOP $holder 2>/dev/null || true
                if at_work "$sign"; then return; fi
                kill -CONT $holder 2>/dev/null || true; wait $holder || die "$*: $(cat held)"
            done
            die "$* was never met"
        }
        goes_on() { kill -CONT $holder; wait $holder || die "$*: $(cat held)"; }
        busy() { has "$(fails 6 soute "$@")" "in use by another command"; }
        anew='soute image import --replace busy one 2>/dev/null'
        none='soute image rm fresh 2>/dev/null || true'
        while IFS='|' read -r name prepare first; do
            prepare=${!prepare}
            hold /run/soute/lock/.image-$name $first
            busy image import $name two
            busy image import --replace $name two
            busy image remove $name
            busy image rename $name other
            busy image rename busy-spare $name
            busy image tag busy-base $name
            busy image convert $name --to raw
            busy image convert busy-base $name --to raw
            busy commit busy-c $name --replace
            goes_on "$first"
            for image in busy fresh busy-base; do
                [ ! -e /var/lib/soute/images/$image ] || has "$(soute image verify $image)" "$image: ok"
            done
        done <<'LIST'
busy|anew|image import --replace busy two
busy|anew|image convert busy --to raw
busy|anew|image remove busy
fresh|none|image import fresh one
fresh|none|image convert busy-base fresh --to raw
fresh|none|image tag busy-base fresh
fresh|none|commit busy-c fresh
LIST
        # A start while its image is replaced has the one that there is, whole.
        prepare=$anew; eval "$anew"; define busy-d 'image = "busy"'
        hold /run/soute/lock/.image-busy image import --replace busy two
        soute start busy-d; is one "$(soute exec busy-d -- cat /which)"
        goes_on replace
        is one "$(soute exec busy-d -- cat /which)"
        soute restart busy-d; is one "$(soute exec busy-d -- cat /which)"
        soute rm -f busy-d; define busy-d 'image = "busy"'
        soute start busy-d; is two "$(soute exec busy-d -- cat /which)"; soute rm -f busy-d
        # On the image itself: who starts while it is replaced keeps what it found.
        define busy-d 'image = "busy"' 'disk.mode = "read-only"' 'restart.delay = "100ms"'
        prepare=$anew; eval "$anew"
        hold /run/soute/lock/.image-busy image import --replace busy two
        soute start busy-d; is one "$(soute exec busy-d -- cat /which)"
        goes_on replace
        is one "$(soute exec busy-d -- cat /which)"
        # Started again by systemd it is on what has the name by now, whatever its plan says, and keeps that.
        payload=$(pid busy-d); kill -9 "$payload"; soon runs_again busy-d "$payload"
        is two "$(soute exec busy-d -- cat /which)"
        soute image import --replace busy one 2>/dev/null; soute image import busy-sweep /images/busybox 2>/dev/null; soute image rm busy-sweep
        is two "$(soute exec busy-d -- cat /which)"
        [ "$(ls -d /var/lib/soute/images/.kept-* | wc -l)" = 1 ]
        soute rm -f busy-d; soute image import --replace busy two 2>/dev/null
        is "" "$(ls -A /var/lib/soute/images | grep '^[.]kept' || true)"
        # An image that a start copies is neither replaced nor removed meanwhile: the runner stands still in the middle.
        define busy-d 'image = "busy"'
        met=
        for ((try = 0; try < 20; try++)); do
            soute start busy-d >held 2>&1 & holder=$!
            while [ -d /proc/$holder ] && ! compgen -G "/var/lib/soute/disks/.tmp-*/root/many" >/dev/null; do :; done
            systemctl kill --signal=STOP soute@busy-d 2>/dev/null || true
            if [ ! -e /var/lib/soute/disks/busy-d/root ] && compgen -G "/var/lib/soute/disks/.tmp-*/root/many" >/dev/null; then met=1; break; fi
            systemctl kill --signal=CONT soute@busy-d 2>/dev/null || true
            wait $holder; soute stop busy-d; soute disk reset busy-d
        done
        [ "$met" ] || die "no copy was met"
        has "$(fails 6 soute image import --replace busy one)" "is being copied"
        has "$(fails 6 soute image remove --force busy)" "is being copied"
        systemctl kill --signal=CONT soute@busy-d; wait $holder || die "$(cat held)"
        is two "$(soute exec busy-d -- cat /which)"
        soute rm -f busy-d
        # And the disk of a container.
        prepare='soute disk remove busy-c kept 2>/dev/null || true'
        hold "/var/lib/soute/disks/.tmp-*" disk snapshot busy-c kept
        for other in "remove busy-c" "disk snapshot busy-c other" "disk reset busy-c" "commit busy-c other" \
            "export busy-c out.tar --disk" "disk remove busy-c kept"; do
            busy $other
        done
        goes_on snapshot
        soute rm busy-c; soute image rm busy busy-base busy-spare fresh; rm -r "$dir"
        "#,
    );
}
