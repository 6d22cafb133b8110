//! What an exchange costs its client, through the real binary: TLS on both sides, rules, record. `direct` is the
//! same request to the same origin without Holdpoint. All processes share the machine's cores, so compare within
//! one run only.

#[path = "../tests/support/mod.rs"]
mod support;

use criterion::{Criterion, criterion_group, criterion_main};
use std::fmt::Write as _;
use support::{Origin, Setup, TestAuthority, Wire};

fn exchange(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let (mut direct, mut passed, mut looked_into, _kept) = runtime.block_on(async {
        let authority = TestAuthority::new("Bench roots");
        let origin = Origin::tls_h1(&authority, &["api.test"]).await;
        let holdpoint = Setup::new()
            .trust(&authority)
            .origin("api.test:443", &origin)
            .rules(&a_thousand_rules())
            .start()
            .await;
        let direct = Wire::direct(origin.addr, "api.test", &authority.pem()).await;
        let passed = Wire::tunnel(holdpoint.listen, "api.test:443", &holdpoint.ca).await;
        let looked_into = Wire::tunnel(holdpoint.listen, "api.test:443", &holdpoint.ca).await;
        (direct, passed, looked_into, (origin, holdpoint))
    });
    let body = "x".repeat(1024);
    let plain = format!("POST /echo HTTP/1.1\r\nHost: api.test\r\nContent-Length: 1024\r\n\r\n{body}");
    let body = format!("{{\"amount\":5,\"note\":\"{}\"}}", "x".repeat(1000));
    let json = format!(
        "POST /looked HTTP/1.1\r\nHost: api.test\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    c.bench_function("exchange/direct", |b| {
        b.iter(|| runtime.block_on(async { assert_eq!(direct.ask(&plain).await.status, 200) }));
    });
    c.bench_function("exchange/passed on its head", |b| {
        b.iter(|| runtime.block_on(async { assert_eq!(passed.ask(&plain).await.status, 200) }));
    });
    c.bench_function("exchange/passed on its body", |b| {
        b.iter(|| runtime.block_on(async { assert_eq!(looked_into.ask(&json).await.status, 200) }));
    });
}

fn a_thousand_rules() -> String {
    let mut text = String::from(
        "pack: bench\nrules:\n  - { id: echo, when: { host: api.test, path: /echo }, verdict: pass, why: Measured. }\n  - { id: looked, when: { host: api.test, path: /looked, body: { amount: { lt: 10 } } }, verdict: pass, why: Measured. }\n  - { id: much, when: { host: api.test, path: /looked, body: { amount: { gte: 10 } } }, verdict: hold, why: Measured. }\n",
    );
    for n in 0..1000 {
        let _ = writeln!(
            text,
            "  - {{ id: r{n}, when: {{ host: api.test, method: DELETE, path: \"/things{n}/{{id}}\" }}, verdict: hold, why: It is gone then. }}"
        );
    }
    text
}

criterion_group!(benches, exchange);
criterion_main!(benches);
