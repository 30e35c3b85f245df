//! What others say of a container: `soute audit`, `systemd-analyze`, and the CIS benchmark's section on containers.

use crate::lab::Lab;
use crate::lab::script::{both, run};

both!(attack_45_units_are_sound_and_the_benchmark_is_met);

/// The numbers are those of section 5 of the CIS Docker Benchmark, as far as they are about what a container may do; the
/// rest of it is about Docker's daemon, registries, and limits that only the user can know.
fn attack_45_units_are_sound_and_the_benchmark_is_met(lab: &Lab) {
    run(
        lab,
        r#"
        is "" "$(systemd-analyze verify --man=no /usr/local/lib/systemd/system/soute* 2>&1)"
        define rated '[[mount]]' 'source = "/etc"' 'target = "/mnt"' 'read-only = true'
        soute start rated
        is "" "$(systemd-analyze verify --man=no /run/systemd/transient/soute@rated.service 2>&1)"
        table=$(soute audit rated) || die "$? $table"
        meets() { grep -E "^ok +$2" <<<"$table" >/dev/null || die "$1: $table"; }
        meets 5.3 "capabilities, bounding +11: "
        meets 5.4 "capabilities, in effect +11: "
        # No directory of the host but those that are named.
        is "/mnt" "$(grep -Eo ' mount /[^ ]+' <<<"$table" | cut -d' ' -f3 | xargs)"
        meets 5.9 "namespace net +its own"
        meets 5.15 "namespace pid +its own"
        meets 5.16 "namespace ipc +its own"
        meets 5.17 "devices +full null pts/ptmx random tty urandom zero$"
        meets 5.18 "limit of core file size +0$"
        meets 5.19 "mounts of the host +none"
        meets 5.20 "namespace uts +its own"
        meets 5.21 "system calls +filtered"
        meets 5.24 "control group +root's"
        meets 5.25 "new privileges +none"
        is 2048 "$(prop rated TasksMax)"
        meets 5.30 "namespace user +its own"
        meets 5.30 "ids +0 is [0-9]{6,}, 65536 ids"
        # 5.31: nothing of soute's or of systemd's to speak to.
        is "" "$(soute exec rated -- find / -xdev -type s)"
        soute stop rated"#,
    );
}
