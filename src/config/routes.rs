//! `schedules`, `on-call` and `routes`: who is told of a hold, where, and when. What a route names must be there.

use super::channels::{NAME, is_name};
use super::read::{Field, Reader};
use super::tree::Node;
use crate::role::{Names, Scope};
use crate::routing::{Call, Channels, Quiet, Rotation, Route, Schedule, Source, Sources, Step};
use crate::ruling::Risk;
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::path::Path;

type Schedules = BTreeMap<String, Schedule>;

/// What routes may name.
struct Known<'a> {
    channels: &'a Channels,
    schedules: Schedules,
    on_call: &'a Sources,
}

/// The routes, and where it is written who is on call.
pub(super) fn routes(reader: &mut Reader, channels: &Channels, base: &Path) -> (Vec<Route>, Sources) {
    let expected = "a map from names to `{ zone, hours }`";
    let schedules = reader.take("schedules", |field, node| {
        field.map(node, expected, |field, name, key, value| {
            let schedule = schedule(field, value);
            named(field, name, key, schedule)
        })
    });
    let expected = "a map from names to `{ file }`, `{ pagerduty, token }` or `{ opsgenie, token }`";
    let on_call = reader.take("on-call", |field, node| {
        field.map(node, expected, |field, name, key, value| {
            let source = source(field, value, base);
            named(field, name, key, source)
        })
    });
    let on_call: Sources = on_call.unwrap_or_default().into_iter().collect();
    let schedules = schedules.unwrap_or_default().into_iter().collect();
    let known = Known { channels, schedules, on_call: &on_call };
    let routes =
        reader.take("routes", |field, node| field.list(node, |field, node| route(field, node, &known)));
    let mut routes = routes.unwrap_or_default();
    for (number, route) in (1..).zip(&mut routes).filter(|(_, route)| route.name.is_empty()) {
        route.name = format!("{number}");
    }
    (routes, on_call)
}

fn named<T>(field: &mut Field, name: &str, key: &Node, value: Option<T>) -> Option<(String, T)> {
    if is_name(name) { Some((name.to_owned(), value?)) } else { field.wrong(key, NAME) }
}

/// `{ zone: Europe/Berlin, hours: ["mon-fri 09:00-18:00"] }`.
fn schedule(field: &mut Field, node: &Node) -> Option<Schedule> {
    let mut entries = field.object(node, &["zone", "hours"])?;
    let (Some(zone), Some(hours)) = (entries.take("zone"), entries.take("hours")) else {
        return field.wrong(node, "a `zone` and its `hours`");
    };
    let zone =
        field.parsed(zone, "a time zone such as `Europe/Berlin` or `UTC`", |text| TimeZone::get(text).ok());
    let lines = field.list(hours, |field, node| {
        let expected = "hours such as `mon-fri 09:00-18:00`, `sat,sun 00:00-24:00` or `daily 22:00-07:00`";
        field.parsed(node, expected, |text| {
            Schedule::new(TimeZone::UTC, &[text.to_owned()]).is_ok().then(|| text.to_owned())
        })
    });
    Schedule::new(zone?, &lines?).ok()
}

fn source(field: &mut Field, node: &Node, base: &Path) -> Option<Source> {
    let mut entries = field.object(node, &["file", "pagerduty", "opsgenie", "token", "url"])?;
    let (token, url) = (entries.take("token"), entries.take("url"));
    if let Some(file) = entries.take("file") {
        let path = field.path(file, base)?;
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) => return field.wrong(file, &format!("a file that can be read ({error})")),
        };
        return match Rotation::parse(&text) {
            Ok(_) => Some(Source::File(path)),
            Err(why) => field.wrong(file, &format!("a file with a rotation ({why})")),
        };
    }
    let (schedule, pager_duty) = match (entries.take("pagerduty"), entries.take("opsgenie")) {
        (Some(schedule), None) => (schedule, true),
        (None, Some(schedule)) => (schedule, false),
        _ => return field.wrong(node, "one of `file`, `pagerduty` and `opsgenie`"),
    };
    let schedule = field.text(schedule);
    let token = match token {
        Some(token) => field.secret(token, base),
        None => field.wrong(node, "also a `token` for the service"),
    };
    let default = if pager_duty { "https://api.pagerduty.com" } else { "https://api.opsgenie.com" };
    let url = match url {
        Some(url) => field.remote(url),
        None => url::Url::parse(default).ok(),
    };
    let (url, token, schedule) = (url?, token?, schedule?);
    Some(match pager_duty {
        true => Source::PagerDuty { url, token, schedule },
        false => Source::Opsgenie { url, token, schedule },
    })
}

