//! What must work with systemctl and its friends alone.

use crate::lab::Lab;
use crate::lab::script::{both, run};

both!(
    launcher_starts_stops_and_restarts_however_it_was_started,
    unit_takes_what_systemctl_does_to_units,
    what_cannot_work_is_loud,
    failed_units_show_and_start_again,
    drop_ins_apply,
    cgtop_has_a_line_for_each,
    enable_and_disable_are_systemctls_own,
);

fn launcher_starts_stops_and_restarts_however_it_was_started(lab: &Lab) {
    run(
        lab,
        r#"
        define byname
        systemctl start soute-start@byname
        is active "$(systemctl is-active soute@byname)"
        # It always reads inactive once it has run: its state says nothing.
        is inactive "$(systemctl is-active soute-start@byname || true)"
        first=$(pid byname)
        systemctl start soute-start@byname
        soute start byname
        is "$first" "$(pid byname)"
        soute stop byname
        for how in "systemctl start soute-start@byname" "soute start byname"; do
            $how
            for name in soute-start@byname soute@byname; do
                before=$(pid byname)
                systemctl restart $name
                runs_again byname "$before" || die "$name was not restarted"
                [ ! -e "/proc/$before" ]
            done
            # It waits for its own job alone; the container's follows.
            systemctl stop soute-start@byname
            soon is_state byname inactive
            $how
            systemctl stop soute@byname
            is not-found "$(prop byname LoadState)"
        done"#,
    );
}

fn unit_takes_what_systemctl_does_to_units(lab: &Lab) {
    run(
        lab,
        r#"
        define verbs 'command = ["sh", "-c", "trap \"echo reloaded\" HUP; trap \"echo one\" USR1; echo up; while :; do sleep 9 & wait; done"]' \
            '[reload]' 'signal = "SIGHUP"'
        soute start verbs
        soon said verbs '^up$'
        main=$(pid verbs)
        has "$(systemctl status soute@verbs)" "$main (sh)"
        has "$(systemctl status soute@verbs)" "Loaded: loaded (/etc/soute/containers/verbs.toml; transient)"
        has "$(systemctl list-units --plain --no-legend 'soute@*')" "soute@verbs.service"
        has "$(systemctl cat soute@verbs)" "soute-runner"
        systemctl reload soute@verbs
        soon said verbs '^reloaded$'
        systemctl kill --kill-who=main -s USR1 soute@verbs
        soon said verbs '^one$'
        [ "$(prop verbs CPUWeight)" != 77 ]
        systemctl set-property --runtime soute@verbs CPUWeight=77
        is 77 "$(prop verbs CPUWeight)"
        group=/sys/fs/cgroup$(prop verbs ControlGroup)
        grep -q "frozen 0" $group/cgroup.events
        systemctl freeze soute@verbs
        grep -q "frozen 1" $group/cgroup.events
        has "$(soute list)" frozen
        systemctl thaw soute@verbs
        grep -q "frozen 0" $group/cgroup.events
        is "$main" "$(pid verbs)"
        systemctl stop soute@verbs"#,
    );
}

/// soute(8) prints these, word for word.
fn what_cannot_work_is_loud(lab: &Lab) {
    run(
        lab,
        r#"
        define loud
        soute start loud
        soute stop loud
        is "Failed to start soute@loud.service: Unit soute@loud.service not found." "$(fails 5 systemctl start soute@loud)"
        has "$(fails 1 systemctl enable soute@loud)" "soute@loud.service does not exist"
        soute start loud
        has "$(fails 1 systemctl enable soute@loud)" "Unit /run/systemd/transient/soute@loud.service is transient or generated"
        soute stop loud"#,
    );
}

fn failed_units_show_and_start_again(lab: &Lab) {
    run(
        lab,
        r#"
        define crash 'command = ["sh", "-c", "exit 7"]' 'restart.policy = "no"'
        soute start crash || true
        soon is_state crash failed
        has "$(systemctl --failed --plain --no-legend)" soute@crash.service
        is exit-code "$(prop crash Result)"
        is 7 "$(prop crash ExecMainStatus)"
        has "$(marked crash)" "failed, exited 7"
        define crash
        soute start crash
        is active "$(state crash)"
        lacks "$(systemctl --failed --plain --no-legend)" soute@crash.service
        soute stop crash"#,
    );
}

fn drop_ins_apply(lab: &Lab) {
    run(
        lab,
        r#"
        define dropin
        limits() { tr -s ' ' <"/proc/$(pid dropin)/limits"; }
        soute start dropin
        lacks "$(limits)" "Max msgqueue size 4321"
        soute stop dropin
        units=/etc/systemd/system
        mkdir -p $units/soute@.service.d $units/soute@dropin.service.d
        printf '[Service]\nLimitMSGQUEUE=4321\n' >$units/soute@.service.d/10-all.conf
        printf '[Service]\nLimitSIGPENDING=987\n' >$units/soute@dropin.service.d/10-one.conf
        soute start dropin
        has "$(limits)" "Max msgqueue size 4321"
        has "$(limits)" "Max pending signals 987"
        soute stop dropin
        rm $units/soute@.service.d/10-all.conf $units/soute@dropin.service.d/10-one.conf"#,
    );
}

fn enable_and_disable_are_systemctls_own(lab: &Lab) {
    run(
        lab,
        r#"
        define listed
        link=/etc/systemd/system/multi-user.target.wants/soute-start@listed.service
        systemctl enable soute-start@listed
        [ -L $link ]
        is enabled "$(systemctl is-enabled soute-start@listed)"
        has "$(marked listed)" enabled
        systemctl disable soute-start@listed
        [ ! -e $link ]
        has "$(marked listed)" " no "
        systemctl enable --now soute-start@listed
        is active "$(state listed)"
        systemctl disable --now soute-start@listed
        soon is_state listed inactive"#,
    );
}

fn cgtop_has_a_line_for_each(lab: &Lab) {
    run(
        lab,
        r#"
        define top-one
        define top-two
        soute start top-one
        # The group of the first, and of none that does not run.
        shown=$(systemd-cgtop -b -n 2 -d 100ms soute.slice)
        has "$shown" "soute.slice/soute@top-one.service"
        lacks "$shown" "soute.slice/soute@top-two.service"
        soute start top-two
        has "$(systemd-cgtop -b -n 2 -d 100ms soute.slice)" "soute.slice/soute@top-two.service"
        soute stop top-one top-two"#,
    );
}
