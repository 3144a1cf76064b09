//! What packages are made of: the units, their settings and their versions.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use crate::support::allowed::not_run;
use crate::support::{Bench, FANCYHWD, built, root};

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|cause| panic!("{name}: {cause}"))
}

/// The settings of a subcommand's unit: variable and value, which stand behind a `#`.
fn settings(command: &str) -> Vec<(String, String)> {
    let text = read(&format!("packaging/{command}.env"));
    let lines = text.lines().filter_map(|line| line.strip_prefix("#FANCYHWD_"));
    let pair = |line: &str| {
        let (name, value) = line.split_once('=').unwrap();
        (format!("FANCYHWD_{name}"), value.trim_matches('"').to_owned())
    };
    lines.map(pair).collect()
}

#[test]
fn packages_have_the_version_of_the_program() {
    let version = env!("CARGO_PKG_VERSION");
    for (name, line) in [
        ("packaging/debian/changelog", format!("fancyhwd ({version}) unstable; urgency=medium")),
        ("packaging/rpm/fancyhwd.spec", format!("Version:        {version}")),
        ("man/fancyhwd.8", format!("\"fancyhwd {version}\" fancyhwd")),
    ] {
        assert!(read(name).lines().any(|is| is.ends_with(&line)), "{name} has no line '{line}'");
    }
    assert!(read("packaging/rpm/fancyhwd.spec").contains(&format!("> - {version}-1\n")));
}

#[test]
fn the_settings_of_a_unit_are_all_options_with_their_defaults() {
    for name in ["publish", "record", "replay", "serve"] {
        let definition = fancyhwd::cli::definition();
        let command = definition.find_subcommand(name).unwrap();
        let settings = settings(name);
        let mut options = 0;
        for argument in command.get_arguments().chain(definition.get_arguments()) {
            let Some(variable) = argument.get_env().and_then(|env| env.to_str()) else { continue };
            options += 1;
            let set = settings.iter().find(|(name, _)| name == variable);
            let (_, value) = set.unwrap_or_else(|| panic!("packaging/{name}.env lacks {variable}"));
            if let [default] = argument.get_default_values() {
                assert_eq!(default, value.as_str(), "packaging/{name}.env: {variable}");
            }
        }
        assert_eq!(options, settings.len(), "packaging/{name}.env has a setting that is no option, or one twice");
    }
}

#[test]
fn every_setting_of_a_unit_is_accepted_as_it_stands() {
    let bench = Bench::new();
    // What is wrong with the configuration ends a run with 2, and these end with 1 behind that: the address is taken, or
    // the database is a directory.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let bind = format!("--bind tcp://{}", taken.local_addr().unwrap());
    fs::create_dir(bench.path("directory")).unwrap();
    let listen = format!("--listen {}", taken.local_addr().unwrap());
    for (command, wrong) in [
        ("publish", bind.as_str()),
        ("record", "--database directory"),
        ("replay", "--database directory"),
        ("serve", listen.as_str()),
    ] {
        for (variable, value) in settings(command) {
            // Keys belong together, and so does what is said of an archive.
            let with = match (variable.as_str(), command) {
                ("FANCYHWD_KEY", "record") => "--server-key device.key",
                ("FANCYHWD_KEY", _) => "--allow-any",
                ("FANCYHWD_SERVER_KEY", "publish" | "replay") => "--connect tcp://127.0.0.1:1",
                ("FANCYHWD_ALLOW", "record") => "--key record.key_secret --bind tcp://127.0.0.1:*",
                ("FANCYHWD_ALLOW", _) => "--key own.key_secret",
                ("FANCYHWD_BEFORE" | "FANCYHWD_AFTER", _) => "--trigger ch0==1",
                ("FANCYHWD_LATCHED", _) => "--from 1s",
                ("FANCYHWD_ARCHIVE", _) => "",
                ("FANCYHWD_RECORDER", _) => "--archive nats://127.0.0.1:1",
                (name, "replay" | "serve") if name.starts_with("FANCYHWD_ARCHIVE_") => "",
                (name, _) if name.starts_with("FANCYHWD_ARCHIVE_") => "--archive nats://127.0.0.1:1",
                _ => "",
            };
            let is_read_there = variable.starts_with("FANCYHWD_ARCHIVE_") && ["replay", "serve"].contains(&command);
            let wrong = if is_read_there { "--database nats://127.0.0.1:1" } else { wrong };
            let finished = bench.fancyhwd(&format!("{command} {wrong} {with}")).env(&variable, &value).run();
            assert_eq!(finished.status.code(), Some(1), "{command} with {variable}={value}: {}", finished.stderr);
        }
    }
}

