//! What a verdict costs with a thousand rules: `need` and `evaluate` together, as the proxy asks them.
//!
//! `cargo bench --bench verdict`

#[path = "../tests/rules/thousand.rs"]
mod thousand;

use criterion::{Criterion, criterion_group, criterion_main};
use holdpoint::agent::Agent;
use holdpoint::decode::{self, Body, Limits};
use holdpoint::request::Caller;
use holdpoint::rules::sample::Sample;
use holdpoint::rules::{Need, Rates, RuleSet, Settings, Source};
use std::collections::BTreeMap;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};

fn compile(text: &str) -> RuleSet {
    let source = Source { name: "bench.yaml".into(), text: text.into() };
    RuleSet::compile(&[source], &Settings::default()).unwrap_or_else(|report| panic!("{report}"))
}

fn bench(criterion: &mut Criterion, name: &str, set: &RuleSet, line: &str, body: &str) {
    let mut sample = Sample::from_line(line).expect("two words");
    let fields = [("accept", "*/*"), ("content-type", "application/json"), ("user-agent", "bench/1.0")];
    sample.headers = fields.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    sample.body = body.as_bytes().to_vec();
    let request = sample.canonical().expect("a sound request");
    let agent = Agent { id: 1, name: "bench".into(), owners: Vec::new(), labels: BTreeMap::new() };
    let rates = Rates::default();
    let now = jiff::Timestamp::UNIX_EPOCH;
    criterion.bench_function(name, |bencher| {
        bencher.iter(|| {
            let head = black_box(&request).head();
            let caller = Caller { agent: &agent, source: IpAddr::V4(Ipv4Addr::LOCALHOST) };
            let body = match set.need(&head, &caller) {
                Need::None => Body::NotRead,
                Need::Body => decode::body(head.headers, &request.body, Limits::default()),
            };
            set.evaluate(&head, &caller, &body, now, &rates).verdict
        });
    });
}

fn verdicts(criterion: &mut Criterion) {
    let spread = compile(&thousand::spread());
    let path = "/repos/acme/site/issues?state=open&page=2";
    bench(criterion, "spread/pass on head", &spread, &format!("GET https://api7.test{path}"), "");
    bench(criterion, "spread/write on head", &spread, &format!("POST https://api7.test{path}"), "");
    bench(criterion, "spread/hold on head", &spread, "DELETE https://api7.test/repos/acme/site", "");
    bench(criterion, "spread/unknown host", &spread, "GET https://other.example.test/", "");
    let refund = r#"{"charge": "ch_3PqVw2eZvKYlo2C1", "amount": 2000, "reason": "requested_by_customer", "metadata": {"order": "6735", "agent": "refunds"}}"#;
    bench(criterion, "spread/small JSON body", &spread, "POST https://api7.test/v1/refunds", refund);
    let one = compile(&thousand::one_host());
    bench(criterion, "one host/literal path", &one, "GET https://api0.test/v1/resource500/7", "");
    bench(criterion, "one host/captured path", &one, "GET https://api0.test/v1/acme/resource501", "");
    bench(criterion, "one host/partial segment", &one, "GET https://api0.test/v2/acme:act502", "");
    bench(criterion, "one host/deep path", &one, "GET https://api0.test/v3/area503/a/b/c", "");
    bench(criterion, "one host/nothing", &one, "GET https://api0.test/elsewhere/entirely", "");
    let cel = compile(
        "pack: cel\nrules:\n- { id: r, verdict: hold, when: { host: a.test, \
         if: 'request.method == \"DELETE\" && request.path.startsWith(\"/v1/\")' } }\n",
    );
    bench(criterion, "CEL on head", &cel, "POST https://a.test/v1/refunds", "");
    let cel = compile(
        "pack: cel\nrules:\n- { id: r, verdict: hold, when: { host: a.test, if: 'request.body.amount > 10000' } }\n",
    );
    bench(criterion, "CEL on small JSON body", &cel, "POST https://a.test/v1/refunds", refund);
}

criterion_group!(benches, verdicts);
criterion_main!(benches);
