//! What two requests must have in common for a grant of one to cover the other.

use super::{Facts, Same, Scope};
use super::{has_meaning, is_credential, sha256_hex};
use crate::hold::{ParkedRequest, ShownField};
use crate::ruling::{Grounds, MatchedField};
use serde_json::{Value, json};
use std::borrow::Cow;

/// Why no grant of this scope can come of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unlike {
    #[error("no single rule holds this request for certain: only the identical request can be granted")]
    NoOneRule,
    #[error(
        "some of what it was held for cannot be compared ({0}): only the identical request can be granted"
    )]
    Incomparable(&'static str),
    #[error("its body may say what is to be done: only the identical request can be granted")]
    OperationInBody,
    #[error("the agent named no session (`Holdpoint-Session`)")]
    NoSession,
}

/// What must be the same, as a digest. Common to all scopes: agent, on whose behalf it acts, rule, and the wording
/// of the rules that hold the request.
///
/// - `Request`: the digest of the request, which covers everything that has a meaning.
/// - `Resource`: method, whole URL with its query, every header field that has a meaning and is not about the
///   body alone, credentials, and everything that the rule matched on. The rest of the body may differ, unless
///   the body may be what names the operation (a call, a query, a batch).
/// - `Rule`: scheme, host and port, credentials, and the session.
///
/// # Errors
/// There is no such grant for this request: more than the scope could ever name would be let through.
pub fn same(scope: Scope, facts: &Facts<'_>) -> Result<Same, Unlike> {
    let Facts { agent_id, initiator, digest, request, grounds, words } = *facts;
    // Where no rule held it for certain, nothing at all in the rules may have changed.
    let rules = if grounds.held_by.is_empty() { json!(grounds.ruleset) } else { json!(grounds.held_by) };
    let special = match scope {
        Scope::Request => json!(digest),
        Scope::Resource => {
            one_rule(grounds)?;
            let matched = matched(grounds)?;
            let is_call = matched.iter().any(|field| CALLS.contains(&field.field.as_str()));
            if names_an_operation(request) || is_call && request.body_bytes > 0 {
                return Err(Unlike::OperationInBody);
            }
            json!([request.method, request.url, fields(request), matched])
        }
        Scope::Rule => {
            one_rule(grounds)?;
            let session = words.session.as_deref().filter(|session| !session.trim().is_empty());
            let session = session.ok_or(Unlike::NoSession)?;
            if matches!(crate::redact::url(&request.url), Cow::Owned(_)) {
                return Err(Unlike::Incomparable("a secret in the address"));
            }
            json!([origin(&request.url), credentials(request), session])
        }
    };
    // Serialised, no two different lists of parts are one text.
    let all = json!(["holdpoint-grant-v1", scope, agent_id, initiator, grounds.rule, rules, special]);
    Ok(Same(sha256_hex(all.to_string().as_bytes())))
}

fn one_rule(grounds: &Grounds) -> Result<(), Unlike> {
    if grounds.held_by.len() == 1 { Ok(()) } else { Err(Unlike::NoOneRule) }
}

/// What the rule matched on, as it is compared.
fn matched(grounds: &Grounds) -> Result<&[MatchedField], Unlike> {
    for field in &grounds.matched {
        match field.field.as_str() {
            // Of these the rule's words are shown, not what the request has there.
            "if" => return Err(Unlike::Incomparable("an expression")),
            "rate" => return Err(Unlike::Incomparable("a rate")),
            "time" => return Err(Unlike::Incomparable("a time")),
            // Values are shown cut to 200 characters, with a mark.
            _ if field.value.chars().count() > SHOWN_CHARS_MAX => {
                return Err(Unlike::Incomparable("a long value"));
            }
            _ => {}
        }
    }
    Ok(&grounds.matched)
}

/// Of what the rule matched on, what is in the body.
pub(super) fn body_fields(grounds: &Grounds) -> impl Iterator<Item = &MatchedField> {
    grounds.matched.iter().filter(|field| field.field.starts_with("body."))
}

