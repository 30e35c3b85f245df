//! Limits are the unit's own properties, on the payload's own control group. That they bite is for a machine with
//! controllers, rung 3.

use crate::lab::Lab;
use crate::lab::script::{both, run};

both!(every_limit_is_the_units, rlimits_are_the_payloads, nothing_is_limited_unasked_but_tasks_and_cores);

fn every_limit_is_the_units(lab: &Lab) {
    run(
        lab,
        r#"
        device=$(findmnt -no SOURCE -T /var/lib/soute | sed 's/\[.*//')
        mkdir -p /srv/other
        define limited '[limits]' 'memory = "256M"' 'memory-high = "200M"' 'memory-low = "16M"' 'swap = 0' 'cpus = 1.25' \
            'cpu-set = "0"' 'cpu-weight = 77' 'tasks = 64' 'io-weight = 55' \
            'read-bandwidth = "50MB/s"' 'write-bandwidth = "20MB/s"' 'read-iops = 500' 'write-iops = 300'
        soute start limited
        for pair in MemoryMax=268435456 MemoryHigh=209715200 MemoryLow=16777216 MemorySwapMax=0 CPUQuotaPerSecUSec=1.250000s \
            AllowedCPUs=0 CPUWeight=77 TasksMax=64 IOWeight=55; do
            is "$pair" "${pair%%=*}=$(prop limited ${pair%%=*})"
        done
        has "$(prop limited IOReadBandwidthMax)" " 50000000"
        has "$(prop limited IOWriteBandwidthMax)" " 20000000"
        has "$(prop limited IOReadIOPSMax)" " 500"
        has "$(prop limited IOWriteIOPSMax)" " 300"
        # It is the payload that is in that group.
        grep -q "^0::$(prop limited ControlGroup)\$" /proc/$(pid limited)/cgroup
        define limited '[limits]' 'cpu-weight = "idle"'
        soute restart limited
        is idle "$(prop limited CPUWeight)"
        soute stop limited"#,
    );
}

fn rlimits_are_the_payloads(lab: &Lab) {
    run(
        lab,
        r#"
        define rlimited '[limits.rlimits]' 'nofile = "1000:2000"' 'nproc = 333' 'stack = "1M:2M"' 'core = "infinity"'
        soute start rlimited
        limits() { tr -s ' ' <"/proc/$(pid rlimited)/limits"; }
        has "$(limits)" "Max open files 1000 2000 "
        has "$(limits)" "Max processes 333 333 "
        has "$(limits)" "Max stack size 1048576 2097152 "
        has "$(limits)" "Max core file size unlimited unlimited "
        # And what exec brings in has the same.
        is 1000 "$(soute exec rlimited -- sh -c 'ulimit -n')"
        soute stop rlimited"#,
    );
}

fn nothing_is_limited_unasked_but_tasks_and_cores(lab: &Lab) {
    run(
        lab,
        r#"
        define free
        soute start free
        for name in MemoryMax MemoryHigh MemorySwapMax CPUQuotaPerSecUSec; do is infinity "$(prop free $name)"; done
        is 2048 "$(prop free TasksMax)"
        has "$(tr -s ' ' </proc/$(pid free)/limits)" "Max core file size 0 0 "
        soute stop free"#,
    );
}
