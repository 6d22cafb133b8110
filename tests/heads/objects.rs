//! Object stores have `//` and `..` in the names of objects: what leaves is what came, and rules match every reading.

use super::Scene;

const RULES: &str = r#"
pack: objects
rules:
  - { id: protected, verdict: deny, why: x, when: { path: "/protected/**" } }
  - { id: delete, verdict: deny, why: x, when: { method: DELETE, path: "/bucket/locked/{key}" } }
  - { id: raw, verdict: deny, why: x, when: { host: "*.amazonaws.com", aws: { action: DeleteObject, bucket: bucket, key: "a/../*" } } }
"#;

const HOSTS: [&str; 4] = [
    "s3.eu-west-1.amazonaws.com",
    "bucket.s3.eu-west-1.amazonaws.com",
    "storage.googleapis.com",
    "acme.blob.core.windows.net",
];

fn request(host: &str, method: &str, target: &str) -> String {
    format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n\r\n")
}

#[tokio::test]
async fn names_of_objects_leave_as_they_came() {
    let mut scene = Scene::with(RULES, &HOSTS, |setup| setup).await;
    for host in HOSTS {
        for target in [
            "/bucket/a/../b",
            "/bucket//x",
            "/bucket/./x",
            "/bucket/%2e%2e/x",
            "/bucket/a%2fb",
            "/bucket/a%2Fb",
            "/bucket/%61bc",
            "/bucket/a/..",
            "/bucket/a/.",
            "/bucket/..",
            "/../x",
            "/bucket/a;b=c/d",
            "/bucket/a%5Cb",
            "/bucket/a%09b",
            "/bucket/a%25ffb",
            "/bucket/caf%c3%a9",
            "/bucket/a%3Fb%23c",
            "/bucket/a+b%20c",
            "/bucket/a/../b?versionId=x%2Fy",
            "/bucket?list-type=2&prefix=a%2F..%2Fb",
            "/bucket/unprotected/../x",
        ] {
            scene.passed_at(host, target, request(host, "PUT", target), "PUT", target).await;
        }
        // By path a bucket has a name: what the action would be, nobody can tell.
        if host != HOSTS[0] {
            scene.passed_at(host, "//x", request(host, "PUT", "//x"), "PUT", "//x").await;
        }
        for target in [
            "/protected/x",
            "/protected/../x",
            "/x/../protected/y",
            "/x/%2e%2e/protected/y",
            "//protected/y",
            "/%70rotected/y",
            "/protected%2fy",
            "/x/..%2fprotected/y",
            "/x/..;/protected/y",
            "/../protected/y",
            "/PROTECTED/y",
            "/%2570rotected/y",
        ] {
            scene.stopped_at(host, target, request(host, "PUT", target)).await;
        }
        for target in [
            "/bucket/locked/k",
            "/bucket/x/../locked/k",
            "/bucket//locked/k",
            "/bucket/locked/%6b",
            "/bucket/locked/k/",
        ] {
            scene.stopped_at(host, target, request(host, "DELETE", target)).await;
        }
    }
    // The name of the object is what the service sees, dots and all.
    let host = HOSTS[0];
    scene.stopped_at(host, "a raw key", request(host, "DELETE", "/bucket/a/../b")).await;
    scene.passed_at(host, "another key", request(host, "DELETE", "/bucket/b"), "DELETE", "/bucket/b").await;
    for bad in
        ["/bucket/a%00", "/bucket/a%0d%0ab", "/bucket/a b", "/bucket/a\\b", "/bucket/%zz", "/bucket/%ff"]
    {
        scene.stopped_at(host, bad, request(host, "PUT", bad)).await;
    }
    scene.end();
}

#[tokio::test]
async fn elsewhere_paths_are_made_canonical() {
    let mut scene =
        Scene::with(RULES, &["s3.amazonaws.com.evil.test", "iam.amazonaws.com"], |setup| setup).await;
    for host in ["s3.amazonaws.com.evil.test", "iam.amazonaws.com"] {
        scene.passed_at(host, "dots", request(host, "PUT", "/a/../b/%61"), "PUT", "/b/a").await;
    }
    scene.end();
}
