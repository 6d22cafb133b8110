//! AWS: which service a request is for, and which action it names.
//!
//! A request names its action in up to four ways: `X-Amz-Target` (JSON), `Action` in query or form (query, EC2), the
//! path `/service/…/operation/…` (CBOR), or method and path (REST). Where it does so in several ways, each is
//! judged. REST is mapped for S3 and the most important actions of some services; any other REST action is hidden:
//! it counts as matched where a rule holds, and never where one passes.

mod rest;
mod s3;
mod service;

pub use service::service_of;

use super::form::{component, split};
use super::protocol::{Call, Claim, Kind, Protocol, Request, Spec, Unread, View};
use super::{Body, Decoded, same_folded};
use crate::request::Head;
use std::borrow::Cow;

pub(super) const PROTOCOL: Protocol = Protocol {
    name: "aws",
    fields: &[
        Spec { name: "service", kind: Kind::Name },
        Spec { name: "action", kind: Kind::Name },
        Spec { name: "bucket", kind: Kind::Name },
        Spec { name: "key", kind: Kind::Name },
        Spec { name: "signed-for", kind: Kind::Name },
    ],
    claim,
    read,
};

fn claim(head: &Head<'_>) -> Claim {
    let Some(service) = service_of(head.authority.host.as_str()) else { return Claim::No };
    // An action can stand in a form; S3 has none, and its bodies are large.
    let by_form = *head.method == http::Method::POST && service.name != "s3";
    if by_form { Claim::Body } else { Claim::Head }
}

fn read<'a>(request: &Request<'a>) -> Result<View<'a>, Unread> {
    let head = request.head;
    let mut view = View { says_so: true, ..View::default() };
    let Some(service) = service_of(head.authority.host.as_str()) else { return Ok(view) };
    let signed_for = signed_for(head);
    let mut services = vec![service.name.clone()];
    // What the signature is for, where that is another service than the host's: each could be meant.
    if let Some(scope) = &signed_for
        && let Some(other) = service::by_signing_name(scope)
        && !service.signs_as(scope)
    {
        services.push(other.to_owned());
    }
    let is_control = service.name == "s3-control";
    if is_control && !services.iter().any(|name| name == "s3") {
        services.push("s3".to_owned()); // as policies name its actions
    }
    let (named, complete) = named(request)?;
    let overrides = super::named_methods(head.headers);
    for service_name in services {
        let base = |service: &str| {
            let call = Call::default().with("service", service.to_owned());
            match &signed_for {
                Some(scope) if !service::is_usual(&service_name, scope) => {
                    call.with("signed-for", scope.clone())
                }
                _ => call,
            }
        };
        if !named.is_empty() {
            let named = named.iter().map(|action| base(&service_name).with("action", action.clone()));
            view.calls.extend(named);
        }
        // A REST service takes no heed of `Action` and the like; a path that names an action stands beside them.
        if service_name == "s3" && is_control {
            let call = base(&service_name).with_hidden("action");
            view.calls.push(call.with_hidden("bucket").with_hidden("key"));
            continue;
        }
        if service_name == "s3" {
            let calls = super::heads(head, &overrides).flat_map(|head| s3::calls(&head, &service));
            view.calls.extend(calls.flat_map(|call| call.shown(&base(&service_name))));
            continue;
        }
        let mut heads = super::heads(head, &overrides);
        let may_be_rest = heads.any(|head| may_be_rest(&service_name, &head));
        let mapped: Vec<_> =
            super::heads(head, &overrides).flat_map(|head| rest::actions(&service_name, &head)).collect();
        if mapped.is_empty() && (named.is_empty() || may_be_rest || !complete) {
            view.calls.push(base(&service_name).with_hidden("action"));
        }
        view.calls.extend(mapped.into_iter().map(|action| base(&service_name).with("action", action)));
    }
    Ok(view)
}

/// Whether method and path could name an action of their own, whatever else the request names: those protocols that name
/// it elsewhere have few paths and methods.
fn may_be_rest(service: &str, head: &Head<'_>) -> bool {
    if ![http::Method::GET, http::Method::POST].contains(head.method) {
        return true;
    }
    let mut paths = std::iter::once(head.path).chain(head.readings.iter().map(|reading| &**reading));
    paths.any(|path| {
        let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
        match segments.as_slice() {
            [] => false,
            // A queue of an account.
            [account, _] if service == "sqs" => !account.bytes().all(|b| b.is_ascii_digit()),
            _ => operation(path).is_none(),
        }
    })
}

/// The action that a path names to CBOR.
fn operation(path: &str) -> Option<&str> {
    let mut segments = path.split('/').filter(|segment| !segment.is_empty());
    let (first, _, third) = (segments.next()?, segments.next()?, segments.next()?);
    let action = segments.next()?;
    (first == "service" && third == "operation" && segments.next().is_none()).then_some(action)
}

/// The actions that the request names, by each of its ways, each once; and whether those are all.
fn named(request: &Request<'_>) -> Result<(Vec<String>, bool), Unread> {
    let head = request.head;
    let mut actions: Vec<String> = Vec::new();
    let mut add = |action: &str| {
        let action = action.trim();
        if !action.is_empty() && !actions.iter().any(|known| known == action) {
            actions.push(action.to_owned());
        }
    };
    for value in head.headers.get_all("x-amz-target") {
        let value = value.to_str().map_err(|_| "its `X-Amz-Target` is no text")?;
        // Several in one field, as some servers read a list.
        value.split(',').filter_map(|target| target.rsplit('.').next()).for_each(&mut add);
    }
    let paths = std::iter::once(head.path).chain(head.readings.iter().map(|reading| &**reading));
    for path in paths {
        operation(path).into_iter().for_each(&mut add);
    }
    for (name, value) in split(head.query.unwrap_or_default(), &['&']) {
        if same_folded(&component(name), "Action") {
            add(&component(value));
        }
    }
    if let Body::Decoded(Decoded { form: Some(form), .. }) = request.body {
        form.iter().filter(|(name, _)| same_folded(name, "Action")).for_each(|(_, value)| add(value));
    }
    let unread = matches!(request.body, Body::Unreadable(_) | Body::Binary { .. });
    let complete = !unread || *head.method != http::Method::POST || names_outside_the_body(head);
    Ok((actions, complete))
}

/// Whether what it says of its body leaves no room for a form in it that names an action.
fn names_outside_the_body(head: &Head<'_>) -> bool {
    let media = super::media_type(head.headers).unwrap_or_default().to_ascii_lowercase();
    let by_target = head.headers.contains_key("x-amz-target") && media.starts_with("application/x-amz-json");
    by_target || operation(head.path).is_some()
}

/// The service in the scope of a signature (version 4), by header or by parameter.
fn signed_for(head: &Head<'_>) -> Option<String> {
    let in_header = head.headers.get("authorization").and_then(|value| value.to_str().ok());
    let credential = in_header.and_then(|value| value.split("Credential=").nth(1)).map(Cow::Borrowed);
    let in_query = || {
        let mut pairs = split(head.query.unwrap_or_default(), &['&']);
        pairs.find(|(name, _)| component(name) == "X-Amz-Credential").map(|(_, value)| component(value))
    };
    let credential = credential.or_else(in_query)?;
    let scope = credential.split([',', ' ']).next()?;
    let mut parts = scope.rsplit('/');
    (parts.next()? == "aws4_request").then_some(())?;
    parts.next().filter(|service| !service.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests;
