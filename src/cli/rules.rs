//! `holdpoint rules`: check the rule files, explain what they say of a request, list them.

mod explain;

use super::out;
use crate::config::Config;
use crate::rulebook::{RulebookError, Shelf};
use crate::rules::{ExampleFailure, Mode, Overview, Problem, Report, RuleSet};
use annotate_snippets::Renderer;
use jiff::Timestamp;
use serde::Serialize;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Load all rules and run their examples; the exit code is for CI
    Check {
        #[command(flatten)]
        which: Which,
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Say what would become of a request, by which rule, and which rules nearly matched
    Explain(explain::Args),
    /// List the rules in force
    List {
        #[command(flatten)]
        which: Which,
        /// Print JSON, one rule a line
        #[arg(long)]
        json: bool,
    },
}

/// Which rule files are meant.
#[derive(Debug, clap::Args)]
pub(super) struct Which {
    /// Take these folders in place of the configuration's `rules`; the standard packs stay as configured
    #[arg(long = "rules", value_name = "DIR", num_args = 1..)]
    folders: Vec<PathBuf>,
    /// Take these descriptor sets in place of the configuration's `grpc.descriptors`
    #[arg(long = "descriptors", value_name = "FILE", num_args = 1..)]
    descriptors: Vec<PathBuf>,
}

pub(super) fn run(config: &Config, command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Check { which, json } => check(&shelf(config, which), json),
        Command::Explain(args) => explain::run(config, args),
        Command::List { which, json } => list(&shelf(config, which).load()?, json),
    }
}

fn shelf(config: &Config, which: Which) -> Shelf {
    let rules = &config.rules;
    let folders = if which.folders.is_empty() { rules.folders.clone() } else { which.folders };
    let descriptors =
        if which.descriptors.is_empty() { rules.descriptors.clone() } else { which.descriptors };
    Shelf { folders, standard: rules.standard, descriptors, settings: rules.settings.clone() }
}

/// What `rules check` found, as JSON.
#[derive(Debug, Default, Serialize)]
struct Checked {
    sound: bool,
    packs: usize,
    rules: usize,
    examples: usize,
    problems: Vec<Problem>,
    failures: Vec<ExampleFailure>,
}

fn check(shelf: &Shelf, json: bool) -> anyhow::Result<ExitCode> {
    let checked = match shelf.load() {
        Ok(set) => examine(&set, shelf.sources()?.len()),
        Err(RulebookError::Broken(Report { problems })) => Checked { problems, ..Checked::default() },
        Err(error) => return Err(error.into()),
    };
    if json {
        out::json(&checked)?;
    } else {
        print_checked(&checked)?;
    }
    Ok(if checked.sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn examine(set: &RuleSet, packs: usize) -> Checked {
    let overview = set.overview();
    let failures = set.run_examples();
    Checked {
        sound: failures.is_empty(),
        packs,
        rules: overview.len(),
        examples: overview.iter().map(|rule| rule.examples).sum(),
        problems: set.warnings(Timestamp::now()),
        failures,
    }
}

fn print_checked(checked: &Checked) -> io::Result<()> {
    let renderer = if io::stdout().is_terminal() { Renderer::styled() } else { Renderer::plain() };
    let Checked { packs, rules, examples, problems, failures, .. } = checked;
    for problem in problems {
        out::line(&format!("{}\n", problem.render(&renderer)))?;
    }
    for ExampleFailure { rule, file, line, column, example, message, .. } in failures {
        out::line(&format!("{file}:{line}:{column}: an example of `{rule}` does not come true"))?;
        out::line(&format!("  {example}\n  {message}\n"))?;
    }
    if *packs == 0 && !problems.is_empty() {
        return out::line(&format!(
            "{} in the rule files: none was loaded",
            counted(problems.len(), "problem")
        ));
    }
    let loaded = format!("{}, {}", counted(*packs, "pack"), counted(*rules, "rule"));
    let examples = counted(*examples, "example");
    match failures.len() {
        0 => out::line(&format!("{loaded}, {examples}: all sound")),
        failed => out::line(&format!("{loaded}: {failed} of {examples} do not come true")),
    }
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn list(set: &RuleSet, json: bool) -> anyhow::Result<ExitCode> {
    let overview = set.overview();
    if json {
        overview.iter().try_for_each(out::json)?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<[String; 4]> = overview
        .iter()
        .map(|rule| [rule.id.clone(), verdict(rule), rule.risk.as_str().to_owned(), rule.why.clone()])
        .collect();
    out::line(&out::columns(["RULE", "VERDICT", "RISK", "WHY"], &rows))?;
    for rule in &overview {
        for adjustment in &rule.adjustments {
            let until = adjustment.until.map_or_else(String::new, |until| format!(" until {until}"));
            let (to, why) = (adjustment.verdict.as_str(), &adjustment.why);
            let place = format!("{}:{}", adjustment.file, adjustment.line);
            out::line(&format!("{} becomes {to}{until}: {why} ({place})", rule.id))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn verdict(rule: &Overview) -> String {
    let observed = if rule.mode == Mode::Observe { " (observe)" } else { "" };
    format!("{}{observed}", rule.verdict.as_str())
}
