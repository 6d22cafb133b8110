//! Files to a rule set: what can be checked only when all files are read, and the index.

use super::file::RuleFile;
use super::index::{Branch, Index};
use super::reader::did_you_mean;
use super::report::{Problem, Report, Severity};
use super::rule::Rule;
use super::{RuleSet, Settings, Source};
use crate::digest::sha256_hex;
use std::collections::HashMap;

/// # Errors
/// Everything that is wrong, at once, in the order of files and lines.
pub(super) fn compile(sources: &[Source], settings: &Settings) -> Result<RuleSet, Report> {
    let mut files: Vec<RuleFile> = sources.iter().map(RuleFile::read).collect();
    refuse_duplicates_and_strays(&mut files);
    attach_adjusters(&mut files);
    let mut problems: Vec<Problem> =
        files.iter_mut().flat_map(|file| file.reader.problems.drain(..)).collect();
    if !problems.is_empty() {
        problems.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
        return Err(Report { problems });
    }
    let mut index = Index::default();
    let mut rules: Vec<Rule> = Vec::new();
    for file in files {
        file.hosts.iter().for_each(|host| index.know(host));
        rules.extend(file.rules);
    }
    rules.iter_mut().for_each(seal_wording);
    // By id, so that nothing can depend on the order of files.
    rules.sort_by(|a, b| a.id.cmp(&b.id));
    for (at, rule) in rules.iter().enumerate() {
        for (branch, matcher) in rule.when.iter().enumerate() {
            let methods = matcher.methods().map_or(u16::MAX, |methods| methods.mask());
            index.insert(matcher.hosts(), matcher.paths(), Branch { rule: at, branch, methods });
        }
    }
    let texts = sources.iter().map(|source| (source.name.clone(), source.text.as_str().into())).collect();
    Ok(RuleSet {
        rules,
        index,
        settings: settings.clone(),
        digest: digest(sources, settings),
        sources: texts,
    })
}

/// Adjustments that have ended.
pub(super) fn ended(
    rules: &[Rule],
    now: jiff::Timestamp,
    sources: &HashMap<String, std::sync::Arc<str>>,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    for adjuster in rules.iter().flat_map(|rule| &rule.adjusters) {
        let shown = &adjuster.shown;
        if let Some(until) = shown.until.filter(|until| *until <= now) {
            let source = sources.get(&shown.file).cloned().unwrap_or_default();
            let start = line_start(&source, shown.line);
            let message = format!("the adjustment of `{}` ended on {until}: it is void", shown.rule);
            problems.push(Problem::new(Severity::Warning, &shown.file, &source, &start, message, None));
        }
    }
    problems
}

/// Every id once, and every adjustment with a rule to adjust.
fn refuse_duplicates_and_strays(files: &mut [RuleFile]) {
    let mut first: HashMap<String, (String, usize)> = HashMap::new();
    for RuleFile { reader, ids, .. } in files.iter_mut() {
        for (id, span) in ids {
            if let Some((file, line)) = first.get(id) {
                let help = format!("the first one is in {file}:{line}");
                reader.error_help(span, format!("there are two rules `{id}`"), help);
            } else {
                first.insert(id.clone(), (reader.file.clone(), reader.line(span)));
            }
        }
    }
    let known: Vec<&str> = first.keys().map(String::as_str).collect();
    for RuleFile { reader, targets, .. } in files.iter_mut() {
        for (target, span) in targets.iter().filter(|(target, _)| !first.contains_key(target)) {
            let help = did_you_mean(target, &known)
                .map_or_else(|| "write pack/id".to_owned(), |id| format!("did you mean `{id}`?"));
            reader.error_help(span, format!("there is no rule `{target}`"), help);
        }
    }
}

/// Hangs each adjustment on the rule that it names.
fn attach_adjusters(files: &mut [RuleFile]) {
    for file_at in 0..files.len() {
        let taken = files.get_mut(file_at).map(|file| std::mem::take(&mut file.adjusters));
        for adjuster in taken.unwrap_or_default() {
            let mut rules = files.iter_mut().flat_map(|file| &mut file.rules);
            let Some(rule) = rules.find(|rule| *rule.id == *adjuster.shown.rule) else { continue };
            if rule.verdict != adjuster.shown.verdict {
                rule.adjusters.push(adjuster);
                continue;
            }
            let message = format!("`{}` already has the verdict {}", rule.id, rule.verdict.as_str());
            let Some(RuleFile { reader, targets, .. }) = files.get_mut(file_at) else { continue };
            let here = targets.iter().find(|(_, span)| reader.line(span) >= adjuster.shown.line);
            if let Some((_, span)) = here {
                reader.error_help(span, message, "an adjustment changes the verdict");
            }
        }
    }
}

/// Texts to their digest; that of the adjustments in an order of their own, since that of files says nothing.
fn seal_wording(rule: &mut Rule) {
    let mut adjusters: Vec<&str> = rule.adjusters.iter().map(|adjuster| adjuster.text.as_str()).collect();
    adjusters.sort_unstable();
    let mut bytes = Vec::new();
    for text in [&*rule.id, rule.wording.as_str()].into_iter().chain(adjusters) {
        bytes.extend(u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
        bytes.extend(text.as_bytes());
    }
    rule.wording = sha256_hex(&bytes);
}

/// Over all files in order of name, each with its length before it, and the settings.
pub(super) fn digest(sources: &[Source], settings: &Settings) -> String {
    let mut sorted: Vec<&Source> = sources.iter().collect();
    sorted.sort_by(|a, b| (&a.name, &a.text).cmp(&(&b.name, &b.text)));
    let mut bytes = format!("holdpoint-rules-v1 {settings:?}").into_bytes();
    for text in sorted.iter().flat_map(|source| [&source.name, &source.text]) {
        bytes.extend(u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
        bytes.extend(text.as_bytes());
    }
    sha256_hex(&bytes)
}

fn line_start(source: &str, line: usize) -> std::ops::Range<usize> {
    let start: usize = source.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    start..start + source.get(start..).and_then(|rest| rest.lines().next()).map_or(0, str::len)
}
