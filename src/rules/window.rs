//! Time windows: days of the week and times of day, in a named zone. Zone data is built in, so that one file
//! means the same on every machine.

use super::reader::Reader;
use super::tree::Node;
use jiff::Timestamp;
use jiff::civil::{Time, Weekday};
use jiff::tz::{TimeZone, TimeZoneDatabase};

/// A compiled `time` matcher: any day in the mask, from `from` up to but without `to`.
#[derive(Debug)]
pub(super) struct TimeWindow {
    days: [bool; 7],
    from: Time,
    /// `None`: to the end of the day.
    to: Option<Time>,
    zone: TimeZone,
}

impl TimeWindow {
    pub(super) fn read(reader: &mut Reader, node: &Node) -> Option<Self> {
        let fields = reader.fields(node, "`time`", &["days", "from", "to", "zone"])?;
        let days = match fields.find("days") {
            None => Some([true; 7]),
            Some(days) => read_days(reader, days),
        };
        let from = fields.find("from").map(|n| read_time(reader, n, "`from`"));
        let to = fields.find("to").map(|n| read_time(reader, n, "`to`"));
        let zone = match fields.find("zone") {
            None => Some(TimeZone::UTC),
            Some(zone) => {
                let name = reader.text(zone, "`zone`")?;
                let found = TimeZoneDatabase::bundled().get(&name).ok();
                if found.is_none() {
                    reader.error_help(
                        &zone.span,
                        format!("no such time zone: `{name}`"),
                        "use an IANA name such as `Europe/Berlin` or `UTC`",
                    );
                }
                found
            }
        };
        if fields.find("days").is_none() && from.is_none() && to.is_none() {
            reader.error(&node.span, "`time` needs `days`, `from` or `to`");
        }
        let (from, to) = (from.unwrap_or(Some(Time::midnight()))?, to.map_or(Some(None), |t| t.map(Some))?);
        if Some(from) == to {
            reader.error(&node.span, "`from` and `to` are the same: no time lies between them");
            return None;
        }
        Some(Self { days: days?, from, to, zone: zone? })
    }

    pub(super) fn contains(&self, now: Timestamp) -> bool {
        let local = self.zone.to_datetime(now);
        let (time, day) = (local.time(), local.weekday());
        match self.to {
            // Past midnight the window belongs to the day on which it began.
            Some(to) if to < self.from => {
                (time >= self.from && self.has(day)) || (time < to && self.has(day.previous()))
            }
            Some(to) => time >= self.from && time < to && self.has(day),
            None => time >= self.from && self.has(day),
        }
    }

    fn has(&self, day: Weekday) -> bool {
        let index = usize::try_from(day.to_monday_zero_offset()).ok();
        index.and_then(|index| self.days.get(index)).copied().unwrap_or(false)
    }
}

/// `mon`, `[mon, wed]`, `mon-fri`.
fn read_days(reader: &mut Reader, node: &Node) -> Option<[bool; 7]> {
    let mut days = [false; 7];
    let mut sound = true;
    for item in reader.list(node, "`days`") {
        let Some(text) = reader.text(item, "`days`") else {
            sound = false;
            continue;
        };
        let (first, last) = text.split_once('-').unwrap_or((&text, &text));
        let find = |day: &str| DAYS.iter().position(|known| known.eq_ignore_ascii_case(day.trim()));
        if let (Some(first), Some(last)) = (find(first), find(last)) {
            let length = (last + 7 - first) % 7;
            for (at, day) in days.iter_mut().enumerate() {
                *day |= (at + 7 - first) % 7 <= length;
            }
        } else {
            reader.error_help(
                &item.span,
                format!("no such day: `{text}`"),
                "use mon, tue, wed, thu, fri, sat, sun, or a range such as mon-fri",
            );
            sound = false;
        }
    }
    sound.then_some(days)
}

fn read_time(reader: &mut Reader, node: &Node, what: &str) -> Option<Time> {
    let text = reader.text(node, what)?;
    let parts = text.split_once(':').and_then(|(h, m)| Some((h.parse().ok()?, m.parse().ok()?)));
    let time = parts.and_then(|(hour, minute)| Time::new(hour, minute, 0, 0).ok());
    if time.is_none() {
        reader.error_help(
            &node.span,
            format!("{what} is not a time of day: `{text}`"),
            "write it as \"17:30\"",
        );
    }
    time
}

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
