//! `holdpoint ledger`: read, export and verify what was written down. Works whether a server runs or not.

use super::out;
use crate::audit::{EventKind, Row};
use crate::config::Config;
use crate::ledger::{self, Ledger, Verified};
use crate::redact::visible;
use crate::store::Store;
use crate::traffic;
use crate::units;
use jiff::Timestamp;
use std::collections::VecDeque;
use std::process::ExitCode;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Show the newest rows
    List {
        #[command(flatten)]
        which: Which,
        /// At most so many
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Write all rows as JSON lines, oldest first
    Export {
        #[command(flatten)]
        which: Which,
    },
    /// Recompute the chain from the stored bytes
    Verify {
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct Which {
    /// Only this event, such as `hold.approved`
    #[arg(long, value_parser = event)]
    event: Option<EventKind>,
    /// Only about this hold, agent or rule set
    #[arg(long)]
    subject: Option<String>,
    /// Only by this one: `person:alice`, `agent:ci`, `holdpoint`; with --traffic the agent's name
    #[arg(long)]
    actor: Option<String>,
    /// Only from this time on: `2026-11-20T10:00:00Z`, or as long ago as `2h`
    #[arg(long, value_parser = moment)]
    since: Option<Timestamp>,
    /// Only before this time
    #[arg(long, value_parser = moment)]
    until: Option<Timestamp>,
    /// The exchanges of the traffic log instead of the events
    #[arg(long, conflicts_with_all = ["event", "subject"])]
    traffic: bool,
}

pub(super) async fn run(config: &Config, command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::List { which, limit } if which.traffic => list_traffic(config, &which, limit)?,
        Command::Export { which } if which.traffic => {
            for line in traffic::read(&config.traffic.folder, which.of_traffic())? {
                out::json(&line?)?;
            }
        }
        command => {
            let store = Store::open(&config.store).await?;
            let done = of_events(&Ledger::new(&store), command).await;
            store.close().await;
            return done;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn of_events(ledger: &Ledger, command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::List { which, limit } => {
            let mut newest = VecDeque::with_capacity(limit.min(PAGE_ROWS));
            each(ledger, which, |row| {
                if newest.len() == limit {
                    newest.pop_front();
                }
                newest.push_back(row);
                Ok(())
            })
            .await?;
            let rows: Vec<_> = newest.iter().map(cells).collect();
            out::line(&out::columns(["SEQ", "TIME", "EVENT", "ACTOR", "SUBJECT", "DETAIL"], &rows))?;
        }
        Command::Export { which } => each(ledger, which, |row| out::json(&row)).await?,
        Command::Verify { json } => return verify(ledger, json).await,
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads page by page: a ledger may be longer than memory.
async fn each(
    ledger: &Ledger,
    which: Which,
    mut take: impl FnMut(Row) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut filter = ledger::Filter {
        after_seq: 0,
        event: which.event,
        subject: which.subject,
        actor: which.actor,
        since: which.since,
        until: which.until,
        limit: u32::try_from(PAGE_ROWS)?,
    };
    loop {
        let rows = ledger.rows(&filter).await?;
        let full = rows.len() == PAGE_ROWS;
        for row in rows {
            filter.after_seq = row.seq;
            take(row)?;
        }
        if !full {
            return Ok(());
        }
    }
}

fn cells(row: &Row) -> [String; 6] {
    [
        row.seq.to_string(),
        format!("{:.0}", row.event.at),
        row.event.event.name(),
        visible(&row.event.actor).into_owned(),
        row.event.subject.as_deref().map(|s| visible(s).into_owned()).unwrap_or_default(),
        visible(&row.event.detail.to_string()).into_owned(),
    ]
}

async fn verify(ledger: &Ledger, json: bool) -> anyhow::Result<ExitCode> {
    match ledger.verify().await? {
        Verified::Sound { rows, last_hash, segments } => {
            if json {
                out::json(&serde_json::json!({
                    "sound": true, "rows": rows, "segments": segments, "last_hash": last_hash
                }))?;
            } else {
                out::line(&format!(
                    "sound: {rows} rows and {segments} traffic segments\nlast hash: {last_hash}"
                ))?;
            }
            Ok(ExitCode::SUCCESS)
        }
        Verified::Broken { at, why } => {
            if json {
                out::json(&serde_json::json!({ "sound": false, "at": at, "why": why }))?;
            } else {
                out::line(&format!("BROKEN at {at}: {why}"))?;
            }
            Ok(ExitCode::FAILURE)
        }
    }
}

fn list_traffic(config: &Config, which: &Which, limit: usize) -> anyhow::Result<()> {
    let mut newest = VecDeque::with_capacity(limit.min(PAGE_ROWS));
    for line in traffic::read(&config.traffic.folder, which.of_traffic())? {
        if newest.len() == limit {
            newest.pop_front();
        }
        newest.push_back(line?);
    }
    let rows: Vec<_> = newest
        .iter()
        .map(|line| {
            let verdict = line.verdict.map_or("", |v| v.as_str());
            let url = format!(
                "{}://{}{}",
                line.scheme.as_str(),
                line.host.as_deref().unwrap_or_default(),
                line.path.as_deref().unwrap_or_default()
            );
            [
                format!("{:.0}", line.at),
                line.agent.clone().into_owned(),
                verdict.to_owned(),
                line.status.map(|s| s.to_string()).unwrap_or_default(),
                line.end.clone().into_owned(),
                visible(&format!("{} {url}", line.method)).into_owned(),
            ]
        })
        .collect();
    Ok(out::line(&out::columns(["TIME", "AGENT", "VERDICT", "STATUS", "END", "REQUEST"], &rows))?)
}

impl Which {
    fn of_traffic(&self) -> traffic::Filter {
        traffic::Filter {
            agent: self.actor.as_ref().map(|actor| actor.strip_prefix("agent:").unwrap_or(actor).to_owned()),
            since: self.since,
            until: self.until,
            ..traffic::Filter::default()
        }
    }
}

fn event(text: &str) -> Result<EventKind, String> {
    serde_json::from_value(text.into()).map_err(|error| error.to_string())
}

/// A time, or how long ago.
fn moment(text: &str) -> Result<Timestamp, String> {
    if let Ok(at) = text.parse() {
        return Ok(at);
    }
    let ago = units::duration(text).and_then(|ago| Timestamp::now().checked_sub(ago).ok());
    ago.ok_or_else(|| "a time such as `2026-11-20T10:00:00Z`, or as long ago as `2h`".to_owned())
}

const PAGE_ROWS: usize = 1000;
