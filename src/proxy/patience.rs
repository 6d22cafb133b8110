//! How long a client waits inline: less than it waits before it gives up.

use super::settings::Patience;
use http::HeaderMap;
use http::header::USER_AGENT;
use std::time::Duration;

/// The patience of the client that sent these fields, at most `cap`.
///
/// What the client announces (`x-stainless-timeout`, seconds; `grpc-timeout`, from the start of the call, of which
/// `spent` is over) counts with four fifths; else the time-outs that clients are known for, by `User-Agent` or as MCP
/// clients; else the
/// configuration's.
pub(super) fn patience(
    headers: &HeaderMap,
    spent: Duration,
    settings: &Patience,
    cap: Option<Duration>,
) -> Duration {
    let deadline = deadline(headers).map(|deadline| deadline.saturating_sub(spent));
    let own = announced(headers).or(deadline).or_else(|| known(headers, settings));
    let own = own.or(settings.at_most).unwrap_or(UNKNOWN);
    [cap, settings.at_most].into_iter().flatten().fold(own, Duration::min)
}

/// How long a message waits on its connection, at most `cap`: nobody has to send it again, and a WebSocket has no time
/// by which an answer is due.
pub(super) fn of_message(settings: &Patience, cap: Option<Duration>) -> Duration {
    [cap, settings.at_most].into_iter().flatten().fold(MESSAGE, Duration::min)
}

fn announced(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("x-stainless-timeout")?.to_str().ok()?;
    let seconds: f64 = text.trim().parse().ok()?;
    let seconds =
        if seconds.is_finite() { (seconds * 0.8).clamp(0.0, ANNOUNCED_SECONDS_MAX) } else { return None };
    Some(Duration::from_secs_f64(seconds))
}

/// gRPC over HTTP/2, `Timeout`: at most eight digits and a unit; Connect has milliseconds.
fn deadline(headers: &HeaderMap) -> Option<Duration> {
    let (text, unit) = match headers.get("grpc-timeout") {
        Some(value) => {
            let text = value.to_str().ok()?.trim();
            text.split_at_checked(text.len().checked_sub(1)?)?
        }
        None => (headers.get("connect-timeout-ms")?.to_str().ok()?.trim(), "m"),
    };
    let nanos = match unit {
        "H" => 3_600_000_000_000,
        "M" => 60_000_000_000,
        "S" => 1_000_000_000,
        "m" => 1_000_000,
        "u" => 1_000,
        "n" => 1,
        _ => return None,
    };
    let digits = text.len() <= 10 && text.bytes().all(|b| b.is_ascii_digit());
    let count: u64 = digits.then(|| text.parse().ok())??;
    let whole = Duration::from_nanos(count.saturating_mul(nanos));
    Some(whole.mul_f64(0.8).min(Duration::from_secs_f64(ANNOUNCED_SECONDS_MAX)))
}

fn known(headers: &HeaderMap, settings: &Patience) -> Option<Duration> {
    let agent = headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    if let Some((_, patience)) = settings.by_client.iter().find(|(glob, _)| glob.is_match(agent)) {
        return Some(*patience);
    }
    // MCP clients wait longer than the HTTP library below them, whose name is all that they say of themselves.
    if headers.contains_key("mcp-protocol-version") {
        return Some(MCP);
    }
    let agent = agent.to_ascii_lowercase();
    TABLE.iter().find(|(word, _)| agent.contains(word)).map(|(_, seconds)| Duration::from_secs(*seconds))
}

/// Measured time-outs of clients, less a fifth or more.
const TABLE: &[(&str, u64)] = &[
    ("python-httpx", 4),
    ("websockets/", 8), // to open one
    ("pygithub", 12),
    ("git-lfs/", 24),
    ("slackclient", 25),
    ("slack_sdk", 25),
    ("botocore", 45),
    ("boto3", 45),
    ("aws-cli", 45),
    ("stripe/v1", 60),
    ("modelcontextprotocol", 45),
    ("mcp", 45),
    ("go-http-client", 120),
    ("curl/", 120),
    ("wget/", 120),
    ("git/", 120),
    ("kubectl", 120),
];
/// Of 60 s in TypeScript and 300 s in Python.
const MCP: Duration = Duration::from_secs(45);
const UNKNOWN: Duration = Duration::from_secs(30);
/// Longer than holds live, unless their rule says so.
const MESSAGE: Duration = Duration::from_hours(24);
const ANNOUNCED_SECONDS_MAX: f64 = 600.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn waits(fields: &[(&'static str, &str)], settings: &Patience, cap: Option<u64>, seconds: u64) {
        let headers = fields.iter().map(|(n, v)| ((*n).parse().unwrap(), v.parse().unwrap())).collect();
        let cap = cap.map(Duration::from_secs);
        assert_eq!(patience(&headers, Duration::from_secs(1), settings, cap).as_secs(), seconds);
    }

    #[test]
    fn by_what_it_says_then_by_what_it_is() {
        let none = Patience::default();
        waits(&[("x-stainless-timeout", "600"), ("user-agent", "OpenAI/Python 3.5")], &none, None, 480);
        waits(&[("x-stainless-timeout", "NaN")], &none, None, 30);
        // Less the second that is over.
        waits(&[("grpc-timeout", "10S"), ("user-agent", "grpc-python/1.85.3")], &none, None, 7);
        waits(&[("grpc-timeout", "99999999H")], &none, None, 599);
        waits(&[("grpc-timeout", "20000m")], &none, Some(5), 5);
        waits(&[("grpc-timeout", "1000000u")], &none, None, 0);
        waits(&[("connect-timeout-ms", "20000")], &none, None, 15);
        for odd in ["", "S", "5", "-5S", "5x", "99999999999S"] {
            waits(&[("grpc-timeout", odd)], &none, None, 30);
        }
        waits(&[("user-agent", "python-httpx/0.28.1")], &none, None, 4);
        let mcp = [("user-agent", "python-httpx2/2.16.2"), ("mcp-protocol-version", "2026-07-28")];
        waits(&mcp, &none, None, 45);
        waits(&[("user-agent", "git-lfs/3.3.0 (GitHub; linux amd64)")], &none, None, 24);
        waits(&[("user-agent", "curl/8.5")], &none, Some(60), 60);
        waits(&[], &none, None, 30);
        let glob = globset::Glob::new("my*bot/*").unwrap().compile_matcher();
        let mine = Patience {
            at_most: Some(Duration::from_secs(90)),
            by_client: vec![(glob, Duration::from_secs(7))],
        };
        waits(&[("user-agent", "my-other-bot/1.0")], &mine, None, 7);
        waits(&[("user-agent", "strange/1.0")], &mine, None, 90);
        waits(&[("user-agent", "curl/8.5")], &mine, None, 90);
        assert_eq!(of_message(&none, Some(Duration::from_secs(60))), Duration::from_secs(60));
        assert_eq!(of_message(&mine, Some(MESSAGE)), Duration::from_secs(90));
        assert_eq!(of_message(&none, None), MESSAGE);
        let zero = Patience { at_most: Some(Duration::ZERO), by_client: vec![] };
        waits(&[("user-agent", "curl/8.5")], &zero, Some(60), 0);
    }
}
