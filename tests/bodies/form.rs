//! Forms: names and values as the frameworks in use take them apart.

use super::{Case, FORM, JSON, Scene, passes, stopped};

fn form(name: &str, body: &str) -> Case {
    stopped(&format!("{name}: {body}"), "/users", FORM, body)
}

fn fine(name: &str, body: &str) -> Case {
    passes(&format!("benign, {name}: {body}"), "/users", FORM, body)
}

#[tokio::test]
async fn forms() {
    let scene = Scene::new().await;
    let mut cases = Vec::new();
    for body in [
        "role=admin",
        "a=1&role=admin",
        "role=admin&a=1",
        "&&role=admin&&",
        "role=user&role=admin",
        "role=admin&role=user",
        "role[]=admin",
        "role[]=user&role[]=admin",
        "role[0]=admin",
        "role[1]=admin",
        "role[key]=admin",
        "role%5B%5D=admin",
        "role%5b0%5d=admin",
        "[role]=admin",
        "[role][]=admin",
        "!role=admin",
        "role=%E2%80%8Badmin",
        "role=admin%EF%BB%BF",
        "Role=admin",
        "ROLE=admin",
        "%72ole=admin",
        "%72%6f%6C%65=admin",
        "role=%61dmin",
        "role=%61%64%6D%69%6e",
        "role=admin%00",
        "role=admin%00x",
        "role%00=admin",
        "role%00x=admin",
        "%00role=user&role=admin",
        "role.=admin",
        "role=admin+",
        "role=+admin",
        "+role=admin",
        "%20role=admin",
        "role+=admin",
        "role=admin%20",
        "role=admin%0a",
        "role=admin%0D%0A",
        "role=admin\r\n",
        "role=admin\n",
        "\nrole=admin",
        "a=1;role=admin",
        "role=admin;a=1",
        "a=1&amp;role=admin",
        "a=1\nrole=admin",
        "a=1\r\nrole=admin\r\n",
        "?role=admin",
        "%u0072ole=admin",
        "role=%u0061dmin",
        "%2572ole=admin",
        "role=%2561dmin",
        "role%ff=admin",
        "ro%ffle=admin",
        "role=ad%ffmin",
        "role=adm%C1%A9n",
        "r%C1%AFle=admin",
        "role=admin%EF%BB%BF&role=admin",
        "{\"role\":\"admin\"}",
        "{\"role\":\"admin\"}=",
        "{\"role\":\"admin\",\"a\":\"=\"}",
        "{role:'admin',a:'='}",
        "  {role:'admin',a:'='}",
        "[{role:'admin',a:'='}]",
        "_charset_=utf-7&a=b",
        "_charset_=utf-16&a=b",
        "_charset_=shift_jis&a=b",
        "role=user&Role=admin",
        "role=user&role[]=admin",
        "role=user;role=admin",
        "_role=admin",
        "role=&role=admin",
        "role&role=admin",
        "=x&role=admin",
        "a=b=c&role=admin",
        "%&role=admin",
        "%zz=1&role=admin",
    ] {
        cases.push(form("field", body));
    }
    for (name, target, kind, body) in [
        ("in the query and the body", "/users?role=admin", FORM, "role=user"),
        ("in the query alone", "/users?role=admin", FORM, "a=b"),
        ("in the query alone, encoded", "/users?%72ole=%61dmin", FORM, "a=b"),
        ("in the query alone, a list", "/users?role[]=admin", FORM, "a=b"),
        ("in the query alone, capitals", "/users?ROLE=admin", FORM, "a=b"),
        ("in the query behind a stop", "/users?a=1;role=admin", FORM, "a=b"),
        ("in the query, no body", "/users?role=admin", "", ""),
        ("in the query, of a JSON body", "/users?role=admin", JSON, "{}"),
        ("in the query, of parts", "/users?role=admin", "multipart/form-data; boundary=b", "--b--\r\n"),
        ("labelled JSON", "/users", JSON, "role=admin"),
        ("labelled text", "/users", "text/plain", "role=admin"),
        ("labelled text, lines", "/users", "text/plain", "a=1\r\nrole=admin\r\n"),
        ("without a label", "/users", "", "a=1&role=admin"),
        ("labelled bytes", "/users", "application/octet-stream", "a=1&role=admin"),
        ("labelled XML", "/users", "application/xml", "a=1&role=admin"),
        ("labelled parts", "/users", "multipart/form-data; boundary=b", "a=1&role=admin"),
        ("labelled in capitals", "/users", "APPLICATION/X-WWW-FORM-URLENCODED", "role=admin"),
        (
            "labelled with a charset",
            "/users",
            "application/x-www-form-urlencoded; charset=UTF-8",
            "role=admin",
        ),
        (
            "labelled with another",
            "/users",
            "application/x-www-form-urlencoded; charset=utf-16",
            "role=admin",
        ),
        ("labelled old", "/users", "application/www-form", "role=admin"),
        ("labelled misspelled", "/users", "x-www-form-urlencoded", "role=admin"),
        ("for a pointer", "/nested", FORM, "user[role]=admin"),
        ("for a pointer, encoded", "/nested", FORM, "user%5Brole%5D=admin"),
        ("for a pointer, dots", "/nested", FORM, "user.role=admin"),
        ("for a pointer, lists", "/nested", FORM, "user[][role]=admin"),
        ("for a pointer, places", "/nested", FORM, "user[0][role][]=admin"),
        ("for a pointer, brackets all", "/nested", FORM, "[user][role]=admin"),
        ("for a pointer, capitals", "/nested", FORM, "User[Role]=admin"),
        ("for a pointer, JSON in it", "/nested", FORM, "user={\"role\":\"admin\"}"),
        ("for a pointer, JSON in it, encoded", "/nested", FORM, "user=%7B%22role%22%3A%22admin%22%7D"),
        ("for a pointer, in the query", "/nested?user[role]=admin", FORM, "a=b"),
        ("a long one", "/users", FORM, &format!("{}role=admin", "a=1&".repeat(10_000))),
    ] {
        cases.push(stopped(name, target, kind, body));
    }
    for body in [
        "role=user",
        "a=1&b=2",
        "roles=admin",
        "user_role=admin",
        "note=role%3Dadmin",
        "note=role=admin",
        "role=administrator",
        "name=A+B%20C&mail=a%40b.test",
        "a=%C3%A4%F0%9F%9A%80",
        "q=100%",
        "q=%zz",
        "a[]=1&a[]=2",
        "a[b][c]=1",
        "user[role]=admin",
        "x=&y",
        "x",
        "admin=role",
        "role=",
        "a=b;c=d",
        "text=line%0D%0Aline",
        "json=%7B%22a%22%3A1%7D",
        "name=J%F6rg",
        "a=1&a=2",
        "_charset_=UTF-8&a=b",
        "data=aGVsbG8=",
        "url=https%3A%2F%2Facme.test%2F%3Frole%3Dadmin%26x%3D1",
    ] {
        cases.push(fine("field", body));
    }
    for (name, target, kind, body) in [
        ("benign: a pointer", "/nested", FORM, "user[name]=admin&role=admin&name[role]=admin"),
        ("benign: a pointer, a text", "/nested", FORM, "user=admin"),
        ("benign: the query", "/users?page=1&sort=role&q=admin", FORM, "a=b"),
        ("benign: a charset", "/users", "application/x-www-form-urlencoded;charset=utf-8", "a=b"),
        ("benign: no label", "/users", "", "a=b&c=d"),
        ("benign: text", "/users", "text/plain", "hello, world"),
        ("benign: curl -d with JSON", "/users", FORM, "{\"name\": \"Jo & Co\", \"n\": 1}"),
        ("benign: a long one", "/users", FORM, &"a=1&".repeat(10_000)),
        ("benign: another path", "/echo", FORM, "role=admin"),
    ] {
        cases.push(passes(name, target, kind, body));
    }
    scene.judge(cases).await;
}

