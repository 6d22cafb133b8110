//! Which route, who, and when.

use super::*;
use crate::ruling::ReviewPolicy;
use jiff::tz::TimeZone;

fn grounds(rule: &str, tags: &[&str], risk: Risk) -> Grounds {
    Grounds {
        rule: rule.to_owned(),
        why: String::new(),
        risk,
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        matched: Vec::new(),
        review: ReviewPolicy::default(),
        summary: String::new(),
        ruleset: String::new(),
        parts: Vec::new(),
        held_by: Default::default(),
    }
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn names(globs: &[&str]) -> Names {
    Names::of(&texts(globs)).unwrap()
}

fn route(name: &str, notify: &[&str]) -> Route {
    Route {
        name: name.to_owned(),
        scope: Scope::default(),
        risk: Risk::Low,
        environment: Names::default(),
        during: None,
        notify: texts(notify),
        call: Call::default(),
        escalate: Vec::new(),
        quiet: None,
        tell_owner: false,
    }
}

fn nights() -> Schedule {
    Schedule::new(TimeZone::get("Europe/Berlin").unwrap(), &texts(&["daily 20:00-08:00"])).unwrap()
}

fn at(text: &str) -> Timestamp {
    format!("2026-11-{text}+01:00[Europe/Berlin]").parse::<jiff::Zoned>().unwrap().timestamp()
}

fn routing(routes: Vec<Route>) -> Routing {
    let place = |id: &str| Place::Slack(id.to_owned());
    let channels =
        [("security", place("C1")), ("ops", place("C2")), ("leads", Place::Teams("19:x".to_owned()))];
    Routing::new(channels.into_iter().map(|(name, place)| (name.to_owned(), place)).collect(), routes)
}

/// The plan as lines: time, step, channel, card or call.
fn plan(routing: &Routing, grounds: &Grounds, environment: Option<&str>, now: Timestamp) -> Vec<String> {
    let told = routing.plan(grounds, "ci", environment, now);
    told.iter()
        .map(|told| {
            let minutes = told.at.duration_since(now).as_mins();
            let what = if told.again { "calls" } else { "card" };
            let called = [told.call.groups.join("+"), told.call.on_call.join("+")].concat();
            format!("{minutes}m {} {} {what} {called}", told.step, told.channel).trim_end().to_owned()
        })
        .collect()
}

#[test]
fn the_first_route_that_covers_is_the_one() {
    let money = Route {
        scope: Scope { tags: names(&["money-out"]), ..Scope::default() },
        ..route("money", &["security"])
    };
    let production = Route { environment: names(&["prod*"]), ..route("production", &["ops"]) };
    let grave = Route { risk: Risk::High, ..route("grave", &["leads"]) };
    let rule =
        Route { scope: Scope { rules: names(&["github/*"]), ..Scope::default() }, ..route("code", &[]) };
    let routing = routing(vec![money, production, grave, rule]);
    let name = |grounds: &Grounds, environment| {
        routing.route(grounds, "ci", environment, at("20T12:00")).map(|route| route.name.clone())
    };
    let low = grounds("x/y", &[], Risk::Low);
    assert_eq!(
        name(&grounds("x/y", &["money-out"], Risk::High), Some("production")).as_deref(),
        Some("money")
    );
    assert_eq!(name(&low, Some("production")).as_deref(), Some("production"));
    assert_eq!(name(&grounds("x/y", &[], Risk::Critical), Some("dev")).as_deref(), Some("grave"));
    assert_eq!(name(&grounds("github/push", &[], Risk::Low), None).as_deref(), Some("code"));
    assert_eq!(name(&low, None), None);
    // Nobody is told where a route says so; everybody, where none says anything.
    assert!(plan(&routing, &grounds("github/push", &[], Risk::Low), None, at("20T12:00")).is_empty());
    assert_eq!(
        plan(&routing, &low, None, at("20T12:00")),
        ["0m 0 leads card", "0m 0 ops card", "0m 0 security card"]
    );
}

#[test]
fn escalation_goes_on_step_by_step() {
    let step = |minutes, notify: &[&str], groups: &[&str], on_call: &[&str]| Step {
        after: Duration::from_mins(minutes),
        notify: texts(notify),
        call: Call { groups: texts(groups), on_call: texts(on_call) },
    };
    let route = Route {
        call: Call { groups: texts(&["oncall"]), on_call: Vec::new() },
        escalate: vec![step(10, &[], &[], &["primary"]), step(20, &["security", "ops"], &["leads"], &[])],
        ..route("r", &["security"])
    };
    let routing = routing(vec![route]);
    assert_eq!(
        plan(&routing, &grounds("x/y", &[], Risk::Low), None, at("20T12:00")),
        [
            "0m 0 security card oncall",
            "10m 1 security calls primary",
            "20m 2 security calls leads",
            "20m 2 ops card leads",
        ]
    );
}

#[test]
fn quiet_hours_wait_or_lead_elsewhere() {
    let quiet =
        |instead: &[&str]| Some(Quiet { during: nights(), below: Risk::High, instead: texts(instead) });
    let step = Step { after: Duration::from_mins(10), notify: texts(&["ops"]), call: Call::default() };
    let waits = Route { quiet: quiet(&[]), escalate: vec![step.clone()], ..route("r", &["security"]) };
    let leads = Route { quiet: quiet(&["leads"]), escalate: vec![step], ..route("r", &["security"]) };
    let (low, high) = (grounds("x/y", &[], Risk::Medium), grounds("x/y", &[], Risk::High));
    let (waits, leads) = (routing(vec![waits]), routing(vec![leads]));
    // 22:00 is ten hours before eight.
    assert_eq!(plan(&waits, &low, None, at("20T22:00")), ["600m 0 security card", "610m 1 ops card"]);
    assert_eq!(plan(&leads, &low, None, at("20T22:00")), ["0m 0 leads card", "10m 1 ops card"]);
    for routing in [&waits, &leads] {
        assert_eq!(plan(routing, &high, None, at("20T22:00")), ["0m 0 security card", "10m 1 ops card"]);
        assert_eq!(plan(routing, &low, None, at("20T12:00")), ["0m 0 security card", "10m 1 ops card"]);
    }
}

#[test]
fn a_route_may_count_only_in_its_hours() {
    let night = Route { during: Some(nights()), ..route("night", &["ops"]) };
    let routing = routing(vec![night, route("day", &["security"])]);
    let grounds = grounds("x/y", &[], Risk::Low);
    assert_eq!(plan(&routing, &grounds, None, at("20T23:00")), ["0m 0 ops card"]);
    assert_eq!(plan(&routing, &grounds, None, at("20T10:00")), ["0m 0 security card"]);
}

#[test]
fn owners_are_reached_through_their_chat() {
    let routing = routing(Vec::new());
    assert_eq!(routing.channel_for_account("slack:T1/U1"), Some("ops"));
    assert_eq!(routing.channel_for_account("teams:x/y"), Some("leads"));
    assert_eq!(routing.channel_for_account("irc:x"), None);
}
