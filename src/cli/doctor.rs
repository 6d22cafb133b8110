//! `holdpoint doctor`: looks at everything that Holdpoint stands on, and says what to do about it.
//!
//! It changes nothing: the database is opened read-only, and of files only a probe is made and removed again.

mod certificates;
mod database;
mod listeners;
mod machine;
mod rules;

use super::out;
use crate::config::Config;
use serde::Serialize;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// One JSON document instead of lines
    #[arg(long)]
    json: bool,

    /// Only ask whether a running Holdpoint is ready: the health check of containers
    #[arg(long)]
    quick: bool,
}

/// What one check found.
#[derive(Debug, Serialize)]
struct Finding {
    check: &'static str,
    status: Status,
    found: String,
    /// What to do; only beside a warning or a failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Ok,
    Warn,
    Fail,
}

impl Finding {
    fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, status: Status::Ok, found: found.into(), advice: None }
    }

    fn warn(check: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check, status: Status::Warn, found: found.into(), advice: Some(advice.into()) }
    }

    fn fail(check: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check, status: Status::Fail, found: found.into(), advice: Some(advice.into()) }
    }

    fn lines(&self) -> String {
        let status = match self.status {
            Status::Ok => "ok  ",
            Status::Warn => "warn",
            Status::Fail => "FAIL",
        };
        let mut text = format!("{status}  {:<12}  {}", self.check, self.found.replace('\n', "\n      "));
        if let Some(advice) = &self.advice {
            text.push_str("\n      → ");
            text.push_str(advice);
        }
        text
    }
}

pub(super) async fn run(config: &Config, args: Args) -> anyhow::Result<ExitCode> {
    let findings = if args.quick { vec![listeners::ready(config).await] } else { examine(config).await };
    if args.json {
        out::json(&findings)?;
    } else {
        for finding in &findings {
            out::line(&finding.lines())?;
        }
    }
    let failed = findings.iter().any(|finding| finding.status == Status::Fail);
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

async fn examine(config: &Config) -> Vec<Finding> {
    let file = config.file.as_ref().map_or("built-in defaults".to_owned(), |file| file.display().to_string());
    let mut findings = vec![Finding::ok("config", file)];
    findings.extend(listeners::check(config).await);
    findings.extend(certificates::check(config));
    findings.extend(machine::check(config));
    findings.extend(rules::check(config));
    findings.extend(database::check(config).await);
    findings
}

#[cfg(test)]
mod tests;
