//! `soute stats`: counters of cgroups and links, seen from the container's side.

use crate::lab::Lab;
use crate::lab::script::{both, run};

both!(what_a_container_uses_is_counted);

fn what_a_container_uses_is_counted(lab: &Lab) {
    run(
        lab,
        r#"
        ip link add br-stats up type bridge
        ip address add 10.70.0.1/24 dev br-stats
        define busy 'command = ["sh", "-c", "while :; do :; done"]' '[[network]]' 'bridge = "br-stats"' 'address = "10.70.0.2/24"'
        define idle
        soute start busy idle
        shown=$(soute stats busy idle)
        has "$shown" "NAME  CPU"
        cpu() { awk -v name=$1 '$1 == name { sub("%", "", $2); print int($2) }' <<<"$shown"; }
        [ "$(cpu busy)" -gt 5 ] || die "$shown"
        [ "$(cpu idle)" -lt 5 ] || die "$shown"
        # The busiest first.
        has "$(sed -n 2p <<<"$shown")" busy
        has "$(soute stats --sort name --interval 0.2 | sed -n 2p)" busy
        # Both have one task, and names decide.
        has "$(soute stats --sort tasks --interval 0.2 idle busy | sed -n 2p)" busy
        fails 2 soute stats --sort nonsense >/dev/null
        # On a terminal each look is over the one before, and as high as the terminal.
        script -qec 'stty rows 3; timeout 2 soute stats --watch --interval 0.2' /tmp/terminal </dev/null >/dev/null || true
        has "$(cat /tmp/terminal)" $'\033[H\033[JNAME '
        is "" "$(grep -a idle /tmp/terminal || true)"
        counter() { soute stats --prometheus busy | sed -n "s/^soute_$1{name=\"busy\"} //p"; }
        received=$(counter receive_bytes_total)
        sent=$(counter transmit_bytes_total)
        # More goes in than comes out.
        nsenter -n -t $(pid busy) ping -q -c 3 -i 0.1 -s 1000 10.70.0.1 >/dev/null
        ping -q -c 20 -i 0.01 -s 1000 10.70.0.2 >/dev/null
        [ "$(counter receive_bytes_total)" -gt $((received + 20000)) ]
        [ "$(counter transmit_bytes_total)" -gt $((sent + 20000)) ]
        before=$(counter cpu_seconds_total)
        sleep 0.3
        awk -v a="$before" -v b="$(counter cpu_seconds_total)" 'BEGIN { exit !(b > a) }'
        has "$(soute stats --json --interval 0.2 busy)" '"cpu":'
        has "$(soute stats --prometheus)" '# TYPE soute_cpu_seconds_total counter'
        # It goes on until it is ended.
        lines=$(timeout 5 soute stats --watch --interval 0.1 busy | head -n 6 | wc -l)
        is 6 $lines
        soute stop busy idle
        # What it has used in all is in the journal.
        journalctl --sync
        used=$(journalctl -o json -u soute@busy MESSAGE_ID=ae8f7b866b0347b9af31fe1c80b127c0 | sed -n 's/.*"CPU_USAGE_NSEC":"\([0-9]*\)".*/\1/p' | tail -n 1)
        [ "$used" -gt 500000000 ] || die "used: $used"
        fails 3 soute stats busy >/dev/null
        fails 4 soute stats no-such >/dev/null
        ip link delete br-stats"#,
    );
}
