//! Fields changed alone, one after the other; and definitions made up at random.

use crate::lab::Lab;
use crate::lab::script::{both, run};

both!(fields_changed_alone_cost_what_they_are_said_to, after_apply_verify_is_empty_for_random_definitions);

/// A line for each: its class, its name, and either a line that is put on top of the definition or a change of its text.
const FIELDS: &str = r#"
    each live description 'description = "x"'
    each live 'labels."example.org/owner"' 'labels."example.org/owner" = "me"'
    each live autostart 'autostart = true'
    each live limits.memory 's|"256M"|"512M"|'
    each live limits.memory-high 'limits.memory-high = "200M"'
    each live limits.memory-low 'limits.memory-low = "16M"'
    each live limits.swap 'limits.swap = 0'
    each live limits.cpus 's|cpus = 1|cpus = 0.75|'
    each live limits.cpu-set 'limits.cpu-set = "0"'
    each live limits.cpu-weight 'limits.cpu-weight = 77'
    each live limits.cpu-weight 'limits.cpu-weight = "idle"'
    each live limits.tasks 'limits.tasks = 99'
    each live limits.io-weight 'limits.io-weight = 55'
    each live limits.read-bandwidth 'limits.read-bandwidth = "50MB/s"'
    each live limits.write-bandwidth 'limits.write-bandwidth = "20MB/s"'
    each live limits.read-iops 'limits.read-iops = 500'
    each live limits.write-iops 'limits.write-iops = 300'
    each live 'limits.device."/srv"' '$[[limits.device]]\npath = "/srv"\nread-iops = 100'
    each live network.eth0.bridge 's|"br-each"|"br-other"|'
    each live network.eth0.address 's|10.76.0.2/24|10.76.0.3/24|'
    each live network.eth0.gateway 's|10.76.0.1|10.76.0.254|'
    each live network.eth0.mtu '$mtu = 1400'
    each live network.eth0.routes '$routes = [{ to = "10.99.0.0/16", via = "10.76.0.1" }]'
    each live network.eth1 '$[[network]]\nbridge = "br-other"\naddress = "10.77.0.2/24"'
    each live dns.servers 's|"10.0.0.1"|["10.0.0.2", "10.0.0.3"]|'
    each live dns.search 'dns.search = "example.org"'
    each live dns.options 'dns.options = "edns0"'
    each live hosts.db 's|"10.0.0.5"|"10.0.0.6"|'
    each live hosts.web 'hosts.web = "10.0.0.7"'
    each restart limits.rlimits.nofile 'limits.rlimits.nofile = 1000'
    each restart command 's|"infinity"|"1000000"|'
    each restart environment.A 'environment.A = "b"'
    each restart user 'user = "nobody"'
    each restart groups 'groups = ["12"]'
    each restart working-directory 'working-directory = "/tmp"'
    each restart umask 'umask = "0077"'
    each restart hostname 'hostname = "other"'
    each restart init 'init = "reaper"'
    each restart start-timeout 'start-timeout = "30s"'
    each restart wants 'wants = ["network-online.target"]'
    each restart after 'after = ["network-online.target"]'
    each restart network.eth0.mac '$mac = "02:00:00:00:00:01"'
    each restart network.eth0.host-name '$host-name = "vb-each"'
    each restart namespaces.ipc 'namespaces.ipc = "host"'
    each restart 'sysctl."net.core.somaxconn"' 'sysctl."net.core.somaxconn" = "1000"'
    each restart 'mount."/scratch"' '$[[mount]]\ntype = "tmpfs"\ntarget = "/scratch"'
    each restart restart.policy 'restart.policy = "no"'
    each restart restart.delay 'restart.delay = "7s"'
    each restart stop.timeout 'stop.timeout = "3s"'
    each restart stop.signal 'stop.signal = "SIGINT"'
    each restart reload.signal 'reload.signal = "SIGHUP"'
    each restart log.identifier 'log.identifier = "x"'
    each restart security.capabilities.drop 'security.capabilities.drop = ["CHOWN"]'
    each restart security.no-new-privileges 'security.no-new-privileges = false'
    each restart systemd.OOMScoreAdjust 'systemd.OOMScoreAdjust = -500'
    each recreate disk.mode 'disk.mode = "fresh"'
"#;

const SETUP: &str = r#"
    ip link add br-each up type bridge
    ip link add br-other up type bridge
    mkdir -p /srv /etc/soute/containers
    file=/etc/soute/containers/alone.toml
    base='image = "busybox"
