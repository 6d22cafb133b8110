//! What may be shown: secrets replaced by a fingerprint, and hostile characters made visible.

use crate::hold::ShownField;
use aws_lc_rs::hmac;
use http::HeaderMap;
use std::borrow::Cow;

/// Makes fingerprints of secrets with a key of this installation, so that equal secrets look equal and a
/// fingerprint gives nothing away.
pub struct Fingerprints {
    key: hmac::Key,
}

impl std::fmt::Debug for Fingerprints {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fingerprints")
    }
}

impl Fingerprints {
    /// From 32 secret bytes.
    pub fn new(key: &[u8]) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, key) }
    }

    /// Twelve hexadecimal digits of the HMAC.
    pub fn of(&self, secret: &[u8]) -> String {
        let tag = hmac::sign(&self.key, secret);
        crate::digest::hex(tag.as_ref()).chars().take(12).collect()
    }

    /// The credential of a request, for its digest: every credential field by its fingerprint; of an AWS
    /// SigV4 `Authorization` only key id and scope, since date and signature differ with every try.
    pub fn credential(&self, headers: &HeaderMap) -> String {
        let mut parts: Vec<String> = headers
            .iter()
            .filter(|(name, _)| is_credential(name.as_str()))
            .map(|(name, value)| {
                let aws = aws_credential(value.as_bytes()).map(|aws| aws.undated());
                let secret = aws.as_deref().map_or(value.as_bytes(), str::as_bytes);
                format!("{name}={}", self.of(secret))
            })
            .collect();
        parts.sort_unstable();
        parts.join("\n")
    }

    /// The fields as shown and stored, secrets replaced.
    pub fn fields(&self, headers: &HeaderMap) -> Vec<ShownField> {
        headers
            .iter()
            .map(|(name, value)| {
                let name = name.as_str();
                let redacted = is_credential(name) || is_known_token(value.as_bytes());
                let value = if redacted { self.shown(value.as_bytes()) } else { text(value.as_bytes()) };
                ShownField { name: name.to_owned(), value, redacted }
            })
            .collect()
    }

    /// A secret as kind, last four characters and fingerprint: `Bearer …9f2c (fp 1a2b3c4d5e6f)`.
    fn shown(&self, value: &[u8]) -> String {
        if let Some(aws) = aws_credential(value) {
            let print = self.of(aws.undated().as_bytes());
            return format!("{} Credential={}/{} (fp {print})", aws.algorithm, aws.key_id, aws.scope);
        }
        let (kind, secret) = scheme(value);
        let print = self.of(secret);
        // Of a short secret four characters are too much.
        let tail = secret.len().checked_sub(4).filter(|_| secret.len() >= TAIL_SECRET_BYTES_MIN);
        let tail = tail.and_then(|at| secret.get(at..)).filter(|t| t.iter().all(u8::is_ascii_graphic));
        let tail = tail.map(text).unwrap_or_default();
        let gap = if kind.is_empty() { "" } else { " " };
        format!("{kind}{gap}…{tail} (fp {print})")
    }
}

/// Whether a field, by its name in lower case, carries a credential.
pub fn is_credential(name: &str) -> bool {
    CREDENTIAL_FIELDS.contains(&name) || CREDENTIAL_WORDS.iter().any(|word| name.contains(word))
}

/// A query as logged: values of parameters that carry secrets (`token`, `sig`, `X-Amz-Signature`, …) replaced.
pub fn query(query: &str) -> Cow<'_, str> {
    if !query.split(['&', ';']).any(is_secret_pair) {
        return Cow::Borrowed(query);
    }
    let mut shown = String::with_capacity(query.len());
    for piece in query.split_inclusive(['&', ';']) {
        let pair = piece.trim_end_matches(['&', ';']);
        if is_secret_pair(pair) {
            // A pair without `=` is a secret by itself.
            let name = pair.split_once('=').map(|(name, _)| name);
            shown
                .extend(name.filter(|name| !looks_secret(&decoded(name))).into_iter().flat_map(|n| [n, "="]));
            shown.push_str(REDACTED);
        } else {
            shown.push_str(pair);
        }
        shown.extend(piece.get(pair.len()..));
    }
    Cow::Owned(shown)
}

