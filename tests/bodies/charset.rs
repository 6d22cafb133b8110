//! Charsets: what is no UTF-8 is read as what its label says, if that is ASCII, or by nobody.

use super::{ADMIN, Case, FORM, JSON, Scene, USER, passes, stopped};

fn utf16(text: &str, big: bool, bom: bool) -> Vec<u8> {
    let unit = |unit: u16| if big { unit.to_be_bytes() } else { unit.to_le_bytes() };
    let mark = bom.then_some(0xfeff);
    mark.into_iter().chain(text.encode_utf16()).flat_map(unit).collect()
}

fn utf32(text: &str, big: bool, bom: bool) -> Vec<u8> {
    let unit = |c: u32| if big { c.to_be_bytes() } else { c.to_le_bytes() };
    let mark = bom.then_some(0xfeff_u32);
    mark.into_iter().chain(text.chars().map(u32::from)).flat_map(unit).collect()
}

/// UTF-7 of what stands between the braces, quotes included (RFC 2152).
const UTF7: &str = "+AHsAIgByAG8AbABlACIAOgAiAGEAZABtAGkAbgAiAH0-";
/// EBCDIC (code page 1047) of [`ADMIN`].
const EBCDIC: &[u8] = b"\xc0\x7f\x99\x96\x93\x85\x7f\x7a\x40\x7f\x81\x84\x94\x89\x95\x7f\xd0";

fn typed(name: &str, kind: &str, body: impl AsRef<[u8]>) -> Case {
    stopped(name, "/users", kind, body)
}

fn fine(name: &str, kind: &str, body: impl AsRef<[u8]>) -> Case {
    passes(name, "/users", kind, body)
}

