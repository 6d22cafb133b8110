//! Holds as Adaptive Cards, schema 1.5 (adaptivecards.io/schemas/adaptive-card.json).
//!
//! What an agent wrote stands in `TextRun`s only: a `TextBlock` or a `FactSet` would read it as Markdown. One
//! `RichTextBlock` for each line, because Teams on Android drops line breaks at the ends of a run; and no `CodeBlock`,
//! which Teams folds after ten lines. Buttons carry the opaque button and the choice, nothing else.
//!
//! A card with its activity around it never has more than [`Size::bytes`]: what does not fit is left out, and
//! where the request does not fit whole there is no button that approves.

use crate::card::Card;
use crate::hold::HoldState;
use crate::ruling::Risk;
use serde_json::{Value, json};

/// A hold to be shown, with the button of its card.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry<'a> {
    pub(super) card: &'a Card,
    pub(super) button: &'a str,
    /// The page of the hold in the inbox.
    pub(super) page: &'a str,
}

/// Something said to the one person who clicked, above the card.
#[derive(Debug, Clone)]
pub(super) struct Banner {
    pub(super) text: String,
    /// A button beside it: title and address.
    pub(super) link: Option<(&'static str, String)>,
}

/// Whom a new card calls on. Those with an account here are mentioned, which rings their bell.
#[derive(Debug, Clone, Default)]
pub(super) struct Called {
    /// Names of people and groups.
    pub(super) names: Vec<String>,
    /// Name, and object id in Entra.
    pub(super) accounts: Vec<(String, String)>,
}

impl Called {
    /// Adds the line, and the mentions that it stands for, to a card.
    pub(super) fn add_to(&self, content: &mut Value) {
        let names = self.names.iter().map(|name| letters(name));
        let mentions = self.accounts.iter().map(|(name, _)| format!("<at>{}</at>", letters(name)));
        let all: Vec<String> = mentions.chain(names).take(CALLED_MAX).collect();
        if all.is_empty() {
            return;
        }
        if let Some(body) = content.get_mut("body").and_then(Value::as_array_mut) {
            body.insert(0, text_block(&format!("Called on: {}", all.join(", "))));
        }
        let entities = self.accounts.iter().take(CALLED_MAX).map(|(name, object)| {
            let name = letters(name);
            json!({ "type": "mention", "text": format!("<at>{name}</at>"), "mentioned": { "id": object, "name": name } })
        });
        let entities: Value = entities.collect();
        if let Some(msteams) = content.get_mut("msteams").and_then(Value::as_object_mut) {
            msteams.insert("entities".to_owned(), entities);
        }
    }
}

/// What is in no markup: mentions stand in a `TextBlock`, and need to be found there.
fn letters(name: &str) -> String {
    let kept = name.chars().map(|c| if c.is_alphanumeric() || " .-".contains(c) { c } else { ' ' });
    kept.take(FIELD_MAX).collect()
}

/// How large a message may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Size {
    /// What Teams takes everywhere today.
    Usual,
    /// For clouds that still count in UTF-16 and take 40 KB.
    Small,
}

impl Size {
    /// Bytes of JSON of the whole activity.
    const fn bytes(self) -> usize {
        match self {
            Self::Usual => 28_000 - CALLED_BYTES,
            Self::Small => 14_000 - CALLED_BYTES,
        }
    }
}

/// A card that is drawn, and for each entry whether it shows the whole request.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Drawn {
    pub(super) content: Value,
    pub(super) whole: Vec<bool>,
}

