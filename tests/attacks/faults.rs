//! Rows 10, 12 to 15, 22, 23, 25, 26, 34, 37, 38 and 47: what is cut short, full, broken, busy or badly named.

use crate::lab::script::{both, import, run};
use crate::lab::{Lab, image};

both!(
    attack_10_what_is_killed_at_any_moment_is_absent_or_whole,
    attack_12_a_full_store_keeps_what_it_has,
    attack_15_commands_end_when_their_container_does,
    attack_22_nothing_that_is_printed_is_for_a_terminal_to_obey,
    attack_23_bad_names_are_refused_by_their_rule,
    attack_34_a_cycle_is_named_and_a_long_chain_is_fine,
    attack_38_a_definition_that_goes_leaves_its_container,
);

fn attack_10_what_is_killed_at_any_moment_is_absent_or_whole(lab: &Lab) {
    run(
        lab,
        &format!(
            r#"
            define killed-10 'restart.policy = "no"'
            for round in $(seq {}); do
                # The command, or the runner in the unit, at a moment that moves on.
                soute start killed-10 >/dev/null 2>&1 & command=$!
                sleep 0.0$((round % 10))
                case $((round % 2)) in
                    0) kill -9 $command || true ;;
                    1) systemctl kill --signal=KILL soute@killed-10 2>/dev/null || true ;;
                esac
                wait $command || true
                # A start may find it up that has been killed a moment before, and systemd not know yet.
                works() {{ soute start killed-10 && soute exec killed-10 -- true; }}
                soon works
                soute stop killed-10 >/dev/null 2>&1 & command=$!
                sleep 0.0$((round % 4))
                kill -9 $command 2>/dev/null || true
                wait $command || true
                soute stop killed-10
                soon is_state killed-10 inactive
                [ $((round % 3)) != 0 ] || soute remove --keep-definition killed-10
            done
            for step in 1 2 3 5 8 13 21 40 80; do
                strace -f -qq -o /dev/null -e trace=mkdirat,openat,renameat2,fsync,syncfs \
                    -e inject=mkdirat,openat,renameat2,fsync,syncfs:signal=KILL:when=$step \
                    soute image import killed-10 /images/busybox >/dev/null 2>&1 || true
                [ ! -e /var/lib/soute/images/killed-10 ] || soute image show killed-10 >/dev/null
                soute image import --replace killed-10 /images/busybox 2>/dev/null
                soute image remove killed-10
                strace -f -qq -o /dev/null -e trace=openat,renameat2 -e inject=openat,renameat2:signal=KILL:when=$step \
                    soute create created-10 --image busybox -- true >/dev/null 2>&1 || true
                [ ! -e /etc/soute/containers/created-10.toml ] || soute check created-10 2>/dev/null
                rm -f /etc/soute/containers/created-10.toml
                soute create created-10 --image busybox -- true 2>/dev/null
                soute remove created-10
            done
            soute remove killed-10
            is "" "$(find /etc/soute/containers -name '*created-10*' ! -name '.*')""#,
            crate::rounds(12, 200)
        ),
    );
}

/// And row 37: without inodes, and read-only.
fn attack_12_a_full_store_keeps_what_it_has(lab: &Lab) {
    run(
        lab,
        r#"
        mkdir -p /root/full-12
        store=/root/full-12/var/lib/soute
        for options in size=3m size=64m,nr_inodes=300; do
            mount -t tmpfs -o $options tmpfs /root/full-12
            soute --root /root/full-12 image import kept /images/busybox 2>/dev/null
            kept=$(digest $store/images/kept)
            case $options in
                *inodes*) mkdir /root/full-12/fill; for n in $(seq 300); do touch /root/full-12/fill/$n 2>/dev/null || break; done ;;
            esac
            for try in 1 2 3; do
                has "$(fails 1 soute --root /root/full-12 image import full /images/busybox)" "No space left on device"
                has "$(fails 1 soute --root /root/full-12 image import --replace kept /images/busybox)" "No space left on device"
            done
            is "kept" "$(ls -A $store/images)"
            is "$kept" "$(digest $store/images/kept)"
            has "$(soute --root /root/full-12 image list)" kept
            mount -o remount,ro /root/full-12
            has "$(soute --root /root/full-12 image list)" kept
            has "$(soute --root /root/full-12 image show kept)" sha256:
            has "$(fails 1 soute --root /root/full-12 image remove kept)" "Read-only file system"
            umount /root/full-12
        done"#,
    );
}

