//! However a body is written, a rule that holds sees the same in it.

use super::support::{Asking, asking, request};
use holdpoint::ruling::Verdict;
use proptest::prelude::*;
use std::sync::LazyLock;

static ASKING: LazyLock<Asking> = LazyLock::new(|| {
    asking(
        r#"
pack: test
rules:
  - { id: role, when: { path: /field, body: { role: admin } }, verdict: hold }
  - { id: amount, when: { path: /amount, body: { /a/b: { gt: 10 } } }, verdict: hold }
  - { id: text, when: { path: /text, body: { text: { regex: "admin" } } }, verdict: hold }
  - { id: cel, when: { path: /cel, if: 'has(request.body.role) && request.body.role == "admin"' }, verdict: hold }
  - { id: cel-text, when: { path: /cel-text, if: 'request.text.contains("admin")' }, verdict: hold }
"#,
    )
});

const PATHS: [&str; 5] = ["field", "amount", "text", "cel", "cel-text"];

fn verdicts(kind: &str, body: &str) -> Vec<Verdict> {
    let fields = [("content-type", kind)];
    let ask = |path: &&str| ASKING.ask(&request(&format!("POST https://a.test/{path}"), &fields, body)).0;
    PATHS.iter().map(ask).collect()
}

/// Members that rules ask for, near misses, and what is nested.
fn some_members() -> impl Strategy<Value = Vec<(String, String)>> {
    let key = prop::sample::select(vec!["role", "Role", "a", "x", "admin"]);
    let value = prop::sample::select(vec![
        "\"admin\"",
        "\"user\"",
        "\"administrator\"",
        "11",
        "9",
        "null",
        "[\"admin\"]",
        "{\"b\": 11}",
        "{\"b\": 9}",
        "{}",
    ]);
    let member = (key, value).prop_map(|(key, value)| (format!("\"{key}\""), value.to_owned()));
    prop::collection::vec(member, 0..4)
}

fn document(members: &[(String, String)]) -> String {
    let members: Vec<String> = members.iter().map(|(key, value)| format!("{key}: {value}")).collect();
    format!("{{{}}}", members.join(", "))
}

/// The letters of its texts that the mask names, as escapes.
fn escaped(json: &str, mask: u64) -> String {
    let (mut out, mut within) = (String::new(), false);
    for (at, c) in json.chars().enumerate() {
        within ^= c == '"';
        if within && c.is_ascii_alphabetic() && mask >> (at % 64) & 1 == 1 {
            out.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            out.push(c);
        }
    }
    out
}

fn encoded(form: &str, mask: u64) -> String {
    let code = |(at, c): (usize, char)| {
        let coded = c.is_ascii_alphabetic() && mask >> (at % 64) & 1 == 1;
        if coded { format!("%{:02X}", u32::from(c)) } else { c.to_string() }
    };
    form.chars().enumerate().map(code).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn escapes_change_nothing(members in some_members(), mask: u64) {
        let plain = document(&members);
        let coded = escaped(&plain, mask);
        prop_assert_eq!(verdicts("application/json", &plain), verdicts("application/json", &coded), "{}", coded);
    }

    #[test]
    fn one_more_member_never_hides_another(members in some_members(), more in some_members(), front: bool) {
        let both = if front { [more, members.clone()] } else { [members.clone(), more] }.concat();
        let (few, many) = (document(&members), document(&both));
        for (few, many) in verdicts("application/json", &few).into_iter().zip(verdicts("application/json", &many)) {
            prop_assert!(many >= few, "{}", document(&both));
        }
    }

    #[test]
    fn encoding_a_form_changes_nothing(
        names in prop::collection::vec(("(role|a|x|r)", "(admin|user|11)"), 1..4),
        mask: u64,
    ) {
        let form: Vec<String> = names.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let form = form.join("&");
        let kind = "application/x-www-form-urlencoded";
        prop_assert_eq!(verdicts(kind, &form), verdicts(kind, &encoded(&form, mask)), "{}", form);
    }

    #[test]
    fn no_label_hides_a_member(kind in "[a-z]{1,12}/[a-z.+-]{1,20}(; ?[a-z]{1,8}=[a-z0-9-]{1,8})?") {
        prop_assert_eq!(verdicts(&kind, "{\"role\": \"admin\"}")[0], Verdict::Hold);
        prop_assert_eq!(verdicts(&kind, "{'role': 'admin'}")[0], Verdict::Hold);
    }

    #[test]
    fn nothing_around_a_member_hides_it(front in "[ -~\n]{0,6}", behind in "[ -~\n]{0,6}") {
        for body in [format!("{front}{{\"role\": \"admin\"}}{behind}"), format!("{front}role: admin{behind}")] {
            // Where it is all within a text, it is no member.
            let text = front.contains('"') && serde_json::from_str::<String>(&body).is_ok();
            prop_assert!(text || verdicts("", &body)[0] == Verdict::Hold, "{body:?}");
        }
    }

    #[test]
    fn no_body_panics(kind in "[ -~]{0,40}", bytes in "\\PC{0,80}") {
        let _ = verdicts(&kind.replace(|c: char| c.is_ascii_control(), ""), &bytes);
    }
}
