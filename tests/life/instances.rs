//! /run/soute/instances says what runs.

use crate::lab::Lab;
use crate::lab::script::{both, run};

both!(the_file_is_true_after_every_turn, a_lost_or_wrong_file_is_rebuilt);

fn the_file_is_true_after_every_turn(lab: &Lab) {
    run(
        lab,
        r#"
        line() { grep -P "^$1\t" /run/soute/instances || true; }
        gone() { [ -z "$(line $1)" ]; }
        ip link add br-lines up type bridge
        define lines 'restart.delay = "50ms"' '[[network]]' 'bridge = "br-lines"' 'address = ["10.66.0.2/24", "fd00:66::2/64"]'
        is "" "$(line lines)"
        soute start lines
        main=$(pid lines)
        is "$(printf 'NAME\tIMAGE\tSTARTED\tPID\tADDRESSES')" "$(head -1 /run/soute/instances)"
        [[ $(line lines) =~ ^lines$'\t'busybox$'\t'20[0-9-]*T[0-9:]*Z$'\t'$main$'\t'10.66.0.2,fd00:66::2$ ]] || die "$(line lines)"
        kill -9 $main
        soon runs_again lines $main
        has "$(line lines)" "$(pid lines)"
        soute stop lines
        is "" "$(line lines)"
        define lines 'restart.policy = "no"'
        soute start lines
        has "$(line lines)" lines
        kill -9 $(pid lines)
        soon gone lines
        define lines 'restart.policy = "no"' 'command = ["sh", "-c", "sleep 0.2; exit 4"]'
        soute start lines
        soon is_state lines failed
        is "" "$(line lines)"
        ip link delete br-lines"#,
    );
}

/// Other tests share the file: each line is what counts.
fn a_lost_or_wrong_file_is_rebuilt(lab: &Lab) {
    run(
        lab,
        r#"
        line() { grep -P "^$1\t" /run/soute/instances || true; }
        define rebuilt
        soute start rebuilt
        before=$(line rebuilt)
        has "$before" rebuilt
        rm /run/soute/instances
        soute list >/dev/null
        is "$(cut -f 1,2,4 <<<"$before")" "$(line rebuilt | cut -f 1,2,4)"
        sed -i "s/^rebuilt\t.*/rebuilt\tother\t2001-01-01T00:00:00Z\t1\t/" /run/soute/instances
        soute list >/dev/null
        is "$(cut -f 1,2,4 <<<"$before")" "$(line rebuilt | cut -f 1,2,4)"
        soute stop rebuilt"#,
    );
}
