//! A rotation: people or groups who take turns, from a file. Pure: the time is an argument.

use crate::person::Person;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

/// Who takes turns, and when they hand over.
///
/// ```yaml
/// zone: Europe/Berlin
/// starts: 2026-11-02T09:00      # the first turn; every handover is at this time of day
/// every: 7                      # days
/// turns:
///   - { name: Ada, person: "https://acme.okta.com|00u1" }
///   - { name: Platform, group: platform-oncall }
/// instead:
///   - { from: 2026-12-24T09:00, to: 2026-12-27T09:00, name: Ada }
/// ```
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rotation {
    zone: String,
    starts: DateTime,
    every: u16,
    turns: Vec<Turn>,
    #[serde(default)]
    instead: Vec<Instead>,
    #[serde(skip, default = "utc")]
    tz: Option<TimeZone>,
}

/// Somebody who takes turns.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Turn {
    pub name: String,
    pub person: Option<Person>,
    pub group: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Instead {
    from: DateTime,
    to: DateTime,
    name: String,
}

impl Rotation {
    /// # Errors
    /// What is wrong with the text, in a sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut rotation: Self = serde_saphyr::from_str(text).map_err(|error| {
            let text = error.without_snippet().to_string();
            text.lines().next().unwrap_or_default().to_owned()
        })?;
        let zone = TimeZone::get(&rotation.zone).map_err(|_| format!("no time zone `{}`", rotation.zone))?;
        rotation.tz = Some(zone);
        if rotation.every == 0 || rotation.turns.is_empty() {
            return Err("`every` is a number of days from 1, and `turns` names somebody".to_owned());
        }
        for instead in &rotation.instead {
            if !rotation.turns.iter().any(|turn| turn.name == instead.name) {
                return Err(format!("`{}` under `instead` takes no turns", instead.name));
            }
        }
        Ok(rotation)
    }

    /// Whose turn it is; before the first one it is the first one's.
    pub fn at(&self, at: Timestamp) -> Option<&Turn> {
        let local = self.tz.as_ref()?.to_datetime(at);
        let instead = self.instead.iter().find(|instead| instead.from <= local && local < instead.to);
        if let Some(instead) = instead {
            return self.turns.iter().find(|turn| turn.name == instead.name);
        }
        // By the clock on the wall, so that a changed clock moves no handover.
        let since = local.duration_since(self.starts).max(SignedDuration::ZERO);
        let turn = since.as_secs() / (i64::from(self.every) * DAY_SECONDS);
        let count = i64::try_from(self.turns.len()).ok()?;
        self.turns.get(usize::try_from(turn % count).ok()?)
    }
}

fn utc() -> Option<TimeZone> {
    Some(TimeZone::UTC)
}

const DAY_SECONDS: i64 = 24 * 3600;

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "
zone: Europe/Berlin
starts: 2026-03-23T09:00
every: 7
turns:
  - { name: Ada, person: 'https://idp.example|00u1' }
  - { name: Bob, person: bob }
  - { name: Platform, group: platform-oncall }
instead:
  - { from: 2026-04-03T00:00, to: 2026-04-05T00:00, name: Ada }
";

    #[test]
    fn people_take_turns_at_the_same_time_of_day() {
        let rotation = Rotation::parse(FILE).unwrap();
        for (at, name) in [
            ("2026-01-01T00:00+01:00[Europe/Berlin]", "Ada"),
            ("2026-03-23T09:00+01:00[Europe/Berlin]", "Ada"),
            // The clocks change on the 29th: the handover stays at nine.
            ("2026-03-30T08:59+02:00[Europe/Berlin]", "Ada"),
            ("2026-03-30T09:00+02:00[Europe/Berlin]", "Bob"),
            ("2026-04-03T12:00+02:00[Europe/Berlin]", "Ada"),
            ("2026-04-05T00:00+02:00[Europe/Berlin]", "Bob"),
            ("2026-04-06T09:00+02:00[Europe/Berlin]", "Platform"),
            ("2026-04-13T09:00+02:00[Europe/Berlin]", "Ada"),
        ] {
            let now: jiff::Zoned = at.parse().unwrap();
            assert_eq!(rotation.at(now.timestamp()).unwrap().name, name, "{at}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (wrong, says) in [
            ("zone: Mars/Olympus\nstarts: 2026-01-01T00:00\nevery: 1\nturns: [{name: a}]", "no time zone"),
            ("zone: UTC\nstarts: 2026-01-01T00:00\nevery: 0\nturns: [{name: a}]", "`every`"),
            ("zone: UTC\nstarts: 2026-01-01T00:00\nevery: 1\nturns: []", "`turns`"),
            ("zone: UTC\nstarts: soon\nevery: 1\nturns: [{name: a}]", ""),
            (
                "zone: UTC\nstarts: 2026-01-01T00:00\nevery: 1\nturns: [{name: a}]\ninstead: [{from: 2026-01-01T00:00, to: 2026-01-02T00:00, name: b}]",
                "takes no turns",
            ),
        ] {
            let error = Rotation::parse(wrong).unwrap_err();
            assert!(error.contains(says), "{wrong}: {error}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "\\PC*") {
            let _ = Rotation::parse(&text);
        }
    }
}
