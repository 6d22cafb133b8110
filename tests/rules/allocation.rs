//! A request that passes on its head allocates nothing here, with a thousand rules loaded.

use crate::support::{Asking, asking_with, request};
use crate::thousand;
use holdpoint::decode::Body;
use holdpoint::request::Caller;
use holdpoint::rules::{Need, Settings};
use holdpoint::ruling::Verdict;

#[track_caller]
fn passes_without_allocating(asking: &Asking, line: &str) {
    let request = request(line, &[("accept", "*/*"), ("user-agent", "x"), ("authorization", "Bearer x")], "");
    let head = request.head();
    let caller = Caller { agent: &asking.agent, source: asking.source };
    let mut verdict = None;
    let allocations = allocation_counter::measure(|| {
        assert_eq!(asking.set.need(&head, &caller), Need::None);
        let ruling = asking.set.evaluate(&head, &caller, &Body::NotRead, asking.now, &asking.rates);
        verdict = Some(ruling.verdict);
    });
    assert_eq!(verdict, Some(Verdict::Pass), "{line}");
    assert_eq!(allocations.count_total, 0, "{line}");
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocation_counter::measure(|| drop(std::hint::black_box(vec![1]))).count_total, 1);
}

#[test]
fn passing_on_the_head_allocates_nothing() {
    let spread = asking_with(&[&thousand::spread()], &Settings::default());
    for line in [
        "GET https://api7.test/repos/acme/site/issues?state=open&page=2",
        "GET https://api199.test/",
        "GET https://api7.test/repos/acme/site",
        "GET https://api7.test/admin/x",
    ] {
        passes_without_allocating(&spread, line);
    }
    let one = asking_with(&[&thousand::one_host()], &Settings::default());
    for line in [
        "GET https://api0.test/v1/resource500/7",
        "GET https://api0.test/v1/acme/resource501",
        "GET https://api0.test/v2/acme:act502?page=3",
        "GET https://api0.test/v3/area503/a/b/c",
        "GET https://api0.test/elsewhere",
    ] {
        passes_without_allocating(&one, line);
    }
}
