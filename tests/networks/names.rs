//! Containers on one bridge find each other by name.

use crate::lab::Lab;
use crate::lab::script::{both, run};

both!(
    names_come_and_go_with_containers,
    names_outlive_crashes_and_restarts,
    names_stop_at_the_bridge,
    own_lines_win_and_the_file_is_the_hosts,
    where_the_image_has_no_file_localhost_is_known_all_the_same,
    names_of_a_hundred,
    the_hosts_name_servers,
);

fn names_come_and_go_with_containers(lab: &Lab) {
    run(
        lab,
        r#"
        ip link add br-names up type bridge
        define name-web '[[network]]' 'bridge = "br-names"' 'address = ["10.71.0.2/24", "fd00:71::2/64"]'
        define name-db 'hostname = "database"' '[[network]]' 'bridge = "br-names"' 'address = "10.71.0.3/24"'
        known() { soute exec $1 -- cat /etc/hosts | grep -v '^#' | sed 's/ *$//' | grep -P "\t$2$" | cut -f 1 | sort | xargs; }
        soute start name-web
        is "10.71.0.2 fd00:71::2" "$(known name-web name-web)"
        is "127.0.0.1 ::1" "$(known name-web localhost)"
        is "" "$(known name-web name-db)"
        soute start name-db
        # As soon as a start is over, in both directions.
        is 10.71.0.3 "$(known name-web name-db)"
        is 10.71.0.3 "$(known name-web database)"
        is "10.71.0.2 fd00:71::2" "$(known name-db name-web)"
        reaches() { nsenter -n -t "$(pid $1)" ping -c 1 -W 5 -q "$(known $1 $2 | cut -d' ' -f 1)" >/dev/null; }
        reaches name-web name-db
        reaches name-db name-web
        soute stop name-web
        is "" "$(known name-db name-web)"
        # Who ran all the time sees one file, whose lines stay in their places.
        soute exec name-db -- sh -c 'exec 3</etc/hosts; sleep 1.5; cat <&3' >/tmp/seen & seen=$!
        sleep 0.3
        soute start name-web
        wait $seen
        has "$(cat /tmp/seen)" name-web
        # One-off containers are like any other.
        has "$(soute run --network bridge=br-names,address=10.71.0.9/24 busybox -- cat /etc/hosts)" "10.71.0.3"
        lacks "$(known name-db run)" 10.71.0.9
        is "" "$(soute exec name-db -- grep '^10.71.0.9' /etc/hosts || true)"
        # What changes while they run, changes for all.
        define name-db 'hostname = "database"' 'hosts."api.local" = "10.71.9.9"' '[[network]]' 'bridge = "br-names"' 'address = "10.71.0.4/24"'
        soute apply name-db
        is 10.71.9.9 "$(known name-db api.local)"
        is "10.71.0.2 fd00:71::2" "$(known name-db name-web)"
        is 10.71.0.4 "$(known name-web name-db)"
        is 10.71.0.4 "$(known name-web database)"
        is 10.71.0.4 "$(known name-db name-db)"
        soute stop name-web name-db
        ip link delete br-names"#,
    );
}

fn names_outlive_crashes_and_restarts(lab: &Lab) {
    run(
        lab,
        r#"
        ip link add br-crash up type bridge
        for n in 1 2 3; do
            define crash-$n 'restart.delay = "50ms"' 'restart.limit = 0' '[[network]]' 'bridge = "br-crash"' "address = \"10.72.0.$n/24\""
        done
        soute start crash-1 crash-2 crash-3
        knows_all() { [ "$(soute exec $1 -- grep -c '^10.72.0' /etc/hosts)" = 3 ]; }
        for round in 1 2 3; do
            main=$(pid crash-1)
            kill -9 $main
            soon runs_again crash-1 $main
            for n in 1 2 3; do soon knows_all crash-$n; done
        done
        systemctl restart soute@crash-2
        for n in 1 2 3; do knows_all crash-$n; done
        # Nor does the file grow with every turn.
        is 3 "$(soute exec crash-3 -- grep -c 10.72.0 /etc/hosts; true)"
        # With its clean-up gone as well: the next list, or start, sees that nobody is there.
        define crash-3 'restart.policy = "no"' '[[network]]' 'bridge = "br-crash"' 'address = "10.72.0.3/24"'
        soute restart crash-3
        mkdir -p /etc/systemd/system/soute@crash-3.service.d
        printf '[Service]\nExecStopPost=\n' >/etc/systemd/system/soute@crash-3.service.d/none.conf
        systemctl daemon-reload
        soute stop crash-3
        is 1 "$(soute exec crash-1 -- grep -c '^10.72.0.3' /etc/hosts)"
        soute list >/dev/null
        is 0 "$(soute exec crash-1 -- grep -c '^10.72.0.3' /etc/hosts || true)"
        rm -r /etc/systemd/system/soute@crash-3.service.d
        systemctl daemon-reload
        # All that was known is lost.
        rm /run/soute/names/registry
        soute start crash-3
        for n in 1 2 3; do knows_all crash-$n; done
        soute stop crash-1 crash-2 crash-3
        ip link delete br-crash"#,
    );
}