/// Scheme, host and port.
pub(super) fn origin(url: &str) -> &str {
    let from = url.find("://").map_or(0, |at| at + 3);
    let end = url.get(from..).and_then(|rest| rest.find(['/', '?', '#']));
    end.and_then(|end| url.get(..from + end)).unwrap_or(url)
}

fn fields(request: &ParkedRequest) -> Vec<(&str, &str)> {
    let kept = |field: &&ShownField| {
        let name = field.name.to_ascii_lowercase();
        is_secret(field) || has_meaning(&name) && !is_about_the_body(&name)
    };
    sorted(request.headers.iter().filter(kept))
}

fn credentials(request: &ParkedRequest) -> Vec<(&str, &str)> {
    sorted(request.headers.iter().filter(|field| is_secret(field)))
}

/// A secret is shown, and so compared, with a keyed fingerprint.
fn is_secret(field: &ShownField) -> bool {
    field.redacted || is_credential(&field.name.to_ascii_lowercase())
}

/// By name; values of one name in the order sent.
fn sorted<'r>(fields: impl Iterator<Item = &'r ShownField>) -> Vec<(&'r str, &'r str)> {
    let mut fields: Vec<_> = fields.map(|field| (field.name.as_str(), field.value.as_str())).collect();
    fields.sort_by_key(|(name, _)| *name);
    fields
}

/// Fields that change whenever the body does, or with each new request of a client.
fn is_about_the_body(name: &str) -> bool {
    ABOUT_THE_BODY.contains(&name) || name.starts_with("x-amz-checksum-")
}

/// Whether the body may be what says which operation it is, or on what: a call, a query, a batch. In doubt, yes.
fn names_an_operation(request: &ParkedRequest) -> bool {
    if request.body_bytes == 0 {
        return false;
    }
    let Some(body) = request.body.as_deref() else { return true };
    let of_type = |part: &str| {
        let mut fields = request.headers.iter().filter(|f| f.name.eq_ignore_ascii_case("content-type"));
        fields.any(|field| field.value.to_ascii_lowercase().contains(part))
    };
    let encoded = request.headers.iter().any(|f| f.name.eq_ignore_ascii_case("content-encoding"));
    if encoded || ["graphql", "xml", "json-rpc", "grpc", "multipart/mixed", "sql"].into_iter().any(of_type) {
        return true;
    }
    let Ok(text) = std::str::from_utf8(body) else { return false }; // bytes are content, not a call
    let text = text.strip_prefix('\u{feff}').unwrap_or(text); // as the rules read it
    match serde_json::from_str::<Value>(text) {
        Ok(Value::Object(fields)) => fields.keys().any(|name| is_operation(name)),
        Ok(Value::Array(_)) => true,
        Ok(_) => false,
        Err(_) if text.contains('{') => true, // JSON to those that forgive, or a language of its own
        Err(_) => url::form_urlencoded::parse(body).any(|(name, _)| is_operation(&name)),
    }
}

fn is_operation(name: &str) -> bool {
    let name = name.trim().to_ascii_lowercase();
    OPERATION_FIELDS.contains(&name.as_str())
}

const ABOUT_THE_BODY: &[&str] = &[
    "content-digest",
    "content-md5",
    "digest",
    "idempotency-key",
    "repr-digest",
    "x-amz-content-sha256",
    "x-goog-hash",
    "x-idempotency-key",
];
/// Matchers that ask what a body calls: of one tool, one table, one branch nothing follows for another.
const CALLS: &[&str] = &["rpc", "graphql", "sql", "git", "aws"];
/// Names of fields by which one address takes many operations: GraphQL, JSON-RPC, AWS query, SQL over HTTP,
/// batches, commands.
const OPERATION_FIELDS: &[&str] = &[
    "action",
    "actions",
    "batch",
    "cmd",
    "command",
    "commands",
    "function",
    "jsonrpc",
    "method",
    "mutation",
    "op",
    "operation",
    "operationname",
    "operations",
    "ops",
    "query",
    "queries",
    "requests",
    "script",
    "sql",
    "statement",
    "statements",
    "tool",
    "variables",
];
/// As the rules cut what they show.
const SHOWN_CHARS_MAX: usize = 200;
