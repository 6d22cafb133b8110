//! Grants on the real store: what they let pass, what ends them, who may make them.

#![cfg(test)]
#![expect(clippy::panic, reason = "a test may panic")]

#[path = "../store/support.rs"]
#[expect(dead_code, reason = "shared with the tests of the store")]
mod support;

mod ends;
mod flood;
mod making;
mod reviewing;
mod using;

use holdpoint::agents::Known;
use holdpoint::approval::{Channel, Choice, Reviewer, Vote};
use holdpoint::desk::{GrantError, Parked, Parking};
use holdpoint::grant::{Grant, Life, Scope, Wanted};
use holdpoint::hold::{Hold, HoldId, ShownField};
use holdpoint::ruling::{MatchedField, ReviewPolicy};
use support::{Office, parking};

/// A request to refund so much, in the session `s1`.
fn refund(agent: &Known, amount: u32, memo: &str) -> Parking {
    let body = format!(r#"{{"amount": {amount}, "memo": "{memo}"}}"#);
    let mut parking = parking(agent, &body, ReviewPolicy::default());
    parking.request.url = "https://api.example/v1/refunds?of=42".to_owned();
    let authorization = "Bearer …9f2c (fp 1a2b3c4d5e6f)".to_owned();
    parking.request.headers =
        vec![ShownField { name: "authorization".to_owned(), value: authorization, redacted: true }];
    parking.grounds.matched =
        vec![MatchedField { field: "body./amount".to_owned(), value: amount.to_string() }];
    parking.words.session = Some("s1".to_owned());
    parking
}

fn wanted(scope: Scope, uses: u32) -> Wanted {
    Wanted { scope, life: Life::Hour, uses }
}

fn approval(hold: &Hold) -> Vote {
    Vote { digest: hold.digest, choice: Choice::Approve, reason: None, channel: Channel::Web }
}

async fn approve_granting(
    office: &Office,
    id: &HoldId,
    reviewer: &Reviewer,
    wanted: Wanted,
) -> Result<(Hold, Grant), GrantError> {
    let hold = office.hold(id).await;
    office.desk.vote_granting(id, reviewer, approval(&hold), wanted).await
}

/// Parks, approves with the grant, and lets the request leave.
async fn granted(office: &Office, parking: Parking, reviewer: &Reviewer, wanted: Wanted) -> Grant {
    let Parked::Waiting(waiter) = office.desk.park(parking).await.unwrap() else { panic!("it waits") };
    let (_, grant) = approve_granting(office, waiter.id(), reviewer, wanted).await.unwrap();
    let outcome = waiter.outcome(support::LONG).await;
    let holdpoint::desk::Outcome::Released(release) = outcome else { panic!("{outcome:?}") };
    release.answered(200);
    grant
}

/// Parks, and says whether it left at once. A release is answered, a wait given up.
async fn leaves(office: &Office, parking: Parking) -> Option<HoldId> {
    match office.desk.park(parking).await.unwrap() {
        Parked::Released(release) => {
            let id = release.id().clone();
            release.answered(200);
            Some(id)
        }
        Parked::Waiting(_) => None,
        Parked::Denied { .. } => panic!("nothing was denied"),
    }
}
