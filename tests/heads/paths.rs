//! Paths that are read as another one (RFC 3986 §5.2.4, §6.2.2).

use super::{Scene, request};

#[tokio::test]
async fn no_spelling_of_a_path_gets_by() {
    let mut scene = Scene::new().await;
    for (name, target) in DELETES {
        scene.stopped(name, request("DELETE", target, "", "")).await;
    }
    for (name, target) in BELOW_ADMIN {
        scene.stopped(name, request("GET", target, "", "")).await;
    }
    for target in
        ["/v1/x%3Apurge", "/v1/x%3apurge", "/v1/x%253Apurge", "/v1/x:p%75rge", "/v1/x:PURGE", "/v1/x:purge/"]
    {
        scene.stopped("a colon", request("POST", target, "", "")).await;
    }
    for target in [
        "/CAF%C3%89/x",
        "/caf%c3%a9/x",
        "/Caf%C3%A9/x",
        "/%63af%C3%A9/x",
        "/caf%25C3%25A9/x",
        "/cafe%CC%81/x",
    ] {
        scene.stopped("letters beyond ASCII", request("GET", target, "", "")).await;
    }
    for target in [
        "/repos/a?force=true",
        "/repos/a?FORCE=true",
        "/repos/a?forc%65=true",
        "/repos/a?force=%74rue",
        "/repos/a?force=false&force=true",
        "/repos/a?x=1;force=true",
        "/repos/a?force[]=true",
        "/repos/a%3Fforce=true",
        "/repos/a%3fforce%3Dtrue",
        "/repos/a%3Fx=1%26force=true",
        "/repos/a%253Fforce=true",
        "/repos/a%3Fx=1?force=true",
        "/repos/a;x?force=true",
    ] {
        scene.stopped("a query", request("GET", target, "", "")).await;
    }
    for target in [
        "/repos/a?[force]=true",
        "/repos/a?force]=true",
        "/repos/a?force[0]=true",
        "/repos/a?+force=true",
        "/repos/a?force%00=true",
        "/repos/a?force=true%20",
        "/repos/a?force=true%00",
        "/repos/a?force=%2574rue",
        "/users/42.json",
        "/users/42.xml/",
        "/index.php/users/42",
        "/index.php/users/42.json",
        "/index.php/admin/x",
        "/v2/x%3Adestroy/",
        "/v2/x:destroy/;a=b",
        "/v2/x:destroy%2F",
        "/v2/x:destroy.json",
    ] {
        scene.stopped(target, request("DELETE", target, "", "")).await;
    }
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    for method in ["POST", "DELETE", "GET"] {
        scene.stopped("a parameter in a form", request(method, "/repos/a", form, "x=1&force=true")).await;
    }
    for field in [
        "X-Original-URL: /admin/x",
        "X-Rewrite-URL: /admin/x",
        "x-original-url: /%61dmin/x",
        "X-Original-URL: https://api.test/admin/x",
        "X-Rewrite-Url: /public/..;/admin/x?y",
        "X-Original-URL: admin/x",
    ] {
        scene.stopped("a rewritten path", request("GET", "/public", &format!("{field}\r\n"), "")).await;
    }
    scene.end();
}

#[tokio::test]
async fn ordinary_paths_pass_as_they_are() {
    let mut scene = Scene::new().await;
    for target in UNCHANGED {
        scene.passed("unchanged", request("GET", target, "", ""), "GET", target).await;
    }
    for (target, canonical) in [
        ("/%61bc/%7Euser", "/abc/~user"),
        ("/a/./b", "/a/b"),
        ("/a/../b", "/b"),
        ("/a/b/..", "/a/"),
        ("/a%2fb", "/a%2Fb"),
        ("/th%c3%a9", "/th%C3%A9"),
        ("/admin/../public", "/public"),
        // What leaves has no dots in it, so that nobody can count `//` otherwise.
        ("/x//../users/42", "/x/users/42"),
        ("/a/%2f../../b", "/a/b"),
    ] {
        scene.passed("made canonical", request("GET", target, "", ""), "GET", canonical).await;
    }
    for (method, target) in [
        ("GET", "/users/42"),
        ("DELETE", "/users"),
        ("DELETE", "/users/42/keys"),
        ("DELETE", "/user/42"),
        ("GET", "/administrator"),
        ("GET", "/x/admin"),
        ("GET", "/a.json"),
        ("GET", "/index.php/a"),
        ("GET", "/repos/a?forced=true&q=caf\u{e9}"),
        ("DELETE", "/v2/x:destroyed"),
    ] {
        scene.passed("a near miss", request(method, target, "", ""), method, target).await;
    }
    scene.passed("rewritten", request("GET", "/a", "X-Original-URL: /b\r\n", ""), "GET", "/a").await;
    scene.end();
}

