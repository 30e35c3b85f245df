//! Replicas, one after the other.

use super::run;
use crate::lab::Lab;
use crate::lab::script::both;

both!(replicas_are_updated_one_after_the_other, all_go_back_when_one_does_not_work);

fn replicas_are_updated_one_after_the_other(lab: &Lab) {
    run(
        lab,
        r##"
        made rolls one; made rolls two
        define rolls 'replicas = 3' 'image = "rolls-one" # which'
        soute start rolls
        versions() { for n in 1 2 3; do version rolls-$n; done | xargs; }
        started() { prop "rolls-$1" ActiveEnterTimestampMonotonic; }
        stopped() { prop "rolls-$1" InactiveExitTimestampMonotonic; }
        has "$(fails 2 soute update rolls-1 --image rolls-two)" "one of the replicas of rolls"
        said=$(soute update rolls --image rolls-two --settle 500ms 2>&1)
        is "rolls-1 rolls-2 rolls-3" "$(echo "$said" | sed -n 's/: updated.*//p' | xargs)"
        is "two two two" "$(versions)"
        is 'image = "rolls-two" # which' "$(grep ^image /etc/soute/containers/rolls.toml)"
        # The next one is started when the one before it has settled.
        for n in 1 2; do [ $(($(stopped $((n + 1))) - $(started $n))) -ge 500000 ] || die "$n and the next overlap"; done
        # One alone goes back, and the others do not; an update brings it along again.
        soute rollback rolls-2
        is "two one two" "$(versions)"
        is 'image = "rolls-two" # which' "$(grep ^image /etc/soute/containers/rolls.toml)"
        has "$(soute update rolls --settle 0s 2>&1)" "rolls-1: up to date"
        is "two two two" "$(versions)"
        soute rollback rolls
        is "one one one" "$(versions)"
        is 'image = "rolls-one" # which' "$(grep ^image /etc/soute/containers/rolls.toml)"
        # One that does not run is not started.
        soute stop rolls-2
        soute update rolls --image rolls-two --settle 0s 2>/dev/null
        is inactive "$(state rolls-2)"
        soute start rolls
        is "two two two" "$(versions)"
        soute disk prune rolls-1 rolls-2 rolls-3
        has "$(fails 4 soute rollback rolls)" "none of its replicas"
        for n in 1 2 3; do rests rolls-$n; done
        soute remove --force rolls"##,
    );
}

fn all_go_back_when_one_does_not_work(lab: &Lab) {
    run(
        lab,
        r##"
        made failing one; made failing two
        # On the new image the second one ends.
        define failing 'replicas = 3' 'image = "failing-one"' 'command = ["sh", "-c", "[ $(hostname) != failing-2 ] || [ $(cat /version) = one ] || exit 7; exec sleep infinity"]'
        cp /etc/soute/containers/failing.toml before
        soute start failing
        third=$(pid failing-3)
        soute exec failing-1 -- touch /own
        said=$(fails 1 soute update failing --image failing-two --settle 5s)
        has "$said" "cannot update failing: failing-2: it has ended: exited 7; it runs on failing-one again"
        has "$said" "failing-1: back on the old disk"
        is "one one one" "$(for n in 1 2 3; do version failing-$n; done | xargs)"
        soute exec failing-1 -- test -e /own
        # The third one never noticed.
        is "$third" "$(pid failing-3)"
        cmp before /etc/soute/containers/failing.toml
        soute diff failing
        for n in 1 2 3; do rests failing-$n; [ ! -e /var/lib/soute/disks/.previous-failing-$n ] || die "$n keeps a disk"; done
        soute remove --force failing"##,
    );
}