fn attack_15_commands_end_when_their_container_does(lab: &Lab) {
    run(
        lab,
        &format!(
            r#"
            define dying-15 'restart.policy = "no"'
            for round in $(seq {}); do
                soute start dying-15
                (soute exec dying-15 -- sleep 60; soute exec dying-15 -- true; soute logs -n 1 dying-15; soute status dying-15) >/dev/null 2>&1 & commands=$!
                sleep 0.0$((round % 5))
                case $((round % 2)) in
                    0) kill -9 $(pid dying-15) ;;
                    1) soute remove --force --keep-definition dying-15 ;;
                esac
                case $(ends soute exec dying-15 -- true) in 0 | 125 | 137) ;; *) die "another status" ;; esac
                ended() {{ ! kill -0 $commands 2>/dev/null; }}
                soon ended
                soute stop dying-15
            done
            soute remove dying-15"#,
            crate::rounds(8, 100)
        ),
    );
}

fn attack_22_nothing_that_is_printed_is_for_a_terminal_to_obey(lab: &Lab) {
    let json = run(
        lab,
        r#"
        bad=$'\e]0;x\a\e[2J\u009b31m\u202e\r\x7f'
        # Prints it if it is for a terminal to obey; the premise is that it is.
        obeyed() { perl -CSD -ne 'print if /[\x00-\x08\x0b-\x1f\x7f-\x9f\x{202a}-\x{202e}\x{2066}-\x{2069}]/'; }
        [ -n "$(printf '%s\n' "$bad" | obeyed)" ]
        define shown-22 'command = ["sh", "-c", "printf \"\\033]0;x\\007\\302\\233\\342\\200\\256\\r\\n\"; exec sleep infinity"]'
        soute start shown-22
        soon said shown-22 .
        printf 'image = "busybox"\ndescription = "%s"\n' "$bad" >/etc/soute/containers/bad-22.toml
        printf 'image = "busybox" # %s\nmemoryy = 1\n' $'\u009b\u202e' >/etc/soute/containers/worse-22.toml
        mkdir -p "/root/bad-22/$bad"
        {
            soute status shown-22
            soute list --all
            soute exec shown-22 -- "/$bad"
            soute exec --working-directory /x shown-22 -- "$bad"
            soute exec --user "$bad" shown-22 -- true
            soute exec --env "$bad=1" shown-22 -- true
            soute start "$bad"
            soute status "-$bad"
            soute "$bad"
            soute --root "/tmp/$bad" list
            soute create "$bad" --image busybox
            soute create x-22 --image "$bad"
            soute create x-22 --image busybox --mount "source=$bad,target=/x"
            soute create x-22 --image busybox --network "bridge=$bad"
            soute image import bad-22 "/root/bad-22/$bad/absent"
            soute image show "$bad"
            soute check bad-22
            soute check worse-22
            soute check "/root/$bad.toml"
            soute show worse-22
            soute start bad-22
        } >/root/said-22 2>&1 || true
        [ -s /root/said-22 ]
        is "" "$(obeyed </root/said-22)"
        # A long name is shown in part.
        long=$(printf '%010000d' 7)
        is 2 "$(ends soute status $long)"
        [ $(soute status $long 2>&1 | wc -c) -lt 12000 ]
        rm /etc/soute/containers/{bad,worse}-22.toml
        soute list --all --json
        soute remove --force shown-22"#,
    );
    serde_json::from_str::<serde_json::Value>(&json).expect("JSON, whatever else is printed");
}

