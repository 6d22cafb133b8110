//! What a grant covers, against a table of what must be the same.

use super::*;
use crate::approval::{Charter, Login};
use crate::hold::ShownField;
use crate::ruling::{MatchedField, ReviewPolicy, Risk};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// The parts of a request that could differ, each by a small number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Parts {
    agent: u8,
    initiator: u8,
    rule: u8,
    held_by: u8,
    method: u8,
    host: u8,
    path: u8,
    query: u8,
    field: u8,
    credential: u8,
    amount: u8,
    memo: u8,
    session: u8,
    /// What is never asked: trace, user agent.
    noise: u8,
}

const FIRST: Parts = Parts {
    agent: 0,
    initiator: 0,
    rule: 0,
    held_by: 0,
    method: 0,
    host: 0,
    path: 0,
    query: 0,
    field: 0,
    credential: 0,
    amount: 0,
    memo: 0,
    session: 0,
    noise: 0,
};

fn parts() -> impl Strategy<Value = Parts> {
    // Mostly the same, so that the interesting cases are met.
    let part = || prop_oneof![6 => Just(0_u8), 1 => Just(1_u8), 1 => Just(2_u8)];
    let left = (part(), part(), part(), part(), part(), part(), part());
    let right = (part(), part(), part(), part(), part(), part(), part());
    (left, right).prop_map(|((agent, initiator, rule, held_by, method, host, path), right)| {
        let (query, field, credential, amount, memo, session, noise) = right;
        Parts {
            agent,
            initiator,
            rule,
            held_by,
            method,
            host,
            path,
            query,
            field,
            credential,
            amount,
            memo,
            session,
            noise,
        }
    })
}

