//! Rung 2: the verbs of definitions where a systemd runs what they are about.

mod lab;

use std::sync::OnceLock;
use std::time::Duration;

use lab::Lab;

const AT_MOST: Duration = Duration::from_secs(20);

/// systemd 252 and 257, with the image "busybox".
fn labs() -> [&'static Lab; 2] {
    static READY: OnceLock<()> = OnceLock::new();
    let labs = [lab::host(), lab::trixie()];
    READY.get_or_init(|| labs.into_iter().for_each(import));
    labs
}

fn import(lab: &Lab) {
    let busybox = lab::image::in_lab("busybox");
    lab.ok(&format!("soute image import busybox {busybox} --command '[\"sleep\", \"infinity\"]'"));
}

fn refused(lab: &Lab, line: &str, status: i32, stderr: &str) {
    let ran = lab.run(line);
    assert_eq!((ran.status, ran.stdout.as_str(), ran.stderr.as_str()), (status, "", stderr), "{ran}");
}

#[test]
#[ignore = "rung 2: nested systemd, 252 and 257"]
fn a_running_container_is_removed_only_by_force_and_then_wholly() {
    for lab in labs() {
        lab.define("gone", "image = 'busybox'\n[[mount]]\ntype = 'volume'\nsource = 'kept'\ntarget = '/kept'\n");
        lab.ok("soute start gone");
        lab.ok("systemctl enable soute-start@gone");
        refused(lab, "soute remove gone", 6, "soute: cannot remove gone: it is running (--force stops it)\n");
        assert_eq!(lab.ok("systemctl is-active soute@gone"), "active\n");
        lab.ok("soute remove --force gone");
        let left = "ls -d /etc/soute/containers/gone* /run/soute/state/gone /var/lib/soute/disks/gone \
                /etc/systemd/system/*.wants/soute-start@gone* 2>/dev/null; grep ^gone /run/soute/instances; \
                systemctl list-units --all --plain --no-legend 'soute@gone*'";
        assert_eq!(lab.run(left).stdout, "");
        assert_eq!(lab.ok("ls /var/lib/soute/volumes"), "kept\n");
        refused(lab, "soute remove gone", 4, "soute: no container is called gone\n");
    }
}

#[test]
#[ignore = "rung 2: nested systemd, 252 and 257"]
fn what_restarts_by_itself_counts_as_running() {
    for lab in labs() {
        lab.define(
            "again",
            "image = 'busybox'\ncommand = ['false']\n[restart]\npolicy = 'always'\ndelay = '10min'\nlimit = 0\n",
        );
        lab.run("soute start again");
        lab.wait_for("systemctl show -p SubState soute@again | grep auto-restart", AT_MOST);
        refused(lab, "soute rm again", 6, "soute: cannot remove again: it is running (--force stops it)\n");
        lab.ok("soute rm --force again");
        assert_eq!(lab.run("systemctl is-active soute@again").stdout, "inactive\n");
    }
}

#[test]
#[ignore = "rung 2: nested systemd, 252 and 257"]
fn a_failed_container_is_forgotten_with_its_failure() {
    for lab in labs() {
        lab.define(
            "failed",
            "image = 'busybox'\ncommand = ['sh', '-c', 'sleep 0.2; exit 3']\n[restart]\npolicy = 'no'\n",
        );
        lab.ok("soute start failed");
        lab.wait_for("systemctl is-failed soute@failed", AT_MOST);
        lab.ok("soute remove failed");
        assert_eq!(lab.run("systemctl --failed --plain --no-legend list-units 'soute@failed*'").stdout, "");
    }
}

