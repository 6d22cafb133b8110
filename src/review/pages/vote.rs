//! The only forms that decide anything.

use super::Trouble;
use super::detail::{Notice, careful, sentence, show};
use crate::approval::{Channel, Choice, Refusal, Vote};
use crate::desk::{GrantError, VoteError};
use crate::grant::{Life, Wanted};
use crate::hold::{HoldId, HoldState};
use crate::review::Face;
use crate::review::session::Visitor;
use axum::Form;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;

#[derive(Debug, Deserialize)]
pub(in crate::review) struct Ballot {
    csrf: String,
    /// Of the request that the reviewer has looked at.
    digest: String,
    vote: Choice,
    #[serde(default)]
    reason: String,
    /// The reviewer has read it all; asked where the risk is high.
    #[serde(default)]
    read: bool,
    /// What is to pass beyond this request: a scope, or nothing.
    #[serde(default)]
    grant: String,
    #[serde(default)]
    expires_in: Option<Life>,
    #[serde(default)]
    uses: Option<u32>,
}

impl Ballot {
    /// The grant that is wanted. `Err`: the form says what no form of ours does.
    fn wanted(&self) -> Result<Option<Wanted>, ()> {
        if self.vote != Choice::Approve || self.grant.is_empty() {
            return Ok(None);
        }
        let scope = self.grant.parse().map_err(drop)?;
        let (life, uses) = self.expires_in.zip(self.uses).ok_or(())?;
        Ok(Some(Wanted { scope, life, uses }))
    }
}

/// `POST /holds/{id}/votes`.
pub(in crate::review) async fn cast(
    State(face): State<Arc<Face>>,
    visitor: Visitor,
    Path(id): Path<String>,
    Form(ballot): Form<Ballot>,
) -> Result<Response, Trouble> {
    if !visitor.owns(&ballot.csrf) {
        let text = "The form is not of this login. Load the page again.";
        return Err(Trouble::new(StatusCode::FORBIDDEN, "Nothing was decided", text));
    }
    let hold_id: HoldId = id.parse().map_err(|_| Trouble::no_such_hold())?;
    match decide(&face, &visitor, &hold_id, &ballot).await? {
        None => Ok(Redirect::to(&format!("/holds/{hold_id}")).into_response()),
        Some(notice) => show(&face, &visitor, &id, Some(notice)).await,
    }
}

/// Casts the vote. `Some`: it did not count, and why.
async fn decide(
    face: &Face,
    visitor: &Visitor,
    id: &HoldId,
    ballot: &Ballot,
) -> Result<Option<Notice>, Trouble> {
    let desk = &face.context.desk;
    let Ok(digest) = ballot.digest.parse() else {
        let text = "The form carried no digest. Load the page again.".to_owned();
        return Ok(Some(Notice { status: StatusCode::BAD_REQUEST, text }));
    };
    if ballot.vote == Choice::Approve && !ballot.read {
        let hold = desk.hold(id).await?.ok_or_else(Trouble::no_such_hold)?;
        if careful(&hold) {
            let text =
                "Nothing was decided: tick the box to say that you have read the whole request.".to_owned();
            return Ok(Some(Notice { status: StatusCode::UNPROCESSABLE_ENTITY, text }));
        }
    }
    let reason = ballot.reason.trim();
    let vote = Vote {
        digest,
        choice: ballot.vote,
        reason: (!reason.is_empty()).then(|| reason.to_owned()),
        channel: Channel::Web,
    };
    let (clients, _) = desk.waiting(id);
    let Ok(wanted) = ballot.wanted() else {
        let text = "Nothing was decided: the form asks for no grant that there is.".to_owned();
        return Ok(Some(Notice { status: StatusCode::BAD_REQUEST, text }));
    };
    let reviewer = &visitor.0.reviewer;
    let cast = match wanted {
        None => desk.vote(id, reviewer, vote).await,
        Some(wanted) => match desk.vote_granting(id, reviewer, vote, wanted).await {
            Ok((hold, _)) => Ok(hold),
            Err(GrantError::Vote(error)) => Err(error),
            Err(GrantError::None(why)) => {
                let text = format!("Nothing was decided. {}", sentence(&why.to_string()));
                return Ok(Some(Notice { status: StatusCode::UNPROCESSABLE_ENTITY, text }));
            }
        },
    };
    match cast {
        Ok(hold) => {
            if hold.state == HoldState::Approved && clients > 0 {
                // The next page should show what became of it, also where no script draws it anew.
                desk.changed(id, hold.version, RELEASE_WAIT_MAX).await;
            }
            Ok(None)
        }
        Err(VoteError::NoSuchHold(_)) => Err(Trouble::no_such_hold()),
        Err(VoteError::Store(error)) => Err(error.into()),
        Err(VoteError::Refused(refusal)) => {
            let text = format!("Your vote did not count. {}", sentence(&refusal.to_string()));
            Ok(Some(Notice { status: status(&refusal), text }))
        }
    }
}

/// Shared with the API: whether it is the hold that forbids, or who asks.
pub(in crate::review) fn status(refusal: &Refusal) -> StatusCode {
    match refusal {
        Refusal::StaleDigest | Refusal::NotPending(_) | Refusal::Expired | Refusal::AlreadyVoted => {
            StatusCode::CONFLICT
        }
        Refusal::OwnAgent
        | Refusal::NotInGroup(_)
        | Refusal::NotAReviewer
        | Refusal::OutsideRole
        | Refusal::StaleGroups
        | Refusal::StepUp => StatusCode::FORBIDDEN,
    }
}

const RELEASE_WAIT_MAX: Duration = Duration::from_secs(2);