fn attack_23_bad_names_are_refused_by_their_rule(lab: &Lab) {
    run(
        lab,
        r#"
        for name in .. . a/b ../x Web all default a--b x- 'a b' ssh.service soute@x ä $'a\nb' "$(printf 'x%.0s' $(seq 300))" ''; do
            has "$(fails 2 soute create "$name" --image busybox)" "name"
            has "$(fails 2 soute start "$name")" "name"
            has "$(fails 2 soute image import "$name" /images/busybox)" "name"
            has "$(fails 2 soute remove --force "$name")" "name"
        done
        # What begins with "-" is never a name, and behind "--" it is a bad one.
        for name in -x --force -rf; do has "$(fails 2 soute start -- $name)" "neither begins"; done
        # The name of another unit is a container's all the same, and leaves that alone.
        soute create dbus --image busybox -- sleep infinity 2>/dev/null
        before=$(systemctl show -p MainPID -p ActiveState dbus.service)
        soute start dbus
        soute remove --force dbus
        is "$before" "$(systemctl show -p MainPID -p ActiveState dbus.service)"
        # Values that begin with "-" are values.
        soute create dashed-23 --image busybox --env A=-rf --description=--checkpoint-action -- -c --help 2>/dev/null
        has "$(soute show dashed-23)" "--checkpoint-action"
        soute remove dashed-23"#,
    );
}

fn attack_34_a_cycle_is_named_and_a_long_chain_is_fine(lab: &Lab) {
    run(
        lab,
        r#"
        site=/root/site-34/etc/soute/containers
        mkdir -p $site
        for n in $(seq 1000); do
            printf 'image = "i"\ncommand = ["true"]\n' >$site/c$n.toml
            [ $n = 1 ] || echo "requires = [\"c$((n - 1))\"]" >>$site/c$n.toml
        done
        is 0 "$(ends soute --root /root/site-34 check c1000)"
        echo 'requires = ["c3"]' >>$site/c1.toml
        said=$(fails 5 soute --root /root/site-34 check c2)
        for name in c1 c2 c3; do has "$said" $name.toml; done
        printf 'image = "i"\ncommand = ["true"]\nrequires = ["self"]\n' >$site/self.toml
        has "$(fails 5 soute --root /root/site-34 check self)" self
        printf 'image = "i"\ncommand = ["true"]\nrequires = ["nobody"]\n' >$site/lonely.toml
        has "$(fails 5 soute --root /root/site-34 check lonely)" "there is no container nobody"
        rm -r /root/site-34"#,
    );
}

fn attack_38_a_definition_that_goes_leaves_its_container(lab: &Lab) {
    run(
        lab,
        r#"
        define gone-38
        soute start gone-38
        rm /etc/soute/containers/gone-38.toml
        has "$(marked gone-38)" running
        soute exec gone-38 -- true
        soute status gone-38 >/dev/null
        has "$(fails 6 soute remove gone-38)" "it is running"
        has "$(fails 4 soute restart gone-38)" gone-38
        is_state gone-38 active
        soute stop gone-38
        soute remove gone-38
        is 4 "$(ends soute status gone-38)""#,
    );
}

/// A lab of its own: the locks of all commands are among what is replaced.
#[test]
#[ignore = "rung 2: nested systemd"]
fn attack_26_what_stands_for_a_file_of_ours_is_refused() {
    let lab = Lab::boot(None, &[]);
    import(&lab, "busybox");
    run(
        &lab,
        r#"
        mkdir /canary-26
        echo canary >/canary-26/file
        chmod 640 /canary-26/file
        before=$(stat -c '%a %U %s' /canary-26/file)
        define planted
        soute start planted
        soute stop planted
        planted=0
        for file in /var/lib/soute/images/busybox{,/image.toml,/root} /var/lib/soute/disks/planted{,/disk.toml,/root,/last-exit.toml} \
            /run/soute/state/planted{,/plan.json,/definition.json,/main-pid,/stopping} /run/soute/lock/{planted,.ids,.store,.instances} \
            /run/soute/instances /run/soute/log/planted /etc/soute/soute.toml /etc/soute/defaults.toml /etc/soute/containers/planted.toml; do
            # The FIFO of a log may go meanwhile, with its socket.
            [ ! -e $file ] || mv $file $file.kept 2>/dev/null || [ ! -e $file ]
            for kind in link hard dangling fifo zero directory huge; do
                # Where a lock or a snapshot lies another one is made meanwhile.
                rm -rf $file
                case $kind in
                    link) ln -s /canary-26/file $file ;;
                    hard) ln /canary-26/file $file 2>/dev/null || continue ;;
                    dangling) ln -s /canary-26/made $file ;;
                    fifo) mkfifo $file ;;
                    zero) mknod $file c 1 5 ;;
                    directory) mkdir $file ;;
                    huge) truncate -s 8G $file ;;
                esac
                planted=$((planted + 1))
                for command in "list --all" "status planted" "start planted" "exec planted -- true" "stop planted"; do
                    ends soute $command >/dev/null
                done
                case $kind in link | fifo | huge) ends soute check planted >/dev/null; ends soute image list >/dev/null ;; esac
                systemctl stop soute@planted soute-log@planted.socket 2>/dev/null || true
                systemctl reset-failed soute@planted 2>/dev/null || true
                is canary "$(cat /canary-26/file)"
                is "$before" "$(stat -c '%a %U %s' /canary-26/file)"
                is file "$(ls -A /canary-26)"
            done
            rm -rf $file
            [ ! -e $file.kept ] || mv $file.kept $file
            # With the file as it was all is as it was, but for how often a socket may fail.
            systemctl reset-failed
            soute start planted
            soute stop planted
        done
        [ $planted -gt 100 ]
        soute start planted
        soute exec planted -- true
        soute remove --force planted"#,
    );
}