#[test]
fn make_install_puts_everything_under_destdir_and_prefix() {
    let bench = Bench::new();
    let place = bench.path("a place");
    let install = bench.program("make").arg("install").arg(format!("DESTDIR={}", place.display()));
    install
        .arg("PREFIX=/opt/f")
        .arg(format!("BINARY={}", built().join(FANCYHWD).display()))
        .in_folder(&root())
        .run()
        .success();
    for name in [
        "bin/fancyhwd",
        "lib/sysusers.d/fancyhwd.conf",
        "lib/tmpfiles.d/fancyhwd.conf",
        "lib/udev/rules.d/60-fancyhwd.rules",
        "share/bash-completion/completions/fancyhwd",
        "share/doc/fancyhwd/README.md",
        "share/doc/fancyhwd/examples/archive/make-keys",
        "share/doc/fancyhwd/examples/archive/nats-server.conf",
        "share/doc/fancyhwd/examples/archive/nats-server.service",
        "share/doc/fancyhwd/examples/archive/nats.sysusers",
        "share/doc/fancyhwd/examples/archive/node.env",
        "share/doc/fancyhwd/examples/network.conf",
        "share/doc/fancyhwd/docs/network.md",
        "share/fish/vendor_completions.d/fancyhwd.fish",
        "share/man/man1/fancyhwd-session-list.1",
        "share/man/man7/fancyhwd-archive.7",
        "share/man/man8/fancyhwd.8",
        "share/zsh/site-functions/_fancyhwd",
    ] {
        assert!(place.join("opt/f").join(name).is_file(), "{name} is not there");
    }
    assert_eq!(fs::read_dir(place.join("etc/fancyhwd")).unwrap().count(), 4);
    let units = fs::read_dir(place.join("opt/f/lib/systemd/system")).unwrap().map(|unit| unit.unwrap().path());
    let (sockets, units): (Vec<_>, Vec<_>) =
        units.partition(|unit| unit.extension().is_some_and(|end| end == "socket"));
    assert_eq!((sockets.len(), units.len()), (1, 5));
    let units: Vec<String> = units.iter().map(|unit| fs::read_to_string(unit).unwrap()).collect();
    for unit in units {
        assert!(unit.contains("/opt/f/bin/fancyhwd ") && !unit.contains("/usr/bin/fancyhwd"), "{unit}");
    }
}