/// `DELETE /users/{id}`.
const DELETES: &[(&str, &str)] = &[
    ("as it is", "/users/42"),
    ("an encoded letter", "/%75sers/42"),
    ("all letters encoded", "/%75%73%65%72%73/42"),
    ("an encoded digit", "/users/%34%32"),
    ("lower-case digits of the encoding", "/users/%6a"),
    ("upper case", "/USERS/42"),
    ("mixed case", "/Users/42"),
    ("upper case, encoded", "/%55SERS/42"),
    ("a slash at the end", "/users/42/"),
    ("slashes at the end", "/users/42//"),
    ("a dot at the end", "/users/42/."),
    ("an encoded dot at the end", "/users/42/%2e"),
    ("up and out at the end", "/users/42/x/.."),
    ("up and out at the end, encoded", "/users/42/x/%2E%2e"),
    ("a dot segment", "/./users/42"),
    ("a dot segment within", "/users/./42"),
    ("an encoded dot segment", "/users/%2e/42"),
    ("dots", "/x/../users/42"),
    ("dots, twice", "/x/y/../../users/42"),
    ("encoded dots", "/x/%2e%2e/users/42"),
    ("half encoded dots", "/x/.%2e/users/42"),
    ("the other half", "/x/%2E./users/42"),
    ("dots within", "/users/x/../42"),
    ("two slashes in front", "//users/42"),
    ("three slashes in front", "///users/42"),
    ("two slashes within", "/users//42"),
    ("two slashes and a dot", "/users/.//42"),
    ("an encoded slash", "/users%2f42"),
    ("an encoded slash in front", "/%2fusers/42"),
    ("an encoded slash, upper case", "/users%2F42"),
    ("an encoded slash at the end", "/users/42%2f"),
    ("encoded twice: a slash", "/users%252f42"),
    ("encoded thrice: a slash", "/users%25252F42"),
    ("encoded four times: a slash", "/users%2525252F42"),
    ("an encoded backslash", "/users%5c42"),
    ("an encoded backslash, upper case", "/users%5C42"),
    ("encoded twice: a backslash", "/users%255c42"),
    ("a raw backslash", "/users\\42"),
    ("a backslash and dots", "/x\\..\\users/42"),
    ("encoded twice: a letter", "/%2575sers/42"),
    ("encoded thrice: a letter", "/%252575sers/42"),
    ("encoded twice: dots", "/x/%252e%252e/users/42"),
    ("encoded twice: dots and slashes", "/x%252f%252e%252e%252fusers%252f42"),
    ("dots behind an encoded slash", "/x/..%2fusers/42"),
    ("dots between encoded slashes", "/x%2f..%2fusers/42"),
    ("dots before a backslash", "/x/..%5cusers/42"),
    ("dots within encoded slashes", "/users/x%2f..%2f42"),
    ("dots, encoded, within encoded slashes", "/users/x/%2e%2e%2f42"),
    ("parameters", "/users;v=1/42"),
    ("parameters at the end", "/users/42;jsessionid=1"),
    ("an empty parameter", "/users;/42"),
    ("parameters everywhere", "/users;a;b=c/42;d"),
    ("an encoded semicolon", "/users%3bv=1/42"),
    ("an encoded semicolon at the end", "/users/42%3B"),
    ("encoded twice: a semicolon", "/users%253bx/42"),
    ("dots with parameters", "/x/..;/users/42"),
    ("dots with a value", "/x/..;a=b/users/42"),
    ("a dot with parameters", "/.;/users/42"),
    ("slashes and dots with parameters", "/x//..;/users/42"),
    ("dots with an encoded semicolon", "/x/..%3b/users/42"),
    ("dots with parameters, encoded", "/x/%2e%2e;/users/42"),
    ("a parameter before an encoded slash", "/users;x%2f/42"),
    ("a trailing dot", "/users./42"),
    ("trailing dots", "/users.../42"),
    ("a trailing dot at the end", "/users/42."),
    ("a trailing blank", "/users%20/42"),
    ("a trailing tab", "/users%09/42"),
    ("a leading blank", "/%20users/42"),
    ("a dot and a blank", "/users.%20/42"),
    ("dots and a blank", "/x/..%20/users/42"),
    ("an encoded NUL", "/users%00/42"),
    ("an encoded NUL at the end", "/users/42%00.png"),
    ("encoded twice: NUL", "/users%2500/42"),
    ("an encoded line break", "/users%0d%0a/42"),
    ("an encoded line feed", "/users/42%0a"),
    ("a bell", "/users%07/42"),
    ("a deletion", "/users%7f/42"),
    ("an encoded question mark", "/users/42%3fx=1"),
    ("encoded twice: a question mark", "/users/42%253fx"),
    ("an encoded question mark and a slash", "/users/42%3f/x/y"),
    ("an encoded number sign", "/users/42%23x"),
    ("an encoded number sign and a path", "/users/42%23/keys"),
    ("a fragment", "/users/42#x"),
    ("a fragment with a path", "/users/42#/keys"),
    ("overlong: a slash", "/users%c0%af42"),
    ("overlong: three bytes", "/users%e0%80%af42"),
    ("overlong: dots", "/x/%c0%ae%c0%ae/users/42"),
    ("overlong: a letter", "/%c1%b5sers/42"),
    ("encoded twice: overlong", "/users%25c0%25af42"),
    ("no UTF-8", "/users%ff/42"),
    ("a byte of the upper half", "/users\u{ff}/42"),
    ("%u", "/users%u002f42"),
    ("%u, a letter", "/%u0075sers/42"),
    ("encoded twice: %u", "/%25u0075sers/42"),
    ("half an encoding", "/users/42%"),
    ("half an encoding within", "/users%/42"),
    ("no hexadecimal digits", "/users/%zz42"),
    ("percent percent", "/%%37%35sers/42"),
    ("full-width letters", "/%EF%BD%95sers/42"),
    ("all full-width", "/%ef%bd%95%ef%bd%93%ef%bd%85%ef%bd%92%ef%bd%93/42"),
    ("a full-width slash", "/users%EF%BC%8F42"),
    ("full-width dots", "/x/%EF%BC%8E%EF%BC%8E/users/42"),
    ("a two-dot leader", "/x/%E2%80%A5/users/42"),
    ("a division slash", "/users%E2%88%9542"),
    ("a fraction slash", "/users%E2%81%8442"),
    ("a set minus", "/users%E2%88%9642"),
    ("a long s", "/u%C5%BFers/42"),
    ("a zero-width space", "/us%E2%80%8Bers/42"),
    ("a soft hyphen", "/us%C2%ADers/42"),
    ("a byte order mark", "/%EF%BB%BFusers/42"),
    ("a no-break space", "/users%C2%A0/42"),
    ("an ideographic space", "/users%E3%80%80/42"),
    ("a full-width percent sign", "/%EF%BC%8575sers/42"),
    ("a tab in the target", "/users/42\t"),
    ("a blank in the target", "/users/4 2"),
    ("above the root", "/../users/42"),
    ("far above the root", "/x/../../users/42"),
    ("above the root, encoded", "/%2e%2e/users/42"),
    ("above the root, behind a slash", "/..%2fusers/42"),
    ("no slash in front", "users/42"),
    ("a URL", "https://api.test/users/42"),
    ("a URL with dots", "https://api.test/x/../users/42"),
    ("a URL with upper case", "HTTPS://API.TEST/users/42"),
    ("a URL with port", "https://api.test:443/%75sers/42"),
    ("a query", "/users/42?"),
    ("a query with a path", "/users/42?/../../public"),
    ("two question marks", "/users/42??x"),
    ("slashes in a query", "/users/42?x=//y"),
    ("everything at once", "//x;a/..%2f%2575sers;b//./42%20"),
];

