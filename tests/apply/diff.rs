//! `soute diff`: each field with what it costs, where it is written, and what somebody else has done.

use crate::lab::Lab;
use crate::lab::script::{both, run};

both!(
    a_field_has_its_class_its_values_and_its_place,
    what_somebody_else_has_done_is_a_drift,
    broken_removed_and_renamed,
    those_that_come_to_wait_for_each_other_go_on,
);

fn a_field_has_its_class_its_values_and_its_place(lab: &Lab) {
    run(
        lab,
        r#"
        define differs '[limits]' 'memory = "256M"'
        soute start differs
        is "" "$(soute diff differs)"
        define differs 'umask = "0077"' 'environment.PORT = "80"' '[limits]' 'memory = "512M"' 'tasks = 100' '[disk]' 'mode = "fresh"'
        diff=$(fails 7 soute diff differs | tr -s ' ')
        file=/etc/soute/containers/differs.toml
        has "$diff" "differs limits.memory live \"256M\" \"512M\" $file:6"
        has "$diff" "differs limits.tasks live \"2048\" \"100\" $file:7"
        has "$diff" "differs environment.PORT restart - \"80\" $file:4"
        has "$diff" "differs umask restart \"0022\" \"0077\" $file:3"
        has "$diff" "differs disk.mode recreate \"keep\" \"fresh\" $file:9"
        is 6 "$(wc -l <<<"$diff")"
        # Of all that run, and a drop-in is where it is.
        define differs '[limits]' 'memory = "256M"'
        mkdir -p $file.d
        echo 'description = "other"' >$file.d/50-x.toml
        # Whose definition is broken, by another test, is told of and keeps nobody else from being shown.
        has "$( (soute diff 2>/dev/null || true) | tr -s ' ')" "differs description live - \"other\" $file.d/50-x.toml:1"
        json=$(soute diff --json differs) || true
        has "$json" '"class": "live"'
        rm -r $file.d
        is "" "$(soute diff differs)"
        # What does not run has nothing to differ from.
        soute stop differs
        define differs
        has "$(soute diff differs 2>&1)" "differs does not run"
        fails 4 soute diff no-such >/dev/null"#,
    );
}

fn what_somebody_else_has_done_is_a_drift(lab: &Lab) {
    run(
        lab,
        r#"
        ip link add br-drift up type bridge
        define drifts '[limits]' 'memory = "256M"' 'cpu-set = "0"' '[[network]]' 'bridge = "br-drift"' 'address = "10.71.0.2/24"'
        soute start drifts
        systemctl set-property soute@drifts MemoryMax=300M CPUWeight=50
        diff=$(fails 7 soute diff drifts | tr -s ' ')
        has "$diff" "drifts limits.memory drift 268435456 314572800 /run/systemd/transient/soute@drifts.service.d/50-MemoryMax.conf:"
        has "$diff" "drifts limits.cpu-weight drift default 50 /run/systemd/transient/"
        is 3 "$(wc -l <<<"$diff")"
        systemctl set-property soute@drifts MemoryMax=256M CPUWeight=
        is "" "$(soute diff drifts)"
        soute stop drifts
        mkdir -p /etc/systemd/system/soute@drifts.service.d
        printf '[Service]\nTasksMax=77\n' >/etc/systemd/system/soute@drifts.service.d/x.conf
        systemctl daemon-reload
        soute start drifts
        has "$(fails 7 soute diff drifts | tr -s ' ')" \
            "drifts limits.tasks drift 2048 77 /etc/systemd/system/soute@drifts.service.d/x.conf:2"
        rm -r /etc/systemd/system/soute@drifts.service.d
        systemctl daemon-reload
        soute restart drifts
        is "" "$(soute diff drifts)"
        ip link delete $(ip -o link show master br-drift | sed 's/^[0-9]*: \([^@]*\)@.*/\1/')
        has "$(fails 7 soute diff drifts | tr -s ' ')" "drifts network.eth0 drift br-drift vb-"
        soute stop drifts
        ip link delete br-drift"#,
    );
}

fn broken_removed_and_renamed(lab: &Lab) {
    run(
        lab,
        r#"
        define breaks 'umask = "0075"'
        soute start breaks
        pid=$(pid breaks)
        define breaks 'comand = "x"' 'limits.tasks = 7'
        for verb in diff apply verify 'apply --restart' restart; do
            has "$(fails 5 soute $verb breaks)" "unknown key"
        done
        is "$pid 2048" "$(pid breaks) $(prop breaks TasksMax)"
        define breaks 'umask = "0075"'
        cd /etc/soute/containers
        mv breaks.toml was-breaks.toml
        said=$(fails 7 soute diff breaks | tr -s ' ')
        has "$said" "breaks definition drift /etc/soute/containers/breaks.toml gone /etc/soute/containers/was-breaks.toml says the same"
        has "$(fails 7 soute apply --restart breaks)" "its definition is gone"
        has "$(fails 7 soute verify breaks)" "breaks.toml"
        is $pid "$(pid breaks)"
        rm was-breaks.toml
        has "$(fails 7 soute diff breaks | tr -s ' ')" "breaks.toml gone -"
        soute remove --force breaks"#,
    );
}

fn those_that_come_to_wait_for_each_other_go_on(lab: &Lab) {
    run(
        lab,
        r#"
        define egg
        define hen 'requires = ["egg"]'
        soute start hen
        pids="$(pid egg) $(pid hen)"
        define egg 'requires = ["hen"]' 'limits.tasks = 7'
        has "$(fails 7 soute diff egg)" requires
        for verb in check restart 'apply --restart'; do
            has "$(fails 5 soute $verb egg)" "these wait for each other for ever"
        done
        is "$pids" "$(pid egg) $(pid hen)"
        # What is live is applied, whoever waits for whom.
        fails 7 soute apply egg >/dev/null
        is "$pids 7" "$(pid egg) $(pid hen) $(prop egg TasksMax)"
        define egg
        soute apply egg >/dev/null
        is "" "$(soute diff egg hen)"
        is "$pids" "$(pid egg) $(pid hen)"
        soute remove --force hen egg"#,
    );
}
