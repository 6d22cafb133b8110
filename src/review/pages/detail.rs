//! One hold, made to be decided in ten seconds.

use super::grants::title;
use super::request::RequestView;
use super::{Frame, Trouble, render};
use crate::approval::{Choice, Refusal, Reviewer};
use crate::desk::{History, VoteError};
use crate::grant::{Life, NoGrant, Scope, in_words};
use crate::hold::{Hold, HoldId, HoldState, ReleaseOutcome};
use crate::ledger;
use crate::person::Person;
use crate::review::Face;
use crate::review::body::Content;
use crate::review::card::{Approvals, Clients};
use crate::review::moment::{Moment, span};
use crate::review::oidc;
use crate::review::session::Visitor;
use crate::review::shown::Shown;
use crate::ruling::Risk;
use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use std::sync::Arc;
use std::time::Duration;

#[derive(Template)]
#[template(path = "detail.html")]
struct Detail {
    frame: Frame,
    id: String,
    state: HoldState,
    solo: bool,
    summary: Shown,
    agent: Shown,
    owners: Vec<Owner>,
    labels: Vec<(Shown, Shown)>,
    source: String,
    rule: Shown,
    why: Shown,
    risk: &'static str,
    matched: Vec<(Shown, Shown)>,
    request: RequestView,
    history: Past,
    created: Moment,
    requests: u32,
    decision: Decision,
    votes: Vec<Voted>,
    digest: String,
    digest_short: String,
    words: Words,
    events: Vec<Happened>,
    /// What became of the visitor's last try to vote.
    notice: Option<Notice>,
}

/// Said on top of the page.
#[derive(Debug)]
pub(super) struct Notice {
    pub(super) status: StatusCode,
    pub(super) text: String,
}

struct Owner {
    name: Shown,
    local: bool,
    /// The visitor.
    you: bool,
}

/// The panel with the buttons, or what became of the hold.
struct Decision {
    expires: Option<Moment>,
    clients: Clients,
    approvals: Approvals,
    groups: Vec<Shown>,
    /// Groups of which each must approve.
    each: Vec<Shown>,
    /// What a click on approve does now.
    effect: String,
    /// What may be let pass beyond this request, by the visitor.
    offers: Vec<Offer>,
    /// The lengths and the most uses that the configuration allows.
    lives: Vec<(&'static str, &'static str)>,
    uses: u32,
    /// The grant that it left by, or one for others like it.
    grant: Option<Shown>,
    /// The visitor has approved it: a grant can still come of it.
    afterwards: bool,
    /// Why the visitor cannot approve.
    refusal: Option<String>,
    /// Where the visitor signs in again, when that may help.
    again: Option<String>,
    may_deny: bool,
    /// The visitor must say that they have read it all.
    careful: bool,
    /// For holds that are decided.
    outcome: String,
}

/// A grant that the visitor could make.
struct Offer {
    scope: &'static str,
    title: &'static str,
    covers: Shown,
    /// Why they cannot.
    none: Option<String>,
}

struct Voted {
    who: Shown,
    local: bool,
    approved: bool,
    reason: Option<Shown>,
    channel: &'static str,
    at: Moment,
}

struct Past {
    counts: History,
    recent: Vec<Before>,
}

struct Before {
    id: String,
    state: &'static str,
    agent: Shown,
    at: Moment,
    by: String,
    reason: Option<Shown>,
}

struct Words {
    reason: Option<Shown>,
    session: Option<Shown>,
    traceparent: Option<Shown>,
}

struct Happened {
    at: Moment,
    what: String,
    who: Shown,
}