/// `/admin/**`.
const BELOW_ADMIN: &[(&str, &str)] = &[
    ("the folder itself", "/admin"),
    ("the folder with a slash", "/admin/"),
    ("below", "/admin/x/y"),
    ("upper case", "/ADMIN/x"),
    ("a dotless i", "/adm%C4%B1n/x"),
    ("an I with a dot", "/adm%C4%B0n/x"),
    ("full-width", "/%EF%BD%81%EF%BD%84%EF%BD%8D%EF%BD%89%EF%BD%8E/x"),
    ("double struck", "/%F0%9D%95%92dmin/x"),
    ("circled", "/%E2%93%90dmin/x"),
    ("parameters and dots", "/public/..;/admin/"),
    ("parameters, dots, twice", "/public/x/..;/..;/admin/"),
    ("merged first", "/a//..;/admin"),
    ("a slash that is encoded", "/admin%2fx"),
    ("an encoded folder in a folder", "/x%2f..%2fadmin%2fy"),
    ("encoded and a backslash", "/x%2f..%5cadmin%2fy"),
    ("encoded twice and a backslash", "/x%252f..%255cadmin%252fy"),
    ("mixed encodings", "/x/%2e%252e/admin"),
    ("a blank and a parameter", "/admin%20;x/y"),
    ("a dot and a parameter", "/admin.;x/y"),
    ("cut by a query", "/admin%3f/x"),
    ("cut by a fragment", "/admin%23"),
    ("up from below", "/admin/x/../y"),
    ("a query only", "/admin?x=1"),
    ("nested encodings", "/%25%36%31dmin/x"),
    ("nested encodings of digits", "/%2%35%36%31dmin/x"),
];

