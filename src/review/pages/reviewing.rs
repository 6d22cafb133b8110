//! Reviewing itself: whether people read what they approve, and which rules only make noise.

use super::{Frame, Trouble, render};
use crate::person::Person;
use crate::review::Face;
use crate::review::moment::span;
use crate::review::session::Visitor;
use crate::review::shown::Shown;
use crate::store::{PersonReviewing, Reviewing, RuleReviewed};
use askama::Template;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use jiff::SignedDuration;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;

#[derive(Template)]
#[template(path = "reviewing.html")]
struct ReviewingPage {
    frame: Frame,
    days: u32,
    numbers: Reviewing,
    median: String,
    p90: String,
    expired_percent: u32,
    rules: Vec<RuleLine>,
    noise: Vec<RuleLine>,
    people: Vec<PersonLine>,
    bars: Vec<Bar>,
    /// Votes on the busiest day.
    top: u32,
}

struct RuleLine {
    rule: Shown,
    of: RuleReviewed,
    percent: String,
    /// Widths of 100, for the bar: approved, denied, expired.
    widths: [u32; 3],
}

struct PersonLine {
    name: Shown,
    of: PersonReviewing,
    per_day: String,
}

/// One day of the chart, in a box 100 high.
struct Bar {
    x: usize,
    approved_y: u32,
    approved: u32,
    denied_y: u32,
    denied: u32,
    title: String,
}

#[derive(Debug, Deserialize)]
pub(in crate::review) struct Asked {
    days: Option<u32>,
}

/// `GET /reviewing`, over the last 7 or 30 days.
pub(in crate::review) async fn page(
    State(face): State<Arc<Face>>,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Response, Trouble> {
    let days = if asked.days == Some(30) { 30 } else { 7 };
    let numbers = face.context.desk.reviewing(days).await?;
    let people: Vec<&Person> = numbers.people.iter().map(|person| &person.person).collect();
    let names = face.context.desk.names(&people).await?;
    let rules = || numbers.rules.iter().map(RuleLine::of);
    let top = numbers.days.iter().map(|day| day.approved + day.denied).max().unwrap_or_default();
    let line = |person: &PersonReviewing| PersonLine {
        name: Shown::of(names.get(&person.person).map_or(&person.person.to_string(), |name| name)),
        per_day: per_day(person),
        of: person.clone(),
    };
    let page = ReviewingPage {
        frame: Frame::of(&visitor, &face, "reviewing"),
        days,
        median: time(numbers.median),
        p90: time(numbers.p90),
        expired_percent: (numbers.expired * 100).checked_div(numbers.holds).unwrap_or_default(),
        noise: rules().filter(|rule| rule.of.is_noise()).collect(),
        rules: rules().take(RULES_MAX).collect(),
        people: numbers.people.iter().map(line).collect(),
        bars: bars(&numbers, top),
        top,
        numbers,
    };
    Ok(render(StatusCode::OK, &page))
}

impl RuleLine {
    fn of(rule: &RuleReviewed) -> Self {
        let width = |count: u32| (count * 100).checked_div(rule.holds).unwrap_or_default();
        Self {
            rule: Shown::of(&rule.rule),
            percent: rule.approved_percent().map_or_else(|| "–".to_owned(), |percent| format!("{percent} %")),
            widths: [width(rule.approved), width(rule.denied), width(rule.expired)],
            of: rule.clone(),
        }
    }
}

fn bars(numbers: &Reviewing, top: u32) -> Vec<Bar> {
    let high = |count: u32| (count * CHART_HIGH).checked_div(top).unwrap_or_default();
    let bar = |(at, day): (usize, &crate::store::DayReviewed)| {
        let (approved, denied) = (high(day.approved), high(day.denied));
        Bar {
            x: at * BAR_STEP + 4,
            approved_y: CHART_HIGH.saturating_sub(approved),
            approved,
            denied_y: CHART_HIGH.saturating_sub(approved + denied),
            denied,
            title: format!("{}: {} approved, {} denied", day.day, day.approved, day.denied),
        }
    };
    numbers.days.iter().enumerate().map(bar).collect()
}

fn per_day(person: &PersonReviewing) -> String {
    let tenths = (person.votes() * 10).checked_div(person.days).unwrap_or_default();
    format!("{}.{}", tenths / 10, tenths % 10)
}

fn time(time: Option<Duration>) -> String {
    time.map_or_else(|| "–".to_owned(), |time| span(SignedDuration::try_from(time).unwrap_or_default()))
}

const RULES_MAX: usize = 50;
const CHART_HIGH: u32 = 100;
/// From one bar to the next; as in the template.
const BAR_STEP: usize = 24;
