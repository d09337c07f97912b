//! The house rules, held by reading the sources.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use attune::access::matrix;
use attune::config::VARIABLES;
use attune::domain::protocol::{Protocol, TRT_STAGE_1};
use attune::domain::safety::{Safety, Statement};
use attune::http::problem::Code;
use attune::rights::retention;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn files_below(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).expect("a directory").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files_below(&path, extension));
        } else if path.extension().is_some_and(|end| end == extension) {
            found.push(path);
        }
    }
    found
}

/// Every source of the crate: its path below `src` and its text.
fn sources() -> BTreeMap<String, String> {
    let src = Path::new(ROOT).join("src");
    let relative = |path: &Path| path.strip_prefix(&src).expect("below src").display().to_string();
    let read = |path: PathBuf| (relative(&path), fs::read_to_string(&path).expect("readable"));
    files_below(&src, "rs").into_iter().map(read).collect()
}

/// A source without its comments and its tests.
fn code(text: &str) -> String {
    let body = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or(text);
    body.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn is_test(path: &str) -> bool {
    path.ends_with("tests.rs") || path.contains("tests/")
}

/// The first module of a path: `store/embedded/seat.rs` is of `store`.
fn layer(path: &str) -> &str {
    path.split(['/', '.']).next().unwrap_or(path)
}

const HTTP_MAY_USE: &[&str] = &[
    "domain",
    "clock",
    "config",
    "store",
    "access",
    "audit",
    "events",
    "notify",
    "rights",
    "llm",
    "turn",
    "telemetry",
    "http",
];

/// What each layer may use of the crate. `domain <- redis <- store, access, llm <- audit, events, rights, retrieval <- notify <- turn <- http <- app <- cli, main`.
fn may_use(layer: &str) -> &'static [&'static str] {
    match layer {
        "domain" | "clock" => &["domain"],
        "config" => &["domain", "store", "access"],
        "tasks" => &[],
        "redis" => &["domain", "clock", "tasks", "redis"],
        "access" => &["domain", "clock", "config", "store", "access"],
        "audit" => &["domain", "access", "store", "audit"],
        "events" => &["domain", "store", "events"],
        "rights" => &["domain", "clock", "store", "audit", "rights"],
        "notify" => {
            &["domain", "clock", "config", "tasks", "store", "access", "events", "telemetry", "notify"]
        }
        "store" => &["domain", "clock", "access", "tasks", "redis", "store"],
        "llm" => &["domain", "clock", "config", "tasks", "llm"],
        "retrieval" => &["domain", "access", "redis", "llm", "retrieval"],
        "telemetry" => &["domain", "config"],
        "turn" => &["domain", "clock", "tasks", "store", "access", "llm", "retrieval", "telemetry", "turn"],
        "http" => HTTP_MAY_USE,
        "app" => &[
            "domain",
            "clock",
            "config",
            "tasks",
            "redis",
            "store",
            "access",
            "audit",
            "notify",
            "llm",
            "retrieval",
            "turn",
            "telemetry",
            "http",
        ],
        "cli" => &[
            "domain",
            "clock",
            "config",
            "tasks",
            "redis",
            "store",
            "access",
            "audit",
            "notify",
            "rights",
            "llm",
            "retrieval",
            "turn",
            "telemetry",
            "http",
            "app",
            "cli",
        ],
        "main" | "lib" => &["cli"],
        other => panic!("{other} is no layer: say here what it may use"),
    }
}

#[test]
fn no_arrow_between_the_layers_is_reversed() {
    for (path, text) in sources() {
        let allowed = may_use(layer(&path));
        for used in code(&text).split("crate::").skip(1) {
            let used: String = used.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            assert!(
                allowed.contains(&used.as_str()),
                "{path} uses {used} (a layer at a time: no crate::{{...}})"
            );
        }
    }
}

#[test]
fn adapters_are_named_in_the_composition_root_alone() {
    for (path, text) in sources() {
        let root = ["app/stores.rs", "app/models.rs"].contains(&path.as_str());
        let own = path.starts_with("store/") || path.starts_with("llm/") || root;
        let text = code(&text);
        let adapters = ["store::embedded", "store::redis", "llm::ollama", "llm::openai"];
        let named = adapters.iter().any(|adapter| text.contains(adapter));
        assert!(own || !named, "{path} names an adapter");
    }
}