#[test]
#[ignore = "rung 2: nested systemd, 252 and 257"]
fn attack_10_remove_is_finished_by_the_next_one_wherever_it_was_killed() {
    for lab in labs() {
        // strace kills it at its Nth unlink or rename: each is a place where a remove can be cut short.
        for nth in [1, 2, 3, 4, 5, 6, 7, 8, 40] {
            lab.define("cut", "image = 'busybox'\nautostart = true\n");
            lab.write("/etc/soute/containers/cut.toml.d/10-x.toml", "umask = '0027'\n");
            lab.ok("soute start cut && soute stop cut");
            let calls = "unlink,unlinkat,rename,renameat,renameat2,rmdir";
            let killed = lab.run(&format!(
                "strace -f -qq -o /dev/null -e trace={calls} -e inject={calls}:signal=KILL:when={nth} soute remove cut"
            ));
            assert_eq!(killed.status, 128 + 9, "{killed}");
            let again = lab.run("soute remove cut");
            assert!(matches!(again.status, 0 | 4), "{again}");
            // Another test's remove may have its leftovers there for a moment.
            let paths = "/etc/soute/containers/cut* /run/soute/state/cut /var/lib/soute/disks/cut \
                         /var/lib/soute/disks/.trash*";
            lab.wait_for(&format!("[ -z \"$(ls -d {paths} 2>/dev/null)\" ]"), AT_MOST);
        }
    }
}

#[test]
#[ignore = "rung 2: nested systemd, 252 and 257"]
fn enable_and_disable_decide_the_next_boot() {
    // A lab of its own, as it is rebooted.
    let lab = Lab::boot(None, &[]);
    import(&lab);
    for name in ["on", "off", "both"] {
        lab.define(name, "image = 'busybox'\n");
    }
    assert_eq!(lab.ok("soute enable --now on off both; systemctl is-active soute@on"), "active\n");
    lab.ok("systemctl enable soute-start@both");
    lab.ok("soute disable --now off both");
    assert_eq!(lab.run("systemctl is-active soute@off soute@both").stdout, "inactive\ninactive\n");
    let called = "image = 'busybox'\ncommand = ['httpd', '-f', '-p', '80']\nautostart = true\n";
    lab.define("called", &format!("{called}[[publish]]\nlisten = '8900'\nto = 80\nactivate = true\n"));
    lab.reboot();
    lab.wait_for("systemctl is-active soute@on", AT_MOST);
    lab.wait_for("systemctl is-active soute-publish@called:8900.socket", AT_MOST);
    assert_eq!(lab.run("systemctl is-active soute@called").stdout, "inactive\n");
    lab.ok("curl --silent --max-time 60 http://127.0.0.1:8900/");
    assert_eq!(lab.ok("systemctl is-active soute@called"), "active\n");
    assert_eq!(lab.run("systemctl is-active soute@off soute@both").stdout, "inactive\ninactive\n");
    assert_eq!(lab.run("systemctl is-enabled soute-start@both").stdout, "disabled\n");
}

#[test]
#[ignore = "rung 2: nested systemd, 252 and 257"]
fn unit_shows_what_runs_also_after_the_definition_has_changed() {
    for lab in labs() {
        lab.define("shown", "image = 'busybox'\ndescription = 'before'\n");
        lab.write("/etc/systemd/system/soute@shown.service.d/10-more.conf", "[Service]\nNice=3\n");
        lab.ok("systemctl daemon-reload; soute start shown");
        lab.define("shown", "image = 'busybox'\ndescription = 'after'\n");
        let text = lab.ok("soute unit shown");
        assert!(text.starts_with("# soute@shown.service, as it runs\n"), "{text}");
        assert!(text.contains("\nDescription=before\n"), "{text}");
        assert!(text.ends_with("\n# and /etc/systemd/system/soute@shown.service.d/10-more.conf\n"), "{text}");
        lab.ok("soute stop shown");
        let text = lab.ok("soute unit shown");
        assert!(text.contains("\nDescription=after\n"), "{text}");
        assert!(text.ends_with("\n# and /etc/systemd/system/soute@shown.service.d/10-more.conf\n"), "{text}");
        lab.ok("soute remove shown");
    }
}

