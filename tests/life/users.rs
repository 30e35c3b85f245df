//! Who is not root: looks, over the system bus, and changes nothing.

use crate::lab::Lab;
use crate::lab::script::{both, run};

both!(who_is_not_root_may_look, who_is_not_root_changes_nothing);

/// The bus refuses users that nobody knows.
const USER: &str = r#"
    grep -q ^visitor: /etc/passwd || echo visitor:x:1234:1234::/:/bin/sh >>/etc/passwd
    visitor() { timeout -k 5 60 setpriv --reuid visitor --regid 1234 --clear-groups "$@" </dev/null; }
    "#;

fn who_is_not_root_may_look(lab: &Lab) {
    let script = r#"
        define seen
        soute start seen
        # The premise: it is not PID 1's own socket that answers.
        fails 1 visitor test -w /run/systemd/private >/dev/null
        visitor test -x /usr/local/bin/soute
        has "$(visitor soute list | grep '^seen ' | tr -s ' ')" "seen busybox running "
        has "$(visitor soute list --json | tr -d ' \n')" '"name":"seen","image":"busybox","state":"running"'
        is seen "$(visitor soute list --quiet | grep '^seen$')"
        has "$(visitor soute list --all --quiet)" seen
        has "$(visitor soute status seen)" "active running"
        has "$(visitor soute unit seen)" "Slice=soute.slice"
        has "$(visitor soute --help)" "Usage: soute"
        has "$(visitor soute show seen)" 'image = "busybox"'
        has "$(visitor soute cat seen)" '# /etc/soute/containers/seen.toml'
        has "$(visitor soute check seen 2>&1)" "1 definition checked, no faults"
        echo 'imag = "busybox"' >/srv/wrong.toml
        has "$(fails 5 visitor soute check /srv/wrong.toml)" 'did you mean "image"?'
        # Starting what runs changes nothing, for whoever asks.
        main=$(pid seen)
        visitor soute start seen
        is $main "$(pid seen)"
        soute stop seen"#;
    run(lab, &[USER, script].concat());
}

fn who_is_not_root_changes_nothing(lab: &Lab) {
    let script = r#"
        define theirs
        define idle-one
        soute start theirs
        main=$(pid theirs) file=$(sha256sum /etc/soute/containers/theirs.toml)
        # refused STATUS VERB…
        refused() { has "$(fails $1 visitor soute "${@:2}")" "(not permitted: are you root?)"; }
        for verb in stop restart reload kill remove "remove --force" enable edit; do
            refused 9 $verb theirs
        done
        for verb in "start idle-one" "create another --image busybox" "image list" "image remove busybox" \
            "image import another /images/busybox"; do
            refused 9 $verb
        done
        has "$(fails 9 visitor soute stop theirs)" "soute: cannot stop theirs: "
        # As podman's, their own failures are 125.
        refused 125 exec theirs -- true
        refused 125 run busybox -- true
        refused 125 run -d busybox -- true
        is $main "$(pid theirs)"
        is "$file" "$(sha256sum /etc/soute/containers/theirs.toml)"
        is inactive "$(state idle-one)"
        [ ! -e /etc/soute/containers/another.toml ]
        [ ! -e /var/lib/soute/images/another ]
        soute image show busybox >/dev/null
        soute stop theirs"#;
    run(lab, &[USER, script].concat());
}