/// `GET /holds/{id}`.
pub(in crate::review) async fn page(
    State(face): State<Arc<Face>>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, Trouble> {
    show(&face, &visitor, &id, None).await
}

/// The page of a hold, with what is to be said of the visitor's last try to vote.
pub(super) async fn show(
    face: &Face,
    visitor: &Visitor,
    id: &str,
    notice: Option<Notice>,
) -> Result<Response, Trouble> {
    let id: HoldId = id.parse().map_err(|_| Trouble::no_such_hold())?;
    let hold = face.context.desk.hold(&id).await?.ok_or_else(Trouble::no_such_hold)?;
    let status = notice.as_ref().map_or(StatusCode::OK, |notice| notice.status);
    // A large body takes milliseconds to lay out, which the data plane's threads do not have.
    let (request, grounds) = (hold.request.clone(), hold.grounds.clone());
    let rules = face.context.rules.load_full();
    let request = aside(move || RequestView::of(&request, &grounds, rules.descriptors())).await?;
    let page = Detail::gather(face, visitor, &hold, request, notice).await?;
    aside(move || render(status, &page)).await
}

/// Runs what computes for long on a thread of its own.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Trouble> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        tracing::error!(%error, "a hold could not be laid out");
        Trouble::new(StatusCode::INTERNAL_SERVER_ERROR, "This hold cannot be shown", "Look at the log.")
    })
}

impl Detail {
    async fn gather(
        face: &Face,
        visitor: &Visitor,
        hold: &Hold,
        request: RequestView,
        notice: Option<Notice>,
    ) -> Result<Self, Trouble> {
        let now = Timestamp::now();
        let history = face.context.desk.history(hold).await?;
        let filter = ledger::Filter {
            subject: Some(hold.id.to_string()),
            limit: EVENTS_MAX,
            ..ledger::Filter::default()
        };
        let rows = face.context.ledger.rows(&filter).await?;
        let agents = face.context.agents.list().await?;
        let agent = agents.iter().find(|enrolled| enrolled.agent.id == hold.agent_id);
        let mut owners: Vec<&Person> = hold.owners.iter().collect();
        owners
            .extend(agent.iter().flat_map(|a| &a.agent.owners).filter(|owner| !hold.owners.contains(owner)));
        let reviewer = &visitor.0.reviewer;
        let labels = agent.iter().flat_map(|a| &a.agent.labels);
        let decision = Decision::of(face, visitor, hold, now).await?;
        Ok(Self {
            frame: Frame::of(visitor, face, "inbox"),
            id: hold.id.to_string(),
            state: hold.state,
            solo: hold.solo,
            summary: Shown::of(&hold.grounds.summary),
            agent: Shown::of(&hold.agent),
            owners: owners.into_iter().map(|owner| Owner::of(owner, &reviewer.person)).collect(),
            labels: labels.map(|(name, value)| (Shown::of(name), Shown::of(value))).collect(),
            source: hold.source.clone(),
            rule: Shown::of(&hold.grounds.rule),
            why: Shown::of(&hold.grounds.why),
            risk: hold.grounds.risk.as_str(),
            matched: hold
                .grounds
                .matched
                .iter()
                .map(|m| (Shown::of(&m.field), Shown::of(&m.value)))
                .collect(),
            request,
            history: Past::of(history, now),
            created: Moment::of(hold.created_at, now),
            requests: hold.requests,
            decision,
            votes: hold.votes.iter().map(|vote| Voted::of(vote, now)).collect(),
            digest: hold.digest.to_string(),
            digest_short: hold.digest.short(),
            words: Words {
                reason: hold.words.reason.as_deref().map(Shown::of),
                session: hold.words.session.as_deref().map(Shown::of),
                traceparent: hold.words.traceparent.as_deref().map(Shown::of),
            },
            events: rows.iter().map(|row| Happened::of(row, now)).collect(),
            notice,
        })
    }
}

