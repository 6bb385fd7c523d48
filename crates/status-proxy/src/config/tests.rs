use std::{collections::BTreeSet, fs, path::PathBuf};

use status_normalize::Shape;

use super::{
    raw::{RawAdmin, RawForwarding, RawLimits, RawLog, RawPolicy, RawRoute, RawTimeouts, RawUpstreamTable},
    section::{KeyDescription, Section},
    *,
};

const UPSTREAM: &str = "upstream = \"http://127.0.0.1:3000\"\n";

const PETS: &str = "catalog = \"../../config/pets.yaml\"\n";

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, Path::new("proxy.toml"), &Overrides::default())
}

/// What is wrong, as `line:column message`, in the order of the file; `-` where there is no place.
fn errors(text: &str) -> Vec<String> {
    errors_with(text, &Overrides::default())
}

fn errors_with(text: &str, overrides: &Overrides) -> Vec<String> {
    let error = Config::parse(text, Path::new("proxy.toml"), overrides).expect_err(text);
    let ConfigError::Invalid(report) = error else { panic!("{error}") };
    let picture = report.picture(false);
    let mut errors = Vec::new();
    for line in picture.lines() {
        if let Some(message) = line.strip_prefix("error: ") {
            errors.push(format!("- {message}"));
        } else if let Some((_, place)) = line.split_once("--> proxy.toml:") {
            let last = errors.last_mut().unwrap();
            *last = format!("{place}{}", &last[1..]);
        } else if let Some((_, help)) = line.split_once("= help: ") {
            let last = errors.last_mut().unwrap();
            *last = format!("{last} ({help})");
        }
    }
    errors
}