#[test]
#[ignore = "rung 2: nested systemd, 252 and 257"]
fn attack_38_an_image_that_a_container_runs_on_stays_even_by_force() {
    for lab in labs() {
        lab.ok(&format!("soute image import shared {}", lab::image::in_lab("busybox")));
        lab.define("reader", "image = 'shared'\ncommand = ['sleep', 'infinity']\n[disk]\nmode = 'read-only'\n");
        lab.ok("soute start reader");
        refused(
            lab,
            "soute image remove shared",
            6,
            "soute: cannot remove image shared: it is used by reader (--force removes it)\n",
        );
        refused(lab, "soute image remove --force shared", 6, "soute: image shared is in use by reader\n");
        lab.ok("soute remove --force reader; soute image remove shared");
    }
}

#[test]
#[ignore = "rung 2: nested systemd, 252 and 257"]
fn running_containers_keep_what_they_have_of_an_image() {
    for lab in labs() {
        lab.ok(&format!("soute image import moving {}", lab::image::in_lab("busybox")));
        lab.define("kept", "image = 'moving'\ncommand = ['sleep', 'infinity']\n");
        lab.define("bare", "image = 'moving'\ncommand = ['sleep', 'infinity']\n[disk]\nmode = 'read-only'\n");
        lab.ok("soute start kept");
        lab.ok("cd /root && mkdir -p next/bin && echo next >next/which");
        lab.ok("soute exec kept -- sh -c 'echo mine >/mine'");
        // On a copy of its own: replaced under it.
        lab.ok("soute image import --replace moving /root/next");
        assert_eq!(lab.ok("soute exec kept -- cat /mine"), "mine\n");
        assert_eq!(lab.ok("cat /var/lib/soute/images/moving/root/which"), "next\n");
        let running = "it is running: soute stop it first\n";
        refused(lab, "soute commit kept mine", 6, &format!("soute: cannot commit kept: {running}"));
        refused(lab, "soute disk reset kept", 6, &format!("soute: cannot reset the disk of kept: {running}"));
        lab.ok("soute stop kept; soute commit kept mine; soute image verify mine");
        assert_eq!(lab.ok("cat /var/lib/soute/images/mine/root/mine"), "mine\n");
        // From what the disk has become, the next container.
        lab.define("kept", "image = 'mine'\ncommand = ['sleep', 'infinity']\n");
        lab.ok("soute disk reset kept; soute start kept; soute exec kept -- sh -c 'echo yours >/mine'");
        lab.ok("soute stop kept; soute disk reset kept; soute start kept");
        assert_eq!(lab.ok("soute exec kept -- cat /mine"), "mine\n");
        // On the image itself: kept as long as that runs; renamed by force only, which changes nothing for who runs on it.
        lab.ok("soute image import --replace moving /var/lib/soute/images/mine/root; soute start bare");
        refused(
            lab,
            "soute image rename moving moved",
            6,
            "soute: cannot rename image moving: it is used by bare (--force renames it)\n",
        );
        lab.ok("soute image import third /root/next; soute image rename --force moving moved");
        assert_eq!(lab.ok("soute exec bare -- cat /mine"), "mine\n");
        let unused = "soute image prune --dry-run 2>/dev/null | grep -x -e moved -e third";
        assert_eq!(lab.ok(unused), "third\n");
        refused(lab, "soute image remove --force moved", 6, "soute: image moved is in use by bare\n");
        lab.ok("soute image rename moved moving; soute image import --replace moving /root/next");
        lab.ok("soute image remove third; ls -d /var/lib/soute/images/.kept-*");
        assert_eq!(lab.ok("soute exec bare -- cat /mine; cat /var/lib/soute/images/moving/root/which"), "mine\nnext\n");
        lab.ok("soute remove --force kept bare; soute image remove mine moving");
        assert_eq!(lab.ok("ls -A /var/lib/soute/images | grep '^[.]kept' || true"), "");
    }
}

#[test]
#[ignore = "rung 2: nested systemd, 252 and 257"]
fn edit_says_when_a_restart_is_due() {
    for lab in labs() {
        lab.define("edited", "image = 'busybox'\n");
        lab.ok("soute start edited");
        let ran = lab.run("EDITOR=\"sed -i '\\$a umask = \\\"0027\\\"'\" soute edit edited");
        assert!(ran.stderr.contains("edited runs as it was started: soute restart edited\n"), "{ran}");
        lab.ok("soute remove --force edited");
    }
}
