//! Whether it was Microsoft that called: the checks of the Bot Framework on its tokens, all of them, always.
//!
//! RS256 by a key that is endorsed for Teams; issuer and audience to the letter; times with five minutes of
//! leeway; the address to answer at is the one that the token names, and is one of the Connector's by our own
//! configuration. (`learn.microsoft.com/azure/bot-service/rest-api/bot-framework-rest-connector-authentication`.)

use super::activity::Activity;
use super::settings::Settings;
use crate::jwt::{Algorithm, Expect, JwtError, KeySet, KeySource};
use crate::outbound::Outbound;
use http::header::AUTHORIZATION;
use http::{HeaderMap, StatusCode};
use std::sync::Arc;
use std::time::Duration;
use url::Url;

#[derive(Debug)]
pub(super) struct Gate {
    settings: Arc<Settings>,
    keys: KeySet,
    expect: Expect,
}

/// Why a call is not let in. The text goes to our log, not to the caller.
#[derive(Debug, thiserror::Error)]
pub(super) enum Denied {
    #[error("there is no bearer token")]
    NoToken,
    #[error(transparent)]
    Token(#[from] JwtError),
    #[error("the body is no activity")]
    NoActivity,
    #[error("the activity is of another channel than Teams")]
    Channel,
    #[error("the key that signed is not endorsed for Teams")]
    Endorsement,
    #[error("the token is for another service address than the activity names")]
    ServiceUrl,
    #[error("the activity names a service address that is not the Bot Connector's (`teams.hosts`)")]
    Elsewhere,
}

impl Denied {
    pub(super) const fn status(&self) -> StatusCode {
        match self {
            Self::Token(error) if error.is_outage() => StatusCode::SERVICE_UNAVAILABLE,
            Self::NoToken | Self::Token(_) => StatusCode::UNAUTHORIZED,
            Self::NoActivity => StatusCode::BAD_REQUEST,
            Self::Channel | Self::Endorsement | Self::ServiceUrl | Self::Elsewhere => StatusCode::FORBIDDEN,
        }
    }
}

impl Gate {
    pub(super) fn new(settings: Arc<Settings>, outbound: &Outbound) -> Self {
        let keys = KeySet::new(outbound, KeySource::Document(settings.metadata.clone()));
        let expect = Expect {
            leeway: LEEWAY,
            ..Expect::new(settings.cloud.issuer(), &settings.app_id).algorithms(&[Algorithm::RS256])
        };
        Self { settings, keys, expect }
    }

    /// The activity, when Microsoft sent it. Whose tenant it is of is for the caller to look at.
    ///
    /// # Errors
    /// See [`Denied`].
    pub(super) async fn admit(&self, headers: &HeaderMap, body: &[u8]) -> Result<Activity, Denied> {
        let verified = self.keys.verify(bearer(headers).ok_or(Denied::NoToken)?, &self.expect).await?;
        let activity = Activity::parse(body).map_err(|_| Denied::NoActivity)?;
        if activity.channel_id != TEAMS {
            return Err(Denied::Channel);
        }
        if !verified.key.lists("endorsements", TEAMS) {
            return Err(Denied::Endorsement);
        }
        let claimed = verified.text("serviceurl").ok_or(Denied::ServiceUrl)?;
        if !same_address(claimed, &activity.service_url) {
            return Err(Denied::ServiceUrl);
        }
        let known = Url::parse(&activity.service_url).is_ok_and(|url| self.settings.is_service(&url));
        known.then_some(activity).ok_or(Denied::Elsewhere)
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(AUTHORIZATION).into_iter();
    let value = values.next()?.to_str().ok()?;
    if values.next().is_some() {
        return None;
    }
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Slashes at the end and case apart. Nothing is the same as nothing.
fn same_address(one: &str, other: &str) -> bool {
    let bare = |url: &str| url.trim_end_matches('/').to_ascii_lowercase();
    !bare(one).is_empty() && bare(one) == bare(other)
}

/// The id of the channel, and the endorsement of its keys.
pub(super) const TEAMS: &str = "msteams";
const LEEWAY: Duration = Duration::from_mins(5);
