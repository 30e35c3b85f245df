//! Rung 2: what a payload tries on the terminal of whoever goes into its container (attack 21).

#[allow(dead_code, reason = "another test file needs the rest")]
#[path = "../attached/typing.rs"]
mod typing;

use crate::lab::script::both;
use crate::lab::{Lab, probe};
use typing::Typist;

both!(attack_21_keys_are_not_typed_for_the_caller, attack_21_the_terminal_is_given_back_when_the_payload_is_killed);

/// CVE-2016-10124, CVE-2017-5226, CVE-2023-28100.
fn attack_21_keys_are_not_typed_for_the_caller(lab: &Lab) {
    probe::import(lab);
    lab.define("typed", "image = 'probe'\ncommand = ['sleep', 'infinity']\n");
    lab.ok("soute start typed");
    // What has been typed into it, the shell behind reads: it would be somebody's next command.
    let then = "; stty -icanon min 0 time 5; echo left=$(dd bs=100 count=1 2>/dev/null)=";
    // The premise: whoever has the terminal itself may, where the kernel still lets any user do so.
    let mut typist = Typist::start(lab, &format!("/root/probe --type evil{then}; stty sane"));
    typist.sees("typed 4");
    typist.sees("left=evil=");
    assert_eq!(typist.ends(), 0);
    for command in ["soute exec -it typed --", "soute exec -t typed --", "soute run -it probe --"] {
        let mut typist = Typist::start(lab, &format!("{command} /probe --type evil{then}; stty sane"));
        typist.sees("typed 0");
        typist.sees("left==");
        assert_eq!(typist.ends(), 0, "{command}");
        // By no other way either: it is a terminal of the container's own, and TIOCSCTTY took that one.
        let mut typist =
            Typist::start(lab, &format!("tty; {command} sh -c 'readlink /proc/self/fd/0; ls -l /dev/pts'"));
        typist.sees("/dev/pts/");
        assert_eq!(typist.ends(), 0, "{command}");
    }
    lab.ok("soute remove --force typed");
}

fn attack_21_the_terminal_is_given_back_when_the_payload_is_killed(lab: &Lab) {
    probe::import(lab);
    lab.define("killed", "image = 'probe'\ncommand = ['sleep', 'infinity']\nrestart.policy = 'no'\n");
    for (command, kill) in [
        (
            "soute start killed; soute exec -it killed -- sh -c 'echo up; exec sleep 4321'",
            "systemctl kill -s KILL soute@killed",
        ),
        ("soute run -it --name k21 probe -- sh -c 'echo up; exec sleep 4321'", "systemctl kill -s KILL soute@k21"),
    ] {
        let mut typist = Typist::start(lab, command);
        typist.sees("up\r\n");
        while typist.is_cooked() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        lab.ok(kill);
        // `ends` looks at the terminal's modes.
        assert_eq!(typist.ends(), 137, "{command}");
    }
    lab.ok("soute remove --force killed");
}
