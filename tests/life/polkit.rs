//! Who is not root: what they may see, and what a rule of polkit's lets them do. polkitd is a real one.

use crate::lab::Lab;
use crate::lab::script::{both, run};

both!(
    everybody_may_look,
    what_is_not_for_everybody_is_not_shown,
    a_rule_lets_them_start_and_stop,
    a_rule_lets_them_do_nothing_else
);

/// `as_user COMMAND…` is one who is no member of anything, `as_member COMMAND…` one of the group web.
const WORDS: &str = r#"
    # Of all tests in the lab the first one does it: polkit is not to be restarted while another one asks it.
    people() {
        exec 8>/run/people-lock
        flock 8
        [ -e /run/people ] || invite
        touch /run/people
        flock -u 8
    }
    invite() {
        local name
        mkdir -p /etc/polkit-1/rules.d
        touch /etc/passwd /etc/group
        add() { grep "^${2%%:*}:" $1 >/dev/null || echo "$2" >>$1; }
        add /etc/group root:x:0:
        add /etc/group polkitd:x:992:
        add /etc/group web:x:3000:mia
        add /etc/group mia:x:3001:
        add /etc/group ned:x:3002:
        add /etc/passwd root:x:0:0:root:/root:/bin/bash
        add /etc/passwd polkitd:x:992:992::/:/usr/sbin/nologin
        add /etc/passwd mia:x:3001:3001::/:/bin/sh
        add /etc/passwd ned:x:3002:3002::/:/bin/sh
        for name in ours mine; do
            sed 's/isInGroup("[^"]*")/isInGroup("web")/; s/soute-start@[a-z]*\./soute-start@'$name'./; s/"soute@[a-z]*\./"soute@'$name'./' \
                /usr/local/share/doc/soute/50-soute.rules >/etc/polkit-1/rules.d/50-$name.rules
        done
        chmod -R a+rX /etc/polkit-1
        # Who asked before there were these users had it fail to start, maybe too often.
        systemctl reset-failed polkit.service 2>/dev/null || true
        systemctl restart polkit.service
    }
    as_user() { setpriv --reuid=3002 --regid=3002 --init-groups --reset-env -- "$@"; }
    as_member() { setpriv --reuid=3001 --regid=3001 --init-groups --reset-env -- "$@"; }
"#;

fn say(lab: &Lab, script: &str) {
    run(lab, &(WORDS.to_owned() + script));
}

fn everybody_may_look(lab: &Lab) {
    say(
        lab,
        r#"
        people
        echo 'SECRET=hidden' >/etc/secret.env
        chmod 600 /etc/secret.env
        define look 'environment-files = ["/etc/secret.env"]' '[labels]' 'who = "web team"' '[limits]' 'tasks = 50' \
            '[environment]' 'OPEN = "hidden as well"'
        soute start look
        has "$(as_user soute list)" "look  busybox  running"
        has "$(as_user soute list --all --json)" '"who": "web team"'
        has "$(as_user soute status look)" "active running"
        has "$(as_user soute show look)" "tasks = 50"
        has "$(as_user soute unit look)" "TasksMax=50"
        has "$(as_user soute stats --interval 0.2 look)" look
        is "" "$(as_user soute diff look)"
        define look 'environment-files = ["/etc/secret.env"]' '[labels]' 'who = "web team"' '[limits]' 'tasks = 60' \
            '[environment]' 'OPEN = "hidden as well"'
        has "$(fails 7 as_user soute diff look)" "limits.tasks  live"
        soute apply look >/dev/null
        is "" "$(as_user soute diff look)"
        fails 0 as_user timeout -s INT 1 soute events --until +300ms >/dev/null
        # What is not theirs to know.
        lacks "$(cat /run/soute/shown/look.json)" hidden
        fails 1 as_user cat /run/soute/state/look/plan.json >/dev/null
        fails 9 as_user soute verify look >/dev/null
        chmod 600 /etc/soute/containers/look.toml
        soute restart look
        [ ! -e /run/soute/shown/look.json ]
        has "$(as_user soute list)" "look  "
        has "$(fails 9 as_user soute diff look)" "not for everybody"
        soute remove --force look
        define look
        soute start look
        [ -e /run/soute/shown/look.json ]
        soute remove --force look
        [ ! -e /run/soute/shown/look.json ]"#,
    );
}

