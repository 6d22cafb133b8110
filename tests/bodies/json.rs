//! JSON: whatever one of the readers in use would find is found.

use super::{ADMIN, Case, FORM, JSON, Scene, passes, stopped};

fn json(name: &str, body: impl AsRef<[u8]>) -> Case {
    stopped(name, "/users", JSON, body)
}

fn fine(name: &str, body: impl AsRef<[u8]>) -> Case {
    passes(name, "/users", JSON, body)
}

fn nested(depth: usize, within: &str) -> String {
    format!("{{\"a\": {}1{}, {within}}}", "[".repeat(depth), "]".repeat(depth))
}

#[tokio::test]
async fn members() {
    let scene = Scene::new().await;
    let mut cases = vec![
        json("half a pair in the value", r#"{"role": "adm\ud83din"}"#),
        json("half a pair in the key", r#"{"ro\ude00le": "admin"}"#),
        json("half a pair beside", r#"{"note": "\ud83d", "role": "admin"}"#),
        stopped("half a pair in a text", "/text", JSON, r#"{"a": "drop\ud83d table x"}"#),
        stopped("half a pair in an expression", "/cel", JSON, r#"{"role": "adm\ud83din"}"#),
        fine(
            "benign: half a pair",
            r#"{"role": "user", "note": "a cut \ud83d", "b": "\ud83d\ude00 \\ud83d"}"#,
        ),
        passes("benign: half a pair in a text", "/text", JSON, r#"{"a": "a cut \ud83d"}"#),
        json("plain", ADMIN),
        json("tight", r#"{"role":"admin"}"#),
        json("blanks", "\t\r\n { \"role\"\n:\t\"admin\" } \r\n"),
        json("among others", r#"{"a": [1, {"b": null}], "role": "admin", "z": {}}"#),
        json("an escape in the key", r#"{"r\u006fle": "admin"}"#),
        json("escapes all over the key", r#"{"\u0072\u006F\u006c\u0065": "admin"}"#),
        json("an escape in the value", r#"{"role": "\u0061dmin"}"#),
        json("escapes in both", r#"{"\u0072ole": "admi\u006e"}"#),
        json("twice, first", r#"{"role": "admin", "role": "user"}"#),
        json("twice, last", r#"{"role": "user", "role": "admin"}"#),
        json("thrice, middle", r#"{"role": "user", "role": "admin", "role": "user"}"#),
        json("an escaped twin", r#"{"role": "user", "\u0072ole": "admin"}"#),
        json("a twin in capitals", r#"{"role": "user", "Role": "admin"}"#),
        json("capitals", r#"{"ROLE": "admin"}"#),
        json("some capitals", r#"{"rOlE": "admin"}"#),
        json("a list", r#"{"role": ["admin"]}"#),
        json("in a list", r#"{"role": ["user", "admin"]}"#),
        json("in a list in a list", r#"{"role": [["user"], ["admin"]]}"#),
        json("a list on top", r#"[{"role": "admin"}]"#),
        json("second in a list on top", r#"[{"role": "user"}, {"role": "admin"}]"#),
        json("a list in a list on top", r#"[[{"role": "admin"}]]"#),
        json("NUL in the key", r#"{"role\u0000": "admin"}"#),
        json("NUL in the value", r#"{"role": "admin\u0000"}"#),
        json("NUL and more in the value", r#"{"role": "admin\u0000x"}"#),
        json("a blank behind the value", r#"{"role": "admin "}"#),
        json("a line end behind the value", r#"{"role": "admin\n"}"#),
        json("a lone surrogate in the key", r#"{"role\ud800": "admin"}"#),
        json("a lone surrogate in the value", r#"{"role": "admin\udfff"}"#),
        json("a lone surrogate elsewhere", r#"{"role": "admin", "x": "\ud800"}"#),
        json("broken escapes", r#"{"role": "\u00zzadmin"}"#),
        json("an escape by number", r#"{"\x72ole": "admin"}"#),
        json("an escape that is none", r#"{"r\ole": "admin"}"#),
        json("an octal escape", r#"{"\162ole": "admin"}"#),
        json("a raw line end in a text", "{\"role\": \"admin\", \"x\": \"a\nb\"}"),
        json("a raw tab in a text", "{\"role\": \"admin\", \"x\": \"a\tb\"}"),
        json("a comment in front", "/* x */ {\"role\": \"admin\"}"),
        json("a comment line", "// x\n{\"role\": \"admin\"}"),
        json("a comment within", r#"{"role": /* x */ "admin"}"#),
        json("a comment that hides", "{\"role\": \"user\" /*, \"role\": \"admin\" */}"),
        json("a shell comment", "# x\n{\"role\": \"admin\"}"),
        json("a comma at the end", r#"{"role": "admin",}"#),
        json("a comma too many", r#"{"role": "admin",, "x": 1}"#),
        json("a comma in front", r#"{,"role": "admin"}"#),
        json("no comma", r#"{"role": "admin" "x": 1}"#),
        json("no braces", r#""role": "admin""#),
        json("no end", r#"{"role": "admin""#),
        json("an end too many", r#"{"role": "admin"}}"#),
        json("junk behind", r#"{"role": "admin"} x"#),
        json("NUL behind", "{\"role\": \"admin\"}\0"),
        json("a stop behind", r#"{"role": "admin"};"#),
        json("single quotes", "{'role': 'admin'}"),
        json("a bare key", "{role: \"admin\"}"),
        json("a bare value", "{\"role\": admin}"),
        json("backquotes", "{`role`: `admin`}"),
        json("an equals sign", r#"{"role" = "admin"}"#),
        json("an arrow", r#"{"role" => "admin"}"#),
        json("NaN elsewhere", r#"{"role": "admin", "x": NaN}"#),
        json("Infinity elsewhere", r#"{"role": "admin", "x": -Infinity}"#),
        json("undefined elsewhere", r#"{"role": "admin", "x": undefined}"#),
        json("a hexadecimal number", r#"{"role": "admin", "x": 0x1F}"#),
        json("a plus sign", r#"{"role": "admin", "x": +1}"#),
        json("a leading zero", r#"{"role": "admin", "x": 01}"#),
        json("a bare fraction", r#"{"role": "admin", "x": .5}"#),
        json("an open fraction", r#"{"role": "admin", "x": 5.}"#),
        json("True of Python", r#"{"role": "admin", "x": True}"#),
        json("a number too large", r#"{"role": "admin", "x": 1e400}"#),
        json("two documents", "{\"role\": \"user\"}{\"role\": \"admin\"}"),
        json("two lines", "{\"role\": \"user\"}\n{\"role\": \"admin\"}\n"),
        json("a record separator", "\u{1e}{\"role\": \"admin\"}\n"),
        json("a guard of Angular's", ")]}',\n{\"role\": \"admin\"}"),
        json("a guard that loops", "for(;;);{\"role\": \"admin\"}"),
        json("a callback", "callback({\"role\": \"admin\"})"),
        json("a form feed in front", "\u{c}{\"role\": \"admin\"}"),
        json("a vertical tab in front", "\u{b}{\"role\": \"admin\"}"),
        json("a hard blank in front", "\u{a0}{\"role\": \"admin\"}"),
        json("a line separator in front", "\u{2028}{\"role\": \"admin\"}"),
        json("too deep", nested(200, r#""role": "admin""#)),
        json("at depth 129", nested(129, r#""role": "admin""#)),
        json("deep enough to crash", format!("{{\"role\": \"admin\", \"a\": {}", "[".repeat(100_000))),
        json("a document as a text", r#""{\"role\": \"admin\"}""#),
        json("a document as a text twice", r#""\"{\\\"role\\\": \\\"admin\\\"}\"""#),
        json("a long s and a Kelvin sign would do", ADMIN),
        json("a name in underscores", r#"{"_role": "admin"}"#),
        json("a form under this label", "role=admin"),
        json("a name in a form's way", r#"{"role.": "admin"}"#),
        json("a name in a list's way", r#"{"role[]": "admin"}"#),
        json("in the query too", r#"{"x": 1}"#).to("/users?role=admin"),
        json("in the query, escaped", r#"{"x": 1}"#).to("/users?%72ole=admin"),
        json("YAML under this label", "role: admin"),
        json("for a prototype", r#"{"__proto__": {"role": "admin"}}"#),
        json("for a prototype's prototype", r#"{"__proto__": {"__proto__": {"role": "admin"}}}"#),
        json("a patch", r#"[{"op": "add", "path": "/role", "value": "admin"}]"#),
        json("a patch, escaped", r#"[{"op": "replace", "path": "/\u0072ole", "value": "\u0061dmin"}]"#),
        json("a patch that copies", r#"[{"op": "copy", "from": "/nickname", "path": "/role"}]"#),
        json(
            "a patch that moves",
            r#"[{"op": "test", "path": "/a", "value": 1}, {"op": "move", "from": "/x", "path": "/role"}]"#,
        ),
        stopped(
            "a patch, deep",
            "/spec",
            "application/json-patch+json",
            r#"[{"op": "add", "path": "/spec/x", "value": 1}]"#,
        ),
        stopped(
            "a patch, half",
            "/spec",
            "application/json-patch+json",
            r#"[{"op": "add", "path": "/spec", "value": {"x": 1}}]"#,
        ),
        passes(
            "benign: a patch",
            "/users",
            "application/json-patch+json",
            r#"[{"op": "add", "path": "/name", "value": "admin"}, {"op": "move", "from": "/role", "path": "/old"}]"#,
        ),
        passes("benign: a patch, deep", "/spec", JSON, r#"[{"op": "add", "path": "/spec/y", "value": 1}]"#),
        passes("benign: another prototype", "/users", JSON, r#"{"__proto__": {"name": "admin"}}"#),
        stopped("a key", "/keys", JSON, r#"{"privateKey": 1}"#),
        stopped("a key as protocol buffers have it", "/keys", JSON, r#"{"private_key": 1}"#),
        stopped("a key of Kelvin's", "/keys", JSON, "{\"private\u{212a}ey\": 1}"),
        stopped("a key with a Turkish i", "/keys", JSON, "{\"pr\u{131}vateKey\": 1}"),
        stopped("a pointer", "/spec", JSON, r#"{"spec": {"x": 1}}"#),
        stopped("a pointer through twins", "/spec", JSON, r#"{"spec": {"x": 2}, "spec": {"x": 1}}"#),
        stopped("a pointer through other twins", "/spec", JSON, r#"{"spec": {"x": 1}, "Spec": {"x": 2}}"#),
        stopped("a pointer, 1.0", "/spec", JSON, r#"{"spec": {"x": 1.0}}"#),
        stopped("a pointer, 1e0", "/spec", JSON, r#"{"spec": {"x": 1e0}}"#),
        stopped("a pointer, 10E-1", "/spec", JSON, r#"{"spec": {"x": 10E-1}}"#),
        stopped("a pointer, a text", "/spec", JSON, r#"{"spec": {"x": "1"}}"#),
        stopped("a pointer, a text with a blank", "/spec", JSON, r#"{"spec": {"x": " 1 "}}"#),
        stopped("a pointer, +1 in a text", "/spec", JSON, r#"{"spec": {"x": "+1"}}"#),
        stopped("a pointer, 01 in a text", "/spec", JSON, r#"{"spec": {"x": "01"}}"#),
        stopped("a pointer, in capitals", "/spec", JSON, r#"{"SPEC": {"X": 1}}"#),
        stopped("a pointer through a list", "/spec", JSON, r#"{"spec": [{"x": 1}]}"#),
        stopped("a pointer in a list", "/spec", JSON, r#"[{"spec": {"x": 1}}]"#),
        stopped("a pointer to a list", "/spec", JSON, r#"{"spec": {"x": [1]}}"#),
        stopped("a pointer through a text", "/spec", JSON, r#"{"spec": "{\"x\": 1}"}"#),
        stopped("a pointer in dots", "/spec", JSON, r#"{"spec.x": 1}"#),
        stopped("a pointer in brackets", "/spec", JSON, r#"{"spec[x]": 1}"#),
        stopped("a pointer in a form", "/spec", FORM, "spec[x]=1"),
        stopped("a place in a list", "/items", JSON, r#"{"items": [{"price": 1}, {"price": 10001}]}"#),
        stopped("one for a list", "/items", JSON, r#"{"items": {"price": 10001}}"#),
        stopped("a map for a list", "/items", JSON, r#"{"items": {"0": {"price": 10001}}}"#),
        fine("benign: another role", r#"{"role": "user"}"#),
        fine("benign: nothing", "{}"),
        fine("benign: an empty list", "[]"),
        fine("benign: no body", ""),
        fine("benign: null", "null"),
        fine("benign: a number", "42"),
        fine("benign: a text", "\"admin\""),
        fine("benign: a longer name", r#"{"roles": "admin", "user_role": "admin"}"#),
        fine("benign: a longer value", r#"{"role": "administrator"}"#),
        fine("benign: deeper", r#"{"filter": {"role": "admin"}}"#),
        fine("benign: in a text", r#"{"comment": "set role to admin: {\"role\": \"admin\"}"}"#),
        fine("benign: role null", r#"{"role": null}"#),
        fine("benign: role false", r#"{"role": false}"#),
        fine("benign: role {}", r#"{"role": {}}"#),
        fine("benign: role []", r#"{"role": []}"#),
        fine("benign: escapes", r#"{"name": "A\u00e4\n\t\"\\\/\u0001", "r\u0061le": "admin"}"#),
        fine("benign: a surrogate pair", r#"{"name": "\ud83d\ude80", "role": "user"}"#),
        fine("benign: deep enough", nested(100, r#""role": "user""#)),
        fine("benign: a long text", format!("{{\"text\": \"{}\"}}", "x".repeat(200_000))),
        fine(
            "benign: many members",
            format!("{{{}\"z\": 1}}", (0..5000).map(|n| format!("\"k{n}\": {n},")).collect::<String>()),
        ),
        fine("benign: unrelated twins", r#"{"a": 1, "a": 2, "role": "user"}"#),
        fine("benign: numbers", r#"{"a": -0, "b": 1e10, "c": 12345678901234567890, "d": 0.1, "e": 1E-7}"#),
        fine("benign: blanks around", " \r\n\t{\"role\": \"user\"}\r\n\r\n"),
        fine("benign: GraphQL", r#"{"query": "{ me { role } }", "variables": {}}"#),
        fine("benign: in the query, another", r#"{"x": 1}"#).to("/users?view=admin&page=2"),
        passes("benign: a read asks for it", "/any?role=admin", "", "").method("GET"),
        passes("benign: a pointer, 2", "/spec", JSON, r#"{"spec": {"x": 2, "y": 1}, "x": 1}"#),
        passes("benign: a pointer, true", "/spec", JSON, r#"{"spec": {"x": true}}"#),
        passes("benign: a pointer, deeper", "/spec", JSON, r#"{"spec": {"spec": {"x": 1}}}"#),
        passes(
            "benign: prices",
            "/items",
            JSON,
            r#"{"items": [{"price": 1}, {"price": 10000}], "price": 20000}"#,
        ),
        passes("benign: another path", "/echo", JSON, ADMIN),
        passes(
            "benign: lines on another path",
            "/echo",
            "application/x-ndjson",
            "{\"role\": \"admin\"}\n{}\n",
        ),
    ];
    for label in [
        "",
        "text/plain",
        "text/json",
        "application/x-json",
        "application/vnd.api+json",
        "application/ld+json",
        "application/octet-stream",
        "text/html",
        "text/csv",
        "application/x-www-form-urlencoded",
        "json",
        "*/*",
        "application/JSON",
        "application/json;",
        "application/vnd.acme.v2",
        "image/png",
        "application/problem+json",
        "application/json-patch+json",
        "application/merge-patch+json",
        "text/javascript",
        "application/jsonp",
        "x",
        "application/xml",
        "application/yaml",
        "application/json5",
        "application/x-ndjson",
        "application/graphql",
    ] {
        cases.push(stopped(&format!("labelled `{label}`"), "/users", label, ADMIN));
        cases.push(stopped(
            &format!("lenient, labelled `{label}`"),
            "/users",
            label,
            "{role: 'admin', a: '='}",
        ));
        cases.push(passes(
            &format!("benign: labelled `{label}`"),
            "/users",
            label,
            r#"{"name": "Jo", "n": [1]}"#,
        ));
    }
    for truth in [
        "true", "1", "1.0", "\"true\"", "\"True\"", "\"1\"", "\"on\"", "\"YES\"", "\"t\"", "[true]", "2",
        "-1",
    ] {
        cases.push(stopped(&format!("force {truth}"), "/force", JSON, format!("{{\"force\": {truth}}}")));
    }
    for truth in ["false", "0", "\"false\"", "null", "\"\"", "\"no\"", "\"truely\""] {
        cases.push(passes(
            &format!("benign: force {truth}"),
            "/force",
            JSON,
            format!("{{\"force\": {truth}}}"),
        ));
    }
    for truth in ["true", "1", "on", "yes", "TRUE", "%74rue"] {
        cases.push(stopped(&format!("form force {truth}"), "/force", FORM, format!("force={truth}")));
    }
    cases.push(json("two labels", ADMIN).field("Content-Type: text/plain"));
    cases.push(stopped("two labels in one", "/users", "application/json, text/plain", ADMIN));
    cases.push(stopped(
        "two labels in one, of a harmless one",
        "/users",
        "text/plain, application/json",
        "{}",
    ));
    cases.push(json("chunked", ADMIN).chunked());
    for method in ["GET", "DELETE", "PUT", "PATCH", "OPTIONS", "QUERY", "PROPFIND"] {
        cases.push(stopped(&format!("with {method}"), "/any", JSON, ADMIN).method(method));
        cases.push(stopped(&format!("with {method}, chunked"), "/any", JSON, ADMIN).method(method).chunked());
        cases.push(passes(&format!("benign: with {method}"), "/any", JSON, r#"{"a": 1}"#).method(method));
    }
    scene.judge(cases).await;
}

#[tokio::test]
async fn amounts() {
    let scene = Scene::new().await;
    let much = [
        "10001",
        "10001.0",
        "10000.5",
        "1.0001e4",
        "1.0001E+4",
        "100010e-1",
        "20000",
        "1e5",
        "1e308",
        "1e400",
        "1E999",
        "10000.000001",
        "10000.000000000001",
        "99999999999999999999",
        "18446744073709551616",
        "9007199254740993",
        "340282366920938463463374607431768211456",
        "\"10001\"",
        "\" 10001\"",
        "\"10001 \"",
        "\"+10001\"",
        "\"010001\"",
        "\"1.0001e4\"",
        "\"10,001\"",
        "\"10.001,00\"",
        "\"0x2711\"",
        "\"0b10011100010001\"",
        "\"10_001\"",
        "\"10001abc\"",
        "\"$10001\"",
        "\"10001 USD\"",
        "\"１０００１\"",
        "\"\\u0031\\u0030001\"",
        "\"Infinity\"",
        "\"inf\"",
        "\"NaN\"",
        "\"1e400\"",
        "[10001]",
        "[1, 10001]",
        "[\"10001\"]",
        "{\"value\": 10001}",
        "true",
        "NaN",
        "Infinity",
        "+10001",
        "010001",
        "0x2711",
        "10_001",
        "10001.",
        "\"ten thousand and one\"",
    ];
    let little = [
        "10000",
        "10000.0",
        "1e4",
        "9999.99",
        "0",
        "-0",
        "-10001",
        "1",
        "1e-400",
        "\"10000\"",
        "\"0\"",
        "\"-5\"",
        "null",
        "\"\"",
        "[]",
        "[1, 10000]",
        "\" 10 \"",
        "0.1e5",
    ];
    let mut cases = Vec::new();
    for amount in much {
        cases.push(stopped(&format!("amount {amount}"), "/pay", JSON, format!("{{\"amount\": {amount}}}")));
        cases.push(stopped(
            &format!("Amount {amount}"),
            "/pay",
            "",
            format!("{{\"currency\": \"eur\", \"AMOUNT\": {amount}}}"),
        ));
    }
    for amount in little.iter().filter(|amount| **amount != "[]") {
        cases.push(passes(
            &format!("benign: amount {amount}"),
            "/pay",
            JSON,
            format!("{{\"amount\": {amount}}}"),
        ));
    }
    for amount in [
        "10001", "1e5", "%310001", "+10001", "10001+", "10001%00", "10001abc", "10%2C001", "10001.0",
        "%2B10001",
    ] {
        cases.push(stopped(
            &format!("form amount {amount}"),
            "/pay",
            FORM,
            format!("currency=eur&amount={amount}"),
        ));
    }
    for amount in ["10000", "1", "0", "", "9999.99", "-1"] {
        cases.push(passes(
            &format!("benign: form amount {amount}"),
            "/pay",
            FORM,
            format!("currency=eur&amount={amount}"),
        ));
    }
    cases.push(stopped("twice", "/pay", JSON, r#"{"amount": 1, "amount": 10001}"#));
    cases.push(stopped("twice the other way", "/pay", JSON, r#"{"amount": 10001, "amount": 1}"#));
    cases.push(stopped("twice in a form", "/pay", FORM, "amount=1&amount=10001"));
    cases.push(passes("benign: none", "/pay", JSON, r#"{"currency": "eur", "total": 20000}"#));
    scene.judge(cases).await;
}

#[tokio::test]
async fn expressions_and_texts() {
    let scene = Scene::new().await;
    let cel = |name: &str, body: &str| stopped(&format!("cel: {name}"), "/cel", JSON, body);
    let text = |name: &str, kind: &str, body: &str| stopped(&format!("text: {name}"), "/text", kind, body);
    scene
        .judge([
            cel("plain", ADMIN),
            cel("escaped", r#"{"\u0072ole": "\u0061dmin"}"#),
            cel("twice", r#"{"role": "user", "role": "admin"}"#),
            cel("twice, first", r#"{"role": "admin", "role": "user"}"#),
            cel("capitals", r#"{"Role": "admin"}"#),
            cel("a twin in capitals", r#"{"role": "user", "ROLE": "admin"}"#),
            cel("a list", r#"{"role": ["admin"]}"#),
            cel("last in a list", r#"{"role": ["user", "admin"]}"#),
            cel("a list on top", r#"[{"role": "admin"}]"#),
            cel("NUL in the value", r#"{"role": "admin\u0000"}"#),
            cel("lenient", "{role: 'admin'}"),
            cel("as a text", r#""{\"role\": \"admin\"}""#),
            cel("YAML", "role: admin"),
            cel("a form under this label", "role=admin"),
            cel("in the query", "{}").to("/cel?role=admin"),
            stopped("cel: a form", "/cel", FORM, "role=admin"),
            stopped("cel: a form's list", "/cel", FORM, "role[]=admin"),
            stopped("cel: a form, encoded", "/cel", FORM, "%72ole=%61dmin"),
            stopped("cel: a form, twice", "/cel", FORM, "role=user&role=admin"),
            stopped("cel: a form, capitals", "/cel", FORM, "Role=admin"),
            stopped("cel: a form, in the query", "/cel?role=admin", FORM, "a=b"),
            passes("benign: cel", "/cel", JSON, r#"{"role": "user", "admin": ["role", {"x": 1}]}"#),
            passes("benign: cel, nothing", "/cel", JSON, "{}"),
            passes("benign: cel, no body", "/cel", "", ""),
            passes("benign: cel, a form", "/cel", FORM, "role=user&x[]=1"),
            passes("benign: cel, lists", "/cel", JSON, r#"{"roles": ["admin"], "x": [["admin"]]}"#),
            stopped("cel-text: plain", "/cel-text", "text/plain", "drop table x"),
            stopped("cel-text: escaped", "/cel-text", JSON, r#"{"q": "dr\u006fp table x"}"#),
            passes("benign: cel-text", "/cel-text", JSON, r#"{"q": "select"}"#),
            text("plain", "text/plain", "drop table x"),
            text("JSON", JSON, r#"{"q": "drop table x"}"#),
            text("JSON, escaped", JSON, r#"{"q": "dr\u006fp table x"}"#),
            text("JSON, escaped blank", JSON, r#"{"q": "drop\u0020table x"}"#),
            text("JSON, a line end", JSON, r#"{"q": "drop\ntable x"}"#),
            text("JSON in JSON", JSON, r#"{"q": "{\"s\": \"drop table x\"}"}"#),
            text("JSON, a key", JSON, r#"{"dro\u0070 table": 1}"#),
            text("lenient JSON, escaped", JSON, r"{'q': 'dr\x6fp table'}"),
            text("lenient JSON, needlessly escaped", JSON, r"{'q': 'dr\op table'}"),
            text("a form", FORM, "q=drop+table+x"),
            text("a form, encoded", FORM, "q=dr%6Fp%20table"),
            text("a form, encoded twice", FORM, "q=dr%256Fp%2520table"),
            text("a form without a label", "", "q=dr%6Fp+table"),
            text("XML, by number", "application/xml", "<q>dr&#111;p table</q>"),
            text("XML, a comment", "text/xml", "<q>dr<!-- -->op table</q>"),
            text("XML, CDATA", "application/soap+xml", "<q>dr<![CDATA[op]]> table</q>"),
            text("YAML, escaped", "application/yaml", "q: \"dr\\x6fp table\""),
            passes("benign: text", "/text", "text/plain", "drop the table off at C:\\users\\x, 100%"),
            passes("benign: text, JSON", "/text", JSON, r#"{"q": "select \"drop\" , 'table' \\ \u00e4"}"#),
            passes("benign: text, a form", "/text", FORM, "q=select+1&drop=1&table=2"),
            passes(
                "benign: text, XML",
                "/text",
                "application/xml",
                "<?xml version=\"1.0\"?><q>select &amp; go</q>",
            ),
            passes("benign: text, none", "/text", "", ""),
        ])
        .await;
}