/// A URL as logged: its query by [`query`].
pub fn url(url: &str) -> Cow<'_, str> {
    let Some((place, after)) = url.split_once('?') else { return Cow::Borrowed(url) };
    match query(after) {
        Cow::Borrowed(_) => Cow::Borrowed(url),
        Cow::Owned(after) => Cow::Owned(format!("{place}?{after}")),
    }
}

/// Makes C0, C1, bidi, zero-width, tag and other invisible characters visible as `⟨U+202E⟩`, line breaks and
/// tabs apart. For every text that an agent wrote, in every face.
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 32);
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        if c == '\r' && characters.peek() == Some(&'\n') {
            // A line break of the other kind. A carriage return alone overwrites a line, and is shown.
        } else if is_hidden(c) {
            shown.push_str(&format!("⟨U+{:04X}⟩", u32::from(c)));
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

/// Control, formatting and blank-looking characters: what can be there and not be seen, or move what is.
fn is_hidden(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        _ => c.is_control() || HIDDEN.iter().any(|(first, last)| (*first..=*last).contains(&c)),
    }
}

/// The scheme of a credential and the secret after it.
fn scheme(value: &[u8]) -> (&str, &[u8]) {
    let split = value.iter().position(|b| *b == b' ').and_then(|at| value.split_at_checked(at));
    let known = split.and_then(|(kind, secret)| {
        let kind = std::str::from_utf8(kind).ok()?;
        // Only known words: the first of another secret's words is a part of the secret.
        SCHEMES.iter().any(|s| s.eq_ignore_ascii_case(kind)).then_some((kind, secret.trim_ascii_start()))
    });
    known.unwrap_or(("", value))
}

/// Bytes of a field as text: exact when they are text, escaped when not.
fn text(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes).map_or_else(|_| bytes.escape_ascii().to_string(), str::to_owned)
}

/// The parts of an AWS Signature V4 `Authorization` field that name who signs; none of them is secret.
struct AwsCredential<'a> {
    algorithm: &'a str,
    key_id: &'a str,
    /// `date/region/service/aws4_request`
    scope: &'a str,
}

impl AwsCredential<'_> {
    /// What stays the same from try to try.
    fn undated(&self) -> String {
        let scope = self.scope.split_once('/').map_or("", |(_date, rest)| rest);
        format!("{} {}/{scope}", self.algorithm, self.key_id)
    }
}

fn aws_credential(value: &[u8]) -> Option<AwsCredential<'_>> {
    let value = std::str::from_utf8(value).ok()?;
    let (algorithm, rest) = value.split_once(' ').filter(|(a, _)| a.starts_with("AWS4-"))?;
    let credential = rest.split(',').find_map(|part| part.trim().strip_prefix("Credential="))?;
    let (key_id, scope) = credential.split_once('/')?;
    let plain = |text: &str, more: &str| {
        !text.is_empty()
            && text.len() <= 128
            && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
    };
    // Anything else in there is no SigV4, and is shown as any other secret.
    let sound = plain(algorithm, "-")
        && plain(key_id, "")
        && plain(scope, "/-_*")
        && scope.ends_with("/aws4_request");
    sound.then_some(AwsCredential { algorithm, key_id, scope })
}

fn is_secret_pair(pair: &str) -> bool {
    let (name, value) = pair.split_once('=').unwrap_or(("", pair));
    let name = decoded(name).to_ascii_lowercase().replace('-', "_");
    let named =
        SECRET_PARAMETERS.contains(&name.as_str()) || SECRET_WORDS.iter().any(|word| name.contains(word));
    (named && !value.is_empty()) || looks_secret(&decoded(value)) || looks_secret(&name)
}

fn decoded(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text); // the usual case; each query is read here once for the traffic log
    }
    let text = text.replace('=', "%3D").replace('+', "%2B");
    url::form_urlencoded::parse(text.as_bytes()).map(|(name, _)| name.into_owned()).collect()
}

/// A value that is a token by its look: a known prefix, or long, mixed and without words.
fn looks_secret(value: &str) -> bool {
    let has = |kind: fn(&u8) -> bool| value.as_bytes().iter().any(kind);
    let token = |b: &u8| b.is_ascii_alphanumeric() || b"+/=_-.~".contains(b);
    is_known_token(value.as_bytes())
        || (value.len() >= 32
            && value.as_bytes().iter().all(token)
            && has(u8::is_ascii_digit)
            && has(u8::is_ascii_lowercase)
            && has(u8::is_ascii_uppercase))
}

