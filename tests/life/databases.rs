//! PostgreSQL and Redis from Debian's packages, out of a registry and as they are: their own tools find nothing wrong with
//! them, and their data outlasts kill -9, stop, start and reboot.

use super::registry::Registry;
use crate::lab::script::run;
use crate::lab::{Lab, image};

/// Words for both boots.
const WORDS: &str = r#"
    sql() { soute exec postgres -- psql -X -At -v ON_ERROR_STOP=1 -c "$1" "${2:-postgres}"; }
    # pgbench moves money about: whatever it was killed over, what it has written down adds up.
    adds_up() {
        is t "$(sql "select a = b and b = t and t = h from (select sum(abalance) a from pgbench_accounts) a,
            (select sum(bbalance) b from pgbench_branches) b, (select sum(tbalance) t from pgbench_tellers) t,
            (select sum(delta) h from pgbench_history) h")"
    }
    # initdb has its time on a slow machine.
    up() {
        for try in {1..1200}; do
            if soute exec postgres -- pg_isready -q && soute exec redis -- redis-cli ping | grep PONG >/dev/null; then
                return
            fi 2>/dev/null
            sleep 0.1
        done
        journalctl --no-pager -u soute@postgres -u soute@redis >&2
        die "the databases are not up"
    }
"#;

/// A lab of its own, as it reboots.
fn databases_run_as_they_are(lab: &Lab) {
    let registry = Registry::start(lab);
    let redis = ["--config.cmd=redis-server", "--config.cmd=--appendonly", "--config.cmd=yes", "--config.user=redis"];
    registry.push("redis", &image::tree("redis"), &[&redis[..], &["--config.workingdir=/data"]].concat());
    let postgres = ["--config.entrypoint=entrypoint", "--config.cmd=postgres", "--config.user=postgres"];
    let more = ["--config.stopsignal=SIGINT", "--config.exposedports=5432/tcp"];
    registry.push(
        "postgres",
        &image::tree("postgres"),
        &[postgres, [more[0], more[1], "--config.env=LANG=C.UTF-8"]].concat(),
    );
    let first = r#"
        mkdir -p /etc/soute/containers
        for name in redis postgres; do
            echo "image = { name = \"$name\", source = \"docker://127.0.0.1:5000/$name:1\", pull = \"missing\" }" \
                >/etc/soute/containers/$name.toml
        done
        soute start redis postgres
        up

        # PostgreSQL: made by initdb as its own user, used by its own benchmark, copied by its own dump.
        is postgres "$(soute exec postgres -- id -un)"
        soute exec postgres -- pgbench -i -q -s 1 postgres
        has "$(soute exec postgres -- pgbench -c 4 -j 2 -t 100 postgres)" "transactions actually processed: 400/400"
        is 400 "$(sql "select count(*) from pgbench_history")"
        adds_up
        is on "$(sql "show data_checksums")"
        sql "create extension amcheck" >/dev/null
        soute exec postgres -- pg_amcheck --heapallindexed postgres
        soute exec postgres -- createdb copy
        soute exec postgres -- sh -c 'pg_dump postgres | psql -qX -v ON_ERROR_STOP=1 copy >/dev/null'
        # But for a key that each dump makes up.
        dump() { soute exec postgres -- pg_dump "$1" | grep -v '^.\(un\|\)restrict' | sha256sum; }
        is "$(dump postgres)" "$(dump copy)"

        # Killed over its work it is started again, and replays its log.
        (soute exec postgres -- pgbench -n -c 4 -j 2 -T 60 postgres >/dev/null 2>&1 || :) &
        enough() { [ "$(sql "select count(*) from pgbench_history")" -gt 420 ]; }
        soon enough
        old=$(pid postgres)
        systemctl kill --kill-whom=all -s KILL soute@postgres
        wait
        soon runs_again postgres $old
        up
        adds_up
        said postgres "automatic recovery in progress"
        soute exec postgres -- pg_amcheck --heapallindexed postgres
        # Redis: the steps of Debian's own test of the package.
        cli() { soute exec redis -- redis-cli "$@"; }
        is OK "$(cli set key kept)"
        is kept "$(cli get key)"
        has "$(soute exec redis -- redis-benchmark -P 10 -n 2000 -q)" "LRANGE_600"
        is OK "$(cli save)"
        soute exec redis -- redis-check-rdb dump.rdb >/dev/null
        has "$(soute exec redis -- redis-check-aof appendonlydir/appendonly.aof.manifest)" "All AOF files and manifest are valid"
        # What the host lacks for it is the host's.
        has "$(soute exec redis -- redis-server --check-system || :)" "[overcommit]..."
        soute exec redis -- redis-server --test-memory 2 >/dev/null

        soute stop postgres redis
        soute start postgres redis
        up
        adds_up
        is kept "$(cli get key)""#;
    run(lab, &[WORDS, first].concat());
    drop(registry);
    lab.reboot();
    let second = r#"
        soute start postgres redis
        up
        adds_up
        soute exec postgres -- pg_amcheck --heapallindexed postgres
        is kept "$(soute exec redis -- redis-cli get key)"
        # Neither reboot nor stop was a crash to it.
        is 1 "$(journalctl --no-pager -o cat -u soute@postgres | grep -c "not properly shut down")"
        soute stop postgres redis"#;
    run(lab, &[WORDS, second].concat());
}

#[test]
#[ignore = "rung 2: nested systemd"]
fn databases_run_as_they_are_on_252() {
    databases_run_as_they_are(&Lab::boot(None, &[]));
}

#[test]
#[ignore = "rung 2: nested systemd 257"]
fn databases_run_as_they_are_on_257() {
    databases_run_as_they_are(&Lab::boot(Some("trixie"), &[]));
}