fn repository(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

#[test]
fn every_file_in_config_is_valid() {
    let mut read = 0;
    for file in fs::read_dir(repository("config")).unwrap() {
        let file = file.unwrap().path();
        if file.extension().is_some_and(|ending| ending == "toml") {
            let config = Config::load(Some(&file), &Overrides::default());
            assert!(config.is_ok(), "{config:?}");
            read += 1;
        }
    }
    assert!(read >= 4, "only {read} files");
}

#[test]
fn full_file_has_every_key() {
    let text = fs::read_to_string(repository("config/full.toml")).unwrap();
    let file: toml::Table = text.parse().unwrap();
    let names = |keys: Vec<KeyDescription>| keys.into_iter().map(|key| key.name).collect::<BTreeSet<_>>();
    let sections = [
        (&file, RawConfig::describe()),
        (file["admin"].as_table().unwrap(), RawAdmin::describe()),
        (file["limits"].as_table().unwrap(), RawLimits::describe()),
        (file["timeouts"].as_table().unwrap(), RawTimeouts::describe()),
        (file["forwarding"].as_table().unwrap(), RawForwarding::describe()),
        (file["log"].as_table().unwrap(), RawLog::describe()),
        (file["upstream"].as_table().unwrap(), RawUpstreamTable::describe()),
    ];
    // It needs a description, which the top level of the file has none of.
    let only_in_route = BTreeSet::from(["base_path"]);
    for (table, keys) in sections {
        let found: BTreeSet<&str> = table.keys().map(String::as_str).collect();
        assert_eq!(found, names(keys).difference(&only_in_route).copied().collect());
    }
    let route = file["route"].as_array().unwrap()[0].as_table().unwrap();
    for key in ["name", "host", "methods", "path", "base_path"] {
        assert!(route.contains_key(key), "{key}");
    }
    assert!(names(RawRoute::describe()).is_superset(&names(RawPolicy::describe())));
}

#[test]
fn documented_defaults_are_what_is_left_out() {
    let base = "workers = 1\nupstream = { url = \"http://127.0.0.1:3000\" }\n";
    let bare = format!("{:?}", parse(base).unwrap());
    let mut compared = 0;
    let mut compare = |table: &str, keys: Vec<KeyDescription>| {
        for KeyDescription { name, default, .. } in keys {
            if default.is_empty() {
                continue;
            }
            let text = match table {
                "" => format!("{name} = {default}\n{base}"),
                "upstream" => base.replace(" }", &format!(", {name} = {default} }}")),
                table => format!("{base}[{table}]\n{name} = {default}\n"),
            };
            assert_eq!(format!("{:?}", parse(&text).unwrap()), bare, "{text}");
            compared += 1;
        }
    };
    compare("", RawConfig::describe());
    compare("upstream", RawUpstreamTable::describe());
    compare("admin", RawAdmin::describe());
    compare("limits", RawLimits::describe());
    compare("timeouts", RawTimeouts::describe());
    compare("forwarding", RawForwarding::describe());
    compare("log", RawLog::describe());
    assert!(compared > 30, "only {compared} keys");
}

#[test]
fn words_are_those_of_the_layer() {
    for (word, mode) in [("enforce", Mode::Enforce), ("observe", Mode::Observe), ("off", Mode::Off)] {
        assert_eq!(mode.as_str(), word);
        assert_eq!(parse(&format!("mode = \"{word}\"\n{UPSTREAM}")).unwrap().default.mode, mode);
    }
    for shape in Shape::ALL {
        assert!(parse(&format!("envelopes = [\"{shape}\"]\n{UPSTREAM}")).is_ok(), "{shape}");
    }
}

#[test]
fn settings_reach_the_layer() {
    let bare = format!("{:?}", parse(UPSTREAM).unwrap().default.layer);
    for setting in [
        "undocumented = \"describe\"",
        "undocumented = [{ codes = 429, to = 503 }]",
        "status_map = [{ codes = \"5xx\", to = 500 }]",
        "envelopes = [\"problem\"]",
        "strict = true",
        "keep_detail = true",
        "code = \"E{status}\"",
        "opt_out_header = \"x-as-is\"",
        "no_transform = false",
        "count_missing_allow = false",
        "inspect_limit = \"1KiB\"",
        "inspect_timeout = \"1s\"",
        "keep_headers = [\"etag\"]",
        "drop_headers = [\"server\"]",
        "mode = \"off\"",
        "rollout = \"5%\"",
        "catalog = \"dns\"",
    ] {
        let config = parse(&format!("{setting}\n{UPSTREAM}")).unwrap();
        assert_ne!(format!("{:?}", config.default.layer), bare, "{setting}");
    }
}

#[test]
fn every_error_is_found_in_one_go() {
    let text = "\
upstraem = \"http://127.0.0.1:3000\"
listen = 8080
workers = 0
mode = \"enforced\"
catalog = \"sfss\"
inspect_limit = \"64KB\"

[timeouts]
connect = \"5 sec\"
idle = 75

[limits]
head_fields = 1

[[route]]
nmae = \"pets\"
path = \"/pets/{id\"
upstream = \"https://127.0.0.1:3000\"

[[route]]
name = \"cats\"
path = \"/cats\"
undocumented = [{ codes = \"5xy\", to = 500 }, { codes = 418, to = 700 }]
upstream = \"127.0.0.1:3000\"
";
    let expected = [
        "1:1 unknown key `upstraem` in the top level (did you mean `upstream`?)",
        "2:10 expected a string, found an integer (write it as `\"127.0.0.1:8080\"`)",
        "3:11 0 is not in 1 to 1024",
        "4:8 `enforced` is none of `enforce`, `observe`, `off`: did you mean `enforce`?",
        "5:11 no catalog is called `sfss`: did you mean `sfs`? (built in: vpn, csbs, dns, ecs, sfs; or a document's file name)",
        "6:17 `KB` is not a unit of size: use B, KiB, MiB or GiB",
        "9:11 `sec` is not a unit of time: use ms, s, m or h",
        "10:8 expected a string, found an integer (write it as `\"30s\"`)",
        "13:15 1 is not in 8 to 16384",
        "15:1 the route has no name (add `name = \"...\"`: it is the value of the metric label `route`)",
        "16:1 unknown key `nmae` in [[route]] (did you mean `name`?)",
        "17:8 path pattern `/pets/{id` is malformed: ",
        "18:12 TLS to the upstream is not supported yet: `https://127.0.0.1:3000` has to start with `http://`",
        "23:27 expected statuses from 200 to 999 such as `418`, `\"420-451\"` or `\"5xx\"`",
        "23:66 700 is not in 200 to 599",
        "24:12 `127.0.0.1:3000` has no scheme: write `http://127.0.0.1:3000`",
    ];
    let found = errors(text);
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "expected {expected}\nfound    {found}");
    }
}

#[test]
fn each_error_says_what_to_do() {
    let route = |keys: &str| format!("{UPSTREAM}[[route]]\n{keys}\n");
    let cases: &[(String, &[&str])] = &[
        (String::new(), &["- there is no upstream to send requests to (name one: "]),
        (
            format!("{UPSTREAM}listen = \"localhost:80\""),
            &["2:10 `localhost:80` is not an IP address and a port such as `127.0.0.1:80`"],
        ),
        (
            format!("{UPSTREAM}listen = \":80\""),
            &["2:10 `:80` is not an IP address and a port such as `0.0.0.0:80`"],
        ),
        (
            format!("{UPSTREAM}listen = \"0.0.0.0:9900\""),
            &["- clients and operators cannot share an address"],
        ),
        (format!("{UPSTREAM}{UPSTREAM}"), &["2:1 duplicate key"]),
        (format!("{UPSTREAM}strict = yes"), &["2:10 "]),
        (
            format!("{UPSTREAM}strict = \"yes\""),
            &["2:10 expected `true` or `false` without quotes, found a string"],
        ),
        (format!("{UPSTREAM}code = \"\""), &["2:8 an empty string means nothing here"]),
        (format!("{UPSTREAM}code = \"a b\""), &["2:8 code constant \"a b\""]),
        (format!("{UPSTREAM}rollout = \"101%\""), &["2:11 `101%` is not a percentage"]),
        (
            format!("{UPSTREAM}mode = \"off\"\nrollout = \"10%\""),
            &["3:11 a rollout of 10 % needs mode `enforce`"],
        ),
        (format!("{UPSTREAM}inspect_timeout = \"0s\""), &["2:19 0s is not in 1ms to 24h"]),
        (
            format!("{UPSTREAM}inspect_limit = \"99999999999GiB\""),
            &["2:17 99999999999GiB is not in 1B to 16MiB"],
        ),
        (format!("{UPSTREAM}drop_headers = [\"x y\"]"), &["2:17 `x y` is not the name of a header field"]),
        (
            format!("{UPSTREAM}drop_headers = [\"a\", \"content-length\"]"),
            &["2:22 header `content-length` frames"],
        ),
        (
            format!("{UPSTREAM}drop_headers = [\"etag\"]\nkeep_headers = [\"etag\"]"),
            &["2:17 header `etag` is both kept and dropped"],
        ),
        (format!("{UPSTREAM}status_map = [{{ codes = 418 }}]"), &["2:15 a rule needs both `codes` and `to`"]),
        (
            format!("{UPSTREAM}status_map = [{{ code = 418, to = 400, codes = 1 }}]"),
            &["2:17 unknown key `code` in a rule (did you mean `codes`?)", "2:47 expected statuses"],
        ),
        (
            format!("{UPSTREAM}status_map = [{{ codes = \"499-420\", to = 400 }}]"),
            &["2:25 expected statuses"],
        ),
        (format!("{UPSTREAM}envelopes = [\"problems\"]"), &["2:14 `problems` is none of "]),
        (format!("{UPSTREAM}log = \"info\""), &["2:7 expected the table [log], found a string"]),
        (format!("{UPSTREAM}route = \"pets\""), &["2:9 expected a list, in square brackets, found a string"]),
        (format!("{UPSTREAM}[forwarding]\nvia = \"a b\""), &["3:7 the name in `Via` is not a token"]),
        (
            format!("{UPSTREAM}catalog = \"no-such-file.md\""),
            &["2:11 cannot read no-such-file.md: No such file"],
        ),
        (format!("{UPSTREAM}catalog = []"), &["2:11 an empty list means nothing here"]),
        (format!("{UPSTREAM}catalog = [\"sfs\", 7]"), &["2:19 expected a string, found an integer"]),
        (
            format!("{UPSTREAM}catalog = [\"sfs\", \"dns\"]"),
            &["2:19 dns does not list the same codes as sfs: it lacks "],
        ),
        (
            format!("{UPSTREAM}base_path = \"v1\""),
            &["2:13 path pattern `v1` is malformed: a path starts with `/`"],
        ),
        (format!("{UPSTREAM}base_path = \"/v1?x\""), &["2:13 a base path has no query and no fragment"]),
        (
            format!("{UPSTREAM}base_path = \"/v1\""),
            &[
                "2:13 a base path stands before the operations of an OpenAPI description, and this catalog is none",
            ],
        ),
        (
            format!("{UPSTREAM}{PETS}[[route]]\nname = \"GET /v1/pets\"\npath = \"/a\"\ncatalog = \"sfs\""),
            &["- routes `default` and `GET /v1/pets` both count as `GET /v1/pets`"],
        ),
        (
            format!("{UPSTREAM}[[route]]\nname = \"a\"\npath = \"/a?b\""),
            &["4:8 path pattern `/a?b` is malformed: `a?b` has a query"],
        ),
        (
            format!("{UPSTREAM}[tiemouts]"),
            &["2:2 unknown key `tiemouts` in the top level (did you mean `timeouts`?)"],
        ),
        ("upstream = { protocol = \"http2\" }".into(), &["1:12 the upstream has no `url`"]),
        ("upstream = { url = \"http://a\", protocol = \"h2\" }".into(), &["1:43 `h2` is none of "]),
        (route("name = \"a\""), &["2:1 a route needs at least one of `host`, `methods` and `path`"]),
        (route("name = \"default\"\npath = \"/a\""), &["3:8 `default` is the name of what no route takes"]),
        (
            route("name = \"a\"\npath = \"a\""),
            &["4:8 path pattern `a` is malformed: a path starts with `/`: write `/a`"],
        ),
        (route("name = \"a\"\nhost = \"a:80\""), &["4:8 host `a:80` is not"]),
        (route("name = \"a\"\nmethods = [\"get\"]"), &["4:12 methods are case-sensitive: write `GET`"]),
        (
            route("name = \"a\"\npath = \"/{a}\"\n[[route]]\nname = \"a\"\npath = \"/{b}\""),
            &["6:8 another route is called `a`", "7:8 path pattern `/{b}` conflicts with `/{a}`"],
        ),
        (
            "[[route]]\nname = \"a\"\npath = \"/a\"".into(),
            &["1:1 the route has no upstream (give `upstream` to it or to the top level)"],
        ),
        // A mistake that every route inherits is shown once.
        (
            "upstream = \"nonsense\"\ncatalog = \"nonsense\"\n[[route]]\nname = \"a\"\npath = \"/a\"".into(),
            &["1:12 `nonsense` has no scheme", "2:11 no catalog is called `nonsense`"],
        ),
    ];
    for (text, expected) in cases {
        let found = errors(text);
        assert_eq!(found.len(), expected.len(), "{text}\n{found:#?}");
        for (found, expected) in found.iter().zip(*expected) {
            assert!(found.starts_with(expected), "{text}\nexpected {expected}\nfound    {found}");
        }
    }
}

#[test]
fn every_route_in_conflict_is_named() {
    let mut text = UPSTREAM.to_owned();
    for (name, path) in [("a", "/a"), ("b", "/b"), ("c", "/a"), ("d", "/{x}/y"), ("e", "/b"), ("f", "/{z}/y")]
    {
        text.push_str(&format!("[[route]]\nname = \"{name}\"\npath = \"{path}\"\n"));
    }
    let found = errors(&text);
    let places: Vec<&str> = found.iter().map(|error| error.split(' ').next().unwrap()).collect();
    assert_eq!(places, ["10:8", "16:8", "19:8"], "{found:#?}");
}

#[test]
fn flags_go_before_the_file() {
    let text = format!(
        "listen = \"127.0.0.1:1\"\nworkers = 3\ncatalog = \"dns\"\nmode = \"off\"\n{UPSTREAM}\
         [[route]]\nname = \"own\"\npath = \"/own\"\nmode = \"observe\"\ncatalog = \"ecs\"\nupstream = \"http://own\"\n\
         [[route]]\nname = \"inherits\"\npath = \"/inherits\"\n"
    );
    let overrides = Overrides {
        listen: Some("127.0.0.1:2".parse().unwrap()),
        admin: Some("127.0.0.1:3".parse().unwrap()),
        workers: NonZeroUsize::new(4),
        upstream: Some("http://flag:5".parse().unwrap()),
        catalogs: vec!["vpn".into()],
        mode: Some(Mode::Enforce),
        log_level: Some(tracing::Level::WARN),
        log_format: Some(LogFormat::Json),
        access_log: true,
    };
    let config = Config::parse(&text, Path::new("proxy.toml"), &overrides).unwrap();
    assert_eq!((config.listen.port(), config.admin.port(), config.workers.get()), (2, 3, 4));
    let Log { level, format, access } = config.log;
    assert_eq!((level, format, access), (tracing::Level::WARN, LogFormat::Json, true));
    let told = |route: &RouteConfig| {
        let upstream = route.upstream.as_ref().unwrap().to_string();
        (route.catalog.name().to_owned(), route.mode, upstream)
    };
    assert_eq!(told(&config.default), ("vpn".into(), Mode::Enforce, "http://flag:5".into()));
    assert_eq!(told(&config.routes[0]), ("ecs".into(), Mode::Observe, "http://own:80".into()));
    assert_eq!(told(&config.routes[1]), ("vpn".into(), Mode::Enforce, "http://flag:5".into()));
}

#[test]
fn flags_that_make_no_sense_are_errors_without_a_place() {
    let overrides = Overrides { catalogs: vec!["sfss".into()], ..Overrides::default() };
    let found = errors_with(UPSTREAM, &overrides);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].starts_with("- no catalog is called `sfss`: did you mean `sfs`?"), "{found:#?}");
}