fn is_known_token(value: &[u8]) -> bool {
    TOKEN_PREFIXES.iter().any(|prefix| value.starts_with(prefix.as_bytes()) && value.len() > prefix.len() + 8)
}

const REDACTED: &str = "[redacted]";
/// Secrets of fewer bytes show no tail.
const TAIL_SECRET_BYTES_MIN: usize = 16;
/// Words before a credential that say what it is.
const SCHEMES: &[&str] = &[
    "ApiKey",
    "AWS",
    "Basic",
    "Bearer",
    "Bot",
    "Digest",
    "DPoP",
    "GenieKey",
    "Hawk",
    "JWT",
    "Key",
    "MAC",
    "Negotiate",
    "NTLM",
    "OAuth",
    "SharedKey",
    "Splunk",
    "sso-key",
    "SSWS",
    "Token",
];

const CREDENTIAL_FIELDS: &[&str] = &[
    "authorization",
    "proxy-authorization",
    "cookie",
    "cookie2",
    "set-cookie",
    "set-cookie2",
    "x-auth",
    "x-auth-key",
    "x-goog-iam-authorization-token",
    "x-amz-security-token",
    "x-gitlab-token",
    "x-vault-token",
    "private-token",
    "job-token",
    "dd-application-key",
];
/// A field whose name has one of these is a credential.
const CREDENTIAL_WORDS: &[&str] = &[
    "token",
    "secret",
    "password",
    "passwd",
    "api-key",
    "apikey",
    "access-key",
    "credential",
    "session-id",
    "authorization",
];
const SECRET_PARAMETERS: &[&str] = &[
    "assertion",
    "auth",
    "code",
    "jwt",
    "key",
    "pass",
    "pat",
    "pwd",
    "sas",
    "session",
    "sid",
    "sig",
    "ticket",
];
const SECRET_WORDS: &[&str] = &[
    "token",
    "secret",
    "password",
    "passwd",
    "passphrase",
    "signature",
    "credential",
    "api_key",
    "apikey",
    "access_key",
    "private_key",
    "session_id",
    "sessionid",
    "client_assertion",
    "authorization",
];
/// How tokens of well-known issuers begin.
const TOKEN_PREFIXES: &[&str] = &[
    "AIza",
    "EAAC",
    "SG.",
    "dop_v1_",
    "eyJ",
    "ghp_",
    "gho_",
    "ghr_",
    "ghs_",
    "ghu_",
    "github_pat_",
    "glpat-",
    "hf_",
    "hpa_",
    "hpl_",
    "hpr_",
    "hps_",
    "hvs.",
    "npm_",
    "pypi-",
    "rk_live_",
    "rk_test_",
    "shpat_",
    "sk-",
    "sk_live_",
    "sk_test_",
    "whsec_",
    "xapp-",
    "xoxa-",
    "xoxb-",
    "xoxe-",
    "xoxp-",
    "xoxs-",
    "ya29.",
];
/// Beside the control characters: soft hyphen, joiners, fillers, bidi marks and overrides, line and paragraph
/// separators, variation selectors, annotations, musical formatting, tags. (Unicode TR 36, CVE-2021-42574.)
const HIDDEN: &[(char, char)] = &[
    ('\u{AD}', '\u{AD}'),
    ('\u{34F}', '\u{34F}'),
    ('\u{61C}', '\u{61C}'),
    ('\u{115F}', '\u{1160}'),
    ('\u{17B4}', '\u{17B5}'),
    ('\u{180B}', '\u{180F}'),
    ('\u{200B}', '\u{200F}'),
    ('\u{2028}', '\u{202E}'),
    ('\u{2060}', '\u{206F}'),
    ('\u{2800}', '\u{2800}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{FE00}', '\u{FE0F}'),
    ('\u{FEFF}', '\u{FEFF}'),
    ('\u{FFA0}', '\u{FFA0}'),
    ('\u{FFF0}', '\u{FFFB}'),
    ('\u{1BCA0}', '\u{1BCA3}'),
    ('\u{1D173}', '\u{1D17A}'),
    ('\u{E0000}', '\u{E0FFF}'),
];
