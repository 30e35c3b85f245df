use clap::Parser;

use super::Flags;
use super::pairs::published;
use crate::definition::check::Host;
use crate::definition::load::{self, load_flags};
use crate::error::Exit;
use crate::layout::Layout;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    flags: Flags,
    #[arg(last = true)]
    command: Vec<String>,
}

fn text(words: &[&str]) -> crate::error::Result<String> {
    let line = Line::parse_from(std::iter::once(&"soute").chain(words));
    Ok(line.flags.layer("busybox", &line.command)?.text())
}

#[track_caller]
fn same(words: &[&str], expected: &str) {
    assert_eq!(text(words).unwrap(), expected);
}

#[test]
fn an_image_and_a_command_are_enough() {
    same(&["--", "echo", "a \"b\"", "$c"], "image = \"busybox\"\ncommand = [\"echo\", 'a \"b\"', \"$c\"]\n");
    same(&[], "image = \"busybox\"\n");
}

#[test]
fn numbers_are_numbers_and_words_are_words() {
    same(
        &[
            "--memory",
            "256M",
            "--swap",
            "0",
            "--cpus",
            "1.5",
            "--tasks=infinity",
            "--cpu-set",
            "1",
            "--rlimit",
            "core=0",
        ],
        "image = \"busybox\"\n\n[limits]\nmemory = \"256M\"\nswap = 0\ncpus = 1.5\ntasks = \"infinity\"\ncpu-set = \"1\"\n\n\
         [limits.rlimits]\ncore = 0\n",
    );
}

#[test]
fn networks_and_mounts_are_entries() {
    same(
        &[
            "--network",
            "bridge=br0,address=10.88.0.7/24,address=fd00::7/64,mtu=1400",
            "--network=bridge=br1",
            "--mount",
            "src=/srv/www,dst=/var/www,ro",
            "--mount=type=tmpfs,target=/x,size=1M",
        ],
        "image = \"busybox\"\n\n[[network]]\nbridge = \"br0\"\naddress = [\"10.88.0.7/24\", \"fd00::7/64\"]\nmtu = 1400\n\n\
         [[network]]\nbridge = \"br1\"\n\n[[mount]]\nsource = \"/srv/www\"\ntarget = \"/var/www\"\nread-only = true\n\n\
         [[mount]]\ntype = \"tmpfs\"\ntarget = \"/x\"\nsize = \"1M\"\n",
    );
}

#[test]
fn keys_with_dots_stay_one_key() {
    same(
        &["--sysctl", "net.core.somaxconn=1024", "--host", "api.local=10.0.0.1"],
        "image = \"busybox\"\n\n[hosts]\n\"api.local\" = \"10.0.0.1\"\n\n[sysctl]\n\"net.core.somaxconn\" = \"1024\"\n",
    );
}

#[test]
fn what_is_no_pair_is_a_usage_error() {
    for words in
        [["--network", "br0"], ["--mount", "=x"], ["--env", "=x"], ["--sysctl", "x"], ["--mount", "source=a,source=b"]]
    {
        assert_eq!(text(&words).unwrap_err().exit(), Exit::Usage, "{words:?}");
    }
}

#[test]
fn ports_are_written_as_in_podman_or_by_keys() {
    let text = |publish: &str| published(publish).map(|table| table.to_string());
    let good = [
        ("8080:80", "listen = \"8080\", to = 80"),
        ("[::]:53:53/udp", "listen = \"[::]:53\", to = 53, protocol = \"udp\""),
        ("listen=8080,to=80,proxy-protocol", "listen = \"8080\", to = 80, proxy-protocol = true"),
        (
            "listen=8080,to=80,activate,idle-stop=10min",
            "listen = \"8080\", to = 80, activate = true, idle-stop = \"10min\"",
        ),
    ];
    for (typed, table) in good {
        assert_eq!(text(typed).unwrap(), format!("{{ {table} }}"));
    }
    assert!(text("80").is_err() && text("80/tcp").is_err() && text("listen=80,x").is_err());
}

