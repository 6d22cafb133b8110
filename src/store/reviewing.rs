//! Reviewing itself in numbers: how fast, how often yes, by whom. Aggregates over indexes that leave the sealed
//! records alone.

use super::people::parse;
use super::{Store, StoreError};
use crate::person::Person;
use jiff::Timestamp;
use sqlx::SqliteConnection;
use std::time::Duration;

/// What reviewing was like since some moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reviewing {
    /// Holds made, those that left by a grant apart.
    pub holds: u32,
    /// Of them approved, denied, undecided at their end, and open.
    pub approved: u32,
    pub denied: u32,
    pub expired: u32,
    pub pending: u32,
    /// Requests that left by a grant.
    pub by_grant: u32,
    /// From parking to decision; `None`: nothing was decided.
    pub median: Option<Duration>,
    pub p90: Option<Duration>,
    /// Votes, and those of them cast sooner after parking than anybody reads.
    pub votes: u32,
    pub quick: u32,
    /// By number of holds, the most first.
    pub rules: Vec<RuleReviewed>,
    /// By number of votes, the most first.
    pub people: Vec<PersonReviewing>,
    /// One entry for each day that has a vote, in order.
    pub days: Vec<DayReviewed>,
}

/// What became of the holds of one rule.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RuleReviewed {
    pub rule: String,
    pub holds: u32,
    pub approved: u32,
    pub denied: u32,
    pub expired: u32,
}

/// How one account votes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonReviewing {
    pub person: Person,
    pub approved: u32,
    pub denied: u32,
    pub quick: u32,
    /// The most votes on one day.
    pub busiest_day: u32,
    /// Days with a vote.
    pub days: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayReviewed {
    /// `2026-11-20`, UTC.
    pub day: String,
    pub approved: u32,
    pub denied: u32,
}

impl RuleReviewed {
    /// Approvals in 100 decisions; `None`: nothing was decided.
    pub fn approved_percent(&self) -> Option<u32> {
        (self.approved * 100).checked_div(self.approved + self.denied)
    }

    /// Approved often and denied never: the rule stops what nobody minds.
    pub fn is_noise(&self) -> bool {
        self.denied == 0 && self.approved >= NEVER_DENIED_MIN
    }
}

impl PersonReviewing {
    pub fn votes(&self) -> u32 {
        self.approved + self.denied
    }

    /// Over fifty approvals and no denial: perhaps nobody reads.
    pub fn approves_all(&self) -> bool {
        self.denied == 0 && self.approved > ALWAYS_APPROVED_MIN
    }
}

impl Store {
    /// Over holds made and votes cast since `since`.
    pub(crate) async fn reviewing(&self, since: Timestamp) -> Result<Reviewing, StoreError> {
        let mut conn = self.readers.acquire().await?;
        let since = since.as_millisecond();
        let rules = rules(&mut conn, since).await?;
        let sum = |of: fn(&RuleReviewed) -> u32| rules.iter().map(of).sum::<u32>();
        let (holds, approved, denied, expired) =
            (sum(|r| r.holds), sum(|r| r.approved), sum(|r| r.denied), sum(|r| r.expired));
        let (decided, by_grant): (i64, i64) = sqlx::query_as(
            "SELECT count(*) FILTER (WHERE by_grant IS NULL AND decided_at IS NOT NULL),
                    count(*) FILTER (WHERE by_grant IS NOT NULL) FROM holds WHERE created_at >= ?",
        )
        .bind(since)
        .fetch_one(&mut *conn)
        .await?;
        let people = people(&mut conn, since).await?;
        Ok(Reviewing {
            holds,
            approved,
            denied,
            expired,
            pending: holds.saturating_sub(approved + denied + expired),
            by_grant: number(by_grant),
            median: quantile(&mut conn, since, decided, 50).await?,
            p90: quantile(&mut conn, since, decided, 90).await?,
            votes: people.iter().map(PersonReviewing::votes).sum(),
            quick: people.iter().map(|person| person.quick).sum(),
            days: days(&mut conn, since).await?,
            rules,
            people,
        })
    }
}

