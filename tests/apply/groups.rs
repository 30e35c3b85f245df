//! Limits that containers of a group have together, changed while they run.

use crate::lab::Lab;
use crate::lab::script::{both, run};

both!(limits_of_a_group_change_with_its_file, a_group_that_cannot_be_read_is_told_of_and_keeps_its_limits);

fn limits_of_a_group_change_with_its_file(lab: &Lab) {
    run(
        lab,
        r#"
        mkdir -p /etc/soute/groups
        shop=/etc/soute/groups/my-shop.toml
        slice='soute-my\x2dshop.slice'
        of() { systemctl show -P "$1" "$slice"; }
        printf '[limits]\ntasks = 100\nmemory = "1G"\nwrite-bandwidth = "20MB/s"\n' >$shop
        define till 'group = "my-shop"'
        define shelf 'group = "my-shop"' '[limits]' 'tasks = 9'
        soute start till shelf
        pids="$(pid till) $(pid shelf)"
        is 100 "$(of TasksMax)"
        is "" "$(soute diff my-shop)"
        is "" "$(soute verify my-shop)"
        printf '[limits]\ntasks = 50\ncpus = 0.5\n' >$shop
        diff=$(fails 7 soute diff my-shop | tr -s ' ')
        has "$diff" "$slice limits.tasks live 100 50 $shop:2"
        has "$diff" "$slice limits.cpus live infinity 50% $shop:3"
        has "$diff" "$slice limits.memory live 1073741824 infinity $shop"
        has "$diff" "$slice limits.write-bandwidth live /var/lib/soute/disks 20000000 "
        is 5 "$(wc -l <<<"$diff")"
        is "$diff" "$(fails 7 soute verify till | tr -s ' ')"
        is "$diff" "$(fails 7 soute apply --dry-run shelf | tr -s ' ')"
        has "$(fails 7 soute diff --json till | tr -d ' \n')" '"groups":[{"name":"my-shop","changes":[{'
        is 100 "$(of TasksMax)"
        is "$diff" "$(soute apply my-shop | tr -s ' ')"
        is "50 500ms infinity" "$(of TasksMax) $(of CPUQuotaPerSecUSec) $(of MemoryMax)"
        is "" "$(of IOWriteBandwidthMax)"
        for again in diff apply verify; do is "" "$(soute $again my-shop)"; done
        # What somebody else has told systemd is taken back.
        systemctl set-property --runtime "$slice" TasksMax=7
        has "$(fails 7 soute diff till | tr -s ' ')" "$slice limits.tasks live 7 50"
        soute apply till >/dev/null
        is 50 "$(of TasksMax)"
        # A group without a file has no limits.
        rm $shop
        soute apply my-shop >/dev/null
        is infinity "$(of TasksMax)"
        is "$pids" "$(pid till) $(pid shelf)"
        is 9 "$(prop shelf TasksMax)"
        soute remove --force till shelf"#,
    );
}

fn a_group_that_cannot_be_read_is_told_of_and_keeps_its_limits(lab: &Lab) {
    run(
        lab,
        r#"
        mkdir -p /etc/soute/groups
        printf '[limits]\ntasks = 60\n' >/etc/soute/groups/torn.toml
        define torn-a 'group = "torn"'
        soute start torn-a
        printf '[limits]\ntask = 70\n' >/etc/soute/groups/torn.toml
        for verb in diff apply verify; do
            has "$(fails 5 soute $verb torn-a)" 'unknown key "task"'
        done
        is 60 "$(systemctl show -P TasksMax soute-torn.slice)"
        is active "$(state torn-a)"
        rm /etc/soute/groups/torn.toml
        soute remove --force torn-a"#,
    );
}