#[test]
fn a_description_makes_routes_of_its_operations() {
    let text = format!(
        "{UPSTREAM}{PETS}base_path = '/top'\n[[route]]\nname = 'a'\npath = '/a'\nbase_path = ''\n\
         [[route]]\nname = 'b'\npath = '/b'\n[[route]]\nname = 'c'\npath = '/c'\ncatalog = 'sfs'\n"
    );
    let config = parse(&text).unwrap();
    let first = |route: &RouteConfig| route.operations.as_ref()?.labels(&route.name).next();
    let labels: Vec<_> = config.all_routes().map(|route| first(route)).collect();
    let expected = ["GET /top/pets", "a GET /pets", "b GET /top/pets"].map(|label| Some(label.to_owned()));
    assert_eq!(labels[..3], expected);
    assert_eq!(labels[3], None);
    assert_eq!(config.series().labels, 4 + 3 * 5);
    assert_eq!(config.warnings(), [""; 0]);
    assert_eq!(config.files, [Path::new("../../config/pets.yaml")]);
    let shared = |route: &RouteConfig| route.operations.clone().unwrap();
    assert!(Arc::ptr_eq(&shared(&config.default), &shared(&config.routes[1])));
}

#[test]
fn rollout_is_not_inherited_by_another_mode() {
    let text = format!(
        "{UPSTREAM}rollout = \"10%\"\n[[route]]\nname = \"a\"\npath = \"/a\"\nmode = \"observe\"\n\
         [[route]]\nname = \"b\"\npath = \"/b\"\nmode = \"enforce\"\n[[route]]\nname = \"c\"\npath = \"/c\"\nrollout = \"20%\"\n"
    );
    let rollouts = |overrides| {
        let config = Config::parse(&text, Path::new("proxy.toml"), &overrides).unwrap();
        config.all_routes().map(|route| route.rollout.percent()).collect::<Vec<_>>()
    };
    assert_eq!(rollouts(Overrides::default()), [10, 100, 10, 20]);
    assert_eq!(rollouts(Overrides { mode: Some(Mode::Off), ..Overrides::default() }), [100, 100, 10, 100]);
}

