//! Forms in parts: read in the one way in which all readers agree, or not at all.

use super::{Case, Scene, passes, stopped};

const TYPE: &str = "multipart/form-data; boundary=b";

fn part(head: &str, content: &str) -> String {
    format!("--b\r\n{head}\r\n\r\n{content}\r\n")
}

fn field(name: &str, content: &str) -> String {
    part(&format!("Content-Disposition: form-data; name=\"{name}\""), content)
}

const END: &str = "--b--\r\n";

fn parts(name: &str, body: impl AsRef<[u8]>) -> Case {
    stopped(name, "/users", TYPE, body)
}

fn typed(name: &str, kind: &str, body: &str) -> Case {
    stopped(name, "/users", kind, body)
}

fn fine(name: &str, body: impl AsRef<[u8]>) -> Case {
    passes(name, "/users", TYPE, body)
}

fn disposition(name: &str, disposition: &str) -> Case {
    parts(name, part(&format!("Content-Disposition: {disposition}"), "admin") + END)
}

#[tokio::test]
async fn in_parts() {
    let scene = Scene::new().await;
    let admin = field("role", "admin") + END;
    let user = field("role", "user") + END;
    let hidden = "Content-Disposition: form-data; name=\"role\"";
    let binary = |name: &str, bytes: &[u8]| {
        let head = format!(
            "--b\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"a.png\"\r\nContent-Type: image/png\r\n\r\n"
        );
        [head.as_bytes(), bytes, b"\r\n"].concat()
    };
    let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\xff\xfe role=admin \xc3\x28";
    scene
        .judge([
            parts("plain", &admin),
            parts("among others", field("a", "1") + &admin),
            parts("twice", field("role", "user") + &admin),
            parts("twice, first", field("role", "admin") + &user),
            parts("capitals", field("Role", "admin") + END),
            parts("a list", field("role[]", "admin") + END),
            parts("a place", field("role[0]", "admin") + END),
            parts("an encoded name", field("%72ole", "admin") + END),
            parts("NUL in the name", field("role\0", "admin") + END),
            parts("NUL in the value", field("role", "admin\0x") + END),
            parts("a blank behind the value", field("role", "admin ") + END),
            parts("a lost byte in the value", [field("role", "ad").trim_end().as_bytes(), b"\xffmin\r\n--b--\r\n"].concat()),
            parts("as a file", part("Content-Disposition: form-data; name=\"role\"; filename=\"x\"", "admin") + END),
            parts("a file of bytes of that name", [&binary("role", png)[..], END.as_bytes()].concat()),
            disposition("a token", "form-data; name=role"),
            disposition("blanks", "form-data ;  name = \"role\" "),
            disposition("capitals of the parameter", "form-data; NAME=\"role\""),
            disposition("capitals of the type", "Form-Data; name=\"role\""),
            disposition("another type", "attachment; name=\"role\""),
            disposition("no type", "name=\"role\""),
            disposition("single quotes", "form-data; name='role'"),
            disposition("an extended name", "form-data; name*=utf-8''role"),
            disposition("an extended name beside", "form-data; name=\"a\"; name*=utf-8''role"),
            disposition("a name in pieces", "form-data; name*0=ro; name*1=le"),
            disposition("two names", "form-data; name=\"a\"; name=\"role\""),
            disposition("two names, first", "form-data; name=\"role\"; name=\"a\""),
            disposition("an escaped name", "form-data; name=\"\\role\""),
            disposition("an escaped file name", "form-data; filename=\"a\\\"; name=\"role\"; x=\"\""),
            disposition("an escaped quote", "form-data; name=\"a\\\"; filename=\"; name=role"),
            disposition("an open quote", "form-data; name=\"role"),
            disposition("a quote that ends early", "form-data; name=\"a\"b; name=\"role\""),
            disposition("no semicolon", "form-data name=\"role\""),
            disposition("a comma", "form-data, name=\"role\""),
            disposition("an encoded word", "form-data; name=\"=?utf-8?Q?role?=\"").to("/users?role=admin"),
            disposition("folded", "form-data;\r\n name=\"role\""),
            disposition("folded by a tab", "form-data; name=\"a\";\r\n\tname=\"role\""),
            parts("a second disposition", part(&format!("Content-Disposition: form-data; name=\"a\"\r\n{hidden}"), "admin") + END),
            parts("a second one with a blank", part(&format!("Content-Disposition: form-data; name=\"a\"\r\n{}", hidden.replace(':', " :")), "admin") + END),
            parts("a second one behind a bare LF", part(&format!("X: 1\n{hidden}\r\nContent-Disposition: form-data; name=\"a\""), "admin") + END),
            parts("a second one behind a bare CR", part(&format!("X: 1\r{hidden}\r\nContent-Disposition: form-data; name=\"a\""), "admin") + END),
            parts("no disposition", part("Content-Type: text/plain; name=\"role\"", "admin") + END),
            parts("no head", format!("--b\r\n\r\nadmin\r\n{END}")),
            parts("Base64", part(&format!("{hidden}\r\nContent-Transfer-Encoding: base64"), "YWRtaW4=") + END),
            parts("quoted-printable", part(&format!("{hidden}\r\nContent-Transfer-Encoding: quoted-printable"), "=61dmin") + END),
            parts("gzip in a part", part(&format!("{hidden}\r\nContent-Encoding: gzip"), "admin") + END),
            parts("UTF-16 in a part", part(&format!("{hidden}\r\nContent-Type: text/plain; charset=utf-16"), "a\0d\0m\0i\0n\0") + END),
            parts("UTF-7 in a part", part(&format!("{hidden}\r\nContent-Type: text/plain; charset=utf-7"), "+AGE-dmin") + END),
            parts("the charset of all", field("_charset_", "utf-16") + &user),
            parts("the charset of all, UTF-7", field("_charset_", "utf-7") + &user),
            parts("parts in a part", part("Content-Disposition: form-data; name=\"a\"\r\nContent-Type: multipart/mixed; boundary=c", "--c\r\nContent-Disposition: form-data; name=\"role\"\r\n\r\nadmin\r\n--c--") + END),
            parts("a part of JSON", part("Content-Disposition: form-data; name=\"data\"\r\nContent-Type: application/json", r#"{"role": "admin"}"#) + END),
            parts("a file of JSON", part("Content-Disposition: form-data; name=\"data\"; filename=\"blob\"\r\nContent-Type: application/json", r#"{"r\u006fle": "admin"}"#) + END),
            parts("a part that is JSON", field("data", r#"{"role": "admin"}"#) + END),
            parts("a part of lenient JSON", part("Content-Disposition: form-data; name=\"data\"\r\nContent-Type: application/json", "{role: 'admin'}") + END),
            parts("a part of XML", part("Content-Disposition: form-data; name=\"data\"\r\nContent-Type: application/xml", "<role>admin</role>") + END),
            parts("something in front", format!("x\r\n{admin}")),
            parts("a line in front", format!("\r\n{admin}")),
            parts("something behind", format!("{admin}{admin}")),
            parts("a part behind the end", format!("{user}{}", field("role", "admin"))),
            parts("no end", field("role", "admin")),
            parts("an end of one dash", field("role", "admin") + "--b-\r\n"),
            parts("cut off", admin.trim_end_matches("--\r\n")),
            parts("only the end", format!("--b--\r\n{admin}")),
            parts("LF for CRLF", admin.replace("\r\n", "\n")),
            parts("CR for CRLF", admin.replace("\r\n", "\r")),
            parts("LF within", field("a", &format!("1\n--b\n{hidden}\n\nadmin")) + END),
            parts("CR within", field("a", &format!("1\r--b\r{hidden}\r\radmin")) + END),
            parts("a boundary within a line", field("a", &format!("1--b\r\n{hidden}\r\n\r\nadmin")) + END),
            parts("a boundary with a blank", admin.replacen("--b\r\n", "--b \r\n", 1)),
            parts("a boundary with a blank within", field("a", &format!("1\r\n--b \r\n{hidden}\r\n\r\nadmin")) + END),
            parts("a longer boundary", field("a", &format!("1\r\n--bb\r\n{hidden}\r\n\r\nadmin")) + END),
            parts("another boundary", admin.replace("--b", "--c")),
            typed("no boundary", "multipart/form-data", &admin),
            typed("an empty boundary", "multipart/form-data; boundary=", &admin),
            typed("two boundaries", "multipart/form-data; boundary=c; boundary=b", &admin),
            typed("two boundaries the other way", "multipart/form-data; boundary=b; boundary=c", &admin),
            typed("a boundary in capitals too", "multipart/form-data; boundary=c; BOUNDARY=b", &admin),
            typed("an extended boundary", "multipart/form-data; boundary*=utf-8''b", &admin),
            typed("an extended boundary beside", "multipart/form-data; boundary=c; boundary*=utf-8''b", &admin),
            typed("a boundary in pieces", "multipart/form-data; boundary*0=b", &admin),
            typed("an escaped boundary", "multipart/form-data; boundary=\"\\b\"", &admin),
            typed("a boundary in an open quote", "multipart/form-data; boundary=\"b", &admin),
            typed("a boundary with a blank behind", "multipart/form-data; boundary=\"b \"", &admin),
            typed("a boundary in single quotes", "multipart/form-data; boundary='b'", &admin),
            typed("a boundary with a comma", "multipart/form-data; boundary=c,b", &admin),
            typed("a boundary with a semicolon", "multipart/form-data; boundary=\"b;c\"", &admin),
            typed("a long boundary", &format!("multipart/form-data; boundary={}", "b".repeat(71)), &admin.replace("--b", &format!("--{}", "b".repeat(71)))),
            typed("quoted", "multipart/form-data; boundary=\"b\"", &admin),
            typed("in capitals", "Multipart/Form-Data; Boundary=b", &admin),
            typed("a blank before the sign", "multipart/form-data; boundary =b", &admin),
            typed("a charset", "multipart/form-data; charset=utf-16; boundary=b", &admin),
            typed("two types", "multipart/form-data; boundary=b, application/json", &admin),
            typed("mixed", "multipart/mixed; boundary=b", &admin),
            typed("related", "multipart/related; boundary=b", &admin),
            typed("alternative", "multipart/alternative; boundary=b", &admin),
            typed("mixed in Base64", "multipart/mixed; boundary=b", &(part(&format!("{}\r\nContent-Transfer-Encoding: base64", hidden.replace("role", "x")), "YWRtaW4=") + END)),
            typed("no label", "", &admin),
            typed("labelled JSON", "application/json", &admin),
            typed("labelled a form", "application/x-www-form-urlencoded", &admin).to("/users"),
            parts("JSON labelled so", r#"{"role": "admin"}"#),
            parts("a form labelled so", "role=admin"),
            parts("bytes beside", [&binary("file", png)[..], admin.as_bytes()].concat()),
            stopped("a pointer", "/nested", TYPE, field("user[role]", "admin") + END),
            stopped("a pointer into JSON", "/nested", TYPE, field("user", r#"{"role": "admin"}"#) + END),
            stopped("text in parts", "/text", TYPE, field("q", "drop table x") + END),
            stopped("text in JSON in parts", "/text", TYPE, field("q", r#"{"q": "dr\u006fp table"}"#) + END),
            typed("a blank in the boundary", "multipart/form-data; boundary=\" b\"", &admin),
            typed("another boundary before", "multipart/form-data; x-boundary=a; boundary=b", &user),
            typed("another boundary behind", "multipart/form-data; boundary=b; x-boundary=a", &user),
            typed("a boundary without a value", "multipart/form-data; boundary; x=a; boundary=b", &user),
            typed("a boundary that ends early", "multipart/form-data; boundary=b=x", &user.replace("--b", "--b=x")),
            typed("an encoded boundary", "multipart/form-data; boundary=\"=?UTF-8?B?YQ==?=\"", &user),
            disposition("an encoded word", "form-data; name=\"=?UTF-8?B?cm9sZQ==?=\""),
            disposition("a name within a value", "form-data; name=\"x\"; y=\"; name=role\""),
            disposition("an escaped quote in a file's name", "form-data; name=x; filename=\"a\\\"; name=role"),
            parts("the bare boundary", field("note", &format!("x\r\nb\r\n{hidden}\r\n\r\nadmin")) + END),
            fine("benign: a path of Windows", part("Content-Disposition: form-data; name=\"file\"; filename=\"C:\\a\\b.txt\"", "x") + END),
            fine("benign: a line before and behind", format!("\r\n{user}\r\n")),
            fine("benign: plain", &user),
            fine("benign: no field", END),
            fine("benign: no line behind the end", field("a", "1") + "--b--"),
            fine("benign: a longer name", field("roles", "admin") + END),
            fine("benign: in a text", field("note", "role=admin\r\nrole: admin") + END),
            fine("benign: an empty value", field("role", "") + END),
            fine("benign: an umlaut", field("name", "Jörg") + END),
            fine("benign: a text file", part("Content-Disposition: form-data; name=\"file\"; filename=\"a;b.txt\"\r\nContent-Type: text/plain; charset=utf-8", "role: admin\n") + END),
            fine("benign: an extended file name", part("Content-Disposition: form-data; name=\"file\"; filename=\"x\"; filename*=utf-8''%C3%A4", "x") + END),
            fine("benign: a picture", [&binary("file", png)[..], user.as_bytes()].concat()),
            fine("benign: zip in a part", [&binary("file", b"PK\x03\x04\0\0\0\xff")[..], END.as_bytes()].concat()),
            fine("benign: a JSON part", part("Content-Disposition: form-data; name=\"data\"\r\nContent-Type: application/json", r#"{"a": [1, "role"]}"#) + END),
            fine("benign: XML as a file", part("Content-Disposition: form-data; name=\"f\"; filename=\"a.svg\"\r\nContent-Type: image/svg+xml", "<svg role=\"img\"/>") + END),
            fine("benign: lengths and 8bit", part("Content-Disposition: form-data; name=\"a\"\r\nContent-Type: text/plain; charset=UTF-8\r\nContent-Transfer-Encoding: 8bit\r\nContent-Length: 1", "x") + END),
            fine("benign: binary as it is", part("Content-Transfer-Encoding: binary\r\nContent-Disposition: form-data; name=\"a\"", "x") + END),
            fine("benign: a token", part("Content-Disposition: form-data; name=a", "x") + END),
            fine("benign: dashes", field("a", "--\r\n----\r\n--c") + END),
            passes("benign: a browser's boundary", "/users", "multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW",
                user.replace("--b", "------WebKitFormBoundary7MA4YWxkTrZu0gW")),
            passes("benign: a quoted boundary", "/users", "multipart/form-data; boundary=\"=_a:b?c\"", user.replace("--b", "--=_a:b?c")),
            passes("benign: mixed", "/users", "multipart/mixed; boundary=b", part("Content-Type: text/plain", "hello") + END),
            passes("benign: related elsewhere", "/echo", "multipart/related; boundary=b", admin.clone()),
            passes("benign: nobody minds", "/echo", TYPE, admin.replace("\r\n", "\n")),
            passes("benign: a pointer", "/nested", TYPE, field("user[name]", "admin") + &field("user", "x") + END),
        ])
        .await;
}
