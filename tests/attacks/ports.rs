//! Row 33: published ports need no packet filter, and one that is reloaded takes none of them away.

use crate::lab::Lab;
use crate::lab::script::{both, run};

both!(attack_33_ports_are_sockets_and_no_rules);

fn attack_33_ports_are_sockets_and_no_rules(lab: &Lab) {
    run(
        lab,
        r#"
        mkdir -p /srv/ports-33
        echo answer-33 >/srv/ports-33/index.html
        define ports-33 'command = ["httpd", "-f", "-p", "80", "-h", "/srv"]' '[[publish]]' 'listen = "0.0.0.0:3380"' 'to = 80' \
            '[[mount]]' 'source = "/srv/ports-33"' 'target = "/srv"'
        answers() { has "$(curl --silent --max-time 30 http://127.0.0.1:3380/)" answer-33; }
        # Without its program there is no nft, and who asks is served all the same.
        nft=$(command -v nft) || true
        if [ -n "$nft" ]; then
            mount --bind /dev/null "$nft"
            if nft list ruleset 2>/dev/null; then die "nft is still there"; fi
        fi
        soute start ports-33
        answers
        if [ -n "$nft" ]; then
            umount "$nft"
            # What firewalld's reload does: all rules go and others come.
            nft flush ruleset
            nft add table inet reloaded-33
            answers
            lacks "$(nft list ruleset)" 3380
            nft delete table inet reloaded-33
        fi
        # Somebody else has the port: an error that says who, and nothing is left.
        sed 's/0.0.0.0:3380/3380/' /etc/soute/containers/ports-33.toml >/etc/soute/containers/other-33.toml
        has "$(fails 5 soute start other-33)" "has the tcp port 3380 already"
        soute stop ports-33
        soute remove ports-33
        busybox nc -ll -p 3380 -e cat & holder=$!
        listens() { ss -Hltn 'sport = :3380' | grep . >/dev/null; }
        soon listens
        has "$(fails 1 soute start other-33)" "port 127.0.0.1:3380/tcp is taken by process $holder (busybox)"
        is not-found "$(prop other-33 LoadState)"
        kill $holder
        wait $holder || true
        soute start other-33
        answers
        soute remove --force other-33"#,
    );
}
