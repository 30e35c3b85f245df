//! Layers, drop-ins and masks, over directories that the test made.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use soute::definition::{Declared, Failure, Host, Loaded, load, search};
use soute::layout::Layout;

struct Site {
    directory: tempfile::TempDir,
}

impl Site {
    fn new(files: &[(&str, &str)]) -> Self {
        let site = Self { directory: tempfile::tempdir().unwrap() };
        for (path, text) in files {
            let path = site.path(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        }
        site
    }

    fn path(&self, path: &str) -> std::path::PathBuf {
        self.directory.path().join(path)
    }

    fn layout(&self) -> Layout {
        Layout::new(self.directory.path())
    }

    fn load(&self, flags: &str) -> Result<Loaded, Failure> {
        let image = |_: &soute::definition::types::Name| None;
        load(&self.layout(), &"web".parse().unwrap(), image, toml::from_str(flags).unwrap(), Host::default())
    }

    fn get(&self) -> Loaded {
        self.load("").unwrap_or_else(|failure| panic!("{}", soute::error::Error::from(failure)))
    }

    fn refusal(&self) -> String {
        match self.load("") {
            Ok(_) => panic!("it was taken"),
            Err(failure) => soute::error::Error::from(failure).to_string(),
        }
    }
}

const WEB: &str = "etc/soute/containers/web.toml";
const DROP_IN: &str = "etc/soute/containers/web.toml.d/10.toml";

#[test]
fn a_table_for_the_image_merges_with_a_name_below_it() {
    let drop_in = "[image]\nsource = 'docker://a.example/b'\npull = 'missing'";
    let site = Site::new(&[(WEB, "image = 'nginx'\ncommand = ['a']"), (DROP_IN, drop_in)]);
    let image = site.get().definition.image;
    assert_eq!((image.name.as_str(), image.source.unwrap().to_string().as_str()), ("nginx", "docker://a.example/b"));
    fs::write(site.path(DROP_IN), "image.name = 'other'").unwrap();
    assert_eq!(site.get().definition.image.as_str(), "other");
    fs::write(site.path(WEB), "image = { name = 'nginx', source = 'docker://a.example/b' }\ncommand = ['a']").unwrap();
    fs::write(site.path(DROP_IN), "image = 'other'").unwrap();
    assert_eq!(site.get().definition.image.source, None, "a name alone says where all of it is from");
}

#[test]
fn scalars_replace_tables_merge_and_entries_merge_by_key() {
    let site = Site::new(&[
        ("etc/soute/defaults.toml", "limits = { tasks = 100, memory = '1G' }\n[[network]]\nbridge = 'br0'\nmtu = 1400"),
        (
            WEB,
            "image = 'nginx'\ncommand = ['a', 'b']\nlimits.memory = '256M'\n[[network]]\naddress = '10.0.0.2/24'\n\
               [[mount]]\nsource = '/a'\ntarget = '/a'\n[[mount]]\nsource = '/b'\ntarget = '/b'",
        ),
        (
            DROP_IN,
            "command = ['c']\nlimits.cpus = 2\n[[network]]\nname = 'eth0'\nmtu = 1300\n[[network]]\nname = 'eth1'\n\
                   bridge = 'br1'\n[[mount]]\ntarget = '/a/'\nremove = true\n[[mount]]\ntarget = '/b'\nread-only = true",
        ),
    ]);
    let d = site.get().definition;
    assert_eq!(d.command.unwrap()[0].as_str(), "c");
    assert_eq!((d.limits.memory.to_string(), d.limits.tasks.to_string()), ("256M".into(), "100".into()));
    assert_eq!(d.limits.cpus.to_string(), "2");
    let [eth0, eth1] = &d.network[..] else { panic!("{:?}", d.network) };
    assert_eq!((eth0.bridge.as_deref(), eth0.mtu, eth0.address.len()), (Some("br0"), Some(1300), 1));
    assert_eq!(eth1.bridge.as_deref(), Some("br1"));
    let [mount] = &d.mount[..] else { panic!("{:?}", d.mount) };
    assert_eq!((mount.target.as_str(), mount.read_only), ("/b", true));
}

#[test]
fn unset_comes_first_and_exclusive_keys_replace_each_other() {
    let site = Site::new(&[
        (
            WEB,
            "image = 'nginx'\nlimits.memory = '1G'\nlabels = { 'a.b' = 'x', c = 'y' }\nreload.signal = 'HUP'\n[[network]]\nbridge = 'br0'",
        ),
        (
            DROP_IN,
            "unset = ['limits.memory', 'labels.\"a.b\"', 'stop']\nreload.command = ['x']\nnamespaces.network = 'host'\nlimits.swap = 0",
        ),
    ]);
    let d = site.get().definition;
    assert_eq!(d.limits.memory.to_string(), "infinity");
    assert_eq!(d.labels.keys().map(|key| key.as_str()).collect::<Vec<_>>(), ["c"]);
    assert!(matches!(d.reload, Some(soute::definition::model::Reload::Command(_))));
    assert!(d.network.is_empty());
}

#[test]
fn unset_of_the_definition_itself_is_of_what_lies_below_it() {
    let site = Site::new(&[
        ("etc/soute/defaults.toml", "limits.memory = '1G'\nlimits.tasks = 100"),
        (WEB, "image = 'nginx'\nunset = ['limits']\nlimits.tasks = 7"),
    ]);
    let d = site.get().definition;
    assert_eq!((d.limits.memory.to_string(), d.limits.tasks.to_string()), ("infinity".to_owned(), "7".to_owned()));
}

#[test]
fn drop_ins_come_from_all_directories_by_file_name_and_can_be_masked() {
    let site = Site::new(&[
        ("usr/lib/soute/containers/web.toml", "image = 'vendor'\ncommand = ['x']"),
        ("usr/lib/soute/containers/web.toml.d/10.toml", "description = 'vendor 10'\nhostname = 'vendor'"),
        ("usr/lib/soute/containers/web.toml.d/30.toml", "umask = '0077'"),
        ("run/soute/containers/web.toml.d/20.toml", "description = 'runtime 20'"),
        (DROP_IN, "description = 'local 10'"),
        ("etc/soute/containers/web.toml.d/.20.toml.swp", "no = 'TOML of ours'"),
    ]);
    symlink("/dev/null", site.path("etc/soute/containers/web.toml.d/30.toml")).unwrap();
    let d = site.get().definition;
    assert_eq!(d.image.as_str(), "vendor");
    assert_eq!((d.description.unwrap().as_str(), d.hostname, d.umask.0), ("runtime 20", None, 0o022));
    // An empty file of a higher directory masks the whole container.
    fs::write(site.path(WEB), "").unwrap();
    assert!(search::all(&site.layout()).unwrap().found.is_empty());
    assert!(matches!(site.load(""), Err(Failure::Error(_))));
}

#[test]
fn what_the_image_declares_is_below_everything() {
    let site = Site::new(&[(WEB, "image = 'nginx'\nenvironment = { A = 'own' }\nunset = ['environment.C']")]);
    let declared = Declared {
        image: "nginx".into(),
        entrypoint: None,
        command: Some(vec!["serve".into()]),
        environment: [("A", "image"), ("B", "image"), ("C", "image")].map(|(k, v)| (k.into(), v.into())).into(),
        user: Some("33:33".into()),
        working_directory: Some("/srv".into()),
        stop_signal: Some("SIGQUIT".into()),
    };
    let get = |flags: &str| {
        let declared = |name: &soute::definition::types::Name| (name.as_str() == "nginx").then(|| declared.clone());
        load(&site.layout(), &"web".parse().unwrap(), declared, toml::from_str(flags).unwrap(), Host::default())
            .unwrap()
    };
    let loaded = get("");
    assert_eq!(loaded.definition.command.as_ref().unwrap()[0].as_str(), "serve");
    assert_eq!(loaded.definition.stop_signal().to_string(), "SIGQUIT");
    assert_eq!(loaded.definition.environment.values().map(|v| v.as_str()).collect::<Vec<_>>(), ["own"]);
    assert_eq!(loaded.image_environment.keys().map(|k| k.as_str()).collect::<Vec<_>>(), ["B"]);
    assert!(loaded.show().contains("# image nginx"));
    // An entrypoint of ours drops the image's command.
    assert_eq!(get("entrypoint = '/bin/x'").definition.command, None);
}

#[test]
fn show_reads_back_and_names_the_origins() {
    let site = Site::new(&[
        (
            WEB,
            "image = 'nginx'\ncommand = ['x']\nlimits.memory = '1G'\n[[network]]\nbridge = 'br0'\nroutes = [{ to = '10.0.0.0/8' }]\n[hosts]\n'a.b' = '10.0.0.1'",
        ),
        (DROP_IN, "limits.memory = '2G'"),
    ]);
    let loaded = site.load("description = 'x'").unwrap_or_else(|_| panic!());
    let shown = loaded.show();
    let origin = |value: &str| {
        let line = shown.lines().find(|line| line.starts_with(value)).unwrap_or_else(|| panic!("{shown}"));
        line.split_once("# ").unwrap().1.to_owned()
    };
    assert_eq!(origin("memory = \"2G\""), format!("{}:1", site.path(DROP_IN).display()));
    assert_eq!(origin("description"), "command line");
    let again = Site::new(&[(WEB, &shown)]);
    assert_eq!(again.get().definition, loaded.definition, "{shown}");
}

#[test]
fn a_drop_in_that_makes_no_sense_is_refused() {
    for (drop_in, message) in [
        ("[[network]]\nbridge = 'br0'", "10.toml:1:1: a [[network]] in a drop-in must name its link"),
        ("unset = ['limits.memry']", "10.toml:1:10: unset of an unknown key: limits.memry"),
        ("unset = 1", "10.toml:1:9: unset takes a list of keys"),
        ("[[mount]]\ntarget = '/a'\nremove = 'x'", "10.toml:3:10: remove is true or false"),
        ("[[mount]]\ntarget = '/a'\nsourc = '/x'", "10.toml:3:1: unknown key \"sourc\""),
        ("limits = 1", "10.toml:1:10: expected a table, found 1"),
    ] {
        let site = Site::new(&[(WEB, "image = 'nginx'\n[[mount]]\nsource = '/a'\ntarget = '/a'"), (DROP_IN, drop_in)]);
        assert!(site.refusal().ends_with(message), "{}", site.refusal());
    }
}

/// A definition that another user could have written starts nothing, and none can make soute hang.
#[test]
fn attack_13_files_are_not_trusted() {
    let broken = |spoil: &dyn Fn(&Path)| {
        let site = Site::new(&[(WEB, "image = 'nginx'")]);
        spoil(&site.path(WEB));
        site.refusal()
    };
    let replaced = |path: &Path| fs::remove_file(path).unwrap();
    assert!(
        broken(&|path| fs::set_permissions(path, fs::Permissions::from_mode(0o666)).unwrap()).contains("can write")
    );
    assert!(
        broken(&|path| fs::write(path, [b'#', 0xff]).unwrap())
            .ends_with("web.toml:1:2: the file is not UTF-8 from here on")
    );
    assert!(broken(&|path| fs::write(path, vec![b'#'; (1 << 20) + 1]).unwrap()).contains("larger than 1 MiB"));
    assert!(broken(&|path| fs::write(path, "image = 'x\0'").unwrap()).contains("web.toml:1:"));
    let directory = |path: &Path| {
        replaced(path);
        fs::create_dir(path).unwrap();
    };
    assert!(broken(&directory).contains("not a regular file"));
    let fifo = |path: &Path| {
        replaced(path);
        nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRUSR).unwrap();
    };
    assert!(broken(&fifo).contains("not a regular file"));
    let circle = |path: &Path| {
        replaced(path);
        symlink(path, path).unwrap();
    };
    assert!(broken(&circle).contains("cannot be read"));
}

