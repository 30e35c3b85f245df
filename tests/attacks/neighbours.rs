//! What containers could take from each other and from the host: ids, the log, process numbers.

use crate::lab::script::{both, run};
use crate::lab::{Lab, image};

both!(attack_19_a_flood_of_the_log_leaves_neighbours_alone, attack_19_orphans_do_not_pile_up);

fn attack_19_a_flood_of_the_log_leaves_neighbours_alone(lab: &Lab) {
    run(
        lab,
        r#"
        define neighbour
        soute start neighbour
        # Far more lines than journald takes within its 30 s, and one that would be 20 MB long.
        define flood 'command = ["sh", "-c", "yes flooded | head -n 300000; head -c 20000000 /dev/zero | tr \"\\0\" x; touch /tmp/flooded; sleep infinity"]'
        soute start flood
        over() { [ -e /var/lib/soute/disks/flood/root/tmp/flooded ]; }
        until over; do
            within 30000 soute exec neighbour -- true
            within 30000 soute list >/dev/null
        done
        # 10000 in 30 s, and journald allows some times as many where the disk has room.
        [ "$(journalctl --no-pager -o cat -u soute@flood | grep -c flooded)" -lt 200000 ]
        [ "$(journalctl --no-pager -o cat -u soute@flood | wc -L)" -lt 100000 ]
        within 30000 soute remove --force flood
        within 20000 soute exec neighbour -- true
        soute remove --force neighbour"#,
    );
}

fn attack_19_orphans_do_not_pile_up(lab: &Lab) {
    run(
        lab,
        r#"
        storm='n=0; while [ $n -lt 1000 ]; do (true &); n=$((n + 1)); done; echo stormed'
        zombies() { soute exec $1 -- sh -c 'grep -l "^State:.Z" /proc/[0-9]*/status 2>/dev/null | wc -l'; }
        # The premise: who does not wait for the orphans that become its own keeps them all.
        for init in none reaper; do
            define storm-$init "init = \"$init\"" 'stop.signal = "SIGKILL"'
            soute start storm-$init
            is stormed "$(soute exec storm-$init -- sh -c "$storm")"
        done
        is 1000 "$(zombies storm-none)"
        none() { [ "$(zombies storm-reaper)" = 0 ]; }
        soon none
        soute remove --force storm-none storm-reaper"#,
    );
}

/// A lab of its own, since the pool is the whole host's.
#[test]
#[ignore = "rung 2: nested systemd"]
fn attack_24_no_two_containers_share_ids_of_the_host() {
    let lab = Lab::boot(None, &[]);
    // Twelve ranges; one of them is a user's, and one begins with the id of an account.
    lab.write("/etc/soute/soute.toml", "id-pool = { first = 1048576, last = 1835007 }\n");
    lab.write("/etc/subuid", "someone:1114112:65536\n");
    lab.write("/etc/subgid", "someone:1179648:10\n");
    lab.ok(&format!("soute image import busybox {}", image::in_lab("busybox")));
    run(
        &lab,
        r#"
        echo 'taken:x:1245184:1245184::/:/bin/false' >>/etc/passwd
        names=$(seq -f c%g 9)
        for name in $names; do define $name; soute start $name; done
        first() { awk '{ print $2 }' /proc/$(pid $1)/uid_map; }
        ranges() { for name in $names; do echo "$(first $name) $(cat /proc/$(pid $name)/gid_map | xargs)"; done; }
        all=$(ranges)
        is 9 "$(cut -d' ' -f1 <<<"$all" | sort -u | wc -l)"
        for range in $(cut -d' ' -f1 <<<"$all"); do
            is 0 $((range % 65536))
            [ $range -ge 1048576 ] && [ $range -le 1769472 ]
            case $range in 1114112 | 1179648 | 1245184) die "$range is somebody else's" ;; esac
        done
        # None is left, and none is shared.
        define tenth
        has "$(fails 1 soute start tenth)" "id"
        # Neither a restart nor a stop gives one away.
        soute restart c3
        soute stop c4 c5
        fails 1 soute start tenth >/dev/null
        soute start c4 c5
        is "$all" "$(ranges)"
        # What a removed one had is free.
        gone=$(first c7)
        soute remove --force c7
        soute start tenth
        is $gone "$(first tenth)"
        for name in c1 c2; do first $name; done >/root/firsts"#,
    );
    lab.reboot();
    run(
        &lab,
        r#"
        soute start c1 c2
        for name in c1 c2; do awk '{ print $2 }' /proc/$(pid $name)/uid_map; done >/root/again
        is "$(cat /root/firsts)" "$(cat /root/again)""#,
    );
}
