//! Cards as Block Kit: one hold, or several of one agent and shape that share a message.
//!
//! A request that is not shown whole has no button that approves. Everything that the agent wrote stands in elements
//! that Slack does not parse.

use super::api::Message;
use super::blocks::{
    self, HEADER_CHARS_MAX, MESSAGE_BYTES_MAX, Part, actions, brief, cut, escaped, line, open, rich,
};
use crate::card::Card;
use crate::hold::HoldState;
use crate::ruling::Risk;
use serde_json::{Value, json};

/// A card and what it takes to press its buttons.
#[derive(Debug, Clone, Copy)]
pub struct Face<'a> {
    pub card: &'a Card,
    pub button: &'a str,
    /// Its page in the inbox.
    pub page: &'a str,
}

/// A message, and for each card whether it shows the whole request.
#[derive(Debug, Clone, PartialEq)]
pub struct Drawn {
    pub message: Message,
    pub whole: Vec<bool>,
}

/// Draws the card of one hold.
pub fn draw(face: &Face<'_>) -> Drawn {
    let card = face.card;
    let mut above = vec![blocks::header(&headline(card))];
    above.extend(standing(face));
    above.push(rich(facts(card)));
    if let Some(says) = &card.agent_says {
        above.push(rich(vec![
            line(&[Part::Bold("The agent says"), Part::Plain(" (its own words, not checked):")]),
            blocks::quote(says),
        ]));
    }
    let small = blocks::context(&small_print(card));
    // What the message is without the request, with every button and sentence that it could have.
    let around = [&small, &buttons(face, true), &refusal(card, false).unwrap_or_default()];
    let frame: usize = above.iter().chain(around).map(blocks::size).sum();
    let room = MESSAGE_BYTES_MAX.saturating_sub(frame + SLACK);
    let whole = card.whole && blocks::text_size(&card.request) <= room;
    let text = if whole { card.request.clone() } else { excerpt(card, room) };

    let mut drawn = above;
    drawn.push(rich(vec![blocks::preformatted(&text)]));
    drawn.push(small);
    if card.state == HoldState::Pending {
        drawn.extend(refusal(card, whole));
        drawn.push(buttons(face, whole));
    }
    Drawn { message: Message { text: notification(card), blocks: drawn }, whole: vec![whole] }
}

/// Draws several that share a message, or `None`: they do not fit, or are not alike. At most [`SHARED_MAX`].
///
/// What is the same in all is shown once; of each, every line that differs.
pub fn draw_shared(faces: &[Face<'_>]) -> Option<Drawn> {
    let [first, _, ..] = faces else { return None };
    let common = common_facts(first.card);
    let alike = |face: &Face<'_>| {
        let card = face.card;
        // A bracket of the agent's could pass for one of ours.
        card.whole
            && card.solo == first.card.solo
            && common_facts(card) == common
            && !card.request.contains('⟨')
    };
    if faces.len() > SHARED_MAX || !faces.iter().all(alike) {
        return None;
    }
    let requests: Vec<Vec<&str>> = faces.iter().map(|face| face.card.request.lines().collect()).collect();
    let (same, own) = apart(&requests)?;
    let title = format!("{} requests of one kind by {}", faces.len(), first.card.agent);
    let mut drawn = vec![blocks::header(&title)];
    if first.card.solo {
        drawn.push(rich(vec![solo()]));
    }
    drawn.push(rich(common));
    drawn.push(rich(vec![
        line(&[Part::Bold("The same in all of them"), Part::Plain(" (numbers stand for the lines below):")]),
        blocks::preformatted(&same),
    ]));
    for (face, lines) in faces.iter().zip(&own) {
        let card = face.card;
        drawn.push(blocks::divider());
        let mut body = vec![line(&[Part::Bold(&brief(&card.title, 300))]), blocks::preformatted(lines)];
        if let Some(says) = &card.agent_says {
            body.push(line(&[Part::Plain("The agent says (its own words, not checked):")]));
            body.push(blocks::quote(says));
        }
        let small = format!("{} · digest {} · {}", card.hold, card.digest, card.history);
        body.extend(own_facts(card));
        if card.state == HoldState::Pending {
            drawn.push(rich(body));
            drawn.push(blocks::context(&[small]));
            drawn.extend(refusal(card, true));
            drawn.push(buttons(face, true));
        } else {
            body.push(outcome(face));
            drawn.push(rich(body));
            drawn.push(blocks::context(&[small]));
        }
    }
    let fits = blocks::size(&json!(drawn)) <= MESSAGE_BYTES_MAX && drawn.len() <= blocks::BLOCKS_MAX;
    let text = notification(first.card);
    fits.then(|| Drawn { message: Message { text, blocks: drawn }, whole: vec![true; faces.len()] })
}

