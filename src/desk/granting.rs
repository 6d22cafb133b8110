//! Grants at the desk: made with a vote, listed, shown, revoked. They are used where requests are parked.

use super::{Desk, VoteError};
use crate::approval::{Reviewer, Vote};
use crate::grant::{Grant, GrantId, NoGrant, Scope, Wanted};
use crate::hold::{Hold, HoldId};
use crate::redact::visible;
use crate::store::{Ballot, Granted, Revoking, StoreError, VoteTerms};
use std::sync::Arc;

/// Why neither vote nor grant counted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GrantError {
    #[error(transparent)]
    Vote(#[from] VoteError),
    #[error("nothing is granted: {0}")]
    None(#[from] NoGrant),
}

impl From<StoreError> for GrantError {
    fn from(error: StoreError) -> Self {
        Self::Vote(error.into())
    }
}

impl Desk {
    /// Records an approval and the grant that comes with it, both or neither, in one transaction. Of a hold that
    /// the reviewer has approved before, the grant alone. The same again finds the same grant, while it lives.
    ///
    /// # Cancel safety
    /// Dropped before it returns, both may or may not count.
    ///
    /// # Errors
    /// Neither counted.
    pub async fn vote_granting(
        &self,
        id: &HoldId,
        reviewer: &Reviewer,
        vote: Vote,
        wanted: Wanted,
    ) -> Result<(Hold, Grant), GrantError> {
        let (hold, grant) = self.cast(id, reviewer, vote, Some(wanted)).await?;
        let grant = grant.ok_or(StoreError::Closed)?;
        Ok((hold, grant))
    }

    pub(super) async fn cast(
        &self,
        id: &HoldId,
        reviewer: &Reviewer,
        vote: Vote,
        wanted: Option<Wanted>,
    ) -> Result<(Hold, Option<Grant>), GrantError> {
        let terms = VoteTerms {
            solo: self.settings.solo,
            approval_life: self.settings.approval_life,
            charter: Arc::clone(&self.settings.charter),
            grants: Arc::clone(&self.settings.grants),
        };
        match self.store.vote(id, reviewer, vote, wanted, terms).await? {
            Ballot::Recorded(hold) => Ok((*hold, None)),
            Ballot::Granted(hold, grant) => Ok((*hold, Some(*grant))),
            Ballot::Refused(refusal) => Err(VoteError::from(refusal).into()),
            Ballot::NoGrant(why) => Err(why.into()),
            Ballot::NoSuchHold => Err(VoteError::NoSuchHold(id.clone()).into()),
        }
    }

    /// Grants, newest first, with whether each can still be used.
    ///
    /// # Errors
    /// The store.
    pub async fn grants(&self) -> Result<Vec<Granted>, StoreError> {
        self.store.grants((&self.settings.grants, &self.settings.charter)).await
    }

    /// Ends a grant at once.
    ///
    /// # Errors
    /// The store.
    pub async fn revoke_grant(&self, id: &GrantId, by: &Reviewer) -> Result<Revoking, StoreError> {
        self.store.revoke_grant(id, by, &self.settings.charter).await
    }

    /// Which grants this person could make from a hold, which has its body, and why not the others.
    ///
    /// # Errors
    /// The store.
    pub async fn grantable(
        &self,
        hold: &Hold,
        reviewer: &Reviewer,
    ) -> Result<Vec<(Scope, Result<(), NoGrant>)>, StoreError> {
        self.store.grantable(hold, reviewer, (&self.settings.grants, &self.settings.charter)).await
    }

    /// The grant that a hold left by, or the live one nearest to it, in one sentence for cards and pages. `hold`
    /// has its body.
    ///
    /// # Errors
    /// The store.
    pub async fn grant_line(&self, hold: &Hold) -> Result<Option<String>, StoreError> {
        if hold.grant.is_none() && hold.state.is_final() {
            return Ok(None);
        }
        let about = self.store.grants_about(hold, (&self.settings.grants, &self.settings.charter)).await?;
        let Some((grant, covered)) = about.first() else { return Ok(None) };
        let names = self.store.names(&[&grant.person]).await?;
        let by = names.get(&grant.person).map_or(grant.person.subject.as_str(), String::as_str);
        Ok(Some(line(hold, grant, *covered, &visible(by))))
    }
}

fn line(hold: &Hold, grant: &Grant, covered: bool, by: &str) -> String {
    let left = match grant.uses_left {
        0 => "no uses".to_owned(),
        1 => "1 use".to_owned(),
        uses => format!("{uses} uses"),
    };
    let what = match grant.scope {
        Scope::Request => "this exact request",
        Scope::Resource => "this operation and resource",
        Scope::Rule => "this rule for this agent and session",
    };
    let Grant { id, hold: reviewed, expires_at, .. } = grant;
    if hold.grant.is_some() {
        return format!(
            "It left by the grant {id} that {by} made for {what} when reviewing {reviewed}; {left} left."
        );
    }
    let until = expires_at.strftime("%H:%M UTC");
    if covered {
        format!(
            "A grant by {by} covers {what}: it passes when the agent asks again, {left} left until {until} ({id})."
        )
    } else {
        format!("A grant by {by} covers others like it, but not this one: {left} left until {until} ({id}).")
    }
}
