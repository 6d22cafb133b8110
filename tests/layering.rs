//! Holds the source to the floors table in `src/lib.rs`.
//!
//! A module uses lower floors; modules of one floor may use each other where that makes no circle (plain data
//! may name plain data as it likes), but the faces on floor 4 never do. Floor 1 is pure: no async, no
//! sockets, no files, no clock.

#![expect(clippy::indexing_slicing, clippy::string_slice, clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

#[test]
fn no_import_runs_back_up() {
    let lib = std::fs::read_to_string(source().join("lib.rs")).unwrap();
    let files = files(&source());
    assert!(files.len() > 20, "the source was found");
    let found = violations(&floors(&lib), &files);
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn every_module_has_a_floor() {
    let lib = std::fs::read_to_string(source().join("lib.rs")).unwrap();
    let modules = lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    let modules: BTreeSet<&str> = modules.collect();
    let floors = floors(&lib);
    assert_eq!(floors.keys().map(String::as_str).collect::<BTreeSet<_>>(), modules);
    assert_eq!(floors.values().collect::<BTreeSet<_>>(), BTreeSet::from([&0, &1, &2, &3, &4, &5]));
}

/// The check itself: made-up trees, each with one violation.
#[test]
fn violations_are_found() {
    #[track_caller]
    fn finds(file: &str, text: &str, expected: &str) {
        let floors = [
            ("plain", 0),
            ("rules", 1),
            ("store", 2),
            ("desk", 3),
            ("ledger", 3),
            ("proxy", 4),
            ("review", 4),
        ];
        let floors = floors.into_iter().map(|(module, floor)| (module.to_owned(), floor)).collect();
        let circle = ("ledger.rs".to_owned(), "use crate::desk::Desk;".to_owned());
        let found = violations(&floors, &[(file.to_owned(), text.to_owned()), circle]);
        assert_eq!(found.join("; "), expected, "{text}");
    }
    finds("desk.rs", "use crate::store::Store;\nuse crate::plain;", "");
    finds("desk.rs", "use crate::proxy::Proxy;", "desk.rs: `desk` (floor 3) uses `proxy` (floor 4)");
    finds(
        "desk.rs",
        "fn f() { crate::review::serve() }",
        "desk.rs: `desk` (floor 3) uses `review` (floor 4)",
    );
    finds(
        "store/mod.rs",
        "use crate::{\n    plain::{self, Agent},\n    desk, rules::proxy,\n};",
        "store/mod.rs: `store` (floor 2) uses `desk` (floor 3)",
    );
    finds(
        "proxy/exchange.rs",
        "use crate::review::x;",
        "proxy/exchange.rs: `proxy` (floor 4) uses `review` (floor 4)",
    );
    finds(
        "proxy/a/b.rs",
        "use super::super::super::review;",
        "proxy/a/b.rs: `proxy` (floor 4) uses `review` (floor 4)",
    );
    finds("proxy/a.rs", "use super::review;", "");
    finds("review/mod.rs", "use crate as root;", "review/mod.rs: `crate` is used without a module");
    finds("desk.rs", "use crate::ledger;", "`desk` and `ledger` use each other");
    finds("desk.rs", "/// See [`crate::proxy`].\n// crate::proxy\nlet s = \"crate::proxy\";", "");
    finds("rules/a.rs", "async fn f() {}", "rules/a.rs: floor 1 has no `async`");
    finds("rules/a.rs", "let now = jiff::Timestamp::now();", "rules/a.rs: floor 1 has no `Timestamp::now`");
    finds("rules/a.rs", "use std::{fs, net::IpAddr};", "rules/a.rs: floor 1 has no `fs`");
    finds("rules/a.rs", "use std::net::{IpAddr, TcpStream};", "rules/a.rs: floor 1 has no `TcpStream`");
    finds(
        "rules/a.rs",
        "const FSM: &str = \"fs\"; // no async\n#[cfg(test)]\nmod tests { use std::fs; }",
        "",
    );
}

/// What is wrong, one sentence each. `files` are paths below `src` with their text.
fn violations(floors: &BTreeMap<String, u8>, files: &[(String, String)]) -> Vec<String> {
    let mut found = Vec::new();
    let mut uses: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (path, text) in files {
        let depth = path.trim_end_matches("/mod.rs").trim_end_matches(".rs").split('/').count();
        let module = path.trim_end_matches(".rs").split('/').next().unwrap_or_default();
        let Some((module, &floor)) = floors.get_key_value(module) else { continue };
        let code = code(text);
        for used in used(&code, depth) {
            let Some((used, &above)) = floors.get_key_value(&used) else {
                found.push(format!("{path}: `crate` is used without a module"));
                continue;
            };
            if above > floor || (above == floor && floor == FACES && used != module) {
                found.push(format!("{path}: `{module}` (floor {floor}) uses `{used}` (floor {above})"));
            } else if used != module && floor != DATA {
                uses.entry(module).or_default().insert(used);
            }
        }
        if floor == PURE && !path.ends_with("tests.rs") {
            let impure = IMPURE.iter().filter(|word| has(&code, word));
            found.extend(impure.map(|word| format!("{path}: floor 1 has no `{word}`")));
        }
    }
    found.extend(circles(&uses));
    found
}

/// Pairs of modules from each of which the other can be reached.
fn circles(uses: &BTreeMap<&str, BTreeSet<&str>>) -> Vec<String> {
    let reached = |from: &str| {
        let mut reached: BTreeSet<&str> = BTreeSet::new();
        let mut ahead: Vec<&str> = uses.get(from).into_iter().flatten().copied().collect();
        while let Some(module) = ahead.pop() {
            if reached.insert(module) {
                ahead.extend(uses.get(module).into_iter().flatten());
            }
        }
        reached
    };
    let mut found = Vec::new();
    for module in uses.keys() {
        for other in
            reached(module).into_iter().filter(|other| other > module && reached(other).contains(module))
        {
            found.push(format!("`{module}` and `{other}` use each other"));
        }
    }
    found
}

/// The modules that the code names by `crate::…`, or by enough `super::` to get there.
fn used(code: &str, depth: usize) -> BTreeSet<String> {
    let words = words(code);
    let mut found = BTreeSet::new();
    let mut at = 0;
    while at < words.len() {
        let (start, supers) = (at, words[at..].chunks(2).take_while(|pair| *pair == ["super", "::"]).count());
        at += (2 * supers).max(1);
        if words[start] == "crate" && words.get(start.wrapping_sub(1)).copied() != Some("(") {
            match words.get(start + 1) {
                Some(&"::") => found.extend(roots(&words[start + 2..])),
                _ => drop(found.insert(String::new())),
            }
        } else if supers >= depth {
            found.extend(roots(&words[at..]));
        }
    }
    found
}

/// The first names of a path, or of each path of a group in braces.
fn roots(words: &[&str]) -> Vec<String> {
    let Some((&"{", group)) = words.split_first() else {
        return words.first().map(|word| (*word).to_owned()).into_iter().collect();
    };
    let mut found = Vec::new();
    let (mut depth, mut first) = (0, true);
    for word in group {
        match *word {
            "{" => depth += 1,
            "}" if depth == 0 => break,
            "}" => depth -= 1,
            "," if depth == 0 => first = true,
            name if first && depth == 0 => {
                found.push(name.to_owned());
                first = false;
            }
            _ => {}
        }
    }
    found
}

/// Names, `::`, and single characters.
fn words(code: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = code.trim_start();
    while let Some(first) = rest.chars().next() {
        let end = match first {
            ':' if rest.starts_with("::") => 2,
            c if is_name(c) => rest.find(|c| !is_name(c)).unwrap_or(rest.len()),
            c => c.len_utf8(),
        };
        words.push(&rest[..end]);
        rest = rest[end..].trim_start();
    }
    words
}

fn has(code: &str, word: &str) -> bool {
    let (code, word) = (words(code), words(word));
    code.windows(word.len()).any(|window| window == word)
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The text without comments, without what stands in strings, and without the tests at its end.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let mut code = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let skip = match first {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            'r' if rest.starts_with("r\"") || rest.starts_with("r#") => raw_string(rest),
            '"' => string(rest),
            '\'' if rest.starts_with("'\"'") => 3,
            '\'' if rest.starts_with("'\\\"'") => 4,
            c => {
                code.push(c);
                rest = &rest[c.len_utf8()..];
                continue;
            }
        };
        let _ = write!(code, " ");
        rest = &rest[skip..];
    }
    code
}