fn hold(parts: Parts) -> Hold {
    let Parts { agent, method, host, path, query, amount, memo, .. } = parts;
    let body = format!(r#"{{"amount": {amount}, "memo": "{memo}"}}"#);
    let field =
        |name: &str, value: String, redacted: bool| ShownField { name: name.to_owned(), value, redacted };
    let mut all = parts;
    all.noise = 0;
    let mut digest = [0; 32];
    digest.copy_from_slice(
        sha256_hex(
            format!("{:?}", Parts { session: 0, rule: 0, held_by: 0, initiator: 0, ..all }).as_bytes(),
        )
        .as_bytes()
        .get(..32)
        .unwrap(),
    );
    Hold {
        id: HoldId::from_random(1),
        version: 1,
        state: HoldState::Approved,
        digest: RequestDigest(digest),
        agent_id: i64::from(agent),
        agent: "ci".to_owned(),
        owners: vec![Person::local("alice")],
        initiator: (parts.initiator > 0).then(|| Person::local(&format!("p{}", parts.initiator))),
        grant: None,
        source: "127.0.0.1".to_owned(),
        request: ParkedRequest {
            method: format!("M{method}"),
            url: format!("https://h{host}.example/v1/{path}?page={query}"),
            host: format!("h{host}.example"),
            http_version: "HTTP/1.1".to_owned(),
            headers: vec![
                field("authorization", format!("Bearer …9f2c (fp {})", parts.credential), true),
                field("content-type", "application/json".to_owned(), false),
                field("traceparent", parts.noise.to_string(), false),
                field("x-version", parts.field.to_string(), false),
            ],
            body_bytes: body.len() as u64,
            body_sha256: sha256_hex(body.as_bytes()),
            body: Some(body.into()),
        },
        grounds: Grounds {
            rule: format!("pack/rule{}", parts.rule),
            why: String::new(),
            risk: Risk::Medium,
            tags: Vec::new(),
            matched: vec![MatchedField { field: "body./amount".to_owned(), value: amount.to_string() }],
            review: ReviewPolicy::default(),
            summary: String::new(),
            ruleset: String::new(),
            parts: Vec::new(),
            held_by: vec![parts.held_by.to_string()],
        },
        words: AgentWords { session: Some(format!("s{}", parts.session)), ..AgentWords::default() },
        solo: false,
        created_at: NOW,
        expires_at: NOW,
        decided_at: None,
        approval_expires_at: None,
        released_at: None,
        outcome: None,
        requests: 1,
        votes: Vec::new(),
    }
}

const NOW: Timestamp = Timestamp::constant(1_000_000, 0);

fn grant_of(hold: &Hold, scope: Scope) -> Grant {
    Grant {
        id: GrantId::from_random(1),
        hold: hold.id.clone(),
        agent_id: hold.agent_id,
        agent: hold.agent.clone(),
        rule: hold.grounds.rule.clone(),
        scope,
        same: same(scope, &Facts::of(hold)).unwrap(),
        person: Person::local("bob"),
        created_at: NOW,
        expires_at: NOW,
        uses_left: 1,
        used: 0,
        revoked_at: None,
        revoked_by: None,
    }
}

/// What must be the same, by scope: the table of docs/grants.md.
fn expected(scope: Scope, a: Parts, b: Parts) -> bool {
    let common = (a.agent, a.initiator, a.rule, a.held_by) == (b.agent, b.initiator, b.rule, b.held_by);
    let place = (a.host, a.credential) == (b.host, b.credential);
    let target =
        (a.method, a.path, a.query, a.field, a.amount) == (b.method, b.path, b.query, b.field, b.amount);
    common
        && place
        && match scope {
            Scope::Request => target && a.memo == b.memo,
            Scope::Resource => target,
            Scope::Rule => a.session == b.session,
        }
}

proptest! {
    #[test]
    fn a_grant_covers_what_the_table_says(a in parts(), b in parts()) {
        for scope in Scope::ALL {
            let grant = grant_of(&hold(a), scope);
            prop_assert!(covers(&grant, &Facts::of(&hold(a))));
            prop_assert_eq!(covers(&grant, &Facts::of(&hold(b))), expected(scope, a, b), "{:?}", scope);
        }
    }

    #[test]
    fn ids_come_back(bits: u64) {
        let id = GrantId::from_random(bits);
        prop_assert_eq!(id.as_str().parse::<GrantId>(), Ok(id.clone()));
        prop_assert!(id.as_str().parse::<HoldId>().is_err());
    }
}

#[test]
fn where_the_operation_is_in_the_body_only_the_identical_request_is_granted() {
    let with = |content_type: &str, body: &str| {
        let mut hold = hold(FIRST);
        hold.request.headers[1].value = content_type.to_owned();
        hold.request.body = Some(body.to_owned().into());
        hold.request.body_bytes = body.len() as u64;
        same(Scope::Resource, &Facts::of(&hold)).map(drop)
    };
    for (content_type, body) in [
        ("application/json", r#"{"query": "mutation { x }"}"#),
        ("application/json", r#"{"jsonrpc": "2.0", "method": "x"}"#),
        ("application/json", r#"[{"amount": 1}]"#),
        ("application/x-www-form-urlencoded", "Action=TerminateInstances&InstanceId=i-1"),
        ("application/graphql", "mutation { x }"),
        ("text/xml; charset=utf-8", "<Envelope/>"),
        ("text/plain", "{\"Command\": 1}"),
        ("application/json", "\u{feff}{\"method\": \"tools/call\"}"),
        ("application/json", "{'method': 'tools/call'}"),
        ("application/json", "// x\n{\"a\": 1}"),
    ] {
        assert_eq!(with(content_type, body), Err(Unlike::OperationInBody), "{body}");
    }
    for (content_type, body) in [
        ("application/json", r#"{"amount": 1}"#),
        ("application/x-www-form-urlencoded", "amount=1"),
        ("application/octet-stream", "anything"),
        ("application/json", ""),
    ] {
        assert_eq!(with(content_type, body), Ok(()), "{body}");
    }
    for call in ["rpc", "graphql", "sql", "git", "aws"] {
        let mut hold = hold(FIRST);
        let value = "method tools/call, tool delete_user".to_owned();
        hold.grounds.matched.push(MatchedField { field: call.to_owned(), value });
        assert_eq!(
            same(Scope::Resource, &Facts::of(&hold)).map(drop),
            Err(Unlike::OperationInBody),
            "{call}"
        );
    }
    let mut erased = hold(FIRST);
    erased.request.body = None;
    assert_eq!(same(Scope::Resource, &Facts::of(&erased)), Err(Unlike::OperationInBody));
    assert!(same(Scope::Request, &Facts::of(&erased)).is_ok());
}

#[test]
fn what_cannot_be_compared_is_not_granted() {
    let none = |scope, change: fn(&mut Hold)| {
        let mut hold = hold(FIRST);
        change(&mut hold);
        same(scope, &Facts::of(&hold)).unwrap_err()
    };
    for scope in [Scope::Resource, Scope::Rule] {
        assert_eq!(none(scope, |h| h.grounds.held_by.clear()), Unlike::NoOneRule);
        assert_eq!(none(scope, |h| h.grounds.held_by.push("other".to_owned())), Unlike::NoOneRule);
    }
    let expression = none(Scope::Resource, |h| h.grounds.matched[0].field = "if".to_owned());
    assert!(matches!(expression, Unlike::Incomparable(_)));
    let long = none(Scope::Resource, |h| h.grounds.matched[0].value = format!("{}…", "x".repeat(200)));
    assert!(matches!(long, Unlike::Incomparable(_)));
    assert_eq!(none(Scope::Rule, |h| h.words.session = None), Unlike::NoSession);
    assert_eq!(none(Scope::Rule, |h| h.words.session = Some(" ".to_owned())), Unlike::NoSession);
    let secret = none(Scope::Rule, |h| h.request.url.push_str("&access_token=abcdefgh12345678"));
    assert!(matches!(secret, Unlike::Incomparable(_)));
}

#[test]
fn who_may_not_approve_may_not_grant() {
    let policy = Policy::default();
    let wanted = Wanted { scope: Scope::Request, life: Life::Hour, uses: 5 };
    let reviewer = |name: &str| Reviewer {
        person: Person::local(name),
        key: None,
        display: name.to_owned(),
        groups: BTreeSet::new(),
        groups_at: None,
        login: Login::default(),
    };
    let try_it = |maker: &Reviewer, policy: &Policy, wanted: Wanted, change: &dyn Fn(&mut Hold)| {
        let mut hold = hold(FIRST);
        change(&mut hold);
        let (keys, charter) = (BTreeMap::new(), Charter::default());
        // Solo mode would let the owner approve; it counts for nothing here.
        let law = Law { owners_now: &[], solo: true, keys: &keys, charter: &charter };
        make(policy, wanted, &hold, &law, maker, NOW).map(drop)
    };
    let bob = reviewer("bob");
    let refused = |change: &dyn Fn(&mut Hold)| try_it(&bob, &policy, wanted, change);
    assert_eq!(refused(&|_| {}), Ok(()));
    assert_eq!(refused(&|h| h.grounds.review.approvals = 2), Err(NoGrant::Quorum));
    assert_eq!(refused(&|h| h.grounds.review.each = vec!["a".to_owned()]), Err(NoGrant::Quorum));
    assert_eq!(refused(&|h| h.grounds.review.assurance = Assurance::High), Err(NoGrant::HighAssurance));
    assert_eq!(refused(&|h| h.owners.clear()), Err(NoGrant::UnknownOwner));
    assert_eq!(
        refused(&|h| h.initiator = Some(Person::local("bob"))),
        Err(NoGrant::Judged(Refusal::OwnAgent))
    );
    let solo = |h: &mut Hold| h.solo = true;
    let owner = try_it(&reviewer("alice"), &policy, wanted, &solo);
    assert_eq!(owner, Err(NoGrant::Judged(Refusal::OwnAgent)));
    let from = |h: &mut Hold| h.grounds.review.from = vec!["security".to_owned()];
    assert!(matches!(refused(&from), Err(NoGrant::Judged(Refusal::NotInGroup(_)))));

    let chat = Reviewer { login: Login { by: LoginBy::Chat, ..Login::default() }, ..bob.clone() };
    assert_eq!(try_it(&chat, &policy, wanted, &|_| {}), Err(NoGrant::Chat));
    for uses in [0, 51] {
        assert_eq!(try_it(&bob, &policy, Wanted { uses, ..wanted }, &|_| {}), Err(NoGrant::Uses(50)));
    }
    let never = Policy { never: Some(Names::of(&["pack/*".to_owned()]).unwrap()), ..Policy::default() };
    assert_eq!(try_it(&bob, &never, wanted, &|_| {}), Err(NoGrant::Never));
    let short = Policy { longest: Life::Quarter.duration(), ..Policy::default() };
    assert_eq!(try_it(&bob, &short, wanted, &|_| {}), Err(NoGrant::TooLong));
    let narrow = Policy { scopes: [Scope::Resource].into(), ..Policy::default() };
    assert_eq!(try_it(&bob, &narrow, wanted, &|_| {}), Err(NoGrant::Scope(Scope::Request)));
}
