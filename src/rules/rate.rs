//! Rates: more than so many matching requests in a window. Many small reads are an export.

use super::facts::Facts;
use super::reader::Reader;
use super::tree::Node;
use super::truth::{Truth, Unclear};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};

/// A compiled `rate` matcher.
#[derive(Debug)]
pub(super) struct Rate {
    more_than: u32,
    window_ms: i64,
    per: Per,
    /// Tells rates apart; the same for the same rule text after a reload.
    key: u64,
}

/// Whose requests are counted together.
#[derive(Debug, Clone, Copy, Hash)]
enum Per {
    Agent,
    Host,
    AgentAndHost,
    Rule,
}

/// How `rate` matchers are answered.
#[derive(Debug, Clone, Copy)]
pub(super) enum Counting<'a> {
    /// Counts the request and says whether it is one too many.
    Count(&'a Rates),
    /// Says whether it would be one too many.
    Peek(&'a Rates),
    /// Every rate counts as exceeded: for examples.
    Met,
    /// Not known yet: only the head is asked about.
    Later,
}

/// Counts for `rate` matchers. Shared by all rule sets so that a reload forgets nothing.
#[derive(Debug, Default)]
pub struct Rates {
    windows: Mutex<Windows>,
}

#[derive(Debug, Default)]
struct Windows {
    by_key: HashMap<(u64, u64), Window>,
    /// When the map is full, the next time at which looking for ended windows is worth it.
    sweep_at_ms: i64,
}

/// A sliding window in slots. It counts up to one slot more than the window, never less: the strict side.
#[derive(Debug)]
struct Window {
    slots: [u32; SLOTS],
    /// Number of the newest slot since the epoch.
    newest: i64,
    slot_ms: i64,
}

impl Rate {
    pub(super) fn read(reader: &mut Reader, node: &Node, rule: &str) -> Option<Self> {
        let fields = reader.fields(node, "`rate`", &["more-than", "in", "per"])?;
        let Some((more_than, window)) = fields.find("more-than").zip(fields.find("in")) else {
            reader.error_help(
                &node.span,
                "`rate` needs `more-than` and `in`",
                "rate: { more-than: 100, in: 10m }",
            );
            return None;
        };
        let more_than = reader.count(more_than, "`more-than`", 1_000_000);
        let length =
            reader.duration(window, "`in`").map(|d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX));
        if length.is_some_and(|ms| !(WINDOW_MS_MIN..=WINDOW_MS_MAX).contains(&ms)) {
            reader.error(&window.span, "the window of a rate is one second to seven days");
        }
        let per = match fields.find("per") {
            None => Some(Per::Agent),
            Some(per) => reader.choice(
                per,
                "`per`",
                &[
                    ("agent", Per::Agent),
                    ("host", Per::Host),
                    ("agent-and-host", Per::AgentAndHost),
                    ("rule", Per::Rule),
                ],
            ),
        };
        let (more_than, window_ms, per) = (more_than?, length?, per?);
        let mut hasher = DefaultHasher::new();
        (rule, window_ms, per, node.span.start).hash(&mut hasher);
        Some(Self { more_than, window_ms, per, key: hasher.finish() })
    }

    pub(super) fn answer(&self, facts: &Facts<'_>) -> Truth {
        let (rates, add) = match facts.counting {
            Counting::Count(rates) => (rates, 1),
            Counting::Peek(rates) => (rates, 0),
            Counting::Met => return Truth::Yes,
            Counting::Later => return Truth::Unclear(Unclear::Other),
        };
        let Some(now) = facts.now else { return Truth::Unclear(Unclear::Other) };
        let mut hasher = DefaultHasher::new();
        match self.per {
            Per::Agent => facts.caller.agent.id.hash(&mut hasher),
            Per::Host => facts.head.authority.host.hash(&mut hasher),
            Per::AgentAndHost => (facts.caller.agent.id, &facts.head.authority.host).hash(&mut hasher),
            Per::Rule => {}
        }
        match rates.count((self.key, hasher.finish()), self.window_ms, now.as_millisecond(), add) {
            // When nothing was added, this request would be one more.
            Some(count) => Truth::from(count.saturating_add(1 - add) > self.more_than),
            None => Truth::Unclear(Unclear::Other),
        }
    }
}

