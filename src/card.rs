//! A hold as a card: what a reviewer must see to decide in ten seconds, in plain words, for any chat service.
//!
//! Everything that the agent wrote is made visible first (control characters, bidi, zero width). Whoever renders a
//! card escapes it for their markup, and asks [`Card::offers_approval`] before they draw the button: a request that
//! is not shown whole is not approved where it is shown.

use crate::approval::{self, Choice, Law};
use crate::hold::{Hold, HoldId, HoldState, ReleaseOutcome};
use crate::outline::Outline;
use crate::person::Person;
use crate::redact::visible;
use crate::ruling::{Assurance, Risk};
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// A hold as shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    pub hold: HoldId,
    pub version: i64,
    pub state: HoldState,
    /// One plain sentence: what it would do.
    pub title: String,
    pub agent: String,
    /// Its owners, and on whose behalf it acts.
    pub owners: String,
    pub rule: String,
    pub why: String,
    pub risk: Risk,
    pub tags: Vec<String>,
    /// What made the rule match: field and value.
    pub matched: Vec<(String, String)>,
    /// Of a batch its parts; then method, URL, fields and body, line by line.
    pub request: String,
    /// Whether `request` is all there is: the body is text, still kept, and not encoded.
    pub whole: bool,
    /// The short digest, as the inbox shows it.
    pub digest: String,
    /// What became of others like it.
    pub history: String,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    pub have: usize,
    pub needed: usize,
    /// Who voted how: one line each.
    pub votes: Vec<String>,
    /// How it stands, in one sentence.
    pub status: String,
    /// Times that the identical request came.
    pub requests: u32,
    /// The agent's own words: untrusted, and to be labelled so.
    pub agent_says: Option<String>,
    /// The live grant for requests like it, or the one that it left by, in one sentence.
    pub grant: Option<String>,
    /// More than a click is asked: only the inbox can approve.
    pub step_up: bool,
    pub solo: bool,
}

/// What became of requests of the same shape.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Past {
    pub approved: u32,
    pub denied: u32,
    pub expired: u32,
    pub by_this_agent: u32,
}

impl Card {
    /// `name` gives a person's display name.
    pub fn of(hold: &Hold, law: &Law<'_>, past: Past, name: impl Fn(&Person) -> String) -> Self {
        let grounds = &hold.grounds;
        let approved = hold.votes.iter().filter(|vote| vote.vote == Choice::Approve);
        let people: BTreeSet<&Person> = approved.map(|vote| &vote.person).collect();
        let (request, whole) = request(hold);
        Self {
            hold: hold.id.clone(),
            version: hold.version,
            state: hold.state,
            title: shown(&grounds.summary),
            agent: shown(&hold.agent),
            owners: owners(hold, &name),
            rule: shown(&grounds.rule),
            why: shown(&grounds.why),
            risk: grounds.risk,
            tags: grounds.tags.iter().map(|tag| shown(tag)).collect(),
            matched: grounds.matched.iter().map(|m| (shown(&m.field), shown(&m.value))).collect(),
            request,
            whole,
            digest: hold.digest.short(),
            history: history(past),
            created_at: hold.created_at,
            expires_at: hold.expires_at,
            have: people.len(),
            needed: approval::needed(hold, law),
            votes: hold.votes.iter().map(|vote| vote_line(vote, &name)).collect(),
            status: status(hold, &name),
            requests: hold.requests,
            agent_says: hold.words.reason.as_deref().map(shown),
            grant: None,
            step_up: grounds.review.assurance == Assurance::High,
            solo: hold.solo,
        }
    }

    /// Whether a card that has room for `room` characters of the request may have a button that approves.
    pub fn offers_approval(&self, room: usize) -> bool {
        self.state == HoldState::Pending && !self.step_up && self.fits(room)
    }

    /// Whether the request is shown whole in so many characters.
    pub fn fits(&self, room: usize) -> bool {
        self.whole && self.request.chars().count() <= room
    }

    /// As much of the request as there is room for, and what is missing.
    pub fn excerpt(&self, room: usize) -> String {
        let total = self.request.chars().count();
        if total <= room {
            return self.request.clone();
        }
        let kept: String = self.request.chars().take(room.saturating_sub(NOTE_CHARS)).collect();
        let left = total - kept.chars().count();
        format!("{kept}\n… {left} more characters: open the review")
    }
}

fn shown(text: &str) -> String {
    visible(text).into_owned()
}

