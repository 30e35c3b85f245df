//! What is told of a link while its container runs: rates, addresses that neighbours hear of, ports that somebody has changed.

use crate::lab::Lab;
use crate::lab::script::{both, run};

both!(rates_change_while_bytes_flow, an_applied_address_is_announced_and_asked_for, ports_are_what_they_were_told);

const WORDS: &str = r#"
    inside() { local name=$1; shift; nsenter -n -t "$(pid $name)" "$@"; }
    host_end() { ip -o link show master $1 | grep -o 'vb-[0-9a-z]*' | head -n 1; }
"#;

fn script(lab: &Lab, text: &str) {
    run(lab, &format!("{WORDS}{text}"));
}

fn rates_change_while_bytes_flow(lab: &Lab) {
    script(
        lab,
        r#"
        ip link add br-rate up type bridge
        ip address add 10.74.0.1/24 dev br-rate
        link() { define fast '[[network]]' 'bridge = "br-rate"' 'address = "10.74.0.2/24"' "$@"; }
        link
        soute start fast
        main=$(pid fast)
        end=$(host_end br-rate)
        lacks "$(tc qdisc show dev $end) $(inside fast tc qdisc show dev eth0)" tbf
        link 'rate = { in = "8Mbit/s", out = "16Mbit/s" }'
        has "$(fails 7 soute diff fast)" "network.eth0.rate"
        has "$(fails 7 soute diff fast)" live
        soute apply fast >/dev/null
        has "$(tc qdisc show dev $end)" "rate 8Mbit"
        has "$(inside fast tc qdisc show dev eth0)" "rate 16Mbit"
        link 'rate = { out = "32Mbit/s" }'
        soute apply fast >/dev/null
        lacks "$(tc qdisc show dev $end)" tbf
        has "$(inside fast tc qdisc show dev eth0)" "rate 32Mbit"
        link
        soute apply fast >/dev/null
        lacks "$(tc qdisc show dev $end) $(inside fast tc qdisc show dev eth0)" tbf
        is "" "$(soute diff fast)"
        # Nothing else happened: neither a restart nor another link.
        is "$main $end" "$(pid fast) $(host_end br-rate)"
        # What is set by somebody else is not ours to lift.
        tc qdisc replace dev $end root handle 7: pfifo
        link 'mtu = 1400'
        soute apply fast >/dev/null
        has "$(tc qdisc show dev $end)" pfifo
        soute stop fast
        ip link delete br-rate"#,
    );
}

fn an_applied_address_is_announced_and_asked_for(lab: &Lab) {
    script(
        lab,
        r#"
        ip link add br-told up type bridge
        link() { define $1 '[[network]]' 'bridge = "br-told"' "address = $2"; }
        link one '["10.75.0.1/24", "10.75.0.9/24", "fd00:75::1/64", "fd00:75::9/64"]'
        link two '["10.75.0.2/24", "fd00:75::2/64"]'
        link watch '["10.75.0.3/24", "fd00:75::3/64"]'
        soute start one two watch
        known() { inside watch ip neigh show to $1 dev eth0 | grep -o '02:[0-9a-f:]*' || true; }
        own() { inside $1 ip -o link show eth0 | grep -o 'ether [0-9a-f:]*' | cut -d' ' -f2; }
        inside watch ping -c 1 -W 5 -q 10.75.0.9 >/dev/null
        inside watch ping -c 1 -W 5 -q fd00:75::9 >/dev/null
        is "$(own one) $(own one)" "$(known 10.75.0.9) $(known fd00:75::9)"
        # While another container has it by its definition, and while somebody has it whatever is written.
        both='"10.75.0.9/24", "fd00:75::9/64"'
        link two "[\"10.75.0.2/24\", \"fd00:75::2/64\", $both]"
        has "$(fails 5 soute apply two)" "one has the address 10.75.0.9 on br-told already"
        link one '["10.75.0.1/24", "fd00:75::1/64"]'
        soute apply one >/dev/null
        inside one ip address add 10.75.0.9/24 dev eth0
        has "$(fails 1 soute apply two)" "the address 10.75.0.9 is in use on br-told: $(own one) has it, behind vb-"
        inside one ip address del 10.75.0.9/24 dev eth0
        soute apply two >/dev/null
        told() { [ "$(own two) $(own two)" = "$(known 10.75.0.9) $(known fd00:75::9)" ]; }
        soon told
        inside watch ping -c 1 -W 5 -q 10.75.0.9 >/dev/null
        soute stop one two watch
        ip link delete br-told"#,
    );
}

fn ports_are_what_they_were_told(lab: &Lab) {
    script(
        lab,
        r#"
        ip link add br-port up type bridge
        link() { local name=$1; shift; define $name '[[network]]' 'bridge = "br-port"' "$@"; }
        link shy 'isolated = true' 'spoof-check = true'
        soute start shy
        end=$(host_end br-port)
        is "" "$(soute diff shy)$(soute verify shy)"
        bridge link set dev $end isolated off locked off learning on hairpin on
        for verb in diff verify; do
            said=$(fails 7 soute $verb shy)
            for key in isolated spoof-check learning hairpin; do has "$said" "network.eth0.$key "; done
        done
        main=$(pid shy)
        soute apply shy >/dev/null
        is "" "$(soute diff shy)$(soute verify shy)"
        # VLANs have their part in tests/vm/links.sh, where the kernel knows them.
        is $main "$(pid shy)"
        soute stop shy
        ip link delete br-port"#,
    );
}