impl Decision {
    async fn of(face: &Face, visitor: &Visitor, hold: &Hold, now: Timestamp) -> Result<Self, Trouble> {
        let pending = hold.state == HoldState::Pending;
        let (refusal, again) = match face.context.desk.may_approve(hold, &visitor.0.reviewer).await {
            Ok(()) => (None, None),
            Err(VoteError::Store(error)) => return Err(error.into()),
            Err(refused) => {
                let (text, again) = (refused.to_string(), again(face, visitor, hold, &refused));
                // What to do stands on the button.
                let why = text.split_once(';').filter(|_| again.is_some()).map_or(&*text, |(why, _)| why);
                (Some(sentence(why)), again)
            }
        };
        let clients = Clients::of(hold, face, now);
        let approvals = Approvals::of(hold, face.context.solo);
        let effect = effect(hold, &clients, approvals, face.context.desk.settings().approval_life);
        let settings = face.context.desk.settings();
        let reviewer = &visitor.0.reviewer;
        let theirs = |v: &crate::hold::VoteRecord| v.person == reviewer.person && v.vote == Choice::Approve;
        let afterwards = matches!(hold.state, HoldState::Approved | HoldState::Released)
            && hold.votes.iter().any(theirs)
            && hold.decided_at.is_some_and(|at| {
                Duration::try_from(now.duration_since(at)).is_ok_and(|age| age <= settings.grants.longest)
            });
        let last = approvals.needed <= approvals.have + 1;
        let offers = if refusal.is_none() && last || afterwards {
            offers(face, hold, reviewer).await?
        } else {
            Vec::new()
        };
        let shown = |groups: &[String]| groups.iter().map(|group| Shown::of(group)).collect();
        Ok(Self {
            expires: pending.then(|| Moment::of(hold.expires_at, now)),
            clients,
            approvals,
            groups: shown(&hold.grounds.review.from),
            each: shown(&hold.grounds.review.each),
            effect,
            offers,
            lives: lives(settings.grants.longest),
            uses: settings.grants.uses,
            grant: face.context.desk.grant_line(hold).await?.as_deref().map(Shown::of),
            afterwards,
            refusal,
            again,
            may_deny: pending && hold.expires_at > now,
            careful: careful(hold),
            outcome: outcome(hold, now),
        })
    }
}

/// Where a new login begins that comes back here.
fn again(face: &Face, visitor: &Visitor, hold: &Hold, refused: &VoteError) -> Option<String> {
    let VoteError::Refused(refusal) = refused else { return None };
    let next = format!("/holds/{}", hold.id);
    match (refusal, visitor.0.reviewer.person.is_local() || face.context.identity.is_none()) {
        _ if !refusal.mends_by_login() => None,
        (_, true) => Some(format!("/login?next={next}")),
        (Refusal::StepUp, false) => Some(oidc::step_up_path(&next)),
        (_, false) => Some(oidc::begin_path(&next)),
    }
}

/// What the visitor may let pass: none when nothing at all, each with what it covers or why not.
async fn offers(face: &Face, hold: &Hold, reviewer: &Reviewer) -> Result<Vec<Offer>, Trouble> {
    let all = face.context.desk.grantable(hold, reviewer).await?;
    if all.iter().all(|(_, offer)| offer.is_err()) {
        return Ok(Vec::new());
    }
    let of = |(scope, offer): (Scope, Result<(), NoGrant>)| Offer {
        scope: scope.as_str(),
        title: title(scope),
        covers: Shown::of(&sentence(&in_words(scope, hold))),
        none: offer.err().map(|why| sentence(&why.to_string())),
    };
    Ok(all.into_iter().map(of).collect())
}

fn lives(longest: Duration) -> Vec<(&'static str, &'static str)> {
    let name = |life: Life| match life {
        Life::Quarter => "15 minutes",
        Life::Hour => "1 hour",
        Life::Day => "8 hours",
    };
    let allowed = Life::ALL.into_iter().filter(|life| life.duration() <= longest);
    allowed.map(|life| (life.as_str(), name(life))).collect()
}

/// Whether approving takes the word of the reviewer that they have read it all.
pub(super) fn careful(hold: &Hold) -> bool {
    hold.grounds.risk >= Risk::High
}

