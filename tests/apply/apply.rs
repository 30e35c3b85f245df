//! `soute apply`: what is live changes while the container runs, what is not waits for a restart.

use crate::lab::Lab;
use crate::lab::script::{both, run};

both!(
    limits_change_without_a_restart_and_stay,
    what_needs_a_restart_waits_for_it,
    wires_change_while_they_are_used,
    files_of_names_are_written_where_they_are,
    what_cannot_be_done_changes_nothing,
);

fn limits_change_without_a_restart_and_stay(lab: &Lab) {
    run(
        lab,
        r#"
        define limits 'restart.policy = "always"' 'restart.delay = "100ms"' '[limits]' 'memory = "256M"' 'cpus = 1.5' 'cpu-set = "0"' \
            'write-bandwidth = "20MB/s"' 'read-iops = 500'
        soute start limits
        pid=$(pid limits)
        define limits 'description = "told"' 'restart.policy = "always"' 'restart.delay = "100ms"' \
            '[limits]' 'memory = "512M"' 'tasks = 50' 'cpu-weight = 77' \
            'io-weight = 55' 'write-bandwidth = "10MB/s"' 'write-iops = 300'
        now() {
            for pair in MemoryMax=536870912 TasksMax=50 CPUWeight=77 IOWeight=55 CPUQuotaPerSecUSec=infinity AllowedCPUs= \
                MemorySwapMax=536870912 Description=told IOReadIOPSMax=; do
                is "$pair" "${pair%%=*}=$(prop limits ${pair%%=*})"
            done
            has "$(prop limits IOWriteBandwidthMax)" " 10000000"
            lacks "$(prop limits IOWriteBandwidthMax)" " 20000000"
            has "$(prop limits IOWriteIOPSMax)" " 300"
        }
        shown=$(fails 7 soute apply --dry-run limits)
        has "$shown" limits.memory
        is 268435456 "$(prop limits MemoryMax)"
        is "$shown" "$(soute apply limits)"
        now
        is $pid "$(pid limits)"
        is "" "$(soute diff limits)"
        is "" "$(soute apply limits)"
        lacks "$(marked limits)" changed
        systemctl daemon-reload
        now
        # Nothing doubles, and an automatic restart keeps them.
        kill -9 $pid
        soon runs_again limits $pid
        now
        is "" "$(soute diff limits)"
        systemctl restart soute@limits
        now
        soute restart limits
        now
        [ ! -e /run/systemd/transient/soute@limits.service.d ]
        is "" "$(soute diff limits)"
        # set-property of somebody else is undone.
        systemctl set-property soute@limits TasksMax=99
        has "$(soute apply limits)" drift
        now
        soute stop limits"#,
    );
}

fn what_needs_a_restart_waits_for_it(lab: &Lab) {
    run(
        lab,
        r#"
        define waits 'restart.policy = "always"' 'restart.delay = "100ms"'
        soute start waits
        pid=$(pid waits)
        define waits 'restart.policy = "always"' 'restart.delay = "100ms"' 'umask = "0077"' 'environment.A = "b"' '[limits]' 'memory = "64M"'
        fails 7 soute apply waits >/dev/null
        is $pid "$(pid waits)"
        is 67108864 "$(prop waits MemoryMax)"
        left=$(fails 7 soute apply waits)
        lacks "$left" limits.memory
        has "$left" umask
        has "$(marked waits)" changed
        # What was not applied is not there after an automatic restart either.
        kill -9 $pid
        soon runs_again waits $pid
        lacks "$(tr '\0' '\n' </proc/$(pid waits)/environ)" A=b
        soute apply --restart waits >/dev/null
        has "$(tr '\0' '\n' </proc/$(pid waits)/environ)" A=b
        is 67108864 "$(prop waits MemoryMax)"
        is "" "$(soute diff waits)"
        # A new disk only for the explicit word.
        soute exec waits touch /kept
        define waits '[disk]' 'mode = "fresh"'
        [ -e /var/lib/soute/disks/waits/root/kept ]
        pid=$(pid waits)
        fails 7 soute apply waits >/dev/null
        is $pid "$(pid waits)"
        fails 2 soute apply --recreate waits >/dev/null
        soute apply --restart --recreate waits >/dev/null
        [ ! -e /var/lib/soute/disks/waits/root/kept ]
        is "" "$(soute diff waits)"
        soute stop waits
        # Nothing runs: nothing to do.
        define waits 'umask = "0070"'
        has "$(soute apply waits 2>&1)" "does not run"
        is inactive "$(state waits)""#,
    );
}