fn names_stop_at_the_bridge(lab: &Lab) {
    run(
        lab,
        r#"
        ip link add br-left up type bridge
        ip link add br-right up type bridge
        define left '[[network]]' 'bridge = "br-left"' 'address = "10.73.0.2/24"'
        define right '[[network]]' 'bridge = "br-right"' 'address = "10.73.1.2/24"'
        define middle '[[network]]' 'bridge = "br-left"' 'address = "10.73.0.3/24"' '[[network]]' 'bridge = "br-right"' 'address = "10.73.1.3/24"'
        define alone
        soute start left right middle alone
        hosts() { soute exec $1 -- grep '^10.73' /etc/hosts | sed 's/ *$//' | sort | tr '\t\n' ' ,'; }
        is "10.73.0.2 left,10.73.0.3 middle," "$(hosts left)"
        is "10.73.1.2 right,10.73.1.3 middle," "$(hosts right)"
        is "10.73.0.2 left,10.73.0.3 middle,10.73.1.2 right,10.73.1.3 middle," "$(hosts middle)"
        is 0 "$(soute exec alone -- cat /etc/hosts 2>/dev/null | grep -c 10.73 || true)"
        soute stop left
        is "10.73.0.3 middle,10.73.1.2 right,10.73.1.3 middle," "$(hosts middle)"
        soute stop right middle alone
        ip link delete br-left
        ip link delete br-right"#,
    );
}

fn own_lines_win_and_the_file_is_the_hosts(lab: &Lab) {
    run(
        lab,
        r#"
        ip link add br-own up type bridge
        define own-db '[[network]]' 'bridge = "br-own"' 'address = "10.74.0.3/24"'
        define own-web 'hosts."own-db" = "10.74.9.9"' '[[network]]' 'bridge = "br-own"' 'address = "10.74.0.2/24"'
        soute start own-web own-db
        is 10.74.9.9 "$(soute exec own-web -- grep own-db /etc/hosts | grep -v '^#' | cut -f 1)"
        soute restart own-db
        is 10.74.9.9 "$(soute exec own-web -- grep own-db /etc/hosts | grep -v '^#' | cut -f 1)"
        # What it holds would count against the host's memory, and others have their own.
        fails 1 soute exec own-web -- sh -c 'echo 10.0.0.1 evil >>/etc/hosts' >/dev/null
        fails 1 soute exec own-web -- rm /etc/hosts >/dev/null
        fails 1 soute exec own-web -- mount -o remount,rw /etc/hosts >/dev/null
        soute audit own-web >/dev/null
        # Where the definition mounts a file of its own there, that is it.
        echo 10.74.1.1 mine >/srv/own-hosts
        define own-file '[[network]]' 'bridge = "br-own"' 'address = "10.74.0.4/24"' '[[mount]]' 'source = "/srv/own-hosts"' 'target = "/etc/hosts"'
        # And what is mounted over /etc comes before the names.
        mkdir -p /srv/own-etc
        echo 10.74.1.2 below >/srv/own-etc/hosts
        define own-etc '[[network]]' 'bridge = "br-own"' 'address = "10.74.0.5/24"' '[[mount]]' 'source = "/srv/own-etc"' 'target = "/etc"'
        soute start own-file own-etc
        is "10.74.1.1 mine" "$(soute exec own-file -- cat /etc/hosts)"
        has "$(soute exec own-etc -- cat /etc/hosts)" "10.74.1.2 below"
        has "$(soute exec own-etc -- cat /etc/hosts)" own-web
        is "10.74.1.2 below" "$(cat /srv/own-etc/hosts)"
        soute stop own-web own-db own-file own-etc
        ip link delete br-own"#,
    );
}