impl Rates {
    /// The count of a window after adding to it; `None` when there is no room for another window.
    fn count(&self, key: (u64, u64), window_ms: i64, now_ms: i64, add: u32) -> Option<u32> {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        if !windows.by_key.contains_key(&key) {
            if add == 0 {
                return Some(0);
            }
            windows.make_room(now_ms)?;
        }
        let slot_ms = (window_ms / SLOTS_PER_WINDOW).max(1);
        let window = windows.by_key.entry(key).or_insert_with(|| Window {
            slots: [0; SLOTS],
            newest: now_ms.div_euclid(slot_ms),
            slot_ms,
        });
        Some(window.add(now_ms, add))
    }
}

impl Windows {
    fn make_room(&mut self, now_ms: i64) -> Option<()> {
        if self.by_key.len() >= WINDOWS_MAX && now_ms >= self.sweep_at_ms {
            self.sweep_at_ms = now_ms.saturating_add(SWEEP_INTERVAL_MS);
            self.by_key.retain(|_, window| !window.has_ended(now_ms));
        }
        (self.by_key.len() < WINDOWS_MAX).then_some(())
    }
}

impl Window {
    fn add(&mut self, now_ms: i64, add: u32) -> u32 {
        // A clock that steps back adds to the newest slot: nothing is forgotten by it.
        let slot = now_ms.div_euclid(self.slot_ms).max(self.newest);
        let passed = usize::try_from(slot - self.newest).unwrap_or(SLOTS).min(SLOTS);
        for step in 1..=passed {
            let at = (slot - i64::try_from(passed - step).unwrap_or_default()).rem_euclid(SLOTS_I64);
            if let Some(count) = usize::try_from(at).ok().and_then(|at| self.slots.get_mut(at)) {
                *count = 0;
            }
        }
        self.newest = slot;
        let at = usize::try_from(slot.rem_euclid(SLOTS_I64)).unwrap_or_default();
        if let Some(count) = self.slots.get_mut(at) {
            *count = count.saturating_add(add);
        }
        self.slots.iter().fold(0, |sum: u32, count| sum.saturating_add(*count))
    }

    fn has_ended(&self, now_ms: i64) -> bool {
        now_ms.div_euclid(self.slot_ms) - self.newest >= SLOTS_I64
    }
}

const SLOTS_PER_WINDOW: i64 = 16;
const SLOTS: usize = 17;
const SLOTS_I64: i64 = 17;
const WINDOW_MS_MIN: i64 = 1000;
const WINDOW_MS_MAX: i64 = 7 * 24 * 3600 * 1000;
/// At about 100 bytes each. When all are in use a rate cannot be told and counts as unclear.
const WINDOWS_MAX: usize = 65_536;
const SWEEP_INTERVAL_MS: i64 = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_slides() {
        let rates = Rates::default();
        let count = |now_ms, add| rates.count((1, 1), 16_000, now_ms, add).unwrap();
        for second in 0..10 {
            assert_eq!(count(second * 1000, 1), u32::try_from(second).unwrap() + 1);
        }
        assert_eq!(count(16_500, 0), 10, "all within the window and one slot");
        assert_eq!(count(17_500, 0), 9);
        assert_eq!(count(5_000, 1), 10, "a clock that steps back forgets nothing");
        assert_eq!(count(60_000, 0), 0);
        assert_eq!(rates.count((1, 2), 16_000, 0, 1), Some(1), "another key is another window");
    }

    #[test]
    fn a_full_map_says_so_and_recovers() {
        let rates = Rates::default();
        for key in 0..u64::try_from(WINDOWS_MAX).unwrap() {
            assert!(rates.count((0, key), 1000, 0, 1).is_some());
        }
        assert_eq!(rates.count((1, 0), 1000, 10, 1), None);
        assert_eq!(rates.count((1, 0), 1000, 5000, 1), Some(1));
    }
}