/// A rule that passes is asked exactly: a second reading takes its pass away. (Here it passes all the same, since
/// nothing else matches; the ruling names what it rests on.)
#[tokio::test]
async fn a_pass_needs_one_reading() {
    let scene = Scene::with(|setup| {
        setup
            .set("/otherwise", serde_json::json!({ "read": "pass", "write": "deny", "unknown-host": "deny" }))
    })
    .await;
    scene
        .judge([
            passes("plain", "/strict", JSON, r#"{"role": "user"}"#),
            passes("a form", "/strict", FORM, "role=user&a=b"),
            stopped("twice", "/strict", JSON, r#"{"role": "user", "role": "admin"}"#),
            stopped("capitals", "/strict", JSON, r#"{"role": "user", "Role": "admin"}"#),
            stopped("a list", "/strict", JSON, r#"{"role": ["user", "admin"]}"#),
            stopped("the query", "/strict?role=admin", JSON, r#"{"role": "user"}"#),
            stopped("a form, twice", "/strict", FORM, "role=user&role=admin"),
            stopped("a form, a list", "/strict", FORM, "role=user&role[]=admin"),
            stopped("a form, the query", "/strict?role=admin", FORM, "role=user"),
            stopped("a form, a stop", "/strict", FORM, "role=user&a=1;role=admin"),
            stopped("lenient", "/strict", JSON, "{role: 'user'}"),
            stopped("YAML", "/strict", "application/yaml", r#"{"role": "user"}"#),
            stopped("no body", "/strict", "", ""),
        ])
        .await;
}