const UNCHANGED: &[&str] = &[
    "/",
    "/a",
    "/a/",
    "/a/b/c",
    "/a//b",
    "/projects/group%2Fproject",
    "/projects/group%2Fproject/issues?state=opened&labels=a%2Cb",
    "/projects/group%252Fproject",
    "/a/x;v=1/y;w=2",
    "/a/b;c",
    "/files/my%20file.txt",
    "/files/100%25",
    "/files/a%25b",
    "/files/a+b",
    "/caf%C3%A8/%C3%BCber/%E6%97%A5%E6%9C%AC%E8%AA%9E",
    "/%F0%9F%98%80",
    "/a.b.c/v1.2.3",
    "/.well-known/openid-configuration",
    "/compare/main...feature",
    "/compare/v1..v2",
    "/a:b@c!d$e&f'g(h)i*j,k=l",
    "/a%3Ab%40c",
    "/~user/-_.",
    "/a/b?",
    "/a?x=1&y=2",
    "/a?x=%2F..%2Fadmin",
    "/a?next=/admin/x",
    "/a?url=https://other.test/admin?x=1",
    "/a?q=%0d%0a%00",
    "/a?q=a+b&q=%C3%A9",
    "/a?x=1;y=2",
    "/a?x[]=1&x[]=2",
    "/a?=&&=",
    "/a?_method=get",
    "/a?method=DELETE",
    "/repos/a?force=false",
    "/proxy/https%3A%2F%2Fother.test%2Fa%3Fb%3Dc%26d%23e",
    "/users/me%40other.test",
    "/users/42%2Fkeys",
    "/search/c%2B%2B",
    "/wiki/What_is_this%3F",
    "/tags/%23one",
    "/a%5Cb",
    "/v1/projects/p/locations/l/keys/k:encrypt",
    "/odata/Items(Id=1,Name='x')",
    "/a/%7B%7B/b",
    "/3Fa/%E3%81%82",
];