fn the_hosts_name_servers(lab: &Lab) {
    run(
        lab,
        r#"
        define asks 'dns.servers = ["host", "10.76.0.9"]' 'dns.search = "lan"'
        kept=$(cat /etc/resolv.conf 2>/dev/null || true)
        printf 'nameserver 10.76.0.1\nnameserver 127.0.0.53\n' >/etc/resolv.conf
        soute start asks
        is "nameserver 10.76.0.1 nameserver 10.76.0.9 search lan" "$(soute exec asks -- cat /etc/resolv.conf | xargs)"
        soute stop asks
        define asks 'dns.servers = "host"'
        printf 'nameserver 127.0.0.53\n' >/etc/resolv.conf
        has "$(soute check asks 2>&1)" "on its own loopback"
        has "$(soute start asks 2>&1)" "on its own loopback"
        soute stop asks
        # What resolved itself asks.
        mkdir -p /run/systemd/resolve
        printf 'nameserver 10.76.0.2\n' >/run/systemd/resolve/resolv.conf
        soute start asks
        is "nameserver 10.76.0.2" "$(soute exec asks -- cat /etc/resolv.conf)"
        soute stop asks
        rm /run/systemd/resolve/resolv.conf
        printf '%s\n' "$kept" >/etc/resolv.conf"#,
    );
}

fn names_of_a_hundred(lab: &Lab) {
    run(
        lab,
        r#"
        ip link add br-all up type bridge
        for n in $(seq 100); do
            define all$n 'log.output = "none"' '[[network]]' 'bridge = "br-all"' "address = \"10.75.0.$n/24\""
        done
        seq 100 | sed s/^/all/ | xargs -P 4 -n 25 soute start
        for n in 1 50 100; do is 100 "$(soute exec all$n -- grep -c '^10.75.0' /etc/hosts)"; done
        # While every other of them ends, those that stay are found at any moment.
        soute exec all1 -- sh -c 'while [ ! -e /dev/shm/over ]; do for n in 1 11 51 99; do grep "^10.75.0.$n	all$n *$" /etc/hosts >/dev/null || exit 1; done; done' & asks=$!
        sleep 0.3
        seq 2 2 100 | sed s/^/all/ | xargs -P 4 -n 25 soute stop
        soute exec all1 -- touch /dev/shm/over
        wait $asks
        for n in 1 51 99; do is 50 "$(soute exec all$n -- grep -c '^10.75.0' /etc/hosts)"; done
        soute stop $(seq 1 2 99 | sed s/^/all/)
        ip link delete br-all
        rm /etc/soute/containers/all*.toml"#,
    );
}

fn where_the_image_has_no_file_localhost_is_known_all_the_same(lab: &Lab) {
    run(
        lab,
        r#"
        hosts() { soute exec lone -- cat /etc/hosts; }
        define lone 'hostname = "lonely"'
        soute start lone
        for line in "127.0.0.1 localhost" "::1 localhost" "127.0.1.1 lonely"; do has "$(hosts | tr '\t' ' ')" "$line"; done
        is "0 0 644" "$(soute exec lone -- stat -c '%u %g %a' /etc/hosts)"
        # Nothing is mounted there.
        lacks "$(soute exec lone -- cat /proc/mounts)" /etc/hosts
        is "" "$(soute verify lone)"
        soute audit lone >/dev/null
        define lone 'hostname = "other"'
        soute restart lone
        has "$(hosts)" "127.0.1.1	other"
        lacks "$(hosts)" lonely
        # What the container writes is its own.
        soute exec lone -- sh -c 'echo 10.0.0.1 mine >/etc/hosts'
        soute restart lone
        is "10.0.0.1 mine" "$(hosts)"
        # Names of the definition alone hide no localhost.
        soute exec lone -- rm /etc/hosts
        soute restart lone
        has "$(hosts)" "127.0.1.1	other"
        define lone 'hosts."api.local" = "10.71.9.9"'
        soute restart lone
        has "$(hosts)" "127.0.0.1	localhost"
        has "$(hosts)" "10.71.9.9	api.local"
        lacks "$(hosts)" 127.0.1.1
        define lone
        soute restart lone
        has "$(hosts)" "127.0.1.1	lone"
        soute remove --force lone
        has "$(soute run --name briefly busybox -- cat /etc/hosts)" "127.0.1.1	briefly"
        has "$(soute run --network host busybox -- cat /etc/hosts)" "127.0.0.1	localhost"
        # A disk that cannot be written to, and a directory of the host's, are let be.
        define lone 'disk.mode = "read-only"'
        soute start lone
        fails 1 soute exec lone -- cat /etc/hosts >/dev/null
        mkdir /root/etc
        define lone 'disk.mode = "fresh"' '[[mount]]' 'source = "/root/etc"' 'target = "/etc"'
        soute restart lone
        is "" "$(ls -A /root/etc)"
        soute remove --force lone
        rmdir /root/etc"#,
    );
}
