//! A bridge with as many containers as it takes, and one more.

use crate::lab::Lab;
use crate::lab::image::in_lab;
use crate::lab::script::{both, run};

both!(a_full_bridge_says_how_to_go_on);

/// As many as SOUTE_TORTURE says.
fn many() -> u32 {
    std::env::var("SOUTE_TORTURE").ok().and_then(|many| many.parse().ok()).unwrap_or(40)
}

const WORDS: &str = r#"
    four() { echo "10.90.$(($1 / 250)).$(($1 % 250 + 2))"; }
    free() { awk '/^MemAvailable:/ { print $2 }' /proc/meminfo; }
    # all VERB: of those of this part, a few at a time, as at boot; how long it took, in ms.
    all() {
        local began
        began=$(date +%s%N)
        seq -f 'c%g' FIRST LAST | xargs -n 25 -P 4 soute "$1" 2>/root/said >&2 || die "$(head -c 2000 /root/said)"
        echo $((($(date +%s%N) - began) / 1000000))
    }
    # The host's table of neighbours holds 1024 unless it is told otherwise, and what is older than 5 s gives way.
    answers() { ping -c 1 -W 2 -q "$1" >/dev/null 2>&1; }
"#;

/// On a lab of its own, which goes with all of them at once. A part at a time: no command in a lab lasts for ever.
fn all_on_one_bridge_answer(lab: &Lab) {
    in_lab("busybox");
    let many = many();
    let script = |text: &str, first: u32, last: u32| {
        let text = format!("{WORDS}{text}").replace("FIRST", &first.to_string()).replace("LAST", &last.to_string());
        run(lab, &text.replace("MANY", &many.to_string()))
    };
    let number = |text: String| text.trim().parse::<i64>().unwrap_or_else(|_| panic!("no number: {text}"));
    let parts = || (0..many).step_by(100).map(|first| (first, many.min(first + 100) - 1));
    let sum = |text: &str| parts().map(|(first, last)| number(script(text, first, last))).sum::<i64>();
    script(DEFINE, 0, many - 1);
    let before = number(script("free", 0, 0));
    let started = sum("all start");
    let each = (before - number(script("free", 0, 0))) / i64::from(many);
    parts().for_each(|(first, last)| drop(script(ANSWER, first, last)));
    script(ALL_THERE, 0, 0);
    let stopped = sum("all stop");
    script(GONE, 0, 0);
    sum("all remove");
    lab.ok("soute bridge remove br-many");
    println!("{many} containers on one bridge: started in {started} ms, stopped in {stopped} ms, {each} KiB each");
}

const DEFINE: &str = r#"
    # One tree for all, with a place for what is mounted into it.
    cp -a /images/busybox /root/shared
    touch /root/shared/etc/{hosts,hostname,resolv.conf}
    soute image import shared /root/shared
    soute bridge create br-many --address 10.90.0.1/16 --address fd00:90::1/64
    for ((n = FIRST; n <= LAST; n++)); do
        define c$n 'image = "shared"' 'disk.mode = "read-only"' '[dns]' 'servers = []' '[[network]]' \
            'bridge = "br-many"' "address = [\"$(four $n)/16\", \"fd00:90::1:$n/64\"]"
    done"#;

const ANSWER: &str = r#"
    for ((n = FIRST; n <= LAST; n++)); do
        soon answers "$(four $n)"
        soon answers fd00:90::1:$n
    done"#;

const ALL_THERE: &str = r#"
    is MANY "$(ip -o link show master br-many | wc -l)"
    is MANY "$(grep -c '^c[0-9]' /run/soute/instances)"
    is MANY "$(soute list --json | grep -c '"state": "running"')"
    # And one reaches another, whose name it knows.
    nsenter -n -t "$(pid c0)" ping -c 1 -W 5 -q "$(four $((MANY - 1)))" >/dev/null
    has "$(soute exec c0 -- cat /etc/hosts)" "$(four $((MANY - 1)))	c$((MANY - 1))"
    # Nothing of soute runs beside them.
    quiet() { ! pgrep '^soute' >/dev/null; }
    soon quiet"#;

const GONE: &str = r#"
    is 0 "$(ip -o link show master br-many | wc -l)"
    is 0 "$(grep -c '^c[0-9]' /run/soute/instances || true)""#;

#[test]
#[ignore = "rung 2: nested systemd"]
fn a_thousand_on_one_bridge_answer_on_252() {
    all_on_one_bridge_answer(&Lab::boot(None, &[]));
}

#[test]
#[ignore = "rung 2: nested systemd 257"]
fn a_thousand_on_one_bridge_answer_on_257() {
    all_on_one_bridge_answer(&Lab::boot(Some("trixie"), &[]));
}

fn a_full_bridge_says_how_to_go_on(lab: &Lab) {
    run(
        lab,
        r#"
        ip link add br-full up type bridge
        ip address add 10.64.7.1/24 dev br-full
        # 511 pairs with both ends in it, and one with one; down, so that nothing goes round.
        for n in $(seq 511); do
            echo "link add full$n master br-full group 7064 type veth peer name peer$n"
            echo "link set peer$n master br-full"
        done >/root/full
        echo "link add full0 master br-full group 7064 type veth peer name peer0" >>/root/full
        ip -batch /root/full
        is 1023 "$(ip -o link show master br-full | wc -l)"
        define last '[[network]]' 'bridge = "br-full"' 'address = "10.64.7.2/24"'
        said=$(fails 1 soute start last)
        has "$said" "bridge br-full has 1023 ports, and the kernel allows no more"
        has "$said" "a second bridge, joined to this one by a veth"
        # What it says works: the two are one segment.
        ip link delete full1
        ip link add br-more up type bridge
        ip link add more0 master br-full up type veth peer name more1
        ip link set more1 master br-more up
        sed -i s/br-full/br-more/ /etc/soute/containers/last.toml
        soute start last
        answers() { ping -c 1 -W 2 -q 10.64.7.2 >/dev/null 2>&1; }
        soon answers
        soute remove --force last
        ip link delete group 7064
        ip link delete more0
        ip link delete br-full
        ip link delete br-more"#,
    );
}
