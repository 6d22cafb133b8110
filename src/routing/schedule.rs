//! Weekly hours by the clock on the wall. Pure: the time is an argument.

use jiff::civil::{DateTime, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

/// Hours of the week in a time zone. An hour that a clock change repeats counts both times; one that it leaves out
/// does not come.
#[derive(Debug, Clone)]
pub struct Schedule {
    zone: TimeZone,
    hours: Vec<Hours>,
}

/// On these days, from a time until another: the next day's, when that is not later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Hours {
    /// Monday first.
    days: [bool; 7],
    from: Time,
    /// `None`: midnight at the end of the day.
    to: Option<Time>,
}

impl Schedule {
    /// From lines such as `mon-fri 09:00-18:00`, `sat,sun 00:00-24:00`, `daily 22:00-07:00`.
    ///
    /// # Errors
    /// The number of the line (from 0) that says nothing.
    pub fn new(zone: TimeZone, lines: &[String]) -> Result<Self, usize> {
        let parsed = lines.iter().enumerate().map(|(at, line)| Hours::parse(line).ok_or(at));
        Ok(Self { zone, hours: parsed.collect::<Result<_, _>>()? })
    }

    /// Whether the moment is within the hours.
    pub fn has(&self, at: Timestamp) -> bool {
        let local = self.zone.to_datetime(at);
        self.hours.iter().any(|hours| hours.has(local))
    }

    /// The first moment from `at` on that is outside. `None`: there is none within a week and a day.
    pub fn end(&self, at: Timestamp) -> Option<Timestamp> {
        if !self.has(at) {
            return Some(at);
        }
        // Only where a span ends, or the clocks change, can it be over.
        let today = self.zone.to_datetime(at).date();
        let mut ends: Vec<Timestamp> = Vec::new();
        for day in -1..=DAYS_AHEAD {
            let Ok(date) = today.checked_add(Span::new().days(day)) else { continue };
            for hours in &self.hours {
                let end = match hours.to {
                    Some(to) => date.to_datetime(to),
                    None => match date.tomorrow() {
                        Ok(tomorrow) => tomorrow.to_datetime(Time::midnight()),
                        Err(_) => continue,
                    },
                };
                let moment = self.zone.to_ambiguous_timestamp(end);
                ends.extend(moment.earlier().ok());
                ends.extend(moment.later().ok());
            }
        }
        let changes = self.zone.following(at).take(CHANGES_AHEAD).map(|change| change.timestamp());
        ends.extend(changes);
        ends.sort_unstable();
        ends.into_iter().find(|end| *end > at && !self.has(*end))
    }
}

impl Hours {
    fn parse(line: &str) -> Option<Self> {
        let (days, times) = line.trim().split_once(char::is_whitespace)?;
        let (from, to) = times.trim().split_once('-')?;
        let from = time(from)?;
        let to = match to.trim() {
            "24:00" => None,
            to => Some(time(to)?),
        };
        // From a time to itself would be nothing or everything: neither is what was meant.
        (to != Some(from)).then_some(())?;
        let mut set = [false; 7];
        for part in days.to_ascii_lowercase().split(',') {
            let (first, last) = match part {
                "daily" => (0, 6),
                part => match part.split_once('-') {
                    Some((first, last)) => (day(first)?, day(last)?),
                    None => (day(part)?, day(part)?),
                },
            };
            let mut at = first;
            loop {
                *set.get_mut(at)? = true;
                if at == last {
                    break;
                }
                at = (at + 1) % 7;
            }
        }
        Some(Self { days: set, from, to })
    }

    fn has(&self, local: DateTime) -> bool {
        let (today, time) = (local.weekday(), local.time());
        match self.to {
            None => self.on(today) && time >= self.from,
            Some(to) if to > self.from => self.on(today) && (self.from..to).contains(&time),
            Some(to) => (self.on(today) && time >= self.from) || (self.on(today.previous()) && time < to),
        }
    }

    fn on(&self, day: Weekday) -> bool {
        let at = usize::try_from(day.to_monday_zero_offset()).unwrap_or_default();
        self.days.get(at).copied().unwrap_or_default()
    }
}

/// `09:00`.
fn time(text: &str) -> Option<Time> {
    let (hour, minute) = text.trim().split_once(':')?;
    let digits = |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
    if !digits(hour) || !digits(minute) {
        return None;
    }
    Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()
}

fn day(text: &str) -> Option<usize> {
    ["mon", "tue", "wed", "thu", "fri", "sat", "sun"].iter().position(|day| *day == text)
}