#[tokio::test]
async fn charsets() {
    let scene = Scene::new().await;
    let mut cases = Vec::new();
    for (big, bom) in [(false, false), (false, true), (true, false), (true, true)] {
        for label in ["", "; charset=utf-16", "; charset=utf-16le", "; charset=UTF-16BE", "; charset=utf-8"] {
            let kind = format!("{JSON}{label}");
            let name = |width| format!("UTF-{width} big {big} bom {bom}{label}");
            cases.push(typed(&name(16), &kind, utf16(ADMIN, big, bom)));
            cases.push(typed(&name(32), &kind, utf32(ADMIN, big, bom)));
            cases.push(typed(
                &format!("form {}", name(16)),
                &format!("{FORM}{label}"),
                utf16("role=admin", big, bom),
            ));
        }
        cases.push(stopped("text in UTF-16", "/text", "text/plain", utf16("drop table x", big, bom)));
        cases.push(typed("UTF-16 without a type", "", utf16(ADMIN, big, bom)));
        cases.push(typed("UTF-16 as text", "text/plain", utf16(ADMIN, big, bom)));
    }
    for label in [
        "utf-16",
        "UTF16",
        "ucs-2",
        "utf-32",
        "utf-7",
        "unicode-1-1-utf-7",
        "ibm037",
        "cp1047",
        "ebcdic-cp-us",
        "shift_jis",
        "iso-2022-jp",
        "hz-gb-2312",
        "gbk",
        "big5",
        "euc-jp",
        "x-user-defined",
        "unknown",
        "none",
        "utf-8-mac",
        "cesu-8",
        "utf-1",
        "scsu",
        "bocu-1",
        "'utf-16'",
    ] {
        for charset in [
            format!("charset={label}"),
            format!("Charset=\"{label}\""),
            format!("charset=utf-8; charset={label}"),
            format!("charset={label}; charset=utf-8"),
        ] {
            cases.push(typed(&charset, &format!("{JSON}; {charset}"), USER));
            cases.push(typed(&charset, &format!("{FORM};{charset}"), "role=user"));
        }
    }
    cases.extend([
        typed("UTF-7", "application/json; charset=utf-7", UTF7),
        typed("EBCDIC", JSON, EBCDIC),
        typed("EBCDIC, labelled", "application/json; charset=ibm1047", EBCDIC),
        typed("a charset by RFC 2231", "application/json; charset*=utf-8''utf-16", USER),
        typed("a charset in pieces", "application/json; charset*0=utf-; charset*1=16", USER),
        typed("an escaped charset", "application/json; charset=\"utf\\-16\"", USER),
        typed("a charset behind a quote", "application/json; x=\"a; charset=utf-8\"; charset=utf-16", USER),
        typed("a charset in an open quote", "application/json; charset=\"utf-16", USER),
        typed(
            "a charset in a list",
            "application/json; charset=utf-8, application/json; charset=utf-16",
            USER,
        ),
        typed(
            "Latin-1 with high bytes",
            "application/json; charset=iso-8859-1",
            b"{\"a\":\"\xe4\",\"role\":\"admin\"}",
        ),
        typed("Latin-1 of a harmless one", "application/json; charset=latin1", b"{\"a\":\"\xe4\"}"),
        typed("Latin-1 without a label", JSON, b"{\"a\":\"\xe4\",\"role\":\"admin\"}"),
        typed("Latin-1 labelled ASCII", "application/json; charset=us-ascii", b"{\"a\":\"\xe4\"}"),
        typed("Latin-1, ASCII alone", "application/json; charset=iso-8859-1", ADMIN),
        typed("windows-1252, ASCII alone", "application/json; charset=\"Windows-1252\"", ADMIN),
        typed("us-ascii", "application/json; charset=us-ascii", ADMIN),
        typed("UTF-8 in another case", "application/json;CHARSET=Utf-8", ADMIN),
        typed("UTF-8 with a mark", JSON, [b"\xef\xbb\xbf", ADMIN.as_bytes()].concat()),
        typed("two marks", JSON, [b"\xef\xbb\xbf\xef\xbb\xbf", ADMIN.as_bytes()].concat()),
        typed("a mark behind a blank", JSON, [b" \xef\xbb\xbf", ADMIN.as_bytes()].concat()),
        typed("a mark at the end", JSON, [ADMIN.as_bytes(), b"\xef\xbb\xbf"].concat()),
        typed("an overlong letter in a key", JSON, b"{\"r\xc1\xafle\":\"admin\"}"),
        typed("an overlong quote", JSON, b"{\"a\":\"\xc0\xa2,\"role\":\"admin\"}"),
        typed("a lost byte in a key", JSON, b"{\"ro\xffle\":\"admin\"}"),
        typed("a lost byte in a value", JSON, b"{\"role\":\"ad\xffmin\"}"),
        typed("a cut-off sequence", JSON, b"{\"role\":\"admin\xe2\x82\"}"),
        typed("surrogates in UTF-8", JSON, b"{\"role\":\"admin\",\"a\":\"\xed\xa0\x80\"}"),
        typed("beyond Unicode", JSON, b"{\"role\":\"admin\",\"a\":\"\xf5\x80\x80\x80\"}"),
        typed("NUL at the end", JSON, [ADMIN.as_bytes(), b"\0"].concat()),
        typed("NUL in front", JSON, [b"\0", ADMIN.as_bytes()].concat()),
        typed("NUL within", JSON, b"{\"ro\0le\":\"admin\"}"),
        typed("a form with a mark", FORM, b"\xef\xbb\xbfrole=admin"),
        typed("a form with a lost byte in a name", FORM, "ro%FFle=admin"),
        typed("a form with a lost byte in a value", FORM, "role=adm%FFin"),
        typed("a form with an overlong letter", FORM, "r%C1%AFle=admin"),
        typed("a form that names its charset", FORM, "_charset_=utf-16&x=1"),
        typed("a form that names UTF-7", FORM, "_charset_=utf-7&%2BAHI-ole=admin"),
        stopped("text in Latin-1", "/text", "text/plain; charset=iso-8859-1", b"\xe4 drop table"),
        stopped("text with a lost byte", "/text", "text/plain", b"drop\xff table"),
        stopped("an expression in UTF-16", "/cel", JSON, utf16(ADMIN, false, true)),
        fine("benign: utf-8", "application/json; charset=utf-8", USER),
        fine("benign: UTF-8", "application/json;charset=UTF-8", USER),
        fine("benign: quoted", "application/json; charset=\"utf-8\"", USER),
        fine("benign: Utf-8 and a stop", "application/json; Charset=Utf-8;", USER),
        fine("benign: utf8", "application/json; charset=utf8", USER),
        fine("benign: us-ascii", "text/plain; charset=us-ascii", USER),
        fine("benign: Latin-1, ASCII alone", "application/json; charset=ISO-8859-1", USER),
        fine("benign: windows-1252, ASCII alone", "text/plain; charset=windows-1252", USER),
        fine(
            "benign: a form in Latin-1, ASCII alone",
            "application/x-www-form-urlencoded; charset=iso-8859-1",
            "a=b",
        ),
        fine(
            "benign: a form in UTF-8",
            "application/x-www-form-urlencoded; charset=UTF-8",
            "a=%C3%A4&role=user",
        ),
        fine("benign: a form with Latin-1 in a value", FORM, "name=J%F6rg&role=user"),
        fine("benign: a mark", JSON, [b"\xef\xbb\xbf", USER.as_bytes()].concat()),
        fine("benign: all of Unicode", JSON, "{\"name\": \"Zoë 李雷 🚀 \u{202e} ﷽\", \"role\": \"user\"}"),
        fine("benign: another parameter", "application/json; profile=\"https://acme.test/v1\"", USER),
        fine("benign: a word for a parameter", "application/json; utf-8", USER),
        fine("benign: a version", "application/vnd.acme+json;version=2", USER),
        passes("benign: text with umlauts", "/text", "text/plain; charset=utf-8", "Tabelle löschen?"),
        passes(
            "benign: no rule minds UTF-16",
            "/echo",
            "application/json; charset=utf-16",
            utf16(ADMIN, true, true),
        ),
    ]);
    scene.judge(cases).await;
}
