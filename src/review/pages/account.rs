//! One's own account: who one is here, and which chat accounts vote as one.

use super::{Frame, Trouble, render};
use crate::approval::{LoginBy, fresh};
use crate::review::moment::Moment;
use crate::review::oidc::begin_path;
use crate::review::session::SignedIn;
use crate::review::shown::Shown;
use crate::review::{Face, rights};
use crate::reviewers::LinkedAccount;
use askama::Template;
use axum::Form;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use serde::Deserialize;
use std::sync::Arc;

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage {
    frame: Frame,
    name: Shown,
    local: bool,
    person: Shown,
    roles: Vec<&'static str>,
    groups: Vec<Shown>,
    groups_at: Option<Moment>,
    /// The groups do not count any more.
    stale: bool,
    how: &'static str,
    login_at: Option<Moment>,
    acr: Option<Shown>,
    amr: Vec<Shown>,
    ends: Moment,
    /// Where a new login begins.
    again: Option<String>,
    accounts: Vec<Linked>,
    csrf: String,
    notice: Option<Shown>,
}

struct Linked {
    /// `slack:T1/U1`, for the form.
    name: String,
    service: &'static str,
    id: Shown,
    how: &'static str,
    since: Moment,
}

#[derive(Template)]
#[template(path = "link.html")]
struct LinkPage {
    frame: Frame,
    service: &'static str,
    id: Shown,
    display: Shown,
    name: Shown,
    local: bool,
    person: Shown,
    ticket: String,
    csrf: String,
}

#[derive(Debug, Deserialize)]
pub(in crate::review) struct Ticket {
    #[serde(default)]
    ticket: String,
}

#[derive(Debug, Deserialize)]
pub(in crate::review) struct Confirmed {
    csrf: String,
    ticket: String,
}

#[derive(Debug, Deserialize)]
pub(in crate::review) struct Unlink {
    csrf: String,
    account: String,
}

/// `GET /account`.
pub(in crate::review) async fn page(
    State(face): State<Arc<Face>>,
    visitor: SignedIn,
) -> Result<Response, Trouble> {
    show(&face, &visitor, None).await
}

/// `GET /link?ticket=hpk_…`: whose account it is and whom it would vote as; a button, nothing more.
pub(in crate::review) async fn ask(
    State(face): State<Arc<Face>>,
    visitor: SignedIn,
    Query(Ticket { ticket }): Query<Ticket>,
) -> Result<Response, Trouble> {
    let found = face.context.reviewers.ticket(&ticket).await?.ok_or_else(used)?;
    let reviewer = &visitor.0.reviewer;
    let (service, id) = parts(&found.account);
    let page = LinkPage {
        frame: Frame::signed_in(&visitor.0, &face, ""),
        service,
        id: Shown::of(id),
        display: Shown::of(&found.display),
        name: Shown::of(&reviewer.display),
        local: reviewer.person.is_local(),
        person: Shown::of(&reviewer.person.to_string()),
        ticket,
        csrf: visitor.0.csrf.clone(),
    };
    Ok(render(StatusCode::OK, &page))
}

/// `POST /link`: spends the ticket.
pub(in crate::review) async fn link(
    State(face): State<Arc<Face>>,
    visitor: SignedIn,
    Form(form): Form<Confirmed>,
) -> Result<Response, Trouble> {
    check(&visitor, &form.csrf, "Nothing was linked")?;
    let person = &visitor.0.reviewer.person;
    let linked = face.context.reviewers.spend_ticket(&form.ticket, person).await?.ok_or_else(used)?;
    let (service, _) = parts(&linked.account);
    let notice = format!(
        "Your {service} account is linked. Click the button on the card again: now it counts as yours."
    );
    show(&face, &visitor, Some(&notice)).await
}

/// `POST /account/unlink`: one's own only.
pub(in crate::review) async fn unlink(
    State(face): State<Arc<Face>>,
    visitor: SignedIn,
    Form(form): Form<Unlink>,
) -> Result<Response, Trouble> {
    check(&visitor, &form.csrf, "Nothing was unlinked")?;
    let person = &visitor.0.reviewer.person;
    let notice = if face.context.reviewers.unlink(&form.account, person).await? {
        "The account is unlinked. Its clicks count for nobody now."
    } else {
        "That account was not linked to you."
    };
    show(&face, &visitor, Some(notice)).await
}

async fn show(face: &Face, visitor: &SignedIn, notice: Option<&str>) -> Result<Response, Trouble> {
    let now = Timestamp::now();
    let session = &visitor.0;
    let reviewer = &session.reviewer;
    let accounts = face.context.reviewers.accounts(&reviewer.person).await?;
    let local = reviewer.person.is_local();
    let page = AccountPage {
        frame: Frame::signed_in(session, face, "account"),
        name: Shown::of(&reviewer.display),
        local,
        person: Shown::of(&reviewer.person.to_string()),
        roles: rights::roles(face, reviewer),
        groups: reviewer.groups.iter().map(|group| Shown::of(group)).collect(),
        groups_at: reviewer.groups_at.map(|at| Moment::of(at, now)),
        stale: !fresh(reviewer, &face.context.desk.settings().charter, now),
        how: match reviewer.login.by {
            LoginBy::Token => "by a token",
            LoginBy::Link => "by a one-time link",
            LoginBy::Oidc => "at the identity provider",
            LoginBy::AccessToken => "by an access token",
            LoginBy::Chat => "in chat",
        },
        login_at: reviewer.login.at.map(|at| Moment::of(at, now)),
        acr: reviewer.login.acr.as_deref().map(Shown::of),
        amr: reviewer.login.amr.iter().map(|method| Shown::of(method)).collect(),
        ends: Moment::of(session.expires_at, now),
        again: (!local && face.context.identity.is_some()).then(|| begin_path("/account")),
        accounts: accounts.iter().map(|account| Linked::of(account, now)).collect(),
        csrf: session.csrf.clone(),
        notice: notice.map(Shown::of),
    };
    Ok(render(StatusCode::OK, &page))
}

impl Linked {
    fn of(linked: &LinkedAccount, now: Timestamp) -> Self {
        let (service, id) = parts(&linked.account);
        Self {
            service,
            id: Shown::of(id),
            how: match linked.how.as_str() {
                "login" => "linked by you",
                "attribute" => "named by the identity provider",
                _ => "of the same address",
            },
            since: Moment::of(linked.linked_at, now),
            name: linked.account.clone(),
        }
    }
}

/// The service, and what it calls the account.
fn parts(account: &str) -> (&'static str, &str) {
    match account.split_once(':') {
        Some(("slack", id)) => ("Slack", id),
        Some(("teams", id)) => ("Teams", id),
        _ => ("chat", account),
    }
}

fn used() -> Trouble {
    let text = "This link was used before or is older than a quarter of an hour. Click the button on the card again: \
                you get a new one.";
    Trouble::new(StatusCode::GONE, "Nothing to link", text)
}

fn check(visitor: &SignedIn, csrf: &str, title: &str) -> Result<(), Trouble> {
    if visitor.owns(csrf) {
        return Ok(());
    }
    Err(Trouble::new(StatusCode::FORBIDDEN, title, "The form is not of this login. Load the page again."))
}