/// Several that share a message and no longer fit: a line for each, and no button that approves.
pub fn too_many(faces: &[Face<'_>]) -> Drawn {
    let mut drawn = vec![blocks::header(&format!("{} requests of one kind", faces.len()))];
    for face in faces.iter().take(SHARED_MAX) {
        let card = face.card;
        let title = brief(&card.title, 200);
        drawn.push(rich(vec![line(&[Part::Plain(&title)]), outcome(face)]));
        if card.state == HoldState::Pending {
            drawn.push(buttons(face, false));
        }
    }
    let text = faces.first().map(|face| notification(face.card)).unwrap_or_default();
    Drawn { message: Message { text, blocks: drawn }, whole: vec![false; faces.len()] }
}

/// The lines that all have, with a number for each line that differs; and those lines for each. `None`: they have
/// not as many lines as each other.
fn apart(requests: &[Vec<&str>]) -> Option<(String, Vec<String>)> {
    let (first, others) = requests.split_first()?;
    if others.iter().any(|other| other.len() != first.len()) {
        return None;
    }
    let mut common = String::new();
    let mut own = vec![String::new(); requests.len()];
    let mut numbers = 0;
    for (at, text) in first.iter().enumerate() {
        if others.iter().all(|other| other.get(at) == Some(text)) {
            common.push_str(text);
        } else {
            numbers += 1;
            common.push_str(&format!("⟨{numbers}⟩"));
            for (lines, request) in own.iter_mut().zip(requests) {
                lines.push_str(&format!("⟨{numbers}⟩ {}\n", request.get(at)?));
            }
        }
        common.push('\n');
    }
    Some((common, own))
}

fn headline(card: &Card) -> String {
    match card.state {
        HoldState::Pending => card.title.clone(),
        state => format!("{}: {}", word(card, state), card.title),
    }
}

/// How it ended, in one word.
fn word(card: &Card, state: HoldState) -> &'static str {
    match state {
        HoldState::Pending => "Waits",
        HoldState::Approved => "Approved",
        HoldState::Released if card.status.contains("outcome unknown") => "Outcome unknown",
        HoldState::Released => "Released",
        HoldState::Denied => "Denied",
        HoldState::Expired => "Expired",
        HoldState::Withdrawn => "Withdrawn",
    }
}

/// What comes before all else: how it ended, and that nobody else checks.
fn standing(face: &Face<'_>) -> Option<Value> {
    let mut lines = Vec::new();
    if face.card.solo {
        lines.push(solo());
    }
    if face.card.state != HoldState::Pending {
        lines.push(outcome(face));
    }
    (!lines.is_empty()).then(|| rich(lines))
}

fn solo() -> Value {
    line(&[Part::Bold("SOLO MODE: one person runs the agents and reviews. Nobody else checks.")])
}

fn outcome(face: &Face<'_>) -> Value {
    line(&[
        Part::Bold(&brief(&face.card.status, 400)),
        Part::Plain("  "),
        Part::Link { url: face.page, text: "Open the record" },
    ])
}

fn facts(card: &Card) -> Vec<Value> {
    let mut lines = Vec::new();
    if headline(card).encode_utf16().count() > HEADER_CHARS_MAX {
        lines.push(line(&[Part::Plain(&card.title)]));
    }
    lines.extend(common_facts(card));
    lines.extend(own_facts(card));
    lines
}

