//! The API of Kubernetes: verbs and resources as its own servers derive them, upgrades included.

use super::{Cases, gzip, request};

const HOST: &str = "k8s.test";
const RULES: &str = r#"
pack: calls
rules:
  - id: run-in-a-pod
    when: { host: k8s.test, k8s: { subresource: [exec, attach, portforward, proxy, ephemeralcontainers] } }
    verdict: hold
    why: The test says so.
  - id: read-secrets
    when: { host: k8s.test, k8s: { verb: [get, list, watch], resource: secrets, namespace: prod } }
    verdict: hold
    why: The test says so.
  - id: delete
    when: { host: k8s.test, k8s: { verb: [delete, deletecollection], resource: [pods, deployments, namespaces, nodes], dry-run: "false" } }
    verdict: hold
    why: The test says so.
  - id: tokens-and-bindings
    when:
      - { host: k8s.test, k8s: { verb: create, subresource: [token, eviction, binding, approval] } }
      - { host: k8s.test, k8s: { verb: [create, update, patch], group: rbac.authorization.k8s.io } }
      - { host: k8s.test, k8s: { verb: [update, patch], subresource: [scale, approval, status] } }
    verdict: hold
    why: The test says so.
  - id: for-good
    when: { host: k8s.test, k8s: { verb: [create, update, patch], resource: [serviceaccounts, configmaps, services], dry-run: "false" } }
    verdict: hold
    why: The test says so.
  - id: watch
    when: { host: k8s.test, k8s: { verb: watch, resource: events } }
    verdict: hold
    why: The test says so.
  - id: list
    when: { host: k8s.test, k8s: { verb: list, resource: leases } }
    verdict: hold
    why: The test says so.
  - id: old-proxy
    when: { host: k8s.test, k8s: { verb: proxy } }
    verdict: hold
    why: The test says so.
"#;

fn get(target: &str) -> (String, Vec<u8>) {
    request("GET", HOST, target, "", "")
}

fn send(method: &str, target: &str, body: &str) -> (String, Vec<u8>) {
    request(method, HOST, target, "Content-Type: application/json\r\n", body)
}

fn upgrade(method: &str, target: &str, protocol: &str, more: &str) -> (String, Vec<u8>) {
    let fields = format!("Connection: Upgrade\r\nUpgrade: {protocol}\r\n{more}");
    request(method, HOST, target, &fields, "")
}