/// The lines of a unit from a heading on.
fn from(unit: &str, heading: &str) -> Vec<String> {
    let text = read(&format!("systemd/{unit}.service"));
    let lines = text.lines().skip_while(|line| !line.starts_with(heading)).take_while(|line| *line != "[Install]");
    lines.filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[test]
fn all_units_have_the_same_sandbox() {
    let sandbox = from("fancyhwd-record", "# The sandbox");
    assert!(sandbox.len() > 30);
    for unit in ["fancyhwd-record@", "fancyhwd-replay@", "fancyhwd-publish"] {
        assert_eq!(from(unit, "# The sandbox"), sandbox, "{unit}");
    }
}

/// A replay is the only one that asks for it.
#[test]
fn only_a_replay_gets_a_device_and_the_rule_for_it_names_the_group_of_the_units() {
    let of_devices = |unit: &str| -> Vec<String> {
        let lines = from(unit, "[Service]").into_iter();
        lines.filter(|line| line.starts_with("DeviceAllow=") || line.contains("/dev/cpu")).collect()
    };
    let expected = ["DeviceAllow=/dev/cpu_dma_latency rw", "BindPaths=-/dev/cpu_dma_latency"];
    assert_eq!(of_devices("fancyhwd-replay@"), expected);
    for unit in ["fancyhwd-record", "fancyhwd-record@", "fancyhwd-publish", "fancyhwd-serve"] {
        assert!(of_devices(unit).is_empty(), "{unit}");
    }
    let rule = read("systemd/fancyhwd.udev");
    let rules: Vec<&str> = rule.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(rules, ["KERNEL==\"cpu_dma_latency\", SUBSYSTEM==\"misc\", GROUP=\"fancyhwd\", MODE=\"0660\""]);
    assert!(from("fancyhwd-replay@", "[Service]").contains(&"Group=fancyhwd".to_owned()));
}

/// Where systemd is, as on the machines that it runs on.
#[test]
fn units_are_hardly_exposed() {
    let bench = Bench::new();
    let analyze = Path::new("/usr/bin/systemd-analyze");
    if !analyze.exists() {
        return not_run("systemd-analyze is not here");
    }
    for unit in ["fancyhwd-publish", "fancyhwd-record", "fancyhwd-record@", "fancyhwd-replay@", "fancyhwd-serve"] {
        let path = root().join(format!("systemd/{unit}.service"));
        bench.program(analyze).args(["security", "--offline=true", "--threshold=12"]).arg(path).run().success();
    }
}

/// It reads what others wrote, and writes nothing.
#[test]
fn the_pages_have_that_sandbox_without_what_a_recorder_needs() {
    let sandbox = from("fancyhwd-serve", "# The sandbox");
    let own =
        ["User=", "Group=", "UMask=", "StateDirectory", "ReadWritePaths=", "NoExecPaths=", "RestrictAddressFamilies="];
    for line in from("fancyhwd-record", "# The sandbox") {
        let is_own = own.iter().any(|name| line.starts_with(name)) || line.starts_with('#');
        assert!(is_own || line == "SystemCallFilter=sched_setscheduler" || sandbox.contains(&line), "{line}");
    }
    for line in
        ["User=fancyhwd-serve", "SupplementaryGroups=fancyhwd", "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX"]
    {
        assert!(sandbox.iter().any(|is| is == line), "{line}");
    }
    assert!(!sandbox.iter().any(|line| line.starts_with("ReadWritePaths=") || line.starts_with("StateDirectory")));
    let socket = read("systemd/fancyhwd-serve.socket");
    assert!(socket.contains("\nListenStream=127.0.0.1:8080\n") && socket.contains("\nIPAddressDeny=any\n"), "{socket}");
}

/// A server that is not ours, in the example of an archive.
#[test]
fn a_node_of_an_archive_has_that_sandbox_with_its_own_user_and_directory() {
    let unit = read("packaging/archive/nats-server.service");
    let own = ["User=", "Group=", "UMask=", "StateDirectory", "ReadWritePaths=", "NoExecPaths=", "ExecPaths="];
    for line in from("fancyhwd-record", "# The sandbox") {
        let is_own = own.iter().any(|name| line.starts_with(name)) || line.starts_with('#');
        assert!(
            is_own || line == "SystemCallFilter=sched_setscheduler" || unit.contains(&format!("\n{line}\n")),
            "{line}"
        );
    }
    assert!(unit.contains("\nUser=nats\n") && unit.contains("\nStateDirectory=nats\n"));
    // What the unit names is what the manual page says to copy, and the configuration finds it.
    let page = read("man/fancyhwd-archive.7").replace("\\-", "-");
    for name in ["nats-server.conf", "nats-server.service", "nats.sysusers", "node.env", "make-keys"] {
        assert!(page.contains(name), "fancyhwd-archive(7) does not name {name}");
    }
    for name in ["/etc/nats/node.env", "/etc/nats/node.key", "/usr/local/bin/nats-server"] {
        assert!(page.contains(name) && unit.contains(name), "{name}");
    }
}

#[test]
fn a_recorder_with_a_name_differs_in_its_settings_only() {
    let service = |unit| {
        let lines = from(unit, "[Service]").into_iter();
        lines.filter(|line| !line.starts_with("Environment")).collect::<Vec<_>>()
    };
    assert_eq!(service("fancyhwd-record@"), service("fancyhwd-record"));
}

#[test]
fn a_recorder_may_use_twice_the_memory_of_its_queue() {
    let settings = settings("record");
    let (_, queue) = settings.iter().find(|(name, _)| name == "FANCYHWD_QUEUE").unwrap();
    let queue_mib: u64 = queue.strip_suffix("MiB").unwrap().parse().unwrap();
    let most = format!("MemoryMax={}M", 2 * queue_mib);
    assert!(from("fancyhwd-record", "[Service]").contains(&most), "no {most}");
}

/// What the build script that looks for libzmq tells cargo, in these surroundings.
fn look_for_libzmq(bench: &Bench, target: &str, settings: &[(&str, &str)]) -> String {
    let built_for = |entry: fs::DirEntry| {
        let script = entry.path().join("build-script-main");
        let is_it = entry.file_name().to_string_lossy().starts_with("zmq-sys-") && script.exists();
        is_it.then(|| (fs::metadata(&script).unwrap().modified().unwrap(), script))
    };
    let scripts = fs::read_dir(built().join("build")).unwrap().filter_map(|entry| built_for(entry.unwrap()));
    let (_, newest) = scripts.max().expect("the build script of zmq-sys");
    let mut run = bench.program(newest).env("HOST", "x86_64-unknown-linux-gnu").env("TARGET", target);
    for (name, value) in settings {
        run = run.env(name, value);
    }
    run.run().success().stdout
}

#[test]
fn the_system_has_a_libzmq_or_there_is_no_build() {
    let bench = Bench::new();
    let here = "x86_64-unknown-linux-gnu";
    assert!(look_for_libzmq(&bench, here, &[]).contains("cargo:rustc-link-lib=zmq\n"));

    let old = "Name: libzmq\nDescription: an old one\nVersion: 4.2.5\nLibs: -lzmq\n";
    fs::write(bench.path("libzmq.pc"), old).unwrap();
    let folder = bench.text("");
    for (target, setting, expected) in [
        (here, ("PKG_CONFIG", "/none"), "pkg-config is missing; install it"),
        (here, ("PKG_CONFIG_LIBDIR", "/none"), "pkg-config finds none of version 4.3 or newer; install it"),
        (here, ("PKG_CONFIG_LIBDIR", folder.as_str()), "pkg-config finds none of version 4.3 or newer; install it"),
        ("x86_64-unknown-linux-musl", ("UNUSED", ""), "a libzmq for x86_64-unknown-linux-musl: pkg-config knows"),
    ] {
        let told = look_for_libzmq(&bench, target, &[setting]);
        let errors: Vec<&str> = told.lines().filter(|line| line.starts_with("cargo::error=")).collect();
        assert!(matches!(errors[..], [error] if error.contains(expected)), "{setting:?}: {told}");
        assert!(!told.contains("rustc-link-lib"), "{setting:?}: {told}");
    }
}

#[test]
fn no_other_libzmq_can_be_built() {
    // A package of the registry has a source.
    let lock = read("Cargo.lock");
    let (_, package) = lock.split_once("name = \"zeromq-src\"").unwrap();
    let (package, _) = package.split_once("[[package]]").unwrap();
    assert!(!package.contains("source = ") && !lock.contains("[[patch.unused]]"), "{package}");
    let bench = Bench::new();
    let libraries = bench.program("ldd").arg(built().join(FANCYHWD)).run().success().stdout;
    assert!(libraries.contains("libzmq.so.5 => "), "{libraries}");
}