/// Draws the holds of one message: one in full, several as a list.
pub(super) fn draw(entries: &[Entry<'_>], banner: Option<&Banner>, size: Size) -> Drawn {
    match entries {
        [one] => draw_one(one, banner, size),
        many => draw_list(many, banner, size),
    }
}

fn draw_one(entry: &Entry<'_>, banner: Option<&Banner>, size: Size) -> Drawn {
    let fits = |drawn: &Drawn| activity(&drawn.content, "").to_string().len() <= size.bytes();
    let attempt = |room: Room| {
        let (mut body, mut actions) = (head(banner), Vec::new());
        let whole = element(entry, room, Detail::Full, &mut body, &mut actions);
        Drawn { content: frame(body, actions, &fallback(&[*entry])), whole: vec![whole] }
    };
    let rooms = [Room::All].into_iter().chain(ROOMS.map(Room::Characters));
    rooms.map(attempt).find(fits).unwrap_or_else(|| bare(&[*entry]))
}

/// First every hold with its facts, or with less where that is too much; then, while there is room, the requests,
/// oldest first.
fn draw_list(entries: &[Entry<'_>], banner: Option<&Banner>, size: Size) -> Drawn {
    let attempt = |with_request: &[bool], detail: Detail| {
        let mut body = head(banner);
        let count = format!("{} requests of one kind", entries.len());
        body.push(block(vec![
            json!({ "type": "TextRun", "text": count, "weight": "bolder", "size": "medium" }),
        ]));
        let mut whole = Vec::new();
        for (entry, all) in entries.iter().zip(with_request) {
            let (mut items, mut actions) = (Vec::new(), Vec::new());
            let room = if *all { Room::All } else { Room::Characters(0) };
            whole.push(element(entry, room, detail, &mut items, &mut actions));
            items.push(json!({ "type": "ActionSet", "actions": actions }));
            body.push(json!({ "type": "Container", "separator": true, "spacing": "medium", "items": items }));
        }
        Drawn { content: frame(body, Vec::new(), &fallback(entries)), whole }
    };
    let mut with_request = vec![false; entries.len()];
    let fits = |drawn: &Drawn| activity(&drawn.content, "").to_string().len() <= size.bytes();
    let detailed = [Detail::Facts, Detail::Brief].map(|detail| (attempt(&with_request, detail), detail));
    let Some((mut best, detail)) = detailed.into_iter().find(|(drawn, _)| fits(drawn)) else {
        return bare(entries);
    };
    for at in 0..entries.len() {
        if let Some(place) = with_request.get_mut(at) {
            *place = true;
        }
        let next = attempt(&with_request, detail);
        if fits(&next) {
            best = next;
        } else if let Some(place) = with_request.get_mut(at) {
            *place = false;
        }
    }
    best
}

/// Only where to look: for what fits in no other way.
fn bare(entries: &[Entry<'_>]) -> Drawn {
    let actions = entries.iter().take(LINKS_MAX).map(|entry| {
        json!({ "type": "Action.OpenUrl", "title": format!("Open {}", entry.card.hold), "url": entry.page })
    });
    let body = vec![text_block("Requests wait for a decision: too many to show here.")];
    Drawn {
        content: frame(body, actions.collect(), "Requests wait for a decision."),
        whole: vec![false; entries.len()],
    }
}

/// One card for the many that would be too many.
pub(super) fn digest(count: u64, agents: &[String], inbox: &str) -> Value {
    let (verb, noun) = if count == 1 { ("waits", "request") } else { ("wait", "requests") };
    let mut body = vec![block(vec![
        json!({ "type": "TextRun", "text": format!("{count} {noun} {verb} for a decision"), "weight": "bolder", "size": "medium" }),
    ])];
    let agents: Vec<&str> = agents.iter().take(AGENTS_MAX).map(String::as_str).collect();
    if !agents.is_empty() {
        body.push(fact("Agents", &agents.join(", "), FACT_MAX));
    }
    body.push(text_block("Too many to show one by one: decide in the inbox."));
    frame(body, vec![open("Open the inbox", inbox)], "Requests wait for a decision.")
}

/// A card whose only action is a link: for a workflow, which can carry no decision back.
pub(super) fn link_only(entry: &Entry<'_>) -> Value {
    let mut body = Vec::new();
    facts(entry.card, Detail::Full, &mut body);
    body.push(text_block("Decide in the inbox: this channel cannot take decisions."));
    frame(body, vec![open("Open the review", entry.page)], &fallback(&[*entry]))
}

/// Some words from us, and perhaps a link.
pub(super) fn note(banner: &Banner) -> Value {
    frame(head(Some(banner)), Vec::new(), "A message from Holdpoint.")
}

/// The message around a card. `summary` is what a notification shows; it is plain.
pub(super) fn activity(content: &Value, summary: &str) -> Value {
    json!({
        "type": "message",
        "summary": clip(&plain(summary), TITLE_MAX),
        "attachments": [{ "contentType": CARD_TYPE, "content": content }],
    })
}

fn frame(body: Vec<Value>, actions: Vec<Value>, fallback: &str) -> Value {
    let card = json!({
        "type": "AdaptiveCard",
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "version": "1.5",
        "fallbackText": fallback,
        "body": Value::Array(body),
        "msteams": { "width": "Full" },
    });
    if actions.is_empty() { card } else { with(card, "actions", Value::Array(actions)) }
}

/// The object with one more member.
fn with(mut object: Value, member: &str, value: Value) -> Value {
    if let Some(members) = object.as_object_mut() {
        members.insert(member.to_owned(), value);
    }
    object
}

/// For clients too old for the card: no words of the agent, because it may be read as Markdown.
fn fallback(entries: &[Entry<'_>]) -> String {
    let page = entries.first().map(|entry| entry.page).unwrap_or_default();
    format!("Holdpoint asks for a review: {page}")
}

fn head(banner: Option<&Banner>) -> Vec<Value> {
    let Some(banner) = banner else { return Vec::new() };
    let words =
        json!({ "type": "TextRun", "text": clip(&plain(&banner.text), SAYS_MAX), "weight": "bolder" });
    let mut items = vec![block(vec![words])];
    if let Some((title, url)) = &banner.link {
        items.push(json!({ "type": "ActionSet", "actions": [open(title, url)] }));
    }
    vec![json!({ "type": "Container", "style": "warning", "items": items })]
}

/// How much of a hold is told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Detail {
    Full,
    /// As one of several.
    Facts,
    /// What tells it from the others.
    Brief,
}

/// How much of a request is shown.
#[derive(Clone, Copy)]
enum Room {
    All,
    Characters(usize),
}

/// Adds the hold's elements and actions. True: the request is there to the last character.
fn element(
    entry: &Entry<'_>,
    room: Room,
    detail: Detail,
    body: &mut Vec<Value>,
    actions: &mut Vec<Value>,
) -> bool {
    let (card, full) = (entry.card, detail == Detail::Full);
    facts(card, detail, body);
    let faithful = is_faithful(&card.request);
    let (request, whole) = match room {
        Room::All => (card.request.clone(), card.whole && faithful),
        Room::Characters(0) => (String::new(), false),
        Room::Characters(most) => (card.excerpt(most), false),
    };
    if !request.is_empty() {
        let lines: Vec<Value> = request.trim_end_matches('\n').split('\n').map(line).collect();
        body.push(json!({ "type": "Container", "style": "emphasis", "items": lines }));
    }
    if full && let Some(says) = &card.agent_says {
        body.push(fact("The agent says (untrusted)", says, SAYS_MAX));
    }
    if card.state == HoldState::Pending {
        if !whole && !card.step_up {
            body.push(text_block("The request is not shown whole here: approve it in the inbox."));
        }
        if card.step_up {
            body.push(text_block("This rule asks for a fresh, strong login: approve it in the inbox."));
        }
        if detail != Detail::Brief {
            let at = card.expires_at.strftime("%Y-%m-%dT%H:%M:%SZ");
            body.push(text_block(&format!("Decide before {{{{DATE({at},SHORT)}}}} {{{{TIME({at})}}}}.")));
        }
        if whole && card.offers_approval(usize::MAX) {
            actions.push(execute("Approve", "approve", "positive", entry.button));
        }
        actions.push(deny(entry));
    }
    actions.push(open("Open the review", entry.page));
    whole
}

fn facts(card: &Card, detail: Detail, body: &mut Vec<Value>) {
    let (title, status) =
        if detail == Detail::Brief { (BRIEF_MAX, BRIEF_MAX) } else { (TITLE_MAX, FACT_MAX) };
    body.push(block(vec![
        json!({ "type": "TextRun", "text": clip(&plain(&card.title), title), "weight": "bolder", "size": "medium" }),
    ]));
    let mut state = vec![
        json!({ "type": "TextRun", "text": clip(&plain(&card.status), status), "color": color(card), "weight": "bolder" }),
    ];
    if card.state == HoldState::Pending && card.needed > 1 {
        let votes = format!("  {} of {} approvals", card.have, card.needed);
        state.push(json!({ "type": "TextRun", "text": votes, "weight": "bolder" }));
    }
    body.push(block(state));
    if card.solo {
        body.push(text_block("Solo mode: one person runs the agents and reviews."));
    }
    if detail == Detail::Brief {
        body.push(fact("Digest", &format!("{} ({})", card.digest, card.hold), FACT_MAX));
        return;
    }
    body.push(fact("Agent", &format!("{}, owned by {}", card.agent, card.owners), FACT_MAX));
    for (field, value) in card.matched.iter().take(MATCHED_MAX) {
        body.push(fact(&clip(field, FIELD_MAX), value, MATCH_MAX));
    }
    if detail == Detail::Full {
        body.push(fact("Rule", &format!("{}: {}", card.rule, card.why), FACT_MAX));
        let tags: Vec<&str> = card.tags.iter().take(TAGS_MAX).map(String::as_str).collect();
        let tags = if tags.is_empty() { String::new() } else { format!(" ({})", tags.join(", ")) };
        body.push(fact("Risk", &format!("{}{tags}", card.risk.as_str()), FACT_MAX));
        body.push(fact("History", &card.history, FACT_MAX));
        if let Some(grant) = &card.grant {
            body.push(fact("Grant", grant, FACT_MAX));
        }
        if card.requests > 1 {
            body.push(fact("Came", &format!("{} times", card.requests), FACT_MAX));
        }
    }
    // The newest count most; all of them stand in the inbox.
    for vote in card.votes.iter().rev().take(VOTES_MAX).rev() {
        body.push(fact("Vote", vote, FACT_MAX));
    }
    body.push(fact("Digest", &format!("{} ({})", card.digest, card.hold), FACT_MAX));
}

fn color(card: &Card) -> &'static str {
    match card.state {
        HoldState::Pending if card.risk >= Risk::High => "attention",
        HoldState::Pending => "warning",
        HoldState::Approved | HoldState::Released => "good",
        HoldState::Denied => "attention",
        HoldState::Expired | HoldState::Withdrawn => "default",
    }
}

/// `Action.Submit` where the client knows no `Action.Execute`: it comes as a message, and counts the same.
fn execute(title: &str, choice: &str, style: &str, button: &str) -> Value {
    let data = json!({ "button": button, "choice": choice });
    json!({
        "type": "Action.Execute", "title": title, "style": style, "verb": choice, "data": data,
        "fallback": { "type": "Action.Submit", "title": title, "style": style, "data": data },
    })
}

/// The reason is asked for below the card, and is not obligatory: a quick no must stay quick.
fn deny(entry: &Entry<'_>) -> Value {
    let input = json!({
        // In a list every hold has an input of its own: ids must differ.
        "type": "Input.Text", "id": format!("{REASON}{}", entry.card.hold), "isMultiline": true,
        "maxLength": REASON_MAX, "label": "Why not? The agent is told.",
    });
    json!({
        "type": "Action.ShowCard", "title": "Deny…",
        "card": { "type": "AdaptiveCard", "body": [input],
                  "actions": [execute("Deny", "deny", "destructive", entry.button)] },
    })
}

fn open(title: &str, url: &str) -> Value {
    json!({ "type": "Action.OpenUrl", "title": title, "url": url })
}

/// Our own words. Read as Markdown: nothing else goes in.
fn text_block(text: &str) -> Value {
    json!({ "type": "TextBlock", "text": text, "wrap": true })
}

fn block(inlines: Vec<Value>) -> Value {
    json!({ "type": "RichTextBlock", "inlines": Value::Array(inlines) })
}

fn fact(name: &str, value: &str, most: usize) -> Value {
    let block = block(vec![
        json!({ "type": "TextRun", "text": format!("{}: ", plain(name)), "isSubtle": true }),
        json!({ "type": "TextRun", "text": clip(&plain(value), most) }),
    ]);
    with(block, "spacing", json!("small"))
}

/// A line of the request. An empty one would be no element at all.
fn line(text: &str) -> Value {
    let text = if text.is_empty() { "\u{a0}".to_owned() } else { spaced(&plain(text)) };
    let block = block(vec![json!({ "type": "TextRun", "text": text, "fontType": "monospace" })]);
    with(block, "spacing", json!("none"))
}

/// Runs of spaces and spaces at the start stay as they are when they are drawn.
fn spaced(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut after_space = true;
    for c in text.replace('\t', "    ").chars() {
        shown.push(if c == ' ' && after_space { '\u{a0}' } else { c });
        after_space = c == ' ';
    }
    shown
}

/// Text runs are free of Markdown, but not of the functions for dates: those are broken up.
fn plain(text: &str) -> String {
    if is_faithful(text) { text.to_owned() } else { text.replace("{{", "{ {") }
}

/// Whether a text is drawn as it is written: no `{{DATE(…)}}`, no `{{TIME(…)}}`.
fn is_faithful(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    !["{{date(", "{{time("].iter().any(|function| lower.contains(function))
}

fn clip(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{kept}…")
}

/// The type of an Adaptive Card as an attachment and as the answer to an action.
pub(super) const CARD_TYPE: &str = "application/vnd.microsoft.card.adaptive";
/// Before the hold's id: the id of the input for the reason.
pub(super) const REASON: &str = "reason-";
/// Characters of a reason.
pub(super) const REASON_MAX: usize = 1_000;
/// Room for the request, tried one after the other, where it does not fit whole.
const ROOMS: [usize; 7] = [8_000, 4_000, 2_000, 1_000, 500, 200, 0];
/// People and groups that a card calls on.
const CALLED_MAX: usize = 5;
/// Room for them: a name stands thrice, of at most four bytes for a character.
const CALLED_BYTES: usize = CALLED_MAX * (3 * 4 * FIELD_MAX + 160) + 60;
const TITLE_MAX: usize = 200;
const BRIEF_MAX: usize = 80;
const FACT_MAX: usize = 300;
const FIELD_MAX: usize = 40;
const MATCH_MAX: usize = 160;
const MATCHED_MAX: usize = 4;
const SAYS_MAX: usize = 400;
const TAGS_MAX: usize = 8;
const VOTES_MAX: usize = 4;
const AGENTS_MAX: usize = 10;
const LINKS_MAX: usize = 6;

#[cfg(test)]
#[path = "card_tests.rs"]
mod tests;