fn wires_change_while_they_are_used(lab: &Lab) {
    run(
        lab,
        r#"
        ip link add br-live up type bridge
        ip link add br-more up type bridge
        ip address add 10.72.0.1/24 dev br-live
        ip address add 10.73.0.1/24 dev br-more
        link='[[network]]' bridge='bridge = "br-live"'
        define wires "$link" "$bridge" 'address = ["10.72.0.2/24"]' 'gateway = ["10.72.0.1"]'
        soute start wires
        pid=$(pid wires)
        inside() { nsenter -n -t $pid "$@"; }
        pings() { ping -c 1 -W 5 -q $1 >/dev/null; }
        pings 10.72.0.2
        # Another address beside it, routes and a smaller packet.
        define wires "$link" "$bridge" 'address = ["10.72.0.2/24", "10.72.0.9/24", "fd00:72::2/64"]' 'gateway = ["10.72.0.1"]' 'mtu = 1400' \
            'routes = [{ to = "10.99.0.0/16", via = "10.72.0.1" }]'
        fails 7 soute diff wires >/dev/null
        soute apply wires >/dev/null
        pings 10.72.0.9
        has "$(inside ip route)" "10.99.0.0/16 via 10.72.0.1"
        has "$(inside ip link show eth0)" "mtu 1400"
        has "$(inside ip -6 address show dev eth0)" "fd00:72::2/64"
        has "$(soute list)" "10.72.0.2,10.72.0.9"
        # The first address goes, and with it what the kernel hangs on it; the rest comes back.
        define wires "$link" "$bridge" 'address = ["10.72.0.9/24"]' 'gateway = ["10.72.0.1"]' "$link" 'bridge = "br-more"' 'address = ["10.73.0.2/24"]'
        soute apply wires >/dev/null
        lacks "$(inside ip address)" "10.72.0.2/"
        lacks "$(inside ip address)" "fd00:72"
        lacks "$(inside ip route)" 10.99
        has "$(inside ip route show default)" "default via 10.72.0.1"
        has "$(inside ip link show eth0)" "mtu 1500"
        pings 10.72.0.9
        pings 10.73.0.2
        is "" "$(soute diff wires)"
        # Moved to the other bridge, and the second link taken away.
        define wires "$link" 'bridge = "br-more"' 'address = ["10.73.0.9/24"]'
        soute apply wires >/dev/null
        pings 10.73.0.9
        is "" "$(ip -o link show master br-live)"
        is 1 "$(ip -o link show master br-more | wc -l)"
        lacks "$(inside ip -o link)" eth1
        is "" "$(soute diff wires)"
        is $pid "$(pid wires)"
        # A veth removed by hand is made again.
        ip link delete $(ip -o link show master br-more | sed 's/^[0-9]*: \([^@]*\)@.*/\1/')
        soute apply wires >/dev/null
        pings 10.73.0.9
        is "" "$(soute diff wires)"
        soute stop wires
        is "" "$(ip -o link show master br-more)"
        ip link delete br-live
        ip link delete br-more"#,
    );
}

fn files_of_names_are_written_where_they_are(lab: &Lab) {
    run(
        lab,
        r#"
        base() { define names "$@"; }
        base '[dns]' 'servers = "10.0.0.1"' '[hosts]' '"api.local" = "10.88.0.20"'
        soute start names
        pid=$(pid names)
        file() { soute exec names -- cat "$1"; }
        has "$(file /etc/resolv.conf)" "nameserver 10.0.0.1"
        base '[dns]' 'servers = ["10.0.0.2", "10.0.0.3"]' 'search = "example.org"' '[hosts]' 'db = "10.88.0.21"'
        soute apply names >/dev/null
        is "nameserver 10.0.0.2 nameserver 10.0.0.3 search example.org" "$(file /etc/resolv.conf | xargs)"
        has "$(file /etc/hosts)" "10.88.0.21"
        lacks "$(file /etc/hosts)" "10.88.0.20"
        is "" "$(soute diff names)"
        # The last one goes with what is mounted at the start.
        base '[hosts]' 'db = "10.88.0.21"'
        has "$(fails 7 soute apply names | tr -s ' ')" "dns.servers restart"
        has "$(file /etc/resolv.conf)" "nameserver 10.0.0.2"
        is $pid "$(pid names)"
        # Where somebody inside has changed it, nothing is guessed.
        base '[dns]' 'servers = ["10.0.0.2", "10.0.0.3"]' 'search = "example.org"' '[hosts]' 'db = "10.88.0.22"' '[limits]' 'tasks = 7'
        soute exec names -- sh -c 'echo other >/etc/hosts'
        has "$(fails 1 soute apply names)" "somebody in the container has changed it"
        is 2048 "$(prop names TasksMax)"
        soute stop names"#,
    );
}

fn what_cannot_be_done_changes_nothing(lab: &Lab) {
    run(
        lab,
        r#"
        ip link add br-all up type bridge
        define takes '[[network]]' 'bridge = "br-all"' 'address = ["10.74.0.2/24"]'
        define wants '[[network]]' 'bridge = "br-all"' 'address = ["10.74.0.3/24"]'
        soute start takes wants
        # An address that another has, a bridge that is not there, a gateway that is not reached.
        try() {
            define wants '[limits]' 'tasks = 33' '[[network]]' "$@"
            fails $wanted soute apply wants >/dev/null
            is 2048 "$(prop wants TasksMax)"
            has "$(nsenter -n -t $(pid wants) ip address)" "10.74.0.3/24"
            lacks "$(nsenter -n -t $(pid wants) ip -o link)" eth1
        }
        wanted=5 try 'bridge = "br-all"' 'address = ["10.74.0.2/24"]'
        wanted=1 try 'bridge = "br-all"' 'address = ["10.74.0.3/24"]' '[[network]]' 'bridge = "br-no"' 'address = ["10.75.0.3/24"]'
        wanted=5 try 'bridge = "br-all"' 'address = ["10.74.0.9/24"]' 'gateway = ["10.80.0.1"]'
        define wants '[limits]' 'tasks = 33' '[[network]]' 'bridge = "br-all"' 'address = ["10.74.0.3/24"]'
        soute apply wants >/dev/null
        is 33 "$(prop wants TasksMax)"
        soute stop takes wants
        ip link delete br-all"#,
    );
}
