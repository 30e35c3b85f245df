//! `soute pause` and `soute resume`.

use crate::lab::Lab;
use crate::lab::script::{both, run};

both!(a_paused_container_stands_still, a_paused_container_can_be_stopped_and_changed);

fn a_paused_container_stands_still(lab: &Lab) {
    run(
        lab,
        r#"
        define still 'command = ["sh", "-c", "while :; do echo . >>/count; sleep 0.02; done"]'
        soute start still
        count=/var/lib/soute/disks/still/root/count
        lines() { wc -l <$count; }
        more() { [ "$(lines)" -gt $1 ]; }
        soon more 2
        soute pause still
        soute pause still
        before=$(lines)
        sleep 0.5
        is $before "$(lines)"
        has "$(soute list)" frozen
        has "$(fails 125 soute exec still true)" "soute resume still"
        soute resume still
        soute resume still
        soon more $before
        soute stop still
        fails 3 soute pause still >/dev/null
        fails 4 soute resume no-such >/dev/null"#,
    );
}

fn a_paused_container_can_be_stopped_and_changed(lab: &Lab) {
    run(
        lab,
        r#"
        define ice 'command = ["sh", "-c", "trap \"exit 0\" TERM; while :; do sleep 0.1; done"]' '[hosts]' 'db = "10.0.0.1"'
        soute start ice
        soute pause ice
        define ice 'command = ["sh", "-c", "trap \"exit 0\" TERM; while :; do sleep 0.1; done"]' '[hosts]' 'db = "10.0.0.2"' '[limits]' 'tasks = 9'
        soute apply ice >/dev/null
        is 9 "$(prop ice TasksMax)"
        soute stop ice
        is inactive "$(state ice)"
        soute start ice
        soute pause ice
        soute restart ice
        has "$(soute list)" "ice  "
        lacks "$(marked ice)" frozen
        soute pause ice
        soute remove --force ice
        fails 4 soute status ice >/dev/null"#,
    );
}
