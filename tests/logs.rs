//! Rung 2: what a payload writes by opening /dev/stdout, when its container stops and starts again at once.

mod lab;

use std::time::Duration;

const ROUNDS: usize = 10;

/// The forwarder lingers after a line, and systemd starts no socket whose service is running.
#[test]
#[ignore = "rung 2: nested systemd, 252 and 257"]
fn a_container_that_has_just_written_starts_again_at_once_and_loses_no_line() {
    for lab in [lab::host(), lab::trixie()] {
        let busybox = lab::image::in_lab("busybox");
        lab.ok(&format!("soute image import busybox {busybox}"));
        // The last line comes after the stop signal.
        let payload = "trap 'echo last >/dev/stdout; exit' TERM; echo first >/dev/stdout; while :; do sleep 0.1; done";
        lab.define("writer", &format!("image = 'busybox'\ncommand = ['sh', '-c', \"\"\"{payload}\"\"\"]\n"));
        lab.ok("soute start writer");
        for round in 0..ROUNDS {
            // The premise: something is there that runs on after the line.
            lab.wait_for("systemctl is-active soute-log@writer.service", Duration::from_secs(10));
            match round % 2 {
                0 => lab.ok("soute restart writer"),
                _ => lab.ok("systemctl stop soute@writer && soute start writer"),
            };
        }
        lab.ok("soute stop writer");
        let count = format!("journalctl -o cat -u soute@writer | grep -cx last | grep -x {}", ROUNDS + 1);
        lab.wait_for(&count, Duration::from_secs(10));
        let count = format!("journalctl -o cat -u soute@writer | grep -cx first | grep -x {}", ROUNDS + 1);
        lab.ok(&count);
    }
}
