//! `soute set`, and what `soute verify` finds that `soute diff` does not.

use crate::lab::Lab;
use crate::lab::script::{both, run};

both!(
    a_key_is_set_where_it_is_written_and_applied,
    what_would_be_invalid_is_not_written,
    verify_reads_what_is_there,
    verify_reads_links_inside,
    a_killed_apply_is_told_of_and_finished,
);

fn a_key_is_set_where_it_is_written_and_applied(lab: &Lab) {
    run(
        lab,
        r#"
        ip link add br-set up type bridge
        define sets '# a comment' '[limits]' 'memory = "256M"  # enough' '[[network]]' 'bridge = "br-set"' 'address = "10.78.0.2/24"'
        soute start sets
        pid=$(pid sets)
        soute set sets limits.memory=512M limits.tasks=100 labels.a=7 network.eth0.mtu=1400 description='two words' 2>/dev/null
        file=/etc/soute/containers/sets.toml
        has "$(cat $file)" '# a comment'
        has "$(cat $file)" 'memory = "512M"  # enough'
        has "$(cat $file)" 'tasks = 100'
        # Where a string is wanted, a number is one.
        has "$(cat $file)" 'a = "7"'
        has "$(cat $file)" 'mtu = 1400'
        is 536870912 "$(prop sets MemoryMax)"
        is "two words" "$(prop sets Description)"
        is $pid "$(pid sets)"
        is "" "$(soute verify sets)"
        # Nothing after the sign takes it out.
        soute set sets limits.tasks= >/dev/null
        lacks "$(cat $file)" tasks
        is 2048 "$(prop sets TasksMax)"
        # A drop-in that decides is what is changed, and a package's file is not.
        mkdir -p $file.d
        printf '[limits]\ncpus = 1\n' >$file.d/50-cpus.toml
        soute set sets limits.cpus=0.5 >/dev/null
        has "$(cat $file.d/50-cpus.toml)" "cpus = 0.5"
        lacks "$(cat $file)" cpus
        is 500ms "$(prop sets CPUQuotaPerSecUSec)"
        # One that drops what is below it decides too.
        printf 'unset = ["limits.memory"]\n' >$file.d/60-drop.toml
        soute apply sets >/dev/null
        fails 5 soute set sets limits.memory=lots >/dev/null
        soute set sets limits.memory=384M >/dev/null
        has "$(cat $file.d/60-drop.toml)" 'memory = "384M"'
        is 402653184 "$(prop sets MemoryMax)"
        # What needs a restart says so.
        fails 7 soute set sets umask=0077 >/dev/null
        is $pid "$(pid sets)"
        soute set --restart sets umask=0070 >/dev/null
        is "" "$(soute diff sets)"
        soute remove --force sets
        ip link delete br-set"#,
    );
}

fn what_would_be_invalid_is_not_written(lab: &Lab) {
    run(
        lab,
        r#"
        define firm '[limits]' 'memory = "256M"'
        before=$(cat /etc/soute/containers/firm.toml)
        has "$(fails 5 soute set firm limits.memory=256MB)" "256MB"
        fails 5 soute set firm limits.memry=1G >/dev/null
        fails 2 soute set firm limits.memory >/dev/null
        fails 2 soute set firm network.eth0.mtu=1400 >/dev/null
        fails 4 soute set no-such limits.memory=1G >/dev/null
        is "$before" "$(cat /etc/soute/containers/firm.toml)"
        is "" "$(find /etc/soute/containers -name '.firm*')"
        soute remove firm"#,
    );
}

fn verify_reads_what_is_there(lab: &Lab) {
    run(
        lab,
        r#"
        ip link add br-there up type bridge
        mkdir -p /srv/there
        define there '[[network]]' 'bridge = "br-there"' 'address = "10.79.0.2/24"' 'gateway = "10.79.0.1"' \
            '[[mount]]' 'source = "/srv/there"' 'target = "/there"' 'read-only = true'
        soute start there
        is "" "$(soute verify there)"
        inside() { nsenter -n -t $(pid there) "$@"; }
        inside ip address add 10.79.0.77/24 dev eth0
        has "$(fails 7 soute verify there)" "10.79.0.77/24"
        inside ip address delete 10.79.0.77/24 dev eth0
        is "" "$(soute verify there)"
        inside ip route delete default
        has "$(fails 7 soute verify there | tr -s ' ')" "network.eth0.gateway drift default via 10.79.0.1 gone"
        inside ip route add default via 10.79.0.1
        nsenter -m -t $(pid there) -r -- /bin/sh -c 'umount /there'
        has "$(fails 7 soute verify there)" 'mount."/there"'
        systemctl set-property soute@there TasksMax=99
        has "$(fails 7 soute verify --json there)" '"field": "limits.tasks"'
        fails 7 soute verify >/dev/null
        soute restart there
        is "" "$(soute verify there)"
        soute stop there
        has "$(soute verify there 2>&1)" "does not run"
        fails 4 soute verify no-such >/dev/null
        ip link delete br-there"#,
    );
}