/// Where a foreign crate's types may stand.
const CRATES: &[(&str, &[&str])] = &[
    ("actix_web", &["http", "app"]),
    ("actix_cors", &["app"]),
    ("actix_ws", &["http/socket"]),
    ("fjall", &["store/embedded"]),
    ("redis", &["redis", "store/redis"]),
    ("moka", &["store/redis", "retrieval", "turn", "http"]),
    ("reqwest", &["llm", "notify", "cli"]),
    ("lettre", &["notify/mail"]),
    ("bm25", &["retrieval"]),
    ("clap", &["cli"]),
    ("prometheus_client", &["telemetry"]),
    ("tracing_subscriber", &["telemetry"]),
    ("governor", &["http"]),
    ("chrono_tz", &["domain/safety/duty"]),
    ("rand", &["clock"]),
    ("hmac", &["access"]),
    ("dotenvy", &["config"]),
    ("std::env", &["config"]),
    (
        "std::fs",
        &["config", "access", "store/embedded", "retrieval/file", "app/protocol", "app/consent", "cli"],
    ),
];

#[test]
fn foreign_types_stay_where_they_belong() {
    for (path, text) in sources() {
        // A module of ours has the name of a crate.
        let text = code(&text).replace("crate::redis::", "").replace("store::redis::", "");
        for (name, places) in CRATES {
            let used = text.contains(&format!("{name}::"));
            let allowed = places.iter().any(|place| path.starts_with(place));
            assert!(!used || allowed || is_test(&path), "{path} uses {name}");
        }
    }
}

#[test]
fn the_domain_is_pure() {
    for (path, text) in sources().into_iter().filter(|(path, _)| path.starts_with("domain/")) {
        let text = code(&text);
        for impure in [
            "async",
            "async_trait",
            ".await",
            "std::io",
            "std::fs",
            "std::env",
            "tokio",
            "SystemTime",
            "Instant",
            "tracing",
            "rand",
        ] {
            assert!(!holds_word(&text, impure), "{path} holds {impure}");
        }
    }
}

/// Whole words only: `awaiting` is no `await`.
fn holds_word(text: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        let (before, after) = (text[..at].chars().next_back(), text[at + word.len()..].chars().next());
        let begins = word.starts_with('.') || !before.is_some_and(is_part);
        begins && !after.is_some_and(is_part)
    })
}

#[test]
fn a_word_is_found_whole_or_not_at_all() {
    assert!(holds_word("x.await?", ".await") && holds_word("async fn", "async"));
    assert!(!holds_word("place.awaiting", ".await") && !holds_word("brand::new", "rand"));
}

#[test]
fn every_dependency_says_what_it_is_for() {
    let manifest = read("Cargo.toml");
    let dependencies = manifest.split("[dependencies]").nth(1).and_then(|rest| rest.split("[lints").next());
    let lines: Vec<&str> = dependencies.expect("a list").lines().collect();
    for pair in lines.windows(2).filter(|pair| pair[1].contains(" = ")) {
        assert!(pair[0].starts_with("# ") && pair[0].ends_with('.'), "{}", pair[1]);
    }
}

#[test]
fn files_are_short_and_open_with_what_they_are_for() {
    for (path, text) in sources() {
        assert!(text.lines().count() <= 400, "{path} has {} lines", text.lines().count());
        assert!(is_test(&path) || text.starts_with("//!"), "{path} does not say what it is for");
    }
}

/// The scripts that Redis runs, by file name.
fn scripts() -> BTreeMap<String, String> {
    let files = files_below(&Path::new(ROOT).join("src/redis/scripts"), "lua");
    let name = |path: &Path| path.file_stem().expect("a name").to_string_lossy().into_owned();
    files.into_iter().map(|path| (name(&path), fs::read_to_string(&path).expect("readable"))).collect()
}

/// The comment that a script opens with, and the rest.
fn header_of(script: &str) -> (String, String) {
    let is_comment = |line: &&str| line.starts_with("--");
    let header: Vec<&str> = script.lines().take_while(is_comment).collect();
    let body: Vec<&str> = script.lines().skip(header.len()).collect();
    (header.join("\n"), body.join("\n"))
}

/// The highest number in `name[number]`.
fn highest(body: &str, name: &str) -> usize {
    let opening = format!("{name}[");
    let numbers = body.split(&opening).skip(1).filter_map(|rest| rest.split(']').next()?.parse().ok());
    numbers.max().unwrap_or(0)
}

#[test]
fn every_script_explains_its_keys_arguments_and_reply_before_its_first_line() {
    let scripts = scripts();
    assert!(scripts.len() > 15);
    for (name, script) in scripts {
        let (header, body) = header_of(&script);
        let is_shared = header.starts_with("-- Shared: ");
        assert!(
            is_shared || header.starts_with(&format!("-- {name}: ")),
            "{name} does not say what it is for"
        );
        for kind in ["KEYS", "ARGV"] {
            let told = header.split(&format!("-- {kind} ")).nth(1).unwrap_or_default();
            let told =
                told.split("-- ARGV").next().unwrap_or_default().split("-- reply").next().unwrap_or_default();
            let numbers: BTreeSet<usize> = told
                .split(|c: char| !c.is_ascii_digit())
                .filter_map(|number| number.parse().ok())
                .chain(told.contains("1-5 as seat.lua").then_some(1..=5).into_iter().flatten())
                .collect();
            for used in 1..=highest(&body, kind) {
                assert!(numbers.contains(&used), "{name} does not explain {kind}[{used}]");
            }
        }
        assert!(is_shared || header.contains("-- reply "), "{name} does not say what it answers");
    }
}

