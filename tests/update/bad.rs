//! What does not work on the new image goes back by itself.

use super::run;
use crate::lab::Lab;
use crate::lab::script::both;

both!(what_does_not_start_goes_back, what_dies_soon_goes_back, what_is_not_healthy_in_time_goes_back);

fn what_does_not_start_goes_back(lab: &Lab) {
    run(
        lab,
        r##"
        made bad one; made bad none 'rm "$tree/bin/sleep"'
        define bad '# stays' 'image = "bad-one"'
        cp /etc/soute/containers/bad.toml before
        soute start bad
        soute exec bad -- touch /own
        first=$(pid bad)
        # An image that is not there costs nothing.
        has "$(fails 4 soute update bad --image bad-nothing)" "no image bad-nothing"
        is "$first" "$(pid bad)"
        cmp before /etc/soute/containers/bad.toml
        fails 4 soute update bad-nobody --image bad-one >/dev/null
        fails 2 soute update bad --image 'No Name' >/dev/null
        fails 2 soute update bad --settle soon >/dev/null
        said=$(fails 1 soute update bad --image bad-none)
        has "$said" "sleep"
        has "$said" "it runs on bad-one again"
        is one "$(version bad)"
        soute exec bad -- test -e /own
        cmp before /etc/soute/containers/bad.toml
        soon said bad 'update to image bad-none failed: '
        lacks "$(soute status bad)" Kept
        rests bad
        soute diff bad
        # A way back that was there stays.
        made bad two
        soute update bad --image bad-two --settle 0s 2>/dev/null
        fails 1 soute update bad --image bad-none >/dev/null
        is two "$(version bad)"
        soute rollback bad
        is one "$(version bad)"
        rests bad
        soute remove --force bad
        gone bad"##,
    );
}

fn what_dies_soon_goes_back(lab: &Lab) {
    run(
        lab,
        r##"
        made dies one; made dies soon 'printf "#!/bin/sh\n/bin/busybox sleep 1\nexit 3\n" >x; chmod 755 x; rm "$tree/bin/sleep"; mv x "$tree/bin/sleep"'
        define dies 'image = "dies-one"'
        soute start dies
        said=$(fails 1 soute update dies --image dies-soon --settle 1min)
        has "$said" "it has ended: exited 3; it runs on dies-one again"
        is one "$(version dies)"
        # An update that goes back by itself says so, and not how to.
        lacks "$(journalctl --no-pager -o cat -u soute@dies)" "brings back"
        # Nobody waits for it that long.
        define dies 'image = "dies-one"' 'restart.policy = "no"'
        soute restart dies
        soute update dies --image dies-soon --settle 0s 2>/dev/null
        soon is_state dies failed
        # Nobody watches any more: how to go back is said where its end is.
        soon said dies "its disk is .*: .soute rollback dies. brings back the one before it, a copy of dies-one"
        has "$(soute status dies)" 'soute rollback dies'
        soute rollback dies
        is inactive "$(state dies)"
        soute start dies
        is one "$(version dies)"
        rests dies
        soute remove --force dies
        gone dies"##,
    );
}

fn what_is_not_healthy_in_time_goes_back(lab: &Lab) {
    run(
        lab,
        r##"
        made ails one 'touch "$tree/well"'; made ails two; made ails three 'touch "$tree/well"'
        for ready in exec healthy; do
            define ails 'image = "ails-one"' 'command = ["sleep", "infinity"]' "ready = \"$ready\"" '[health]' 'command = ["test", "-e", "/well"]' 'interval = "1h"' 'start-period = "1h"'
            soute start ails
            said=$(fails 8 soute update ails --image ails-two --timeout 3s)
            has "$said" "within 3s"
            has "$said" "it runs on ails-one again"
            is one "$(version ails)"
            soute update ails --image ails-three --settle 0s 2>/dev/null
            is three "$(version ails)"
            soon said ails 'to ails-three .*, healthy'
            has "$(marked ails)" ", healthy"
            soute remove --force ails
        done
        # Ill while it settles.
        define ails 'image = "ails-one"' 'command = ["sleep", "infinity"]' '[health]' 'command = ["sh", "-c", "[ -e /well ] || [ ! -e /seen ] && touch /seen"]' 'interval = "1s"' 'retries = 1'
        soute start ails
        said=$(fails 1 soute update ails --image ails-two --settle 2min)
        has "$said" "it is unhealthy"
        is one "$(version ails)"
        rests ails
        soute remove --force ails
        gone ails"##,
    );
}
