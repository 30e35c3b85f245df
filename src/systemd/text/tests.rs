use super::*;

fn text(properties: &[(&str, Value)]) -> String {
    let properties = properties.iter().map(|(name, value)| Property::new(name, value.clone())).collect();
    unit_text(&Unit { name: "a.service".to_owned(), properties })
}

fn words(list: &[&str]) -> Vec<String> {
    list.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn each_type_in_the_words_of_a_unit_file() {
    let exec = |argv: &[&str], ignore_failure| Exec { argv: words(argv), ignore_failure };
    let text = text(&[
        ("Description", Value::Text("100% web".into())),
        ("After", Value::Texts(words(&["network.target", r"dev-disk\x2d1.device"]))),
        ("RequiresMountsFor", Value::Texts(words(&["/srv/my files"]))),
        ("StartLimitIntervalUSec", Value::U64(90_000_000)),
        ("ExecStart", Value::Exec(vec![exec(&["/bin/a b", "$HOME", "50%", "a\"b\\c\n", ""], true)])),
        ("ExecStop", Value::Exec(vec![exec(&["/bin/x", "web"], false), exec(&["/bin/y", ";"], false)])),
        ("RestartUSec", Value::U64(1_500_000)),
        ("TimeoutStartUSec", Value::U64(u64::MAX)),
        ("SuccessExitStatus", Value::ExitStatuses(ExitStatuses { codes: vec![143], signals: vec![9, 37] })),
        ("KillSignal", Value::I32(37)),
        ("MemoryMax", Value::U64(256 << 20)),
        ("MemorySwapMax", Value::U64(u64::MAX)),
        ("CPUQuotaPerSecUSec", Value::U64(1_500_000)),
        ("CPUWeight", Value::U64(0)),
        ("AllowedCPUs", Value::Bytes(vec![0b1011, 1])),
        ("LimitCORE", Value::U64(0)),
        ("LimitCORESoft", Value::U64(0)),
        ("LimitNOFILE", Value::U64(u64::MAX)),
        ("LimitNOFILESoft", Value::U64(1024)),
        ("IOReadBandwidthMax", Value::DeviceLimits(vec![("/var/lib/soute".into(), 50_000_000)])),
        (
            "DeviceAllow",
            Value::DeviceAllow(vec![("/dev/fuse".into(), "rw".into()), ("block-loop".into(), "rw".into())]),
        ),
        ("Delegate", Value::Bool(true)),
        ("OOMScoreAdjust", Value::I32(-500)),
        ("LogLevelMax", Value::I32(6)),
        ("ManagedOOMMemoryPressureLimit", Value::U32(2_576_980_378)),
    ]);
    let expected = r#"[Unit]
Description=100%% web
After=network.target dev-disk\x2d1.device
RequiresMountsFor="/srv/my files"
StartLimitIntervalSec=1min 30s

[Service]
ExecStart=-"/bin/a b" $$HOME 50%% "a\"b\\c\n" ""
ExecStop=/bin/x web
ExecStop=/bin/y ";"
RestartSec=1s 500ms
TimeoutStartSec=infinity
SuccessExitStatus=143 SIGKILL SIGRTMIN+3
KillSignal=SIGRTMIN+3
MemoryMax=268435456
MemorySwapMax=infinity
CPUQuota=150%
CPUWeight=idle
AllowedCPUs=0-1 3 8
LimitCORE=0
LimitNOFILE=1024:infinity
IOReadBandwidthMax=/var/lib/soute 50000000
DeviceAllow=/dev/fuse rw
DeviceAllow=block-loop rw
Delegate=yes
OOMScoreAdjust=-500
LogLevelMax=info
ManagedOOMMemoryPressureLimit=60%
"#;
    assert_eq!(text, expected);
}