/// Where the string that `text` begins with ends.
fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

fn raw_string(text: &str) -> usize {
    let hashes = text[1..].chars().take_while(|c| *c == '#').count();
    if !text[1 + hashes..].starts_with('"') {
        return 1 + hashes; // `r#type`
    }
    let end = format!("\"{}", "#".repeat(hashes));
    text[2 + hashes..].find(&end).map_or(text.len(), |at| 2 + hashes + at + end.len())
}

/// The table in the documentation of `lib.rs`.
fn floors(lib: &str) -> BTreeMap<String, u8> {
    let mut floors = BTreeMap::new();
    for row in lib.lines().filter_map(|line| line.strip_prefix("//! | ")) {
        let Some(floor) = row.split(' ').next().and_then(|floor| floor.parse().ok()) else { continue };
        let names = row.split("[`").skip(1).filter_map(|part| part.split('`').next());
        floors.extend(names.map(|name| (name.to_owned(), floor)));
    }
    floors
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every Rust file below `folder`, with its path from there.
fn files(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut ahead = vec![folder.to_owned()];
    while let Some(next) = ahead.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                ahead.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                found.push((name, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

const DATA: u8 = 0;
const PURE: u8 = 1;
const FACES: u8 = 4;
/// What floor 1 never names.
const IMPURE: &[&str] = &[
    "async",
    "await",
    "tokio",
    "fs",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "ToSocketAddrs",
    "Instant::now",
    "Timestamp::now",
    "Zoned::now",
    "SystemTime",
    "thread",
    "env",
];