#[tokio::test]
async fn calls() {
    let mut cases = Cases::default();
    let pod = "/api/v1/namespaces/prod/pods/web";
    let websocket = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: v5.channel.k8s.io\r\n";
    for subresource in ["exec?command=sh&stdin=true", "attach?stdin=true", "portforward?ports=80", "exec"] {
        let target = format!("{pod}/{subresource}");
        cases.stopped(format!("{subresource} by WebSocket"), upgrade("GET", &target, "websocket", websocket));
        cases.stopped(
            format!("{subresource} by SPDY"),
            upgrade("POST", &target, "SPDY/3.1", "X-Stream-Protocol-Version: v4.channel.k8s.io\r\n"),
        );
        cases.stopped(format!("{subresource} by GET"), get(&target));
        cases.stopped(format!("{subresource} by POST"), send("POST", &target, ""));
    }
    for target in [
        "/api/v1/namespaces/prod/pods/web/%65xec?command=sh",
        "/api/v1/namespaces/prod/pods/web/exec/",
        "/api/v1//namespaces/prod/pods/web/exec",
        "/api/v1/namespaces/prod/pods/x/../web/exec",
        "/API/v1/namespaces/prod/pods/web/exec",
        "/api/v1/namespaces/prod/pods/web/Exec",
        "/api/v1/namespaces/prod/pods/web/exec;a=b",
        "/api/v1/namespaces/prod/pods/web%2fexec",
        "/k8s/clusters/c-1/api/v1/namespaces/prod/pods/web/exec",
        "/v1/projects/p/locations/global/memberships/m/api/v1/namespaces/prod/pods/web/exec",
        "/api/v1/namespaces/prod/pods/web/proxy",
        "/api/v1/namespaces/prod/pods/web:80/proxy/admin",
        "/api/v1/namespaces/prod/services/https:web:443/proxy/x",
        "/api/v1/nodes/n1/proxy/exec/prod/web/c?command=sh",
        "/api/v1/nodes/n1/proxy",
        "/apis/subresources.kubevirt.io/v1/namespaces/prod/virtualmachineinstances/vm/portforward/22",
    ] {
        cases.stopped(target, get(target));
    }
    cases.stopped("an old proxy", get("/api/v1/proxy/namespaces/prod/services/web/x"));
    cases.stopped("an old proxy of a node", get("/api/v1/proxy/nodes/n1/x"));
    cases.stopped("a debug container", send("PATCH", &format!("{pod}/ephemeralcontainers"), "{}"));
    // ---- secrets
    for target in [
        "/api/v1/namespaces/prod/secrets/db",
        "/api/v1/namespaces/prod/secrets",
        "/api/v1/namespaces/prod/secrets?watch=1",
        "/api/v1/namespaces/prod/secrets?watch",
        "/api/v1/namespaces/prod/secrets/db?watch=true",
        "/api/v1/watch/namespaces/prod/secrets",
        "/api/v1/watch/namespaces/prod/secrets/db",
        "/api/v1/watch/secrets",
        "/api/v1/secrets",
        "/api/v1/secrets?fieldSelector=metadata.namespace%3Dprod",
        "/api/v1/namespaces/prod/%73ecrets/db",
        "/api/v1/namespaces/%70rod/secrets/db",
        "/api/v1/namespaces/prod/Secrets/db",
        "/api/v1/namespaces//prod/secrets",
        "/api/v1/namespaces/prod/secrets/",
        "/api/v1/namespaces/dev/../prod/secrets/db",
    ] {
        cases.stopped(target, get(target));
    }
    cases.stopped("HEAD", request("HEAD", HOST, "/api/v1/namespaces/prod/secrets/db", "", ""));
    // ---- delete, and what looks like a trial
    cases.stopped("delete", send("DELETE", pod, ""));
    cases.stopped("delete of all", send("DELETE", "/api/v1/namespaces/prod/pods?labelSelector=a%3Db", ""));
    cases.stopped("delete of a namespace", send("DELETE", "/api/v1/namespaces/prod", ""));
    cases.stopped(
        "delete of a deployment",
        send("DELETE", "/apis/apps/v1/namespaces/prod/deployments/web", "{}"),
    );
    cases.stopped("a trial that the body takes back", send("DELETE", &format!("{pod}?dryRun=All"), "{}"));
    cases.stopped(
        "a trial that the body takes back in a list",
        send("DELETE", &format!("{pod}?dryRun=All"), r#"{"dryRun":[]}"#),
    );
    cases.stopped("a trial twice in the body", send("DELETE", pod, r#"{"dryRun":["All"],"dryRun":[]}"#));
    cases.stopped("a trial of no kind", send("DELETE", &format!("{pod}?dryRun=Some"), ""));
    cases.stopped("a trial and none", send("DELETE", &format!("{pod}?dryRun=All&dryRun="), ""));
    cases.stopped("a trial in other letters", send("DELETE", &format!("{pod}?dryrun=All"), ""));
    cases.stopped(
        "a trial in protobuf",
        request("DELETE", HOST, pod, "Content-Type: application/vnd.kubernetes.protobuf\r\n", b"k8s\0\xff"),
    );
    cases.stopped(
        "a packed body",
        request("DELETE", HOST, &format!("{pod}?dryRun=All"), "Content-Encoding: gzip\r\n", gzip(b"{}")),
    );
    cases.stopped(
        "a trial in YAML",
        request("DELETE", HOST, pod, "Content-Type: application/yaml\r\n", "dryRun: [All]\n"),
    );
    cases.stopped("an override", request("POST", HOST, pod, "X-HTTP-Method-Override: DELETE\r\n", ""));
    let dev = "/api/v1/namespaces/dev";
    cases.stopped(
        "a token for a trial",
        send("POST", &format!("{dev}/serviceaccounts/a/token?dryRun=All"), "{}"),
    );
    cases.stopped(
        "a trial of what nobody knows",
        send("POST", &format!("{dev}/configmaps/a/explode?dryRun=All"), "{}"),
    );
    cases.stopped(
        "a trial through a proxy",
        send("PUT", &format!("{dev}/services/a/proxy/x?dryRun=All"), "{}"),
    );
    cases.stopped("a map for good", send("POST", &format!("{dev}/configmaps"), "{}"));
    for query in
        ["watch=1", "watch", "watch=f", "watch=1&watch=0", "watch=0&watch=1", "watch=0&watch=0&watch=true"]
    {
        cases.stopped(format!("events, {query}"), get(&format!("{dev}/events?{query}")));
    }
    for query in ["watch=0", "watch=false", "watch=1&watch=0", "watch=0&watch=1"] {
        let target = format!("/apis/coordination.k8s.io/v1/namespaces/dev/leases?{query}");
        cases.stopped(format!("leases, {query}"), get(&target));
    }
    // ---- permissions
    cases.stopped("a token", send("POST", "/api/v1/namespaces/prod/serviceaccounts/a/token", "{}"));
    cases.stopped("an eviction", send("POST", &format!("{pod}/eviction"), "{}"));
    cases.stopped("a binding of a pod", send("POST", &format!("{pod}/binding"), "{}"));
    cases.stopped(
        "a role binding",
        send("POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", "{}"),
    );
    cases
        .stopped("a role", send("PATCH", "/apis/RBAC.authorization.k8s.io/v1/namespaces/prod/roles/r", "{}"));
    cases.stopped(
        "an approval",
        send("PUT", "/apis/certificates.k8s.io/v1/certificatesigningrequests/c/approval", "{}"),
    );
    cases.stopped("a scale", send("PATCH", "/apis/apps/v1/namespaces/prod/deployments/web/scale", "{}"));
    cases.stopped("a status", send("PUT", "/api/v1/namespaces/prod/status", "{}"));

    for (method, target, body) in [
        ("GET", "/api/v1/namespaces/prod/pods", ""),
        ("GET", "/api/v1/namespaces/prod/pods/exec", ""),
        ("GET", "/api/v1/namespaces/prod/pods/web/log?follow=true", ""),
        ("GET", "/api/v1/namespaces/prod/pods?watch=1", ""),
        ("GET", "/api/v1/namespaces/exec/pods", ""),
        ("GET", "/api/v1/namespaces/dev/secrets/db", ""),
        ("GET", "/api/v1/namespaces/prod/configmaps/secrets", ""),
        ("GET", "/api/v1/namespaces/secrets/pods/web", ""),
        ("GET", "/apis", ""),
        ("GET", "/version", ""),
        ("GET", "/apis/apps/v1", ""),
        ("GET", "/apis/apps/v1/namespaces/prod/deployments/web/scale", ""),
        ("GET", "/openapi/v3", ""),
        ("DELETE", "/api/v1/namespaces/prod/pods/web?dryRun=All", ""),
        ("DELETE", "/api/v1/namespaces/prod/pods/web", r#"{"dryRun":["All"]}"#),
        ("DELETE", "/api/v1/namespaces/prod/configmaps/a", ""),
        ("POST", "/api/v1/namespaces/prod/pods", r#"{"metadata":{"name":"delete"}}"#),
        ("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", "{}"),
        ("PATCH", "/apis/apps/v1/namespaces/prod/deployments/web", "{}"),
        ("PUT", "/api/v1/namespaces/prod/secrets/db", "{}"),
        ("GET", "/other/exec", ""),
        ("POST", "/api/v1/namespaces/dev/configmaps?dryRun=All", "{}"),
        ("PUT", "/api/v1/namespaces/dev/services/a?dryRun=All", "{}"),
        ("GET", "/api/v1/namespaces/dev/events?watch=0", ""),
        ("GET", "/api/v1/namespaces/dev/events?watch=false&watch=0", ""),
        ("GET", "/apis/coordination.k8s.io/v1/namespaces/dev/leases?watch=1&watch=true", ""),
        ("GET", "/apis/batch/v1", ""),
    ] {
        cases.passed(format!("{method} {target}"), send(method, target, body));
    }
    cases.run(RULES).await;
}