const DAYS_AHEAD: i32 = 8;
/// Clock changes within the days ahead: more than one does not happen, and one more does not harm.
const CHANGES_AHEAD: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::SignedDuration;
    use proptest::prelude::*;

    fn schedule(zone: &str, lines: &[&str]) -> Schedule {
        let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        Schedule::new(TimeZone::get(zone).unwrap(), &lines).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse::<jiff::Zoned>().unwrap().timestamp()
    }

    #[track_caller]
    fn check(zone: &str, lines: &[&str], now: &str, end: Option<&str>) {
        let schedule = schedule(zone, lines);
        let found = schedule.has(at(now)).then(|| schedule.end(at(now)).unwrap());
        assert_eq!(found, end.map(at), "{lines:?} at {now}");
    }

    #[test]
    fn hours_of_the_week() {
        let work = ["mon-fri 09:00-18:00", "sat 10:00-14:00"];
        check(
            "Europe/Berlin",
            &work,
            "2026-11-20T09:00+01:00[Europe/Berlin]",
            Some("2026-11-20T18:00+01:00[Europe/Berlin]"),
        );
        check("Europe/Berlin", &work, "2026-11-20T18:00+01:00[Europe/Berlin]", None);
        check(
            "Europe/Berlin",
            &work,
            "2026-11-21T12:00+01:00[Europe/Berlin]",
            Some("2026-11-21T14:00+01:00[Europe/Berlin]"),
        );
        check("Europe/Berlin", &work, "2026-11-22T12:00+01:00[Europe/Berlin]", None);
        // Over midnight, into the weekend that follows without a gap.
        let rest = ["daily 20:00-08:00", "sat-sun 00:00-24:00"];
        check(
            "Europe/Berlin",
            &rest,
            "2026-11-20T23:00+01:00[Europe/Berlin]",
            Some("2026-11-23T08:00+01:00[Europe/Berlin]"),
        );
        check(
            "America/New_York",
            &["sun-mon 22:00-01:00"],
            "2026-11-24T00:30-05:00[America/New_York]",
            Some("2026-11-24T01:00-05:00[America/New_York]"),
        );
        check("America/New_York", &["sun-mon 22:00-01:00"], "2026-11-25T00:30-05:00[America/New_York]", None);
    }

    #[test]
    fn clocks_that_change() {
        // 2026-03-29: 02:00 becomes 03:00, so that 02:30 never comes.
        check(
            "Europe/Berlin",
            &["daily 22:00-02:30"],
            "2026-03-29T01:30+01:00[Europe/Berlin]",
            Some("2026-03-29T03:00+02:00[Europe/Berlin]"),
        );
        check(
            "Europe/Berlin",
            &["daily 22:00-07:00"],
            "2026-03-29T01:30+01:00[Europe/Berlin]",
            Some("2026-03-29T07:00+02:00[Europe/Berlin]"),
        );
        // 2026-10-25: 03:00 becomes 02:00, so that 02:30 comes twice.
        check(
            "Europe/Berlin",
            &["daily 22:00-02:30"],
            "2026-10-25T02:10+02:00[Europe/Berlin]",
            Some("2026-10-25T02:30+02:00[Europe/Berlin]"),
        );
        check(
            "Europe/Berlin",
            &["daily 22:00-02:30"],
            "2026-10-25T02:10+01:00[Europe/Berlin]",
            Some("2026-10-25T02:30+01:00[Europe/Berlin]"),
        );
        check(
            "Europe/Berlin",
            &["daily 22:00-03:00"],
            "2026-10-25T02:50+02:00[Europe/Berlin]",
            Some("2026-10-25T03:00+01:00[Europe/Berlin]"),
        );
    }

    #[test]
    fn what_never_ends_has_no_end() {
        let always = schedule("UTC", &["daily 00:00-24:00"]);
        assert_eq!(always.end(at("2026-11-20T00:00+00:00[UTC]")), None);
    }

    #[test]
    fn lines_that_say_nothing_are_counted() {
        for bad in [
            "",
            "mon",
            "mon 9:00-10:00",
            "mon 09:00-09:00",
            "mon 09:00-25:00",
            "xyz 09:00-10:00",
            "mon- 09:00-10:00",
            "mon 09:00",
        ] {
            let lines = ["mon 09:00-10:00".to_owned(), bad.to_owned()];
            assert_eq!(Schedule::new(TimeZone::UTC, &lines).unwrap_err(), 1, "{bad}");
        }
    }

    proptest! {
        /// Until its end the schedule lasts, and then it does not: in zones that change their clocks in every way.
        #[test]
        fn an_end_is_the_first_moment_outside(
            zone in prop::sample::select(vec!["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]),
            minutes in 0_i64..(366 * 24 * 60),
            from in 0_i8..24, to in 0_i8..24, half in prop::bool::ANY, first in 0_usize..7, last in 0_usize..7,
        ) {
            prop_assume!(from != to);
            let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
            let minute = if half { 30 } else { 0 };
            let line = format!("{}-{} {from:02}:{minute:02}-{to:02}:{minute:02}", days[first], days[last]);
            let schedule = schedule(zone, &[line.as_str()]);
            let now = at("2026-01-01T00:00+00:00[UTC]") + SignedDuration::from_mins(minutes);
            let end = schedule.end(now).unwrap();
            prop_assert!(end >= now && !schedule.has(end), "{line} {zone} {now} {end}");
            let mut moment = now;
            while moment < end {
                prop_assert!(schedule.has(moment), "{line} {zone} {moment} is before {end}");
                moment += SignedDuration::from_mins(15);
            }
        }

        #[test]
        fn no_text_panics(line in "\\PC{0,40}") {
            let _ = Schedule::new(TimeZone::UTC, &[line]);
        }
    }
}