#[test]
fn names_that_no_container_can_have_are_listed_apart() {
    let site = Site::new(&[(WEB, "image = 'x'"), ("run/soute/containers/Web.toml", "image = 'x'")]);
    fs::write(site.path("etc/soute/containers/web.toml~"), "").unwrap();
    let listing = search::all(&site.layout()).unwrap();
    assert_eq!(listing.found.iter().map(|found| found.name.as_str()).collect::<Vec<_>>(), ["web"]);
    assert_eq!(listing.misnamed[0].0, site.path("run/soute/containers/Web.toml"));
}

#[test]
fn attack_34_containers_are_held_against_each_other() {
    let site = Site::new(&[
        (
            WEB,
            "image = 'x'\nrequires = ['db', 'broken', 'nobody']\n[[network]]\nbridge = 'br0'\naddress = '10.0.0.2/24'",
        ),
        (
            "etc/soute/containers/db.toml",
            "image = 'x'\nafter = 'web'\n[[network]]\nbridge = 'br0'\naddress = '10.0.0.3/24'",
        ),
        ("etc/soute/containers/db.toml.d/host.toml", "[[network]]\nname = 'eth0'\naddress = '10.0.0.2/8'"),
        ("etc/soute/containers/broken.toml", "image = "),
        ("etc/soute/containers/alone.toml", "image = 'x'"),
    ]);
    let survey = soute::definition::Site::survey(&site.layout()).unwrap();
    assert_eq!(survey.broken[0].0.as_str(), "broken");
    let of = |name: &str| -> Vec<String> {
        survey.conflicts_of(&name.parse().unwrap()).0.into_iter().map(|fault| fault.message).collect()
    };
    let cycle = "these wait for each other for ever: db → web → db";
    let address = "db has the address 10.0.0.2 on br0 already";
    assert_eq!(of("web"), [address, "there is no container nobody", cycle]);
    assert_eq!(of("db"), [address, cycle]);
    assert_eq!(of("alone"), [""; 0]);
}