fn route(field: &mut Field, node: &Node, known: &Known<'_>) -> Option<Route> {
    let keys = [
        "name",
        "rules",
        "tags",
        "agents",
        "risk",
        "environment",
        "during",
        "notify",
        "groups",
        "on-call",
        "escalate",
        "quiet",
        "tell-owner",
    ];
    let mut entries = field.object(node, &keys)?;
    let mut names =
        |field: &mut Field, key: &str| entries.take(key).map_or(Some(Names::default()), |n| globs(field, n));
    let (rules, tags) = (names(field, "rules"), names(field, "tags"));
    let (agents, environment) = (names(field, "agents"), names(field, "environment"));
    let name = entries.take("name").map_or(Some(String::new()), |node| field.text(node));
    let risk = entries.take("risk").map_or(Some(Risk::Low), |node| risk(field, node));
    let during = match entries.take("during") {
        Some(node) => one_of(field, node, &known.schedules, "schedules").map(Some),
        None => Some(None),
    };
    let notify = match entries.take("notify") {
        Some(node) => channels(field, node, known),
        None => field.wrong(node, "also `notify`: the channels that are told; `[]` for nobody"),
    };
    let call = call(field, entries.take("groups"), entries.take("on-call"), known);
    let escalate = match entries.take("escalate") {
        Some(node) => field.list(node, |field, node| step(field, node, known)),
        None => Some(Vec::new()),
    };
    let quiet = match entries.take("quiet") {
        Some(node) => quiet(field, node, known).map(Some),
        None => Some(None),
    };
    let tell_owner = entries.take("tell-owner").map_or(Some(false), |node| field.boolean(node));
    Some(Route {
        name: name?,
        scope: Scope { rules: rules?, tags: tags?, agents: agents? },
        risk: risk?,
        environment: environment?,
        during: during?,
        notify: notify?,
        call: call?,
        escalate: escalate?,
        quiet: quiet?,
        tell_owner: tell_owner?,
    })
}

/// `{ after: 10m, notify: [leads], groups: [..], on-call: [..] }`.
fn step(field: &mut Field, node: &Node, known: &Known<'_>) -> Option<Step> {
    let mut entries = field.object(node, &["after", "notify", "groups", "on-call"])?;
    let after = match entries.take("after") {
        Some(after) => field.duration(after),
        None => field.wrong(node, "also `after`: how long after the hold was first told of"),
    };
    let notify = match entries.take("notify") {
        Some(node) => channels(field, node, known),
        None => Some(Vec::new()),
    };
    let call = call(field, entries.take("groups"), entries.take("on-call"), known);
    Some(Step { after: after?, notify: notify?, call: call? })
}

/// `{ during: nights, below: high, instead: [pager] }`.
fn quiet(field: &mut Field, node: &Node, known: &Known<'_>) -> Option<Quiet> {
    let mut entries = field.object(node, &["during", "below", "instead"])?;
    let during = match entries.take("during") {
        Some(node) => one_of(field, node, &known.schedules, "schedules"),
        None => field.wrong(node, "also `during`: the name of a schedule"),
    };
    let below = match entries.take("below") {
        Some(node) => risk(field, node),
        None => Some(Risk::High),
    };
    let instead = match entries.take("instead") {
        Some(node) => channels(field, node, known),
        None => Some(Vec::new()),
    };
    Some(Quiet { during: during?, below: below?, instead: instead? })
}

fn call(field: &mut Field, groups: Option<&Node>, on_call: Option<&Node>, known: &Known<'_>) -> Option<Call> {
    let groups = groups.map_or(Some(Vec::new()), |node| field.list(node, Field::text));
    let on_call = on_call.map_or(Some(Vec::new()), |node| {
        field.list(node, |field, node| {
            one_of(field, node, known.on_call, "on-call")?;
            field.text(node)
        })
    });
    Some(Call { groups: groups?, on_call: on_call? })
}

fn channels(field: &mut Field, node: &Node, known: &Known<'_>) -> Option<Vec<String>> {
    field.list(node, |field, node| {
        one_of(field, node, known.channels, "channels")?;
        field.text(node)
    })
}

/// What stands under this name in another section.
fn one_of<T: Clone>(field: &mut Field, node: &Node, known: &BTreeMap<String, T>, section: &str) -> Option<T> {
    let names: Vec<String> = known.keys().map(|name| format!("`{name}`")).collect();
    let expected = match names.is_empty() {
        true => format!("a name under `{section}`, where there is none yet"),
        false => format!("a name under `{section}`: {}", names.join(", ")),
    };
    field.parsed(node, &expected, |text| known.get(text).cloned())
}

fn globs(field: &mut Field, node: &Node) -> Option<Names> {
    let globs = field.list(node, Field::text)?;
    let names = (!globs.is_empty()).then(|| Names::of(&globs).ok()).flatten();
    names.or_else(|| field.wrong(node, "patterns such as `github/*`; leave the key out to mean all"))
}

fn risk(field: &mut Field, node: &Node) -> Option<Risk> {
    let risks = [Risk::Low, Risk::Medium, Risk::High, Risk::Critical];
    field.parsed(node, "`low`, `medium`, `high` or `critical`", |text| {
        risks.into_iter().find(|risk| risk.as_str() == text)
    })
}
