//! Times as people read them. The script repeats [`span`] to count down; keep both alike.

use jiff::{SignedDuration, Timestamp};

/// A moment, seen from now.
#[derive(Debug, Clone)]
pub(super) struct Moment {
    /// For machines: `2026-11-20T13:36:36Z`.
    pub(super) iso: String,
    /// `13:36:36 UTC`, with the day when it is another.
    pub(super) clock: String,
    /// The distance, without a direction: `3 h 58 min`.
    pub(super) distance: String,
}

impl Moment {
    pub(super) fn of(at: Timestamp, now: Timestamp) -> Self {
        let today = at.strftime("%F").to_string() == now.strftime("%F").to_string();
        let clock = if today { at.strftime("%T UTC") } else { at.strftime("%e %b %T UTC") };
        Self {
            iso: at.strftime("%FT%TZ").to_string(),
            clock: clock.to_string().trim_start().to_owned(),
            distance: span(at.duration_since(now)),
        }
    }
}

/// A length of time in its one or two largest units, rounded down: `42 s`, `3 min 5 s`, `3 h 58 min`, `2 d 4 h`.
pub(super) fn span(length: SignedDuration) -> String {
    let seconds = length.as_secs().unsigned_abs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match () {
        () if seconds < 60 => format!("{seconds} s"),
        () if minutes < 60 => format!("{minutes} min {} s", seconds % 60),
        () if hours < 24 => format!("{hours} h {} min", minutes % 60),
        () => format!("{days} d {} h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_two_units_at_most() {
        for (seconds, text) in
            [(0, "0 s"), (-59, "59 s"), (185, "3 min 5 s"), (14_280, "3 h 58 min"), (187_200, "2 d 4 h")]
        {
            assert_eq!(span(SignedDuration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn another_day_is_named() {
        let now: Timestamp = "2026-11-20T13:36:36Z".parse().unwrap();
        let yesterday: Timestamp = "2026-11-19T01:02:03Z".parse().unwrap();
        assert_eq!(Moment::of(now, now).clock, "13:36:36 UTC");
        assert_eq!(Moment::of(yesterday, now).clock, "19 Nov 01:02:03 UTC");
    }
}