#[test]
fn routes_to_the_same_upstream_share_it() {
    let text = format!(
        "{UPSTREAM}[[route]]\nname = \"a\"\npath = \"/a\"\nupstream = \"http://127.0.0.1:3000/\"\n\
         [[route]]\nname = \"b\"\npath = \"/b\"\nupstream = {{ url = \"http://127.0.0.1:3000\", keep_host = false }}\n"
    );
    let config = parse(&text).unwrap();
    let upstream = |route: &Arc<RouteConfig>| route.upstream.clone().unwrap();
    assert!(Arc::ptr_eq(&upstream(&config.default), &upstream(&config.routes[0])));
    assert!(!Arc::ptr_eq(&upstream(&config.default), &upstream(&config.routes[1])));
}

#[test]
fn values_are_what_the_text_says() {
    let text = format!(
        "{UPSTREAM}inspect_limit = \"512 B\"\n[limits]\nrequest_body = \"3GiB\"\nhead_size = \"16KiB\"\n\
         [timeouts]\nconnect = \"250ms\"\nidle = \"2m\"\ndrain = \"1h\"\n"
    );
    let Config { limits, timeouts, .. } = parse(&text).unwrap();
    assert_eq!((limits.request_body, limits.head.bytes), (Some(3 << 30), 16 * 1024));
    assert_eq!(timeouts.connect, Duration::from_millis(250));
    assert_eq!((timeouts.idle, timeouts.drain), (Duration::from_secs(120), Duration::from_secs(3600)));
}

