//! `soute events`: the same story live, from the bus, and afterwards, from the journal.

use crate::lab::Lab;
use crate::lab::script::{both, run};

both!(
    what_happens_is_told,
    past_and_present_are_one_story,
    it_ends_when_nobody_listens_any_more,
    it_goes_on_while_systemd_executes_itself_anew,
);

/// `listen FILE [FLAG…]` listens until `quiet`; `story FILE NAME` is what it has heard of one, and `tells FILE NAME PATTERN`
/// whether it has heard that.
const WORDS: &str = r#"
    # A listener that a failed test leaves would keep that from ending.
    trap 'kill ${listener:-} 2>/dev/null || true' EXIT
    is_listening() { ls -l /proc/$listener/fd 2>/dev/null | grep inotify >/dev/null; }
    listen() {
        local file=$1
        shift
        soute events "$@" >$file & listener=$!
        soon is_listening
    }
    quiet() { kill $listener; wait $listener || [ $? = 143 ]; }
    story() { sed -n "s/^[^ ]*  $2  *//p" $1 | sed 's/   */ /' | xargs -d '\n' -n 100 | sed 's/ *$//'; }
    tells() { grep -- "  $2  *$3" $1 >/dev/null; }
"#;

fn say(lab: &Lab, script: &str) {
    run(lab, &(WORDS.to_owned() + script));
}

fn what_happens_is_told(lab: &Lab) {
    say(
        lab,
        r#"
        begun=$(date +%s)
        define hero 'command = ["sh", "-c", "trap \"exit 3\" USR1; while :; do sleep 0.1; done"]' 'reload.signal = "HUP"' 'restart.delay = "100ms"' '[health]' 'command = ["test", "-e", "/well"]' 'interval = "1s"' \
            'retries = 1' 'on-failure = "none"'
        listen /tmp/told
        soute start hero
        soon tells /tmp/told hero 'unhealthy *the command ended with 1'
        soute exec hero -- touch /well
        soon tells /tmp/told hero healthy
        soute pause hero
        soon tells /tmp/told hero frozen
        soute resume hero
        soon tells /tmp/told hero thawed
        soute set hero limits.tasks=77 >/dev/null
        soon tells /tmp/told hero 'changed *limits.tasks from 2048 to 77'
        first=$(pid hero)
        kill -USR1 $first
        soon runs_again hero $first
        again() { [ "$(grep -c '  hero  *healthy' /tmp/told)" = 2 ]; }
        soon again
        soute stop hero
        fails 3 soute run --name once busybox -- sh -c 'exit 3' >/dev/null
        soon tells /tmp/told once 'failed *exited 3'
        quiet
        life="starting ready unhealthy the command ended with 1 healthy frozen thawed changed limits.tasks from 2048 to 77"
        life+=" failed exited 3 restarting 1st time starting ready healthy stopping stopped"
        is "$life" "$(story /tmp/told hero)"
        # The same afterwards.
        soute events --since @$begun --no-follow hero >/tmp/past
        is "$life" "$(story /tmp/past hero)"
        is "" "$(story /tmp/past once)"
        soute events --since @$begun --no-follow --json once >/tmp/json
        has "$(cat /tmp/json)" '"event":"failed","detail":"exited 3","result":"exit-code","code":"exited","status":"3"}'
        is 3 $(grep -c '^{"version":1,"time":"20.*Z","name":"once","event":"' /tmp/json)
        is "" "$(soute events --until @$begun hero)"
        has "$(fails 2 soute events --since nonsense)" 'expected a time'
        soute remove hero"#,
    );
}

fn past_and_present_are_one_story(lab: &Lab) {
    say(
        lab,
        r#"
        define twice
        for pause in 0 0.02 0.05 0.1 0.15; do
            begun=$(date +%s.%6N)
            soute start twice & starts=$!
            sleep $pause
            soute events --since @$begun twice >/tmp/twice & listener=$!
            wait $starts
            soon tells /tmp/twice twice ready
            soute stop twice
            soon tells /tmp/twice twice stopped
            quiet
            is "starting ready stopping stopped" "$(story /tmp/twice twice)"
        done
        soute remove twice"#,
    );
}

fn it_ends_when_nobody_listens_any_more(lab: &Lab) {
    say(
        lab,
        r#"
        # A closed pipe, with no event to notice it by.
        within 20000 eval 'soute events | true'
        define heard
        soute start heard
        soute stop heard
        has "$(within 20000 eval 'soute events --since -1h | head -n 1')" "Z  "
        # A time.
        within 20000 soute events --until +1s
        # A signal, while it waits: nothing is left.
        for signal in INT TERM; do
            fails 124 timeout -s $signal 2 soute events --since -1d >/dev/null
        done
        gone() { ! pgrep -x journalctl >/dev/null; }
        soon gone
        soute remove heard"#,
    );
}

fn it_goes_on_while_systemd_executes_itself_anew(lab: &Lab) {
    say(
        lab,
        r#"
        define lasting
        soute start lasting
        listen /tmp/lasting
        systemctl daemon-reexec
        soute stop lasting
        soon tells /tmp/lasting lasting stopped
        soute start lasting
        soon tells /tmp/lasting lasting ready
        is "stopping stopped starting ready" "$(story /tmp/lasting lasting)"
        quiet
        soute remove --force lasting"#,
    );
}
