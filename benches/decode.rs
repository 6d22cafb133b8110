//! Decoders, one request of usual size each. Goals, at p50: SQL 25 µs, GraphQL 15 µs, all others here 2 µs.

#![expect(clippy::unwrap_used, reason = "a bench may panic")]

use criterion::{Criterion, criterion_group, criterion_main};
use holdpoint::authority::Host;
use holdpoint::decode::grpc::Descriptors;
use holdpoint::decode::protocol::{PROTOCOLS, Request};
use holdpoint::decode::sql::{Dialect, statements};
use holdpoint::decode::{self, Body, Limits, aws, git, grpc, k8s};
use holdpoint::path::canonical;
use holdpoint::rules::sample::Sample;
use http::{HeaderMap, Method};
use std::hint::black_box;

/// What the binary runs with.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SQL: &str = "WITH recent AS (SELECT customer_id, sum(amount) AS total FROM prod.orders \
    WHERE created_at > now() - interval '30 days' GROUP BY customer_id) \
    SELECT c.id, c.name, r.total FROM prod.customers c JOIN recent r ON r.customer_id = c.id \
    WHERE c.country IN ('DE', 'FR') AND r.total > 1000 ORDER BY r.total DESC LIMIT 100";

const CALL: &str = r#"{"jsonrpc":"2.0","id":17,"method":"tools/call","params":{"name":"update_issue","arguments":{"owner":"acme","repo":"site","issue_number":42,"title":"Login fails on Safari","state":"open","labels":["bug","login"]},"_meta":{"progressToken":17}}}"#;

const DOCUMENT: &str = "query PullRequest($owner: String!, $repo: String!, $number: Int!) { \
    repository(owner: $owner, name: $repo) { pullRequest(number: $number) { ...details reviews(first: 10) { \
    nodes { author { login } state submittedAt } pageInfo { hasNextPage endCursor } } } } } \
    fragment details on PullRequest { id title state baseRefName headRefName additions deletions \
    author { login } labels(first: 20) { nodes { name color } } commits(last: 1) { nodes { commit { oid } } } }";

/// A JSON body to an address, and what one protocol makes of it: undoing codings and reading JSON included.
fn body_to_calls(c: &mut Criterion, name: &str, protocol: &str, url: &str, text: &str) {
    let sample = Sample {
        method: "POST".into(),
        url: url.into(),
        headers: vec![("content-type".into(), "application/json".into())],
        body: text.into(),
    };
    to_calls(c, name, protocol, &sample, &Descriptors::default());
}

fn to_calls(c: &mut Criterion, name: &str, protocol: &str, sample: &Sample, descriptors: &Descriptors) {
    let request = sample.canonical().unwrap();
    let protocol = PROTOCOLS.iter().find(|known| known.name == protocol).unwrap();
    c.bench_function(name, |b| {
        b.iter(|| {
            let body = decode::body(&request.headers, black_box(&request.body), Limits::default());
            (protocol.read)(&Request { head: &request.head(), body: &body, descriptors }).unwrap().calls.len()
        });
    });
}

fn decoders(c: &mut Criterion) {
    body_to_calls(c, "rpc", "rpc", "https://mcp.acme.test/mcp", CALL);
    let variables = serde_json::json!({ "owner": "acme", "repo": "site", "number": 42 });
    let query =
        serde_json::json!({ "query": DOCUMENT, "operationName": "PullRequest", "variables": variables });
    body_to_calls(c, "graphql", "graphql", "https://api.acme.test/graphql", &query.to_string());

    c.bench_function("sql/postgres", |b| b.iter(|| statements(black_box(SQL), Dialect::Postgres)));
    c.bench_function("sql/snowflake", |b| b.iter(|| statements(black_box(SQL), Dialect::Snowflake)));
    c.bench_function("sql/point-read", |b| {
        b.iter(|| statements(black_box("SELECT * FROM users WHERE id = 7"), Dialect::Postgres));
    });

    let (old, new) = ("ab".repeat(20), "cd".repeat(20));
    let line = format!("{old} {new} refs/heads/main\0 report-status-v2 side-band-64k agent=git/2.47.1");
    let push = format!("{:04x}{line}0000PACK", line.len() + 4);
    c.bench_function("git/push", |b| {
        b.iter(|| git::GitPush::read("acme/site", black_box(push.as_bytes())).unwrap());
    });

    let path = "/apis/apps/v1/namespaces/prod/deployments/web/scale";
    c.bench_function("k8s", |b| {
        b.iter(|| k8s::call(&Method::PATCH, black_box(path), Some("fieldManager=x"), &Body::Empty));
    });

    let mut headers = HeaderMap::new();
    headers.insert("content-type", "application/grpc".parse().unwrap());
    c.bench_function("path+host/plain", |b| {
        b.iter(|| {
            let target = canonical(black_box("/repos/acme/site/issues/42/comments?per_page=100")).unwrap();
            (target.readings.len(), Host::parse(black_box("api.github.com")).unwrap())
        });
    });
    c.bench_function("path/encoded", |b| {
        b.iter(|| canonical(black_box("/api/v4/projects/group%2Fproject/issues")).unwrap().readings.len());
    });

    let path = "/google.pubsub.v1.Publisher/DeleteTopic";
    c.bench_function("grpc", |b| b.iter(|| grpc::call(black_box(&headers), black_box(path))));

    // A user, a role, an amount, three tags and an account, of the descriptor set of the tests.
    let message = b"\x0a\x03ada\x10\x02\x18\x64\x32\x01a\x32\x01b\x32\x01c\x52\x09\x0a\x04acme\x10\xe8\x07";
    let sample = Sample {
        method: "POST".into(),
        url: "https://api.acme.test/acme.v1.Users/SetRole".into(),
        headers: vec![("content-type".into(), "application/grpc".into())],
        body: [&[0, 0, 0, 0, u8::try_from(message.len()).unwrap()][..], message].concat(),
    };
    let mut descriptors = Descriptors::default();
    descriptors.add(include_bytes!("../tests/grpc/acme.pb")).unwrap();
    to_calls(c, "grpc/message", "grpc", &sample, &descriptors);

    c.bench_function("aws/service", |b| {
        b.iter(|| aws::service_of(black_box("dynamodb.eu-west-1.amazonaws.com")));
    });
}

criterion_group!(benches, decoders);
criterion_main!(benches);
