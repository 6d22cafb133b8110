//! A held request as the protocols in it see it: what it calls, and with what.

use super::shown::Shown;
use crate::decode::grpc::Descriptors;
use crate::decode::protocol::{self, Said};
use crate::decode::{self, Limits};
use crate::hold::{MESSAGE, ParkedRequest};
use crate::outline::Outline;
use crate::rules::sample::Sample;
use crate::ruling::MatchedField;
use std::collections::BTreeSet;

/// What one protocol sees.
#[derive(Debug)]
pub(super) struct DecodedView {
    /// Its key in rule files.
    pub(super) protocol: &'static str,
    pub(super) calls: Vec<Vec<CallField>>,
    /// Why there are no calls to see, or not all that is in them.
    pub(super) unread: Option<Shown>,
}

#[derive(Debug)]
pub(super) struct CallField {
    pub(super) name: &'static str,
    pub(super) value: Shown,
    /// The value laid out, where it is a single JSON value.
    pub(super) outline: Option<Outline>,
    /// It cannot be seen, or stands there in several readings.
    pub(super) doubtful: bool,
}

impl DecodedView {
    /// The views that say themselves that they are right, and those that the rule asked about.
    pub(super) fn of(
        request: &ParkedRequest,
        matched: &[MatchedField],
        descriptors: &Descriptors,
    ) -> Vec<Self> {
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
        let request = protocol::Request { head: &head, body: &body, descriptors };
        let named: Vec<&str> = matched.iter().filter_map(|m| m.field.split('.').next()).collect();
        let views = protocol::views(&request, &named).into_iter().map(|(protocol, view)| match view {
            Ok(view) => {
                let fields = |call: &protocol::Call<'_>| call.told().map(CallField::of).collect();
                let unread = view.unseen.as_ref().map(|why| Shown::of(&why.to_string()));
                Self { protocol, calls: view.calls.iter().map(fields).collect(), unread }
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
        let value = said.to_string();
        let outline = match said {
            Said::Document { roots, .. } if roots.len() == 1 => Outline::of(&value, &BTreeSet::new()),
            Said::Document { .. } | Said::Names { .. } | Said::Hidden => None,
        };
        Self { name, value: Shown::of(&value), outline, doubtful }
    }
}

/// As for the body beside it.
const LIMITS: Limits = Limits { decoded_bytes_max: 8 * 1024 * 1024, ratio_max: 200 };

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::sha256_hex;
    use crate::hold::ShownField;
    use bytes::Bytes;

    fn told(descriptors: &Descriptors) -> (Vec<(&'static str, String)>, bool) {
        let body: &'static [u8] = &[0, 0, 0, 0, 7, 0x0a, 3, b'a', b'd', b'a', 0x10, 2];
        let kind =
            ShownField { name: "content-type".into(), value: "application/grpc".into(), redacted: false };
        let request = ParkedRequest {
            method: "POST".into(),
            url: "https://api.test/acme.v1.Users/SetRole".into(),
            host: "api.test".into(),
            http_version: "HTTP/2.0".into(),
            headers: vec![kind],
            body: Some(Bytes::from_static(body)),
            body_bytes: 12,
            body_sha256: sha256_hex(body),
        };
        let views = DecodedView::of(&request, &[], descriptors);
        let view = views.first().expect("a call of gRPC");
        let fields = view.calls.iter().flatten().map(|field| (field.name, field.value.to_string()));
        (fields.collect(), view.unread.is_some())
    }

    #[test]
    fn a_message_is_shown_where_it_can_be_read() {
        let mut descriptors = Descriptors::default();
        let (fields, unread) = told(&descriptors);
        assert_eq!(fields.last(), Some(&("message", "(cannot be seen)".to_owned())));
        assert!(unread, "and it says why");
        descriptors.add(include_bytes!("../../tests/grpc/acme.pb")).unwrap();
        let (fields, unread) = told(&descriptors);
        assert_eq!(fields.first(), Some(&("service", "acme.v1.Users".to_owned())));
        assert!(
            fields.iter().any(|(_, text)| text.starts_with(r#"{"user_id":"ada","role":"ADMIN""#)),
            "{fields:?}"
        );
        assert!(!unread);
    }
}