async fn rules(conn: &mut SqliteConnection, since: i64) -> Result<Vec<RuleReviewed>, StoreError> {
    // An approval that nobody spent was a decision; what expired or was withdrawn without one was none.
    let rows: Vec<(String, i64, i64, i64, i64)> = sqlx::query_as(
        "SELECT rule, count(*),
                count(*) FILTER (WHERE decided_at IS NOT NULL AND state <> 'denied'),
                count(*) FILTER (WHERE state = 'denied'),
                count(*) FILTER (WHERE decided_at IS NULL AND state IN ('expired', 'withdrawn'))
         FROM holds WHERE created_at >= ? AND by_grant IS NULL GROUP BY rule ORDER BY count(*) DESC, rule",
    )
    .bind(since)
    .fetch_all(conn)
    .await?;
    let of = |(rule, holds, approved, denied, expired)| RuleReviewed {
        rule,
        holds: number(holds),
        approved: number(approved),
        denied: number(denied),
        expired: number(expired),
    };
    Ok(rows.into_iter().map(of).collect())
}

/// The time that `percent` of all decisions took at most.
async fn quantile(
    conn: &mut SqliteConnection,
    since: i64,
    decided: i64,
    percent: i64,
) -> Result<Option<Duration>, StoreError> {
    let at = (decided * percent / 100).min(decided - 1).max(0);
    let waited: Option<i64> = sqlx::query_scalar(
        "SELECT decided_at - created_at FROM holds
         WHERE created_at >= ? AND by_grant IS NULL AND decided_at IS NOT NULL ORDER BY 1 LIMIT 1 OFFSET ?",
    )
    .bind(since)
    .bind(at)
    .fetch_optional(conn)
    .await?;
    Ok(waited.map(|ms| Duration::from_millis(u64::try_from(ms).unwrap_or_default())))
}

async fn people(conn: &mut SqliteConnection, since: i64) -> Result<Vec<PersonReviewing>, StoreError> {
    let rows: Vec<(String, i64, i64, i64, i64, i64)> = sqlx::query_as(
        "SELECT person, sum(approved), sum(denied), sum(quick), max(approved + denied), count(*)
         FROM (SELECT v.person, v.at / ?2 AS day,
                      count(*) FILTER (WHERE v.choice = 'approve') AS approved,
                      count(*) FILTER (WHERE v.choice = 'deny') AS denied,
                      count(*) FILTER (WHERE v.at - h.created_at < ?3) AS quick
               FROM votes v JOIN holds h ON h.seq = v.hold
               WHERE v.at >= ?1 GROUP BY v.person, day)
         GROUP BY person ORDER BY sum(approved + denied) DESC, person",
    )
    .bind(since)
    .bind(DAY_MS)
    .bind(i64::try_from(QUICK.as_millis()).unwrap_or(i64::MAX))
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|(person, approved, denied, quick, busiest_day, days)| {
            Ok(PersonReviewing {
                person: parse(&person)?,
                approved: number(approved),
                denied: number(denied),
                quick: number(quick),
                busiest_day: number(busiest_day),
                days: number(days),
            })
        })
        .collect()
}

async fn days(conn: &mut SqliteConnection, since: i64) -> Result<Vec<DayReviewed>, StoreError> {
    let rows: Vec<(String, i64, i64)> = sqlx::query_as(
        "SELECT date(at / ?2 * ?2 / 1000, 'unixepoch') AS day,
                count(*) FILTER (WHERE choice = 'approve'), count(*) FILTER (WHERE choice = 'deny')
         FROM votes WHERE at >= ?1 GROUP BY at / ?2 ORDER BY at / ?2",
    )
    .bind(since)
    .bind(DAY_MS)
    .fetch_all(conn)
    .await?;
    let of =
        |(day, approved, denied)| DayReviewed { day, approved: number(approved), denied: number(denied) };
    Ok(rows.into_iter().map(of).collect())
}

fn number(count: i64) -> u32 {
    u32::try_from(count).unwrap_or_default()
}

/// Sooner after parking nobody has read a request.
pub const QUICK: Duration = Duration::from_secs(2);
/// So many approvals without a denial make a rule noise.
const NEVER_DENIED_MIN: u32 = 20;
const ALWAYS_APPROVED_MIN: u32 = 50;
const DAY_MS: i64 = 86_400_000;
