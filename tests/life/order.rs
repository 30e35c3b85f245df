//! Order and stop between containers, which goes through soute-up@.target.

use crate::lab::Lab;
use crate::lab::script::{both, run};

both!(
    required_starts_first_and_takes_along_at_its_stop,
    crash_that_restarts_leaves_dependents_alone,
    final_end_stops_dependents,
    restart_starts_again_what_it_stopped,
    wanted_may_fail,
    required_must_start,
);

fn required_starts_first_and_takes_along_at_its_stop(lab: &Lab) {
    run(
        lab,
        r#"
        define db1
        define web1 'requires = ["db1"]'
        soute start web1
        is active "$(state db1)"
        is active "$(systemctl is-active soute-up@db1.target)"
        started() { prop $1 ActiveEnterTimestampMonotonic; }
        [ "$(started db1)" -lt "$(prop web1 InactiveExitTimestampMonotonic)" ]
        # What requires it is stopped before it, and that is over when the command is.
        define page1 'requires = ["web1"]'
        soute start page1
        soute stop db1
        is "inactive inactive inactive" "$(state page1) $(state web1) $(state db1)"
        stopped() { journalctl --no-pager -o cat -u soute@page1 -u soute@web1 -u soute@db1 | sed -n 's/^Stopped soute@\(.*\)\.service.*/\1/p' | xargs; }
        all_stopped() { has_now "$(stopped)" db1; }
        soon all_stopped
        is "page1 web1 db1" "$(stopped)"
        is inactive "$(systemctl is-active soute-up@db1.target || true)"
        # Nothing pins what has stopped: it can be created again at once, also with another text.
        define db1 'description = "another"'
        soute start db1
        is another "$(prop db1 Description)"
        is inactive "$(state web1)"
        soute start web1
        # And the other way round: db stays when web goes.
        soute stop web1
        is active "$(state db1)"
        soute stop db1"#,
    );
}

fn crash_that_restarts_leaves_dependents_alone(lab: &Lab) {
    run(
        lab,
        r#"
        define db2 'restart.delay = "100ms"'
        define web2 'requires = ["db2"]'
        soute start web2
        web=$(pid web2)
        for n in 1 2 3; do
            db=$(pid db2)
            kill -9 $db
            soon runs_again db2 $db
        done
        is 3 "$(prop db2 NRestarts)"
        is $web "$(pid web2)"
        soute stop db2
        soon is_state web2 inactive"#,
    );
}

fn final_end_stops_dependents(lab: &Lab) {
    run(
        lab,
        r#"
        define db3 'restart.policy = "no"' 'command = ["sh", "-c", "trap \"exit 9\" TERM; while :; do sleep 9 & wait; done"]'
        define web3 'requires = ["db3"]'
        soute start web3
        sleep 0.2
        systemctl kill --kill-who=main -s TERM soute@db3
        soon is_state db3 failed
        soon is_state web3 inactive
        systemctl reset-failed soute@db3"#,
    );
}

fn restart_starts_again_what_it_stopped(lab: &Lab) {
    run(
        lab,
        r#"
        define db4
        define web4 'requires = ["db4"]'
        define top4 'requires = ["web4"]'
        define idle4 'requires = ["db4"]'
        soute start top4
        db=$(pid db4) web=$(pid web4) top=$(pid top4)
        soute restart db4
        for pair in db4=$db web4=$web top4=$top; do runs_again ${pair%=*} ${pair#*=} || die "${pair%=*} was not restarted"; done
        # What did not run is not started by it.
        is inactive "$(state idle4)"
        soute stop db4
        soon is_state top4 inactive"#,
    );
}

fn wanted_may_fail(lab: &Lab) {
    run(
        lab,
        r#"
        define bad5 'command = ["/no/such/program"]' 'restart.policy = "no"'
        define good5
        define web5 'wants = ["bad5", "good5"]'
        said=$(soute start web5 2>&1)
        has "$said" "bad5"
        has "$said" "ignoring"
        is active "$(state web5)"
        is active "$(state good5)"
        soute stop good5
        is active "$(state web5)"
        soute stop web5
        systemctl reset-failed soute@bad5"#,
    );
}

fn required_must_start(lab: &Lab) {
    run(
        lab,
        r#"
        define bad6 'command = ["/no/such/program"]' 'restart.policy = "no"'
        define web6 'requires = ["bad6"]'
        has "$(fails 1 soute start web6)" "cannot start web6: cannot start bad6"
        is inactive "$(state web6)"
        systemctl reset-failed soute@bad6
        define web6 'requires = ["nobody6"]'
        has "$(fails 5 soute start web6)" nobody6
        define ring6a 'requires = ["ring6b"]'
        define ring6b 'requires = ["ring6a"]'
        has "$(fails 5 soute start ring6a)" "ring6a → ring6b → ring6a"
        rm /etc/soute/containers/*6*.toml"#,
    );
}
