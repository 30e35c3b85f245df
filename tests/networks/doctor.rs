//! `soute doctor`: what it says of a lab, and of one in which something is wrong.

use crate::lab::Lab;
use crate::lab::script::{both, host, run};

both!(a_host_is_looked_at_and_not_changed, what_is_wrong_is_named_with_its_fix);

fn a_host_is_looked_at_and_not_changed(lab: &Lab) {
    run(
        lab,
        r#"
        export SOUTE_ROOT=/root/doctor-well
        mkdir -p $SOUTE_ROOT
        said=$(unshare -n soute doctor --prove soute doctor)
        has "$said" "0 problems"
        has "$said" "nothing was changed"
        has "$said" "no difference"
        has "$said" "ok       definitions"
        has "$said" "ok       systemd"
        has "$(grep 'ok  *store' <<<"$said")" "ids of a container's own"
        is "" "$(find $SOUTE_ROOT -mindepth 1)"
        document=$(soute doctor --json | tr -d '\n ')
        has "$document" '"problems":0'
        has "$document" '"grade":"ok","what":"kernel"'
        fails 2 soute doctor true >/dev/null"#,
    );
}

fn what_is_wrong_is_named_with_its_fix(lab: &Lab) {
    run(
        lab,
        r#"
        export SOUTE_ROOT=/root/doctor-ill
        problem() { fails 1 soute doctor | grep ^PROBLEM; }
        mkdir -p $SOUTE_ROOT/etc/soute/containers $SOUTE_ROOT/etc/systemd/network
        echo 'image = 1' >$SOUTE_ROOT/etc/soute/containers/bad.toml
        said=$(problem)
        has "$said" "faults in bad"
        has "$(fails 1 soute doctor)" "         fix: soute check shows each"
        rm $SOUTE_ROOT/etc/soute/containers/bad.toml
        soute doctor >/dev/null
        # Somebody looks into a disk.
        mkdir -p $SOUTE_ROOT/var/lib/soute/disks/web
        chmod 0755 $SOUTE_ROOT/var/lib/soute/disks/web
        has "$(problem)" "others than root can reach $SOUTE_ROOT/var/lib/soute/disks/web"
        chmod 0700 $SOUTE_ROOT/var/lib/soute/disks/web
        # A store from which nothing runs.
        mount -t tmpfs -o noexec,nosuid,size=1M none $SOUTE_ROOT/var/lib/soute
        said=$(fails 1 soute doctor)
        has "$said" "mounted noexec: containers cannot run from it"
        has "$said" "mounted nosuid: sudo, su and file capabilities do nothing"
        has "$said" "tmpfs has no reflinks"
        has "$(grep "^warning  *space" <<<"$said")" "are left"
        umount $SOUTE_ROOT/var/lib/soute
        # networkd, once it runs, would take the ports.
        printf '[Match]\nName=*\n[Network]\nDHCP=yes\n' >$SOUTE_ROOT/etc/systemd/network/10-all.network
        said=$(soute doctor | grep ^warning)
        has "$said" "10-all.network matches the ports of containers (vb-*)"
        printf '[Match]\nName=en*\n[Network]\nDHCP=yes\n' >$SOUTE_ROOT/etc/systemd/network/10-all.network
        lacks "$(soute doctor)" 10-all.network
        # More definitions than one host has room for.
        for n in $(seq 60); do printf 'image = "x"\n' >$SOUTE_ROOT/etc/soute/containers/c$n.toml; done
        inotify=$(cat /proc/sys/fs/inotify/max_user_instances)
        [ $inotify -ge 240 ] || has "$(soute doctor | grep ^warning)" "room for about $((inotify / 4)) of 60"
        rm -r $SOUTE_ROOT"#,
    );
}

/// Both kinds of rules: only this machine's /usr has their programs.
#[test]
#[ignore = "rung 2: nested systemd"]
fn a_policy_that_meets_bridged_frames_is_a_problem() {
    run(
        host(),
        r#"
        export SOUTE_ROOT=/root/doctor-rules
        mkdir -p $SOUTE_ROOT
        cat >/root/doctor-rules-script <<'END'
        nf() { echo $1 >/proc/sys/net/bridge/bridge-nf-call-iptables; }
        doctor() { soute doctor | grep -E ' (bridges|routing) ' || true; }
        echo 0 >/proc/sys/net/ipv4/ip_forward
        nf 0; doctor
        nf 1; doctor
        iptables-legacy -P FORWARD DROP
        doctor
        nf 0
        echo 1 >/proc/sys/net/ipv4/ip_forward
        doctor
        iptables-legacy -P FORWARD ACCEPT
        nft add table inet theirs
        nft add chain inet theirs passing '{ type filter hook forward priority 0; policy drop; }'
        doctor
END
        said=$(unshare -n bash -eu /root/doctor-rules-script)
        line() { sed -n "$1p" <<<"$said"; }
        has "$(line 1)" "ok"
        has "$(line 2)" "warning  bridges"
        has "$(line 3)" "PROBLEM  bridges"
        has "$(line 3)" "iptables FORWARD drops: containers on one bridge do not reach each other"
        has "$(line 4)" "ok"
        has "$(line 5)" "warning  routing"
        has "$(line 7)" "nftables inet theirs passing drops""#,
    );
}