#[test]
fn files_that_are_no_text_are_refused_without_panic() {
    let folder = std::env::temp_dir().join(format!("status-proxy-config-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let load = |name: &str, bytes: &[u8]| {
        let file = folder.join(name);
        fs::write(&file, bytes).unwrap();
        Config::load(Some(&file), &Overrides::default())
    };
    assert!(
        load("bom.toml", b"\xEF\xBB\xBFupstream = \"http://127.0.0.1:3000\"\r\nstrict = true\r\n").is_ok()
    );
    let error = load("latin.toml", b"# fine\nupstream = \"http://caf\xE9\"\n").unwrap_err();
    assert!(error.to_string().ends_with("latin.toml:2:23: not UTF-8 text, which TOML demands"), "{error}");
    assert!(matches!(load("empty.toml", b""), Err(ConfigError::Invalid(_))));
    assert!(matches!(load("binary.toml", b"\0\x01\x02"), Err(ConfigError::Invalid(_))));
    let error = Config::load(Some(&folder), &Overrides::default()).unwrap_err();
    assert!(matches!(error, ConfigError::Read { .. }), "{error}");
    let error = Config::load(Some(&folder.join("none.toml")), &Overrides::default()).unwrap_err();
    assert!(matches!(error, ConfigError::Read { .. }), "{error}");
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn broken_files_never_panic() {
    let text = fs::read_to_string(repository("config/full.toml")).unwrap();
    let picture = |text: &str| {
        if let Err(ConfigError::Invalid(report)) = parse(text) {
            assert!(!report.picture(true).is_empty());
        }
    };
    let places: Vec<usize> = text.char_indices().map(|(at, _)| at).step_by(7).collect();
    for at in places {
        let (before, after) = text.split_at(at);
        picture(before);
        for inserted in ["\"", "[", "}", "é\u{202e}", "\0", "= ", "\n[[route]]\n"] {
            picture(&format!("{before}{inserted}{after}"));
        }
    }
}

#[test]
fn thousands_of_errors_are_shown_in_part_and_soon() {
    let mut text = UPSTREAM.to_owned();
    for index in 0..2000 {
        text.push_str(&format!("[[route]]\nname = \"r{index}\"\npath = \"/same\"\nmodee = 1\n"));
    }
    let error = parse(&text).unwrap_err();
    assert_eq!(error.to_string(), "2020 errors in proxy.toml");
    let ConfigError::Invalid(report) = error else { panic!("{error}") };
    let picture = report.picture(false);
    assert_eq!(picture.matches("error: ").count(), 100);
    assert!(picture.ends_with("... and 1920 more"), "{picture}");
}