fn what_is_not_for_everybody_is_not_shown(lab: &Lab) {
    say(
        lab,
        r#"
        people
        shown=/run/soute/shown/part.json
        # A drop-in for root alone, which stays in what runs when its file is gone.
        define part
        mkdir -p /etc/soute/containers/part.toml.d
        printf '[labels]\nwho = "unheard"\n[hosts]\nunheard = "192.0.2.1"\n' >/etc/soute/containers/part.toml.d/50-own.toml
        chmod 600 /etc/soute/containers/part.toml.d/50-own.toml
        soute start part
        [ ! -e $shown ]
        lacks "$(as_user soute list --all --json)" unheard
        fails 9 as_user soute diff part >/dev/null
        rm -r /etc/soute/containers/part.toml.d
        soute apply part >/dev/null || true
        [ ! -e $shown ]
        soute restart part
        [ -e $shown ]
        is "644 root root" "$(stat -c '%a %U %G' $shown)"
        is "755 root root" "$(stat -c '%a %U %G' /run/soute/shown)"
        lacks "$(cat $shown)" unheard
        # Variables of a one-off container are its caller's.
        soute run --name part-once --env KEY=unheard busybox -- sleep 1000 </dev/null &>/dev/null &
        until [ "$(state part-once)" = active ]; do sleep 0.1; done
        has "$(cat /run/soute/shown/part-once.json)" part-once
        lacks "$(cat /run/soute/shown/part-once.json)" unheard
        has "$(as_user soute list)" part-once
        soute stop part-once
        wait $! || true
        [ ! -e /run/soute/shown/part-once.json ]
        # Who is not root changes nothing of it.
        ! as_user touch /run/soute/shown/other.json
        soute remove --force part"#,
    );
}

fn a_rule_lets_them_start_and_stop(lab: &Lab) {
    say(
        lab,
        r#"
        people
        define ours
        # Without the rule nobody but root may.
        has "$(fails 9 as_user soute start ours)" "a polkit rule can allow it"
        is inactive "$(state ours)"
        as_member soute start ours
        is active "$(state ours)"
        as_member soute start ours
        first=$(pid ours)
        has "$(fails 9 as_user soute stop ours)" "cannot stop ours"
        fails 9 as_user soute restart ours >/dev/null
        is $first "$(pid ours)"
        define ours 'hostname = "anew"'
        as_member soute restart ours
        is anew "$(soute exec ours -- hostname)"
        as_member soute stop ours
        is inactive "$(state ours)"
        as_member soute stop ours
        define ours 'command = ["no-such-program"]'
        has "$(fails 1 as_member soute start ours)" "journalctl -u soute-start@ours.service"
        as_member soute stop ours
        define ours 'nonsense = 1'
        has "$(fails 5 as_member soute start ours)" "cannot start ours"
        fails 4 as_member soute start no-such >/dev/null
        soute remove ours"#,
    );
}

#[test]
#[ignore = "rung 2: nested systemd, 252 and 257"]
fn without_polkit_nobody_may() {
    // It is started by who asks for it on the bus, if the bus knows how.
    for release in [None, Some("trixie")] {
        let lab = Lab::boot(release, &["--tmpfs=/usr/share/dbus-1/system-services"]);
        lab.define("plain", "image = \"busybox\"\ncommand = [\"true\"]\n");
        let asked = lab.run("setpriv --reuid=65534 --regid=65534 --clear-groups -- soute start plain");
        assert_eq!(asked.status, 9, "{asked}");
        assert!(asked.stderr.contains("cannot start plain") && asked.stderr.contains("polkit"), "{asked}");
    }
}

fn a_rule_lets_them_do_nothing_else(lab: &Lab) {
    say(
        lab,
        r#"
        people
        define mine
        define other
        soute start other
        fails 9 as_member soute stop other >/dev/null
        is active "$(state other)"
        # Under the name of a container that does not run nothing else is run.
        as_member systemd-run --no-ask-password --unit=soute@mine.service touch /run/hit && die "it was started" || true
        as_member systemd-run --no-ask-password --unit=soute-start@mine.service touch /run/hit && die "it was started" || true
        [ ! -e /run/hit ]
        as_member soute start mine
        fails 9 as_member soute kill mine >/dev/null
        fails 9 as_member soute pause mine >/dev/null
        fails 125 as_member soute exec mine true >/dev/null
        ! as_member systemctl --no-ask-password set-property soute@mine.service TasksMax=3
        is active "$(state mine)"
        soute remove --force mine other"#,
    );
}
