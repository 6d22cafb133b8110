//! A thousand rules in two shapes: spread over two hundred hosts, and all on one.

use std::fmt::Write as _;

/// Five rules on each of two hundred hosts, as packs have them.
pub(crate) fn spread() -> String {
    let mut text = String::from("pack: spread\nrules:\n");
    for host in 0..200 {
        for (at, when) in [
            "method: DELETE, path: \"/repos/{owner}/{repo}\"",
            "method: [POST, PUT], path: \"/repos/{owner}/{repo}/keys/**\"",
            "method: POST, path: \"/orgs/{org}/members\", query: { force: \"true\" }",
            "method: POST, path: /v1/refunds, body: { amount: { gt: 10000 } }",
            "path: \"/admin/**\", header: { x-mode: write }",
        ]
        .iter()
        .enumerate()
        {
            let _ = writeln!(
                text,
                "- {{ id: h{host}-r{at}, verdict: hold, when: {{ host: api{host}.test, {when} }} }}"
            );
        }
    }
    text
}

/// A thousand rules on `api0.test`, which differ in path or method.
pub(crate) fn one_host() -> String {
    let mut text = String::from("pack: one\nrules:\n");
    for at in 0..1000 {
        let path = match at % 4 {
            0 => format!("/v1/resource{at}/{{id}}"),
            1 => format!("/v1/{{tenant}}/resource{at}"),
            2 => format!("/v2/{{tenant}}:act{at}"),
            _ => format!("/v3/area{at}/**"),
        };
        let method = match at / 4 % 4 {
            0 => "DELETE",
            1 => "POST",
            2 => "[PUT, PATCH]",
            _ => "{ not: GET }",
        };
        let _ = writeln!(
            text,
            "- {{ id: r{at}, verdict: hold, when: {{ host: api0.test, method: {method}, path: \"{path}\" }} }}"
        );
    }
    text
}
