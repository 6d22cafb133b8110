//! A held request as the protocols in it see it: what it calls, and with what.

use super::shown::Shown;
use crate::decode::protocol::{self, Said};
use crate::decode::{self, Limits};
use crate::hold::{MESSAGE, ParkedRequest};
use crate::rules::sample::Sample;
use crate::ruling::MatchedField;

/// What one protocol sees.
#[derive(Debug)]
pub(super) struct DecodedView {
    /// Its key in rule files.
    pub(super) protocol: &'static str,
    pub(super) calls: Vec<Vec<CallField>>,
    /// Why there are no calls to see.
    pub(super) unread: Option<Shown>,
}

#[derive(Debug)]
pub(super) struct CallField {
    pub(super) name: &'static str,
    pub(super) value: Shown,
    /// It cannot be seen, or stands there in several readings.
    pub(super) doubtful: bool,
}

impl DecodedView {
    /// The views that say themselves that they are right, and those that the rule asked about.
    pub(super) fn of(request: &ParkedRequest, matched: &[MatchedField]) -> Vec<Self> {
        let headers = request.headers.iter().filter(|field| !field.redacted);
        let sample = Sample {
            // As rules read it.
            method: if request.method == MESSAGE { "POST".to_owned() } else { request.method.clone() },
            url: request.url.clone(),
            headers: headers.map(|field| (field.name.clone(), field.value.clone())).collect(),
            body: request.body.as_deref().unwrap_or_default().to_vec(),
        };
        let Ok(canonical) = sample.canonical() else { return Vec::new() };
        let body = decode::body(&canonical.headers, &canonical.body, LIMITS);
        let head = canonical.head();
        let request = protocol::Request { head: &head, body: &body };
        let named: Vec<&str> = matched.iter().filter_map(|m| m.field.split('.').next()).collect();
        let views = protocol::views(&request, &named).into_iter().map(|(protocol, view)| match view {
            Ok(view) => {
                let fields = |call: &protocol::Call<'_>| call.told().map(CallField::of).collect();
                Self { protocol, calls: view.calls.iter().map(fields).collect(), unread: None }
            }
            Err(why) => Self { protocol, calls: Vec::new(), unread: Some(Shown::of(&why.to_string())) },
        });
        views.collect()
    }
}

impl CallField {
    fn of((name, said): (&'static str, &Said<'_>)) -> Self {
        let doubtful = match said {
            Said::Names { exact, .. } | Said::Document { exact, .. } => !exact,
            Said::Hidden => true,
        };
        Self { name, value: Shown::of(&said.to_string()), doubtful }
    }
}

/// As for the body beside it.
const LIMITS: Limits = Limits { decoded_bytes_max: 8 * 1024 * 1024, ratio_max: 200 };