fn effect(hold: &Hold, clients: &Clients, approvals: Approvals, life: Duration) -> String {
    let missing = approvals.needed.saturating_sub(approvals.have);
    if missing > 1 {
        return format!(
            "Your approval is one of {}. Nothing leaves until {} more {} approved.",
            approvals.needed,
            missing - 1,
            if missing == 2 { "person has" } else { "people have" }
        );
    }
    if clients.count > 0 {
        return "Approving releases it now, to the client that waits.".to_owned();
    }
    let life = span(jiff::SignedDuration::try_from(life).unwrap_or_default());
    format!(
        "Nobody waits for it now. Approving gives {} the right to send this exact request once more, for {life}.",
        Shown::of(&hold.agent)
    )
}

fn outcome(hold: &Hold, now: Timestamp) -> String {
    let at = |at: Option<Timestamp>| at.map(|at| Moment::of(at, now).clock).unwrap_or_default();
    let by = |choice: Choice| {
        let names: Vec<String> =
            hold.votes.iter().filter(|v| v.vote == choice).map(|v| v.person.to_string()).collect();
        if names.is_empty() { "nobody".to_owned() } else { names.join(" and ") }
    };
    match hold.state {
        HoldState::Pending => String::new(),
        HoldState::Approved => format!(
            "Approved by {} at {}. The client has gone; it may send this exact request once until {}.",
            by(Choice::Approve),
            at(hold.decided_at),
            at(hold.approval_expires_at)
        ),
        HoldState::Released => {
            let answer = match hold.outcome {
                Some(ReleaseOutcome::Answered { status }) => format!("The origin answered {status}."),
                Some(ReleaseOutcome::Ambiguous) => {
                    "Nobody knows whether it arrived: the connection broke. Holdpoint does not send it again."
                        .to_owned()
                }
                None => "The origin has not answered yet.".to_owned(),
            };
            format!("Approved by {}, released at {}. {answer}", by(Choice::Approve), at(hold.released_at))
        }
        HoldState::Denied => format!("Denied by {} at {}.", by(Choice::Deny), at(hold.decided_at)),
        HoldState::Expired if hold.decided_at.is_some() && hold.approval_expires_at.is_some() => {
            format!("Approved by {}, but nobody came back for it. Nothing was sent.", by(Choice::Approve))
        }
        HoldState::Expired => "Nobody decided in time. Nothing was sent.".to_owned(),
        HoldState::Withdrawn => "Withdrawn: its agent was revoked. Nothing was sent.".to_owned(),
    }
}

impl Owner {
    fn of(owner: &Person, visitor: &Person) -> Self {
        Self { name: Shown::of(&owner.to_string()), local: owner.is_local(), you: owner == visitor }
    }
}

impl Voted {
    fn of(vote: &crate::hold::VoteRecord, now: Timestamp) -> Self {
        use crate::approval::Channel;
        Self {
            who: Shown::of(&vote.person.to_string()),
            local: vote.person.is_local(),
            approved: vote.vote == Choice::Approve,
            reason: vote.reason.as_deref().map(Shown::of),
            channel: match vote.channel {
                Channel::Web => "on this page",
                Channel::Api => "by the API",
                Channel::Cli => "on the command line",
                Channel::Slack => "in Slack",
                Channel::Teams => "in Teams",
            },
            at: Moment::of(vote.at, now),
        }
    }
}

impl Past {
    fn of(history: History, now: Timestamp) -> Self {
        let recent = history.recent.iter().map(|past| Before {
            id: past.id.to_string(),
            state: past.state.as_str(),
            agent: Shown::of(&past.agent),
            at: Moment::of(past.at, now),
            by: past.decided_by.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and "),
            reason: past.reason.as_deref().map(Shown::of),
        });
        Self { recent: recent.collect(), counts: history }
    }

    fn none(&self) -> bool {
        self.counts.approved + self.counts.denied + self.counts.expired == 0
    }
}

impl Happened {
    fn of(row: &crate::audit::Row, now: Timestamp) -> Self {
        Self {
            at: Moment::of(row.event.at, now),
            what: row.event.event.name(),
            who: Shown::of(&row.event.actor),
        }
    }
}

/// First letter large, full stop at the end.
pub(in crate::review) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

const EVENTS_MAX: u32 = 50;
