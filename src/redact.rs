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
        let mut parts: Vec<(&str, String)> = headers
            .iter()
            .filter(|(name, _)| is_credential(name.as_str()))
            .map(|(name, value)| {
                let aws = aws_credential(value.as_bytes()).map(|aws| aws.undated());
                let secret = aws.as_deref().map_or(value.as_bytes(), str::as_bytes);
                (name.as_str(), self.of(secret))
            })
            .collect();
        // By name only: of two credentials of one name a server takes the first or the last.
        parts.sort_by_key(|(name, _)| *name);
        parts.into_iter().map(|(name, print)| format!("{name}={print}")).collect::<Vec<_>>().join("\n")
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

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    fn prints() -> Fingerprints {
        Fingerprints::new(&[7; 32])
    }

    fn headers(fields: &[(&str, &str)]) -> HeaderMap {
        let field = |(name, value): &(&str, &str)| {
            (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap())
        };
        fields.iter().map(field).collect()
    }

    fn shown(name: &str, value: &str) -> String {
        prints().fields(&headers(&[(name, value)])).remove(0).value
    }

    const SIGV4: &str = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261120/us-east-1/iam/aws4_request, \
                         SignedHeaders=host;x-amz-date, Signature=5d672d79c15b13162d9279b0855cfba6789a8edb";

    #[test]
    fn a_secret_is_shown_as_kind_tail_and_fingerprint() {
        let print = prints().of(b"sk-proj-0123456789ab9f2c");
        assert_eq!(
            shown("authorization", "Bearer sk-proj-0123456789ab9f2c"),
            format!("Bearer …9f2c (fp {print})")
        );
        assert_eq!(
            shown("x-api-key", "hunter2"),
            format!("… (fp {})", prints().of(b"hunter2")),
            "too short for a tail"
        );
        assert!(shown("x-custom", "ghp_0123456789abcdef0123").starts_with("…0123 (fp "), "known by its look");
        assert_eq!(shown("accept", "text/html"), "text/html");
        let aws = shown("authorization", SIGV4);
        assert!(
            aws.starts_with(
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261120/us-east-1/iam/aws4_request (fp "
            )
        );
    }

    #[test]
    fn a_field_that_is_no_text_is_shown_exactly() {
        let mut map = HeaderMap::new();
        map.insert("x-raw", HeaderValue::from_bytes(b"a\xff\xe2").unwrap());
        assert_eq!(prints().fields(&map)[0].value, "a\\xff\\xe2");
    }

    #[test]
    fn a_credential_is_the_same_from_try_to_try() {
        let of = |value: &str| prints().credential(&headers(&[("authorization", value), ("accept", "x")]));
        let later = SIGV4.replace("20261120", "20261121").replace("5d672d79", "00000000");
        assert_eq!(of(SIGV4), of(&later));
        assert_ne!(of(SIGV4), of(&SIGV4.replace("AKIDEXAMPLE", "AKIDOTHER")));
        assert_ne!(of(SIGV4), of(&SIGV4.replace("us-east-1", "eu-west-1")));
        assert_ne!(of("Bearer a"), of("Bearer b"));
        assert_eq!(prints().credential(&headers(&[("accept", "x")])), "");
        let of_all = |fields: &[(&str, &str)]| prints().credential(&headers(fields));
        let (low, high, key) = (("authorization", "low"), ("authorization", "high"), ("x-api-key", "k"));
        assert_ne!(of_all(&[low, high]), of_all(&[high, low]), "a server takes the first, or the last");
        assert_eq!(of_all(&[low, key, high]), of_all(&[key, low, high]));
        // What only looks like SigV4 counts whole.
        assert_ne!(of("AWS4-X Credential=a/b, s=1"), of("AWS4-X Credential=a/b, s=2"));
    }

    #[test]
    fn secrets_leave_queries() {
        for (before, after) in [
            ("page=2&per_page=50", "page=2&per_page=50"),
            ("a=1&access_token=x&b=2", "a=1&access_token=[redacted]&b=2"),
            ("X-Amz-Signature=0f&X-Amz-Date=1", "X-Amz-Signature=[redacted]&X-Amz-Date=1"),
            ("client%5Fsecret=x;b=2", "client%5Fsecret=[redacted];b=2"),
            ("q=ghp_0123456789abcdef0123", "q=[redacted]"),
            ("ghp_0123456789abcdef0123", "[redacted]"),
            ("ghp_0123456789abcdef0123=1", "[redacted]"),
            ("cursor=aB3aB3aB3aB3aB3aB3aB3aB3aB3aB3aB3", "cursor=[redacted]"),
            ("token=&key", "token=&key"),
            ("", ""),
        ] {
            assert_eq!(query(before), after);
            assert_eq!(url(&format!("https://h/p?{before}")), format!("https://h/p?{after}"));
        }
        assert_eq!(url("https://h/token=x"), "https://h/token=x");
    }

    #[test]
    fn hidden_characters_are_named() {
        assert_eq!(visible("plain\ttext\nβ 漢 é"), "plain\ttext\nβ 漢 é");
        assert_eq!(visible("a\u{202E}b"), "a⟨U+202E⟩b");
        assert_eq!(visible("\u{1b}[31m\u{0}\u{85}"), "⟨U+001B⟩[31m⟨U+0000⟩⟨U+0085⟩");
        assert_eq!(visible("a\r\nb\rc"), "a\nb⟨U+000D⟩c");
        assert_eq!(visible("\u{E0041}\u{200B}\u{FEFF}\u{2028}"), "⟨U+E0041⟩⟨U+200B⟩⟨U+FEFF⟩⟨U+2028⟩");
    }

    proptest! {
        #[test]
        fn no_hidden_character_comes_out(text: String, more in prop::collection::vec(prop::char::any(), 0..40)) {
            let text: String = text.chars().chain(more).collect();
            let seen = visible(&text).into_owned();
            let harmful = |c: char| {
                (c.is_control() && c != '\n' && c != '\t')
                    || matches!(u32::from(c), 0x200B..=0x200F | 0x2028..=0x202E | 0x2060..=0x206F | 0xFEFF | 0xE0000..=0xE0FFF)
            };
            prop_assert!(!seen.chars().any(harmful), "{:?}", seen);
            prop_assert_eq!(visible(&seen), &*seen, "once is enough");
        }

        #[test]
        fn no_secret_comes_out_of_a_field(
            name in prop::sample::select(vec![
                "authorization", "cookie", "x-api-key", "api-key", "x-auth-token", "private-token", "x-vault-token",
                "x-amz-security-token", "dd-api-key", "set-cookie", "x-my-secret", "x-password", "x-goog-api-key",
            ]),
            scheme in prop::sample::select(vec!["", "Bearer ", "token ", "Basic ", "Unheard-of ", "AWS4-HMAC-SHA256 "]),
            secret in "[!-~]{8,80}",
        ) {
            let map = headers(&[(name, &format!("{scheme}{secret}"))]);
            let field = prints().fields(&map).remove(0);
            prop_assert!(field.redacted);
            for window in secret.as_bytes().windows(7) {
                let part = std::str::from_utf8(window).unwrap();
                prop_assert!(!field.value.contains(part), "{} in {}", part, field.value);
            }
            let credential = prints().credential(&map);
            prop_assert!(!credential.contains(&secret));
            prop_assert!(!credential.is_empty());
        }

        #[test]
        fn no_secret_comes_out_of_a_query(
            name in prop::sample::select(vec!["token", "access_token", "sig", "X-Amz-Signature", "api_key", "Password", "code"]),
            secret in "[A-Za-z0-9%+/=_-]{9,60}", before in "([a-z]{1,4}=[a-z]{1,4}&)?", after in "(&[a-z]{1,4}=[a-z]{1,4})?",
        ) {
            let shown = query(&format!("{before}{name}={secret}{after}")).into_owned();
            prop_assert_eq!(shown, format!("{}{}=[redacted]{}", before, name, after));
        }

        #[test]
        fn queries_without_secrets_stay(text in "([a-z]{1,3}=[a-z0-9 %]{0,12}&){0,4}[a-z]{1,3}=[0-9]{0,3}") {
            let secret = SECRET_PARAMETERS.iter().any(|name| text.split('&').any(|p| p.split('=').next() == Some(name)));
            prop_assert!(secret || query(&text) == text);
        }
    }
}