/// What requests that share a message have in common.
fn common_facts(card: &Card) -> Vec<Value> {
    let risk = match card.tags.as_slice() {
        [] => risk(card.risk).to_owned(),
        tags => format!("{} ({})", risk(card.risk), tags.join(", ")),
    };
    let (agent, owners) = (brief(&card.agent, 150), brief(&card.owners, 300));
    let (why, rule) = (brief(&card.why, 500), brief(&card.rule, 150));
    vec![
        line(&[Part::Bold("Agent: "), Part::Plain(&agent), Part::Plain(", owned by "), Part::Plain(&owners)]),
        line(&[Part::Bold("Why it waits: "), Part::Plain(&why), Part::Plain(" "), Part::Code(&rule)]),
        line(&[Part::Bold("Risk: "), Part::Plain(&brief(&risk, 250))]),
    ]
}

/// What each has of its own.
fn own_facts(card: &Card) -> Vec<Value> {
    let mut lines = Vec::new();
    for (field, value) in card.matched.iter().take(MATCHED_MAX) {
        let (field, value) = (brief(field, 80), brief(value, 200));
        lines.push(line(&[
            Part::Bold("Matched: "),
            Part::Code(&field),
            Part::Plain(" = "),
            Part::Code(&value),
        ]));
    }
    let more = card.matched.len().saturating_sub(MATCHED_MAX);
    if more > 0 {
        lines.push(line(&[Part::Plain(&format!("and {more} more that matched: open the review"))]));
    }
    if card.state == HoldState::Pending {
        lines.push(line(&[Part::Bold("Ends: "), Part::Moment(card.expires_at)]));
    }
    if let Some(grant) = &card.grant {
        lines.push(line(&[Part::Bold("Grant: "), Part::Plain(&brief(grant, 300))]));
    }
    lines.extend(votes(card));
    lines
}

/// `Approvals: 1 of 2`, and who.
fn votes(card: &Card) -> Vec<Value> {
    let mut lines = Vec::new();
    if card.state == HoldState::Pending {
        let tally = format!("{} of {}", card.have, card.needed);
        lines.push(line(&[Part::Bold("Approvals: "), Part::Plain(&tally)]));
    }
    lines.extend(card.votes.iter().take(VOTES_MAX).map(|vote| line(&[Part::Plain(&brief(vote, 200))])));
    let more = card.votes.len().saturating_sub(VOTES_MAX);
    if more > 0 {
        lines.push(line(&[Part::Plain(&format!("and {more} more votes: open the review"))]));
    }
    lines
}

fn small_print(card: &Card) -> Vec<String> {
    let mut lines = vec![format!("{} · digest {}", card.hold, card.digest), card.history.clone()];
    if card.requests > 1 {
        lines.push(format!("The identical request came {} times.", card.requests));
    }
    lines
}

fn risk(risk: Risk) -> &'static str {
    match risk {
        Risk::Low => "low",
        Risk::Medium => "medium",
        Risk::High => "HIGH",
        Risk::Critical => "CRITICAL",
    }
}

/// Why there is no button that approves.
fn refusal(card: &Card, whole: bool) -> Option<Value> {
    let why = if card.step_up {
        "This rule asks for a fresh, strong login: it can be approved in the inbox only."
    } else if !whole {
        "The request is not shown whole: it can be approved in the inbox only."
    } else {
        return None;
    };
    Some(rich(vec![line(&[Part::Bold(why)])]))
}

fn buttons(face: &Face<'_>, whole: bool) -> Value {
    let mut row = Vec::new();
    let card = face.card;
    // `whole` was measured with all that is around the request; the card says the rest.
    if whole && card.offers_approval(usize::MAX) {
        let mut approve = blocks::button(APPROVE, "Approve", face.button, "primary");
        if card.risk >= Risk::High {
            let text =
                "The risk is rated high. Have you read the whole request, and is it what should happen?";
            approve = blocks::asking(approve, "Approve this request?", text, "Approve");
        }
        row.push(approve);
    }
    row.push(blocks::button(DENY, "Deny…", face.button, "danger"));
    row.push(open("Open the review", face.page));
    actions(row)
}

/// As much of the request as is of use to somebody who has to open the review anyway.
fn excerpt(card: &Card, room: usize) -> String {
    let mut chars = room.min(EXCERPT_CHARS_MAX);
    loop {
        let text = card.excerpt(chars);
        if chars == 0 || blocks::text_size(&text) <= room {
            return text;
        }
        chars = chars * 3 / 4;
    }
}