/// Every flag that there is, with a value that the reader of definitions takes: a key that is misspelt here, or renamed
/// there, fails.
const ALL: &[&str] = &[
    "--description=Web",
    "--label=a.b/c=d",
    "--entrypoint=/init",
    "--entrypoint=-x",
    "--env=A=b=c",
    "--environment-file=-x.env",
    "--user=www-data:www-data",
    "--group=ssl",
    "--working-directory=/srv",
    "--umask=0027",
    "--hostname=web",
    "--timezone=Europe/Paris",
    "--init=reaper",
    "--ready=notify",
    "--start-timeout=5min",
    "--watchdog=30s",
    "--requires=db",
    "--wants=cache",
    "--after=network-online.target",
    "--disk-mode=fresh",
    "--disk-size=2G",
    "--memory=50%",
    "--memory-high=1G",
    "--memory-low=1M",
    "--swap=0",
    "--cpus=0.5",
    "--cpu-set=0",
    "--cpu-weight=idle",
    "--tasks=100",
    "--read-bandwidth=1MB/s",
    "--write-bandwidth=1MiB/s",
    "--read-iops=10",
    "--write-iops=infinity",
    "--io-weight=50",
    "--rlimit=nofile=1024:4096",
    "--network=bridge=br0,name=eth0,address=10.0.0.2/24,gateway=10.0.0.1,mac=02:00:00:00:00:01,mtu=1500",
    "--publish=127.0.0.1:8080:80/tcp",
    "--namespace=time=host",
    "--dns=10.0.0.1",
    "--dns-search=example.org",
    "--dns-option=edns0",
    "--host=db=10.0.0.3",
    "--sysctl=net.core.somaxconn=9",
    "--mount=source=data,target=/data,type=volume",
    "--volume=/srv/www:/var/www:ro",
    "--tmpfs=/scratch",
    "--device=/dev/fuse:/dev/fuse:rw",
    "--credential=key=/etc/keys/db",
    "--restart=always",
    "--restart-delay=2s",
    "--stop-signal=SIGQUIT",
    "--stop-timeout=5s",
    "--cap-add=NET_ADMIN",
    "--cap-drop=MKNOD",
    "--no-new-privileges=false",
    "--seccomp=system",
    "--allow-syscall=keyctl",
    "--systemd=OOMScoreAdjust=-500",
];

#[test]
fn every_flag_is_a_key_of_the_definition() {
    use clap::CommandFactory;
    let typed = |id: &str| ALL.iter().any(|word| word[2..].split('=').next() == Some(id));
    let command = Line::command();
    let flags = command.get_arguments().filter_map(clap::Arg::get_long).filter(|long| *long != "read-only");
    let missing: Vec<_> = flags.filter(|long| !typed(long)).collect();
    assert!(missing.is_empty(), "not tried: {missing:?}");
    let line = Line::parse_from(std::iter::once("soute").chain(ALL.iter().copied()).chain(["--", "true"]));
    let root = tempfile::tempdir().unwrap();
    let table = line.flags.layer("busybox", &line.command).unwrap().to_toml().unwrap();
    let name = "web".parse().unwrap();
    let loaded = load_flags(&Layout::new(root.path()), &name, |_| None, table, Host::default());
    let loaded: load::Loaded = loaded.unwrap_or_else(|faults| panic!("{:#?}", faults.0));
    assert_eq!(loaded.definition.limits.cpus.to_string(), "0.5");
    assert_eq!(loaded.definition.network[0].mtu, Some(1500));
}

#[test]
fn volumes_devices_and_secrets_are_written_as_elsewhere() {
    same(
        &[
            "-v",
            "/srv/www:/var/www:ro,noexec",
            "--volume=data:/data",
            "--tmpfs=/scratch",
            "--device=/dev/fuse",
            "--device=/dev/ttyS0:/dev/modem:r",
            "--device=src=/dev/kvm,missing=skip",
            "--credential=key=/etc/keys/db",
            "--disk-size=2G",
        ],
        "image = \"busybox\"\n\n[disk]\nsize = \"2G\"\n\n[[mount]]\nsource = \"/srv/www\"\ntarget = \"/var/www\"\nread-only = true\n\
         options = [\"nosuid\", \"nodev\", \"noexec\"]\n\n[[mount]]\nsource = \"data\"\ntarget = \"/data\"\ntype = \"volume\"\n\n\
         [[mount]]\ntype = \"tmpfs\"\ntarget = \"/scratch\"\n\n[[device]]\nsource = \"/dev/fuse\"\n\n\
         [[device]]\nsource = \"/dev/ttyS0\"\ntarget = \"/dev/modem\"\naccess = \"r\"\n\n\
         [[device]]\nsource = \"/dev/kvm\"\nmissing = \"skip\"\n\n[credentials]\nkey = { file = \"/etc/keys/db\" }\n",
    );
    for bad in ["--volume=/srv", "--volume=:/x", "--volume=/a:/b:Z", "--credential=/etc/keys/db"] {
        assert_eq!(text(&[bad]).unwrap_err().exit(), Exit::Usage, "{bad}");
    }
}