fn verify_reads_links_inside(lab: &Lab) {
    run(
        lab,
        r#"
        ip link add br-inner up type bridge
        define inner '[[network]]' 'bridge = "br-inner"' 'address = ["10.79.4.2/24", "fd00:79:4::2/64"]' 'gateway = "10.79.4.1"' \
            'rate = { in = "4MB/s", out = "2MB/s" }' 'routes = [{ to = "10.99.0.0/16", via = "10.79.4.1", metric = 7 }]' \
            '[[network]]' 'bridge = "br-inner"' 'address = "10.79.5.2/32"' 'mtu = 1400' 'routes = [{ to = "10.79.6.1/32" }]'
        soute start inner
        is "" "$(soute verify inner)"
        inside() { nsenter -n -t $(pid inner) "$@"; }
        found() { fails 7 soute verify inner | sed 1d | tr -s ' ' | sed 's/ *$//'; }
        # WANTED UNDO CHANGE: somebody does it inside, and takes it back.
        each() {
            inside $3
            is "$1" "$(found)"
            inside $2
            is "" "$(soute verify inner)"
        }
        kernel=" the kernel"
        each "inner network.eth0.address drift 10.79.4.2/24 fd00:79:4::2/64 10.79.4.2/24$kernel" \
            "ip address add fd00:79:4::2/64 dev eth0 nodad" "ip address delete fd00:79:4::2/64 dev eth0"
        each "inner network.eth0.routes drift 10.99.0.0/16 via 10.79.4.1 metric 7 gone$kernel" \
            "ip route add 10.99.0.0/16 via 10.79.4.1 metric 7" "ip route delete 10.99.0.0/16"
        each "inner network.eth0.address drift 10.79.4.0/24 gone$kernel" \
            "ip route add 10.79.4.0/24 dev eth0 src 10.79.4.2" "ip route delete 10.79.4.0/24"
        each "inner network.eth0.routes drift - 10.98.0.0/16 via 10.79.4.1$kernel" \
            "ip route delete 10.98.0.0/16" "ip route add 10.98.0.0/16 via 10.79.4.1"
        each "inner network.eth1.routes drift 10.79.6.1/32 gone$kernel" \
            "ip route add 10.79.6.1/32 dev eth1" "ip route delete 10.79.6.1/32"
        each "inner network.eth0.mtu drift 1500 1300$kernel" "ip link set eth0 mtu 1500" "ip link set eth0 mtu 1300"
        each "inner network.eth1.mtu drift 1400 1500$kernel" "ip link set eth1 mtu 1400" "ip link set eth1 mtu 1500"
        # What a router tells of for a time is nobody's drift.
        inside ip address add fd00:79:4::99/64 dev eth0 valid_lft 600 preferred_lft 600
        is "" "$(soute verify inner)"
        mac=$(inside ip -o link show eth1 | sed 's/.*ether \([^ ]*\).*/\1/')
        each "inner network.eth1.mac drift $mac 02:00:00:00:00:99$kernel" \
            "ip link set eth1 address $mac" "ip link set eth1 address 02:00:00:00:00:99"
        inside ip link set eth1 down
        is "inner network.eth1 drift up down$kernel" "$(found)"
        soute restart inner
        inside tc qdisc delete dev eth0 root
        is "inner network.eth0.rate drift out = 2MB/s out = infinity$kernel" "$(found)"
        soute restart inner
        # The host's end is seen from the host, and brought back.
        tc qdisc replace dev $(ip -o link show master br-inner | sed -n '1s/^[0-9]*: \([^@]*\)@.*/\1/p') root tbf rate 1mbit burst 10k latency 10ms
        has "$(found)" "network.eth0.rate drift in = 4MB/s in = 125kB/s"
        soute apply inner >/dev/null
        is "" "$(soute verify inner)"
        soute stop inner
        ip link delete br-inner"#,
    );
}

fn a_killed_apply_is_told_of_and_finished(lab: &Lab) {
    run(
        lab,
        r#"
        ip link add br-kill up type bridge
        one=('[limits]' 'tasks = 50' '[[network]]' 'bridge = "br-kill"' 'address = "10.79.1.2/24"' '[hosts]' 'db = "10.0.0.1"')
        two=('[limits]' 'tasks = 60' 'memory = "64M"' '[[network]]' 'bridge = "br-kill"' 'address = ["10.79.1.2/24", "10.79.1.3/24"]' \
            '[[network]]' 'bridge = "br-kill"' 'address = "10.79.2.2/24"' '[hosts]' 'db = "10.0.0.2"')
        define killed "${one[@]}"
        soute start killed
        pid=$(pid killed)
        calls=sendmsg,sendto,write,renameat,flock
        try=0
        # At its first call of these, at its third, and so on, until it comes to its end before.
        for ((step = 1; ; step += 2)); do
            try=$((try + 1))
            if ((try % 2)); then define killed "${two[@]}"; else define killed "${one[@]}"; fi
            ended=0
            strace -f -qq -o /dev/null -e trace=$calls -e inject=$calls:signal=KILL:when=$step soute apply killed >/dev/null 2>&1 || ended=$?
            [ $ended = 0 ] || [ $ended = 137 ] || die "apply ended with $ended"
            # Either nothing is left to do, or it is said.
            status=0
            soute verify killed >/dev/null 2>&1 || status=$?
            [ $status = 0 ] || [ $status = 7 ] || die "verify ended with $status"
            if [ $status = 0 ]; then is "" "$(soute diff killed)"; fi
            soute apply killed >/dev/null
            is "" "$(soute verify killed 2>&1)"
            if [ $ended = 0 ]; then break; fi
        done
        [ $try -gt 5 ]
        is $pid "$(pid killed)"
        soute stop killed
        ip link delete br-kill"#,
    );
}