/// What stands on a locked phone: in Slack's markup, so escaped; cut before, since escaping makes it longer.
fn notification(card: &Card) -> String {
    let does = match card.state {
        HoldState::Pending => "Approval needed",
        state => word(card, state),
    };
    format!("{does}: {} (agent {})", escaped(&cut(&card.title, 300)), escaped(&cut(&card.agent, 100)))
}

/// One card for the many that would be too many.
pub fn digest(count: u64, agents: &[String], inbox: &str) -> Message {
    let agents = cut(&agents.join(", "), 400);
    let text = format!("{count} requests wait for a decision (agents: {agents}).");
    let row = actions(vec![open("Open the inbox", inbox)]);
    Message { text: escaped(&text), blocks: vec![rich(vec![line(&[Part::Bold(&text)])]), row] }
}

/// A sentence.
pub fn notice(text: &str) -> Message {
    let section = json!({ "type": "section", "text": blocks::plain(text, blocks::PLAIN_CHARS_MAX) });
    Message { text: escaped(&cut(text, 600)), blocks: vec![section] }
}

/// To one user alone: where they sign in to be known.
pub(super) fn invitation(page: &str) -> Message {
    let asks = "You pressed a button of Holdpoint, which does not know yet who you are. ";
    let sections = vec![
        line(&[
            Part::Plain(asks),
            Part::Link { url: page, text: "Sign in" },
            Part::Plain(" once, within 15 minutes; then press the button again."),
        ]),
        line(&[Part::Plain(
            "The link is for you alone: whoever opens it and signs in votes with your account.",
        )]),
    ];
    Message { text: "Sign in so that Holdpoint knows who you are.".to_owned(), blocks: vec![rich(sections)] }
}

/// The way from a sentence to the review.
pub(super) fn link(page: &str) -> Value {
    rich(vec![line(&[Part::Link { url: page, text: "Open the review" }])])
}

/// Whom a message calls on, in at most [`CALLS_BYTES`]; `None`: nobody.
pub(super) fn calls(users: &[String], names: &[String]) -> Option<Value> {
    if users.is_empty() && names.is_empty() {
        return None;
    }
    let names = brief(&crate::redact::visible(&names.join(", ")), 300);
    let mut parts = vec![Part::Bold("Calls on: "), Part::Plain(&names)];
    for user in users.iter().take(CALLED_MAX) {
        parts.extend([Part::Plain(" "), Part::User(user)]);
    }
    Some(rich(vec![line(&parts)]))
}

/// Asks why: `meta` comes back with the answer.
pub fn reason_modal(card: &Card, meta: &str) -> Value {
    json!({
        "type": "modal",
        "callback_id": REASON,
        "private_metadata": meta,
        "title": blocks::plain("Deny this request", 24),
        "submit": blocks::plain("Deny", 24),
        "close": blocks::plain("Back", 24),
        "blocks": [
            { "type": "section", "text": blocks::plain(&card.title, 500) },
            blocks::context(&[format!("{} · digest {}", card.hold, card.digest)]),
            {
                "type": "input",
                "block_id": REASON,
                "optional": true,
                "label": blocks::plain("Why? The agent is told.", 100),
                "element": {
                    "type": "plain_text_input", "action_id": REASON, "multiline": true,
                    "max_length": REASON_CHARS_MAX,
                },
            },
        ],
    })
}

pub(super) const APPROVE: &str = "approve";
pub(super) const DENY: &str = "deny";
pub(super) const REASON: &str = "reason";
/// More share no message: it would be too long to read.
pub const SHARED_MAX: usize = 6;
const REASON_CHARS_MAX: usize = 1_000;
const MATCHED_MAX: usize = 4;
const VOTES_MAX: usize = 6;
const EXCERPT_CHARS_MAX: usize = 2_000;
/// More are named, not called.
const CALLED_MAX: usize = 6;
const CALLS_BYTES: usize = 1_000;
/// Brackets, commas and the block around the request; and whom it calls on, which is put in later.
const SLACK: usize = 300 + CALLS_BYTES;

#[cfg(test)]
mod tests;