command = ["sleep", "infinity"]
limits.memory = "256M"
limits.cpus = 1
dns.servers = "10.0.0.1"
hosts.db = "10.0.0.5"
[[network]]
bridge = "br-each"
address = ["10.76.0.2/24"]
gateway = "10.76.0.1"'
    write() {
        case $1 in
        s\|*) sed "$1" <<<"$base" ;;
        \$*) printf '%s\n%b\n' "$base" "${1#?}" ;;
        *) printf '%s\n%s\n' "$1" "$base" ;;
        esac >$file
    }
    echo "$base" >$file
    soute start alone
    pid=$(pid alone)
    is "" "$(soute diff alone)"
    is "" "$(soute verify alone)"
    shown() { tr -s ' ' | sed 1d | cut -d' ' -f2,3; }
    count=0
    each() {
        count=$((count + 1))
        write "$3"
        is "$2 $1" "$(fails 7 soute diff alone | shown)"
        is "$2 $1" "$(fails 7 soute verify alone | shown)"
        if [ $1 = live ]; then
            soute apply alone >/dev/null || die "apply of $2"
            is "" "$(soute verify alone 2>&1)"
            is "" "$(soute apply alone 2>&1)"
            echo "$base" >$file
            soute apply alone >/dev/null || die "apply of $2 taken back"
            is "" "$(soute verify alone 2>&1)"
        else
            is "$2 $1" "$(fails 7 soute apply alone | shown)"
            is "$2 $1" "$(fails 7 soute verify alone | shown)"
            echo "$base" >$file
        fi
        is $pid "$(pid alone)"
        is "" "$(soute diff alone)"
    }
"#;

fn fields_changed_alone_cost_what_they_are_said_to(lab: &Lab) {
    run(
        lab,
        &format!(
            "{SETUP}{FIELDS}
            [ $count -ge 40 ]
            soute stop alone
            ip link delete br-each
            ip link delete br-other"
        ),
    );
}

/// A linear congruential generator: the same definitions each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }
}

/// Some of the live keys, and now and then one that takes a restart.
fn definition(dice: &mut Dice) -> String {
    let mut lines = vec!["image = \"busybox\"".to_owned(), "command = [\"sleep\", \"infinity\"]".to_owned()];
    let addresses = 1 + dice.below(3);
    let mut maybe = |one_in: u64, line: &dyn Fn(u64) -> String| {
        if dice.below(one_in) == 0 {
            lines.push(line(1 + dice.below(50)));
        }
    };
    maybe(2, &|n| format!("description = \"the {n}th\""));
    maybe(2, &|n| format!("labels.a = \"{n}\""));
    maybe(2, &|n| format!("limits.memory = \"{}M\"", 64 + n));
    maybe(3, &|n| format!("limits.memory-high = \"{}M\"", 32 + n));
    maybe(3, &|n| format!("limits.memory-low = \"{n}M\""));
    maybe(3, &|n| format!("limits.swap = \"{n}M\""));
    maybe(2, &|n| format!("limits.cpus = {}.{n:02}", n % 3 + 1));
    maybe(3, &|n| format!("limits.cpu-set = \"0{}\"", if n % 2 == 0 { "-1" } else { "" }));
    maybe(3, &|n| format!("limits.cpu-weight = {n}"));
    maybe(2, &|n| format!("limits.tasks = {}", 100 + n));
    maybe(3, &|n| format!("limits.io-weight = {n}"));
    maybe(2, &|n| format!("limits.write-bandwidth = \"{n}MB/s\""));
    maybe(3, &|n| format!("limits.read-iops = {}", 100 * n));
    maybe(4, &|n| format!("umask = \"00{}\"", n % 7 * 11));
    maybe(4, &|n| format!("environment.N = \"{n}\""));
    maybe(2, &|n| format!("hosts.n{} = \"10.0.0.{n}\"", n % 5));
    maybe(2, &|n| format!("dns.search = [\"n{n}.example\"]"));
    lines.push(format!("dns.servers = \"10.0.0.{}\"", 1 + dice.below(9)));
    for link in 0..1 + dice.below(3) {
        let list: Vec<_> =
            (0..addresses).map(|n| format!("\"10.{}.{}.{}/24\"", 80 + link, n, 2 + dice.below(200))).collect();
        let bridge = if dice.below(3) == 0 { "br-even" } else { "br-odd" };
        lines.push(format!("[[network]]\nbridge = \"{bridge}\"\naddress = [{}]", list.join(", ")));
        if dice.below(3) == 0 {
            lines.push(format!("mtu = {}", 1300 + dice.below(100)));
        }
        if link == 0 && dice.below(2) == 0 {
            lines.push("gateway = \"10.80.0.1\"".to_owned());
        }
        if dice.below(3) == 0 {
            lines.push(format!("routes = [{{ to = \"10.{}.0.0/16\", via = \"10.{}.0.1\" }}]", 100 + link, 80 + link));
        }
    }
    lines.join("\n")
}

fn after_apply_verify_is_empty_for_random_definitions(lab: &Lab) {
    let mut dice = Dice(7);
    let mut script =
        "mkdir -p /etc/soute/containers\nip link add br-even up type bridge\nip link add br-odd up type bridge\n"
            .to_owned();
    for round in 0..25 {
        let text = definition(&mut dice);
        script += &format!("cat >/etc/soute/containers/random.toml <<'END'\n{text}\nEND\n");
        script += match round {
            0 => "soute start random\n",
            // What is live first, then the rest; nothing of either is lost.
            _ => "soute apply random >/dev/null 2>&1 || [ $? = 7 ]\nsoute apply --restart random >/dev/null\n",
        };
        script += "is '' \"$(soute verify random 2>&1)\"\nis '' \"$(soute diff random 2>&1)\"\n";
    }
    run(lab, &(script + "soute stop random\nip link delete br-even\nip link delete br-odd\n"));
}