#[test]
fn no_script_spells_a_key_or_looks_through_all_of_them() {
    for (name, script) in scripts() {
        let (_, body) = header_of(&script);
        for banned in ["trt:", "session:", "'KEYS'", "'SCAN'", "'SSCAN'", "'ZSCAN'", "'HSCAN'", "'FLUSH"] {
            assert!(!body.contains(banned), "{name} holds {banned}");
        }
        assert!(script.lines().all(|line| line.chars().count() <= 125), "{name} has a long line");
    }
}

/// The words in capitals behind each of these, up to the quote.
fn words_behind<'a>(text: &'a str, openings: &[&str]) -> BTreeSet<String> {
    let behind = openings.iter().flat_map(|opening| text.split(*opening).skip(1));
    let word = |rest: &'a str| rest.split(['\'', '"']).next().unwrap_or_default();
    behind
        .map(word)
        .filter(|word| word.chars().all(|c| c.is_ascii_uppercase()))
        .map(str::to_lowercase)
        .collect()
}

#[test]
fn the_docs_allow_the_commands_that_redis_is_sent_and_no_other() {
    let scripts: String = scripts().into_values().collect();
    let mut used = words_behind(&scripts, &["redis.call('", "redis.pcall('", "read('"]);
    for (path, text) in sources() {
        if (path.starts_with("store/redis/") || path.starts_with("redis/")) && path != "redis/survey.rs" {
            used.extend(words_behind(&code(&text), &["cmd(\""]));
        }
    }
    // Sent by the library, or by another name.
    used.extend(["evalsha", "select", "subscribe", "unsubscribe"].map(str::to_owned));
    let docs = read("docs/redis.md");
    let list = docs.split("+ping ").nth(1).and_then(|rest| rest.split("```").next()).expect("the list");
    let listed = list.split_whitespace().filter_map(|word| word.strip_prefix('+')?.split('|').next());
    let listed: BTreeSet<String> = listed.chain(["ping"]).map(str::to_owned).collect();
    assert_eq!(listed, used);
}

#[test]
fn nothing_is_left_for_later() {
    let words = ["TO", "DO", "FIX", "ME"];
    let (todo, fixme) = (words[..2].concat(), words[2..].concat());
    for (path, text) in sources() {
        for left in [todo.as_str(), fixme.as_str(), "unimplemented!", "todo!("] {
            assert!(!text.contains(left), "{path} holds {left}");
        }
    }
}

#[test]
fn the_words_of_the_house_are_kept() {
    for (path, text) in sources() {
        for line in code(&text).lines() {
            let named = line.trim_start().trim_start_matches("pub ").trim_start_matches("(crate) ");
            for kind in ["struct ", "enum ", "trait "] {
                let name = named.strip_prefix(kind).unwrap_or_default();
                let name: String = name.chars().take_while(|c| c.is_alphanumeric()).collect();
                for banned in ["Manager", "Helper", "Util", "Service"] {
                    assert!(!name.ends_with(banned), "{path}: {name}");
                }
            }
            let getter = named.trim_start_matches("async ").starts_with("fn get_");
            assert!(!getter, "{path}: {}", line.trim());
        }
    }
}

