//! Rung 2: what happens to containers when the manager reloads, executes itself anew, and boots again.

mod lab;

use lab::Lab;
use lab::script::{both, import, run};

both!(attack_16_containers_do_not_notice_a_reload_or_a_new_manager);

#[test]
#[ignore = "rung 2: nested systemd"]
fn containers_come_back_after_a_reboot_252() {
    containers_come_back_after_a_reboot(&Lab::boot(None, &[]));
}

#[test]
#[ignore = "rung 2: nested systemd 257"]
fn containers_come_back_after_a_reboot_257() {
    containers_come_back_after_a_reboot(&Lab::boot(Some("trixie"), &[]));
}

fn attack_16_containers_do_not_notice_a_reload_or_a_new_manager(lab: &Lab) {
    let rounds = if std::env::var_os("SOUTE_ATTACKS").is_some() { "100" } else { "12" };
    run(
        lab,
        &r#"
        ip link add br-stays up type bridge
        define base
        define stays 'requires = ["base"]' 'command = ["sh", "-c", "echo $$; exec sleep infinity", "a b", "50%;"]' \
            'description = "50% of $HOME; \"all\""' 'environment = { WORDS = "a  b $HOME %n" }' '[limits]' 'cpus = 0.25' 'tasks = 99' \
            '[[network]]' 'bridge = "br-stays"' 'address = ["10.67.0.2/24"]'
        soute start stays
        main=$(pid stays)
        # What systemd makes of it, without what changes by itself and the marks of having read it from a file.
        text() {
            systemctl show soute@stays | grep -E '^(Exec[A-Z][a-zA-Z]*|Type|Restart|Description|KillSignal|Timeout.*|TasksMax|CPUQuotaPerSecUSec|After|Before|Wants|Requires|PartOf|SuccessExitStatus|DeviceAllow|Slice|NotifyAccess|Limit.*)=' |
                sed 's/start_time=.*//; s/=/= /' | tr ' ' '\n' | sort
        }
        before=$(text) file=$(systemctl cat soute@stays)
        for what in daemon-reload daemon-reexec daemon-reload; do
            systemctl $what
            soon is_state stays active
            is $main "$(pid stays)"
            is "$before" "$(text)"
            is "$file" "$(systemctl cat soute@stays)"
            is no "$(prop stays NeedDaemonReload)"
            has "$(soute list)" stays
            soute exec stays -- true
        done
        systemctl restart soute@stays
        is active "$(state stays)"
        [ $main != "$(pid stays)" ]
        is "a  b \$HOME %n" "$(tr '\0' '\n' </proc/$(pid stays)/environ | sed -n s/^WORDS=//p)"
        main=$(pid stays)
        kill -9 $main
        soon runs_again stays $main
        # The order is still there: base takes it along.
        systemctl stop soute@base
        soon is_state stays inactive
        # A manager that executes itself anew while somebody starts.
        define during
        systemctl daemon-reexec & soute start during
        wait
        soon is_state during active
        soute stop during
        # Manager and bus go and come all the time: each start is one start.
        define steady
        soute start steady
        main=$(pid steady)
        while [ ! -e /root/enough ]; do
            for what in "daemon-reload" "daemon-reexec" "reset-failed dbus.service dbus.socket" "restart dbus.service"; do
                systemctl $what || true
                sleep 0.2
            done
        done >/dev/null 2>&1 &
        # Nobody waits for ever for a manager that is never there: then it says so, and may be asked again.
        again() {
            local said
            until said=$("$@" 2>&1); do has "$said" "systemd"; done
            echo "$said"
        }
        for round in $(seq ROUNDS); do
            again soute start during
            again soute exec during -- true
            has "$(again soute list)" during
            again soute stop during
        done
        touch /root/enough
        wait
        is $main "$(pid steady)"
        is "$((ROUNDS + 1))" "$(journalctl --no-pager -o cat -u soute@during | grep -c '^Starting soute@during')"
        soute stop steady
        ip link delete br-stays"#
            .replace("ROUNDS", rounds),
    );
}

/// By `autostart` and by systemctl, in order, and down in the opposite order. What cannot start is seen and in nobody's way.
fn containers_come_back_after_a_reboot(lab: &Lab) {
    import(lab, "busybox");
    run(
        lab,
        r#"
        mkdir -p /srv/order /etc/systemd/system
        # Bridges by a unit of the host, after the launchers have begun.
        printf '%s\n' '[Service]' Type=oneshot RemainAfterExit=yes 'ExecStart=sleep 1' 'ExecStart=ip link add br-boot up type bridge' \
            '[Install]' WantedBy=multi-user.target >/etc/systemd/system/bridge.service
        systemctl enable --now bridge.service
        payload() {
            echo "command = [\"sh\", \"-c\", \"trap 'echo $1 down >>/order/log; exit 0' TERM; echo $1 up >>/order/log; while :; do sleep 9 & wait; done\"]"
        }
        mount='mount = [{ source = "/srv/order", target = "/order", ids = "none" }]'
        chmod 777 /srv/order
        touch /srv/order/log
        chmod 666 /srv/order/log
        define db "$(payload db)" "$mount"
        define web 'autostart = true' 'requires = ["db"]' "$(payload web)" "$mount" '[[network]]' 'bridge = "br-boot"' 'address = ["10.68.0.2/24"]'
        define enabled "$(payload enabled)" "$mount"
        define idle
        define broken 'autostart = true' 'memoryy = 7'
        define absent 'autostart = true' 'image = "no-such-image"'
        systemctl enable soute-start@enabled
        soute start web enabled idle
        is "autostart" "$(marked web | grep -o autostart)"
        written() { [ "$(wc -l </srv/order/log)" = 3 ]; }
        soon written"#,
    );
    lab.reboot();
    run(
        lab,
        r#"
        soon is_state web active
        soon is_state enabled active
        is active "$(state db)"
        is inactive "$(state idle)"
        has "$(ip -o link show master br-boot)" vb-
        # Down: web before db. Up: db before web.
        written() { [ "$(wc -l </srv/order/log)" = 9 ]; }
        soon written || cat /srv/order/log
        order() { sed -n "$1p" /srv/order/log | grep -v enabled | xargs; }
        is "web down db down" "$(order 4,6)"
        is "db up web up" "$(order 7,9)"
        # What is broken is a failed unit, and its words are in the journal.
        for name in broken absent; do is failed "$(systemctl show -P ActiveState soute-start@$name)"; done
        has "$(systemctl --failed --plain --no-legend)" soute-start@broken.service
        has "$(journalctl --no-pager -b -o cat -u soute-start@broken)" "memoryy"
        has "$(journalctl --no-pager -b -o cat -u soute-start@broken)" "broken.toml:"
        has "$(journalctl --no-pager -b -o cat -u soute-start@absent)" "no-such-image"
        is 0 "$(grep -c idle /run/soute/instances || true)"
        is 3 "$(grep -cE '^(db|web|enabled)' /run/soute/instances)"
        systemctl disable soute-start@enabled
        define web "requires = [\"db\"]""#,
    );
    lab.reboot();
    run(
        lab,
        r#"
        is "" "$(soute list --quiet)"
        for name in web db enabled; do is inactive "$(state $name)"; done"#,
    );
}
