//! What every request must pass before a handler sees it: the host it names, where a form came from, time.
//! And what every response carries.

use super::problem::Problem;
use super::{Face, HANDLER_TIME_MAX};
use crate::authority::Authority;
use axum::extract::{Request, State};
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use url::Url;

/// Under which names this face may be addressed.
#[derive(Debug)]
pub(super) struct Guard {
    host: Option<String>,
    /// `https://holds.example`, as browsers write it in `Origin`.
    origin: Option<String>,
    /// Whether browsers reach us over TLS, so that the cookie may be `Secure`.
    pub(super) https: bool,
}

impl Guard {
    pub(super) fn new(public_url: &str) -> Self {
        let url = Url::parse(public_url).ok();
        Self {
            host: url.as_ref().and_then(|url| url.host_str()).map(str::to_owned),
            origin: url.as_ref().map(|url| url.origin().ascii_serialization()),
            https: url.is_some_and(|url| url.scheme() == "https"),
        }
    }

    /// Against DNS rebinding: a page of a foreign site can make its own name point here, but it cannot make
    /// the browser send another name than that. An address is nobody's name.
    fn knows(&self, host: &str) -> bool {
        Authority::parse(host, 80).is_ok_and(|authority| {
            let name = authority.host.as_str();
            authority.host.ip().is_some() || name == "localhost" || self.host.as_deref() == Some(name)
        })
    }

    /// Whether a request that changes something comes from a page of ours, or from no page at all.
    ///
    /// Our pages send no referrer, which makes browsers write `Origin: null` on their forms; `Sec-Fetch-Site`
    /// then tells where they come from, and beyond loopback and TLS, where browsers leave that out, the
    /// token that is bound to the session.
    fn trusts_sender(&self, headers: &HeaderMap, host: &str) -> bool {
        let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
        let site = text(SEC_FETCH_SITE);
        if let Some(site) = site {
            return matches!(site, "same-origin" | "none");
        }
        match text(header::ORIGIN) {
            None | Some("null") => true,
            Some(origin) => {
                self.origin.as_deref() == Some(origin)
                    || origin.strip_prefix("http://").is_some_and(|rest| rest.eq_ignore_ascii_case(host))
            }
        }
    }
}

/// Refuses foreign hosts and foreign forms, and ends what takes too long.
pub(super) async fn admit(State(face): State<Arc<Face>>, request: Request, next: Next) -> Response {
    let host = request
        .headers()
        .get(header::HOST)
        .and_then(|value| value.to_str().ok())
        .or_else(|| request.uri().authority().map(|authority| authority.as_str()))
        .unwrap_or_default();
    if !face.guard.knows(host) {
        return Problem::new(StatusCode::MISDIRECTED_REQUEST, "foreign-host")
            .detail("this server is not known under that name; set `control.url` if it should be")
            .into_response();
    }
    if !request.method().is_safe() && !face.guard.trusts_sender(request.headers(), host) {
        return Problem::new(StatusCode::FORBIDDEN, "foreign-origin")
            .detail("the form was not sent from a page of this server")
            .into_response();
    }
    match tokio::time::timeout(HANDLER_TIME_MAX, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too-slow")
            .detail("the answer took too long; try again")
            .into_response(),
    }
}

/// On every response: nothing is loaded from elsewhere, framed, guessed, cached or told to others.
pub(super) async fn headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    );
    headers.insert(
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    );
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

pub(super) const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
    connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_others_are_refused() {
        let guard = Guard::new("https://holds.example/");
        for known in ["holds.example", "HOLDS.example:443", "127.0.0.1:8081", "[::1]:8081", "localhost:8081"]
        {
            assert!(guard.knows(known), "{known}");
        }
        for foreign in ["", "evil.example", "holds.example.evil.test", "localhost.evil.test", "a@127.0.0.1"] {
            assert!(!guard.knows(foreign), "{foreign}");
        }
    }

    #[test]
    fn forms_of_others_are_refused() {
        let guard = Guard::new("https://holds.example");
        let from = |pairs: &[(HeaderName, &'static str)]| {
            let headers =
                pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect();
            guard.trusts_sender(&headers, "127.0.0.1:8081")
        };
        assert!(from(&[]));
        assert!(from(&[(SEC_FETCH_SITE, "same-origin"), (header::ORIGIN, "null")]));
        assert!(from(&[(header::ORIGIN, "https://holds.example")]));
        assert!(from(&[(header::ORIGIN, "http://127.0.0.1:8081")]));
        assert!(!from(&[(SEC_FETCH_SITE, "cross-site"), (header::ORIGIN, "null")]));
        assert!(!from(&[(SEC_FETCH_SITE, "same-site")]));
        assert!(!from(&[(header::ORIGIN, "http://evil.example")]));
        assert!(!from(&[(header::ORIGIN, "http://127.0.0.1:9999")]));
    }
}