#[test]
fn each_vlan_has_addresses_of_its_own() {
    let link = |rest: &str| format!("image = 'x'\n[[network]]\nbridge = 'br0'\naddress = '10.0.0.2/24'\n{rest}");
    let file = |name: &str| format!("etc/soute/containers/{name}.toml");
    let site = Site::new(&[
        (&file("a"), &link("")),
        (&file("b"), &link("vlan = 1")),
        (&file("c"), &link("vlan = 20")),
        (&file("d"), &link("vlan = '20'")),
        (&file("e"), &link("vlan = 30")),
    ]);
    let survey = soute::definition::Site::survey(&site.layout()).unwrap();
    let of = |name: &str| -> Vec<String> {
        survey.conflicts_of(&name.parse().unwrap()).0.into_iter().map(|fault| fault.message).collect()
    };
    assert_eq!(of("b"), ["a has the address 10.0.0.2 on br0 already"]);
    assert_eq!(of("d"), ["c has the address 10.0.0.2 in VLAN 20 of br0 already"]);
    assert_eq!(of("e"), [""; 0]);
}

#[test]
fn writable_binds_that_others_can_reach_are_told() {
    use soute::definition::check::exposure::{BindFacts, exposed};
    let mounts =
        "[[mount]]\nsource = '/srv/a'\ntarget = '/a'\n[[mount]]\nsource = '/srv/b'\ntarget = '/b'\nread-only = true";
    let site = Site::new(&[(WEB, &format!("image = 'x'\n{mounts}"))]);
    let loaded = site.get();
    let warnings = |reachable, nosuid| exposed(&loaded, |_| Some(BindFacts { reachable, nosuid }));
    let [warning] = &warnings(true, false)[..] else { panic!("not one warning") };
    assert_eq!(warning.message, "other users of the host can run what the container writes to /srv/a");
    assert_eq!(warning.origin.as_ref().unwrap().line_column(), (3, 10));
    assert!(warnings(false, false).is_empty() && warnings(true, true).is_empty());
    fs::set_permissions(site.directory.path(), fs::Permissions::from_mode(0o700)).unwrap();
    assert!(!BindFacts::of(site.directory.path()).unwrap().reachable);
    assert!(BindFacts::of(Path::new("/")).unwrap().reachable);
}

/// Nothing that fits into a file of 1 MiB takes long or overflows the stack.
#[test]
fn deep_and_long_texts_are_only_refused() {
    let dots = "a.".repeat(200_000);
    let faults: String = (0..20_000).map(|n| format!("key{n} = 1\n")).collect();
    let networks: String = (0..10_000).map(|n| format!("[[network]]\nname = 'n{n}'\nbridge = 'br0'\n")).collect();
    for text in [
        format!("{dots}a = 1"),
        format!("[{dots}a]"),
        format!("unset = ['{dots}a']"),
        format!("image = 'x'\nlabels = {}", "[".repeat(100_000)),
        format!("labels = {}{}", "{a = ".repeat(100_000), "}".repeat(100_000)),
        faults,
        format!("image = 1\n{networks}"),
        format!("[[{dots}a]]"),
    ] {
        let site = Site::new(&[(WEB, &text)]);
        let started = std::time::Instant::now();
        assert!(site.load("").is_err());
        let elapsed = started.elapsed();
        assert!(elapsed.as_secs() < 20, "{elapsed:?} for {}…", &text[..20]);
    }
}