fn owners(hold: &Hold, name: &impl Fn(&Person) -> String) -> String {
    let owners: Vec<String> = hold.owners.iter().map(|person| shown(&name(person))).collect();
    let owners = if owners.is_empty() { "nobody known".to_owned() } else { owners.join(", ") };
    match &hold.initiator {
        Some(person) => format!("{owners}; acts for {}", shown(&name(person))),
        None => owners,
    }
}

/// The request as text, and whether that is all of it.
fn request(hold: &Hold) -> (String, bool) {
    let request = &hold.request;
    let mut text = String::new();
    for (nth, part) in hold.grounds.parts.iter().enumerate() {
        let (verdict, method, target) = (part.verdict.as_str(), shown(&part.method), shown(&part.target));
        let _ = writeln!(text, "{}. {verdict}: {method} {target} ({})", nth + 1, shown(&part.rule));
    }
    if !text.is_empty() {
        text = format!("A batch of {}:\n{text}\n", hold.grounds.parts.len());
    }
    let _ = writeln!(text, "{} {}", shown(&request.method), shown(&request.url));
    for field in &request.headers {
        let _ = writeln!(text, "{}: {}", shown(&field.name), shown(&field.value));
    }
    if request.body_bytes == 0 {
        return (text, true);
    }
    text.push('\n');
    let encoded = request.headers.iter().any(|field| {
        field.name.eq_ignore_ascii_case("content-encoding")
            && !field.value.trim().eq_ignore_ascii_case("identity")
    });
    let body = request.body.as_deref().filter(|_| !encoded).and_then(|body| std::str::from_utf8(body).ok());
    let Some(body) = body else {
        let _ = write!(text, "({} bytes that are not plain text: open the review)", request.body_bytes);
        return (text, false);
    };
    match Outline::of(body, &BTreeSet::new()) {
        Some(outline) => {
            for line in &outline.lines {
                text.push_str(&line.indent());
                line.parts.iter().for_each(|part| text.push_str(&part.text));
                text.push('\n');
            }
        }
        None => text.push_str(&body.lines().map(shown).collect::<Vec<_>>().join("\n")),
    }
    (text, true)
}

fn history(past: Past) -> String {
    let Past { approved, denied, expired, by_this_agent } = past;
    if approved + denied + expired == 0 {
        return "Never seen before.".to_owned();
    }
    let mine = match by_this_agent {
        0 => "none by this agent".to_owned(),
        count => format!("{count} by this agent"),
    };
    format!("Seen before: {approved} approved, {denied} denied, {expired} expired ({mine}).")
}

fn vote_line(vote: &crate::hold::VoteRecord, name: &impl Fn(&Person) -> String) -> String {
    let who = shown(&name(&vote.person));
    let did = if vote.vote == Choice::Approve { "approved" } else { "denied" };
    let because = vote.reason.as_deref().map(|reason| format!(": {}", shown(reason))).unwrap_or_default();
    format!("{who} {did} ({}){because}", vote.channel.as_str())
}

fn status(hold: &Hold, name: &impl Fn(&Person) -> String) -> String {
    let last = hold.votes.last();
    let by = last.map(|vote| format!(" by {}", shown(&name(&vote.person)))).unwrap_or_default();
    match (hold.state, hold.outcome) {
        (HoldState::Pending, _) => "Waits for a decision.".to_owned(),
        (HoldState::Approved, _) => format!("Approved{by}. It leaves when the agent repeats it."),
        (HoldState::Released, Some(ReleaseOutcome::Answered { status })) => {
            format!("Released{by}: the service answered {status}.")
        }
        (HoldState::Released, Some(ReleaseOutcome::Ambiguous)) => {
            format!(
                "Released{by}, outcome unknown: it may or may not have arrived. Look before anybody repeats it."
            )
        }
        (HoldState::Released, None) => format!("Released{by}: on its way."),
        (HoldState::Denied, _) => {
            let reason = last.and_then(|vote| vote.reason.as_deref()).map(|r| format!(": {}", shown(r)));
            format!("Denied{by}{}", reason.unwrap_or_else(|| ".".to_owned()))
        }
        (HoldState::Expired, _) => {
            "Expired: nobody decided in time, or the approval was not used.".to_owned()
        }
        (HoldState::Withdrawn, _) => "Withdrawn: the agent was revoked.".to_owned(),
    }
}

/// Room for the note on what is missing.
const NOTE_CHARS: usize = 60;