#[test]
fn the_example_environment_lists_every_variable_and_no_other() {
    let example = read(".env.example");
    let listed: Vec<(String, String)> = example
        .lines()
        .filter(|line| !line.starts_with("# ") && line.contains('='))
        .filter_map(|line| line.trim_start_matches('#').split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let known: Vec<(String, String)> =
        VARIABLES.iter().map(|variable| (variable.name.to_owned(), variable.default.to_owned())).collect();
    assert_eq!(listed, known);
}

#[test]
fn the_configuration_table_in_the_docs_equals_the_code() {
    let rows: Vec<String> = VARIABLES
        .iter()
        .map(|variable| {
            let default =
                if variable.default.is_empty() { "-".to_owned() } else { format!("`{}`", variable.default) };
            format!("| `{}` | {default} | {} |", variable.name, variable.help)
        })
        .collect();
    assert_table("docs/configuration.md", "| `", &rows);
}

#[test]
fn the_table_of_problems_in_the_docs_equals_the_code() {
    let rows: Vec<String> = Code::ALL
        .iter()
        .map(|code| {
            let row = code.row();
            let retry = if row.retry { "yes" } else { "no" };
            let close = code.close();
            format!("| `{}` | {} | {close} | {retry} | {} | {} |", row.error, row.status, row.title, row.show)
        })
        .collect();
    assert_table("docs/problems.md", "| `", &rows);
    let distinct: BTreeSet<&str> = Code::ALL.iter().map(|code| code.row().error).collect();
    assert_eq!(distinct.len(), Code::ALL.len());
}

#[test]
fn the_published_schema_of_an_export_equals_the_code() {
    let written: serde_json::Value =
        serde_json::from_str(&read("docs/export.schema.json")).expect("it is JSON");
    let expected = attune::http::openapi::export_schema();
    let shown = serde_json::to_string_pretty(&expected).expect("it is JSON");
    assert!(written == expected, "docs/export.schema.json should be:\n{shown}\n(its end)");
}

#[test]
fn the_table_of_who_may_do_what_in_the_docs_equals_the_code() {
    assert!(
        read("docs/access.md").contains(&matrix::markdown()),
        "docs/access.md should hold this table:\n{}",
        matrix::markdown()
    );
}

#[test]
fn the_table_of_how_long_things_are_kept_in_the_docs_equals_the_code() {
    assert!(
        read("docs/retention.md").contains(&retention::markdown()),
        "docs/retention.md should hold this table:\n{}",
        retention::markdown()
    );
    let variables: BTreeSet<&str> = VARIABLES.iter().map(|variable| variable.name).collect();
    for variable in retention::RULES.iter().filter_map(|rule| rule.variable) {
        assert!(variables.contains(variable), "{variable} is no variable");
    }
}

fn assert_table(path: &str, start: &str, rows: &[String]) {
    let text = read(path);
    let written: Vec<&str> = text.lines().filter(|line| line.starts_with(start)).collect();
    assert!(written == rows, "{path} should hold these rows:\n{}", rows.join("\n"));
}

#[test]
fn the_picture_of_the_protocol_in_the_docs_is_the_one_that_is_drawn() {
    let protocol = Protocol::parse(TRT_STAGE_1).expect("the shipped protocol");
    assert!(read("docs/protocol.md").contains(&format!("```mermaid\n{}```", protocol.mermaid())));
}

#[test]
fn the_public_page_of_danger_is_made_of_the_data_and_its_figures_are_there() {
    let resources = Safety::embedded().expect("sound").resources;
    let statement = Statement::embedded().expect("sound");
    let page = statement.page(&resources, None);
    assert!(page == read("docs/crisis-protocol.md"), "the page should be:\n{page}");
    assert_eq!(statement.figures, "docs/safety.md#how-it-is-tested");
    assert!(read("docs/safety.md").contains("\n## How it is tested\n"));
}

#[test]
fn the_docs_link_to_files_that_are_there() {
    let root = Path::new(ROOT);
    let mut pages = files_below(&root.join("docs"), "md");
    pages.push(root.join("README.md"));
    for page in pages {
        let text = fs::read_to_string(&page).expect("readable");
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = target.split('#').next().unwrap_or_default();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            assert!(page.parent().expect("a folder").join(target).exists(), "{}: {target}", page.display());
        }
    }
}

/// Whether a test of this name is written somewhere. The store's contract is written once for every adapter, so its
/// tests have a type parameter.
fn is_a_test(name: &str) -> bool {
    let root = Path::new(ROOT);
    let files =
        files_below(&root.join("tests"), "rs").into_iter().chain(files_below(&root.join("src"), "rs"));
    let texts: String = files.map(|path| fs::read_to_string(path).expect("readable")).collect();
    [format!("fn {name}("), format!("fn {name}<")].iter().any(|test| texts.contains(test))
}

#[test]
fn every_behaviour_of_the_seeds_names_a_test_that_is_there_or_says_later() {
    let seeds = read("docs/seeds.md");
    let rows: Vec<&str> =
        seeds.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| behaviour")).collect();
    assert!(rows.len() > 20);
    for row in rows {
        let shown = row.trim_end_matches('|').rsplit('|').next().unwrap_or_default().trim();
        assert!(shown == "later" || is_a_test(shown.trim_matches('`')), "{row}");
    }
}

#[test]
fn every_invariant_of_the_architecture_names_tests_that_are_there() {
    let architecture = read("docs/architecture.md");
    let table = architecture.split("| invariant | held by |").nth(1).expect("the table");
    let rows: Vec<&str> = table.lines().filter(|line| line.starts_with("| ")).collect();
    assert!(rows.len() > 15);
    for row in rows {
        let shown = row.trim_end_matches('|').rsplit('|').next().unwrap_or_default();
        assert!(shown.split(',').all(|name| is_a_test(name.trim().trim_matches('`'))), "{row}");
    }
}
