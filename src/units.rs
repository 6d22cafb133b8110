//! Durations and sizes as people write them: `30s`, `1h30m`, `64MiB`.

use std::time::Duration;

/// Reads `30s`, `5m`, `1h30m`, `7d`, `250ms`; a bare number is seconds. `None`: no duration, or over ten years.
pub fn duration(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.parse::<u64>() {
        return in_range(Duration::from_secs(seconds));
    }
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let (number, after) = split_at_first(rest, |c| !c.is_ascii_digit())?;
        let (unit, after) = split_at_first(after, |c| !c.is_ascii_alphabetic())?;
        let unit_ms: u64 = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        let part = Duration::from_millis(number.parse::<u64>().ok()?.checked_mul(unit_ms)?);
        total = total.checked_add(part)?;
        rest = after;
    }
    if text.is_empty() { None } else { in_range(total) }
}

/// Writes a duration in the largest units that say it exactly: `1h30m`, `45s`, `0s`.
pub fn duration_text(duration: Duration) -> String {
    let mut rest_ms = duration.as_millis();
    let mut text = String::new();
    for (unit, unit_ms) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)] {
        let count = rest_ms / unit_ms;
        if count > 0 {
            text.push_str(&format!("{count}{unit}"));
            rest_ms %= unit_ms;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

/// Reads `65536`, `64KiB`, `1MiB`, `2GiB` (powers of 1024) and `1kB`, `1MB`, `1GB` (powers of 1000), in bytes.
pub fn size(text: &str) -> Option<u64> {
    let (number, unit) = match text.find(|c: char| !c.is_ascii_digit()) {
        Some(at) => text.split_at_checked(at)?,
        None => (text, "B"),
    };
    let unit_bytes: u64 = match unit.trim_start() {
        "B" => 1,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit_bytes)
}

/// Writes a size in the largest power of 1024 that says it exactly: `16MiB`, `1000B`.
pub fn size_text(bytes: u64) -> String {
    [("GiB", 30), ("MiB", 20), ("KiB", 10)]
        .into_iter()
        .find(|(_, shift)| bytes > 0 && bytes.is_multiple_of(1 << shift))
        .map_or_else(|| format!("{bytes}B"), |(unit, shift)| format!("{}{unit}", bytes >> shift))
}

fn split_at_first(text: &str, ends: impl Fn(char) -> bool) -> Option<(&str, &str)> {
    let at = text.find(ends).unwrap_or(text.len());
    if at == 0 { None } else { text.split_at_checked(at) }
}

fn in_range(duration: Duration) -> Option<Duration> {
    (duration <= DURATION_MAX).then_some(duration)
}

/// Added to any clock reading, this stays a valid timestamp.
const DURATION_MAX: Duration = Duration::from_secs(10 * 366 * 86_400);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read() {
        for (text, seconds) in
            [("0s", 0), ("0", 0), ("90", 90), ("30s", 30), ("5m", 300), ("1h30m", 5400), ("7d", 604_800)]
        {
            assert_eq!(duration(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(duration("250ms"), Some(Duration::from_millis(250)));
        for bad in ["", "s", "-5s", "5 s", "1.5h", "5w", "5m5", "99999999999d", "18446744073709551616s"] {
            assert_eq!(duration(bad), None, "{bad}");
        }
    }

    #[test]
    fn sizes_are_read() {
        for (text, bytes) in [
            ("0", 0),
            ("4096", 4096),
            ("64KiB", 65_536),
            ("1MiB", 1 << 20),
            ("1 MB", 1_000_000),
            ("2GiB", 2 << 30),
        ] {
            assert_eq!(size(text), Some(bytes), "{text}");
        }
        for bad in ["", "MiB", "1mb", "-1", "1.5MiB", "18446744073709551615GiB"] {
            assert_eq!(size(bad), None, "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn durations_come_back(ms in 0u64..315_000_000_000) {
            let duration_ = Duration::from_millis(ms);
            proptest::prop_assert_eq!(duration(&duration_text(duration_)), Some(duration_));
        }

        #[test]
        fn sizes_come_back(bytes in proptest::num::u64::ANY) {
            proptest::prop_assert_eq!(size(&size_text(bytes)), Some(bytes));
        }

        #[test]
        fn nothing_panics(text in "\\PC*") {
            let _ = (duration(&text), size(&text));
        }
    }
}