/// And row 35: a boot that is spoiled by files, and by containers that fail at once for ever.
#[test]
#[ignore = "rung 2: nested systemd"]
fn attack_13_broken_definitions_keep_no_other_from_booting() {
    let lab = Lab::boot(None, &[]);
    import(&lab, "busybox");
    run(
        &lab,
        r#"
        for n in 1 2 3 4 5 6 7 8 9; do define good-$n 'autostart = true'; done
        for n in 1 2 3 4 5 6 7 8 9; do
            define loop-$n 'autostart = true' 'command = ["false"]' 'restart = { policy = "always", delay = "50ms" }'
        done
        at=/etc/soute/containers
        printf 'image = "busybox"\nautostart = true\nmemoryy = 7\n' >$at/bad-typo.toml
        : >$at/bad-empty.toml
        truncate -s 1G $at/bad-huge.toml
        mkdir $at/bad-directory.toml
        mkfifo $at/bad-fifo.toml
        ln -s bad-loop.toml $at/bad-loop.toml
        printf 'image = "busybox"\nautostart = true\nuser = "\377\376"\n' >$at/bad-latin.toml
        printf 'image = "busybox"\nautostart = true\n\0' >$at/bad-nul.toml
        printf 'image = "busybox"\nautostart = true\n' >$at/bad-mode.toml
        chmod 666 $at/bad-mode.toml"#,
    );
    lab.reboot();
    run(
        &lab,
        r#"
        for n in 1 2 3 4 5 6 7 8 9; do soon is_state good-$n active; done
        for n in 1 2 3 4 5 6 7 8 9; do soon is_state loop-$n failed; done
        is active "$(systemctl is-active multi-user.target)"
        for name in typo huge directory fifo loop latin nul mode; do
            has "$(systemctl --failed --plain --no-legend)" "soute-start@bad-$name.service"
            has "$(journalctl --no-pager -b -o cat -u soute-start@bad-$name)" "bad-$name.toml"
        done
        has "$(journalctl --no-pager -b -o cat -u soute-start@bad-typo)" "bad-typo.toml:3:1"
        # A file without a word masks.
        lacks "$(systemctl --failed --plain --no-legend)" "soute-start@bad-empty""#,
    );
}

/// And row 47: a store that is moved keeps its containers' ids.
#[test]
#[ignore = "rung 2: nested systemd"]
fn attack_25_a_pool_that_is_used_up_says_so() {
    let lab = Lab::boot(None, &[]);
    image::in_lab("busybox");
    run(
        &lab,
        r#"
        mkdir -p /etc/soute
        echo 'id-pool = { first = 1048576, last = 1179647 }' >/etc/soute/soute.toml
        soute image import busybox /images/busybox
        for name in one two three; do define $name; done
        soute start one two
        has "$(fails 1 soute start three)" "pool"
        first() { awk '{ print $2 }' /proc/$(pid $1)/uid_map; }
        is "1048576 1114112" "$(printf '%s\n' $(first one) $(first two) | sort | xargs)"
        kept=$(first two)
        soute remove --force one
        soute start three
        soute stop two three
        mv /var/lib/soute /srv/moved
        echo 'store = "/srv/moved"' >>/etc/soute/soute.toml
        soute start two
        is $kept "$(first two)"
        soute remove --force two three"#,
    );
}
