//! One rule file: from the tree to rules and adjustments.

use super::host::HostPattern;
use super::matcher::Matcher;
use super::reader::{Fields, Reader};
use super::rule::{Adjuster, Adjustment, Example, Rule};
use super::sample::Sample;
use super::template::Template;
use super::tree::{Kind, Node, parse};
use super::{Mode, STANDARD, Source};
use crate::agent::LOCAL_AGENT;
use crate::ruling::{Assurance, ParkedReply, ReviewPolicy, Risk, Verdict};
use jiff::Timestamp;
use jiff::civil::Date;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::Range;
use std::sync::Arc;

/// What one file says. The spans are for problems that show only beside other files.
#[derive(Debug)]
pub(super) struct RuleFile {
    pub(super) reader: Reader,
    /// The hosts that the pack is about: known ones, and those of every rule that names none itself.
    pub(super) hosts: Vec<HostPattern>,
    pub(super) rules: Vec<Rule>,
    pub(super) adjusters: Vec<Adjuster>,
    /// Every rule id and where it stands, of rules with other faults as well.
    pub(super) ids: Vec<(String, Range<usize>)>,
    /// Every rule that an adjustment names, and where.
    pub(super) targets: Vec<(String, Range<usize>)>,
}

impl RuleFile {
    pub(super) fn read(source: &Source) -> Self {
        let text: Arc<str> = source.text.as_str().into();
        let reader = Reader { file: source.name.clone(), source: text, problems: Vec::new() };
        let mut file = Self {
            reader,
            hosts: Vec::new(),
            rules: Vec::new(),
            adjusters: Vec::new(),
            ids: Vec::new(),
            targets: Vec::new(),
        };
        match parse(&source.text) {
            Ok(root) => file.fill(&root),
            Err(error) => file.reader.error(&error.span, error.message),
        }
        file
    }

    fn fill(&mut self, root: &Node) {
        let reader = &mut self.reader;
        let Some(fields) = reader.fields(root, "a rule file", &["pack", "mode", "hosts", "rules", "adjust"])
        else {
            return;
        };
        let pack = match fields.find("pack") {
            Some(node) => read_name(reader, node, "`pack`"),
            None => {
                reader.error_help(&start_of(root), "the file has no `pack`", "begin it with `pack: NAME`");
                None
            }
        };
        if pack.as_deref() == Some("otherwise")
            && let Some(node) = fields.find("pack")
        {
            reader.error(&node.span, "`otherwise` is not a pack: it is what no rule matches");
        }
        let pack = pack.unwrap_or_default();
        let mode = read_mode(reader, &fields);
        if let Some(hosts) = fields.find("hosts") {
            for item in reader.list(hosts, "`hosts`") {
                let Some(text) = reader.text(item, "`hosts`") else { continue };
                match HostPattern::parse(&text) {
                    Ok(HostPattern::Any) => reader.error(&item.span, "`*` names no host"),
                    Ok(host) => self.hosts.push(host),
                    Err(why) => reader.error(&item.span, format!("bad host: {why}")),
                }
            }
        }
        for node in items(reader, &fields, "rules") {
            self.rules.extend(read_rule(reader, node, &pack, mode, &mut self.ids));
        }
        if let (Some(hosts), false) = (fields.find("hosts"), self.hosts.is_empty()) {
            let written = reader.written(hosts);
            for rule in &mut self.rules {
                rule.wording.push_str(&written);
                rule.when.iter_mut().for_each(|matcher| matcher.limit_to(&self.hosts, &written));
            }
        }
        for node in items(reader, &fields, "adjust") {
            self.adjusters.extend(read_adjuster(reader, node, &pack, &mut self.targets));
        }
    }
}

fn items<'n>(reader: &mut Reader, fields: &Fields<'n>, name: &str) -> Vec<&'n Node> {
    match fields.find(name) {
        None => Vec::new(),
        // `rules:` with everything below it commented out is a file with no rules.
        Some(Node { kind: Kind::Null, .. }) => Vec::new(),
        Some(Node { kind: Kind::List(items), .. }) => items.iter().collect(),
        Some(node) => {
            reader.wrong_type(node, &format!("`{name}`"), "a list");
            Vec::new()
        }
    }
}

fn read_rule(
    reader: &mut Reader,
    node: &Node,
    pack: &str,
    pack_mode: Mode,
    ids: &mut Vec<(String, Range<usize>)>,
) -> Option<Rule> {
    let fields = reader.fields(node, "a rule", RULE_KEYS)?;
    let id = required(reader, &fields, "id", "a rule");
    let name = id.and_then(|id| read_name(reader, id, "`id`"));
    let full_id = format!("{pack}/{}", name.as_deref().unwrap_or_default());
    ids.extend(id.filter(|_| name.is_some()).map(|id| (full_id.clone(), id.span.clone())));
    let when = required(reader, &fields, "when", "a rule");
    let when = when.map(|when| read_matchers(reader, when, "`when`", &full_id)).unwrap_or_default();
    let unless =
        fields.find("unless").map(|n| read_matchers(reader, n, "`unless`", &full_id)).unwrap_or_default();
    refuse_contradiction(reader, &fields, &when, &unless);
    let verdict = required(reader, &fields, "verdict", "a rule");
    let verdict = verdict.and_then(|verdict| reader.choice(verdict, "`verdict`", VERDICTS));
    let risk = fields.find("risk").and_then(|n| reader.choice(n, "`risk`", RISKS)).unwrap_or_default();
    let tags = fields.find("tags").map(|n| reader.texts(n, "`tags`")).unwrap_or_default();
    let why = fields.find("why").and_then(|n| reader.sentence(n, "`why`"));
    let what = fields.find("what").and_then(|n| read_template(reader, n, &when));
    let review = fields.find("review").and_then(|n| read_review(reader, n)).unwrap_or_default();
    let on_unreadable = fields.find("on-unreadable").and_then(|n| {
        reader.choice(n, "`on-unreadable`", &[("hold", Verdict::Hold), ("deny", Verdict::Deny)])
    });
    let mode = if read_mode(reader, &fields) == Mode::Observe { Mode::Observe } else { pack_mode };
    let examples = fields.find("examples").map(|n| read_examples(reader, n, verdict)).unwrap_or_default();
    let rule = Rule {
        why: why.unwrap_or_else(|| format!("The rule {full_id} asks for it.")),
        id: full_id.into(),
        verdict: verdict?,
        risk,
        tags,
        review,
        mode,
        file: reader.file.clone(),
        line: reader.line(&start_of(node)),
        wording: reader.text_of(node),
        is_standard: STANDARD.iter().any(|(name, text)| *name == reader.file && *text == &*reader.source),
        on_unreadable: on_unreadable.unwrap_or(Verdict::Hold),
        when,
        unless,
        what,
        examples,
        adjusters: Vec::new(),
    };
    name.is_some().then_some(rule)
}

fn read_adjuster(
    reader: &mut Reader,
    node: &Node,
    pack: &str,
    targets: &mut Vec<(String, Range<usize>)>,
) -> Option<Adjuster> {
    let fields = reader.fields(node, "an adjustment", ADJUST_KEYS)?;
    let rule = required(reader, &fields, "rule", "an adjustment");
    let rule_name = rule.and_then(|rule| reader.sentence(rule, "`rule`"));
    // In the rule's own pack its bare id will do.
    let rule_name = rule_name.map(|name| if name.contains('/') { name } else { format!("{pack}/{name}") });
    targets.extend(rule_name.clone().zip(rule.map(|node| node.span.clone())));
    let when = required(reader, &fields, "when", "an adjustment");
    let when =
        when.map(|when| read_matchers(reader, when, "the adjustment's `when`", "")).unwrap_or_default();
    let unless = fields.find("unless").map(|n| read_matchers(reader, n, "`unless`", "")).unwrap_or_default();
    let verdict = required(reader, &fields, "verdict", "an adjustment");
    let verdict = verdict.and_then(|verdict| reader.choice(verdict, "`verdict`", VERDICTS));
    let why = match fields.find("why") {
        Some(why) => reader.sentence(why, "`why`"),
        None => {
            reader.error_help(
                &start_of(node),
                "the adjustment has no `why`",
                "say why the rule may be adjusted; whoever reads the record will ask",
            );
            None
        }
    };
    let until = fields.find("until").map(|n| read_until(reader, n));
    let examples = fields.find("examples").map(|n| read_examples(reader, n, None)).unwrap_or_default();
    let shown = Adjustment {
        rule: rule_name?,
        verdict: verdict?,
        why: why?,
        until: until.map_or(Some(None), |until| until.map(Some))?,
        file: reader.file.clone(),
        line: reader.line(&start_of(node)),
    };
    Some(Adjuster { shown, when, unless, examples, text: reader.text_of(node) })
}

fn read_matchers(reader: &mut Reader, node: &Node, what: &str, rule: &str) -> Vec<Matcher> {
    let branches = reader.list(node, what);
    branches.into_iter().filter_map(|branch| Matcher::read(reader, branch, what, rule)).collect()
}

/// An exemption that leaves nothing: it asks for methods only, and a branch asks for no others.
fn refuse_contradiction(reader: &mut Reader, fields: &Fields<'_>, when: &[Matcher], unless: &[Matcher]) {
    let exempt = |branch: &Matcher| {
        unless.iter().filter(|matcher| matcher.clauses.len() == 1).any(|matcher| {
            matches!((branch.methods(), matcher.methods()), (Some(asked), Some(exempt)) if asked.is_within(exempt))
        })
    };
    if let Some(node) = fields.find("unless")
        && when.iter().any(exempt)
    {
        reader.error(&node.span, "this exempts every method that `when` asks for: nothing can ever match");
    }
}

fn read_review(reader: &mut Reader, node: &Node) -> Option<ReviewPolicy> {
    let known = ["approvals", "from", "each", "patience", "expires", "reply", "assurance"];
    let fields = reader.fields(node, "`review`", &known)?;
    let mut review = ReviewPolicy::default();
    if let Some(approvals) = fields.find("approvals") {
        review.approvals = reader.count(approvals, "`approvals`", APPROVALS_MAX).unwrap_or_default();
    }
    if let Some(from) = fields.find("from") {
        review.from = reader.texts(from, "`from`");
    }
    if let Some(each) = fields.find("each") {
        review.each = reader.texts(each, "`each`");
    }
    review.patience = fields.find("patience").and_then(|n| reader.duration(n, "`patience`"));
    review.expires = fields.find("expires").and_then(|n| reader.duration(n, "`expires`"));
    if let Some(node) = fields.find("expires")
        && review.expires.is_some_and(|expires| expires.is_zero())
    {
        reader.error(&node.span, "`expires` is zero: nobody could ever decide");
    }
    if let Some(reply) = fields.find("reply") {
        let choices = [("428", ParkedReply::PreconditionRequired), ("429", ParkedReply::TooManyRequests)];
        review.reply = reader.choice(reply, "`reply`", &choices).unwrap_or_default();
    }
    if let Some(assurance) = fields.find("assurance") {
        let choices = [("login", Assurance::Login), ("high", Assurance::High)];
        review.assurance = reader.choice(assurance, "`assurance`", &choices).unwrap_or_default();
    }
    Some(review)
}

fn read_template(reader: &mut Reader, node: &Node, when: &[Matcher]) -> Option<Template> {
    let text = reader.sentence(node, "`what`")?;
    let paths: Vec<_> = when.iter().flat_map(|matcher| matcher.paths().unwrap_or_default()).collect();
    let names: Vec<&str> = paths.iter().flat_map(|path| path.names()).collect();
    match Template::parse(&text, &names) {
        Ok(template) => Some(template),
        Err(why) => {
            reader.error(&node.span, why);
            None
        }
    }
}

/// A date, whose whole day (UTC) counts, or a moment.
fn read_until(reader: &mut Reader, node: &Node) -> Option<Timestamp> {
    let text = reader.text(node, "`until`")?;
    let end_of_day = |date: Date| date.tomorrow().ok()?.in_tz("UTC").ok().map(|zoned| zoned.timestamp());
    let until = text.parse::<Timestamp>().ok().or_else(|| text.parse::<Date>().ok().and_then(end_of_day));
    if until.is_none() {
        reader.error_help(
            &node.span,
            format!("`until` is not a date: `{text}`"),
            "write 2027-01-31, or 2027-01-31T12:00:00Z",
        );
    }
    until
}

/// `own` is the verdict of the rule that the examples belong to; an adjustment's examples have any.
fn read_examples(reader: &mut Reader, node: &Node, own: Option<Verdict>) -> Vec<Example> {
    let Some(fields) = reader.fields(node, "`examples`", &["hold", "pass", "deny"]) else {
        return Vec::new();
    };
    let mut examples = Vec::new();
    for (key, list) in fields.iter() {
        let Some((_, expected)) = VERDICTS.iter().find(|(word, _)| *word == key.text) else { continue };
        let senseless = match own {
            None => false,
            Some(Verdict::Pass) => false,
            Some(own) => *expected != own && *expected != Verdict::Pass,
        };
        if let (true, Some(own)) = (senseless, own) {
            let help =
                format!("list under `{}` what it matches and under `pass` what it does not", own.as_str());
            reader.error_help(&key.span, format!("this rule cannot {}", key.text), help);
        }
        for item in reader.list(list, "an example list") {
            examples.extend(read_example(reader, item, *expected));
        }
    }
    examples
}

fn read_example(reader: &mut Reader, node: &Node, expected: Verdict) -> Option<Example> {
    let (mut agent, mut labels, mut source) = (LOCAL_AGENT.to_owned(), BTreeMap::new(), SOURCE);
    let sample = match &node.kind {
        Kind::Map(_) => {
            let known = ["method", "url", "headers", "body", "body_b64", "form", "agent", "labels", "source"];
            let fields = reader.fields(node, "an example", &known)?;
            if let Some(node) = fields.find("agent") {
                agent = reader.sentence(node, "`agent`")?;
            }
            for (key, value) in
                fields.find("labels").and_then(|n| reader.map(n, "`labels`")).iter().flat_map(Fields::iter)
            {
                labels.insert(key.text.clone(), reader.text(value, "a label")?);
            }
            if let Some(node) = fields.find("source") {
                let text = reader.text(node, "`source`")?;
                match text.parse() {
                    Ok(address) => source = address,
                    Err(_) => reader.error(&node.span, format!("`{text}` is not an address")),
                }
            }
            Sample::from_json(&to_json(reader, node))
        }
        _ => Sample::from_line(&reader.text(node, "an example")?),
    };
    let request = match sample.and_then(|sample| sample.canonical()) {
        Ok(request) => request,
        Err(error) => {
            let source = std::error::Error::source(&error).map(|s| format!(": {s}")).unwrap_or_default();
            let message = error.to_string();
            let source = if message.contains(source.as_str()) { "" } else { &source };
            reader.error(&node.span, format!("bad example: {message}{source}"));
            return None;
        }
    };
    let written = match node.kind {
        Kind::Map(_) => format!("{} {}", request.method, request.head().url()),
        _ => reader.written(node).trim_matches(['"', '\'']).to_owned(),
    };
    let (line, column) = reader.position(&start_of(node));
    Some(Example { expected, request, agent, labels, source, line, column, written })
}

fn to_json(reader: &Reader, node: &Node) -> serde_json::Value {
    use serde_json::Value;
    match &node.kind {
        Kind::Null => Value::Null,
        Kind::Bool(value) => (*value).into(),
        // As written where that is JSON: 10000 stays a whole number, and 1.50 what it says.
        Kind::Number(number) => {
            serde_json::from_str(&reader.written(node)).unwrap_or_else(|_| (*number).into())
        }
        Kind::Text(text) => text.as_str().into(),
        Kind::List(items) => items.iter().map(|item| to_json(reader, item)).collect(),
        Kind::Map(entries) => entries.iter().map(|(k, v)| (k.text.clone(), to_json(reader, v))).collect(),
    }
}

fn read_mode(reader: &mut Reader, fields: &Fields<'_>) -> Mode {
    let choices = [("observe", Mode::Observe), ("enforce", Mode::Enforce)];
    fields.find("mode").and_then(|node| reader.choice(node, "`mode`", &choices)).unwrap_or_default()
}

fn read_name(reader: &mut Reader, node: &Node, what: &str) -> Option<String> {
    let name = reader.sentence(node, what)?;
    if name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) {
        return Some(name);
    }
    reader.error(&node.span, format!("{what} has letters, digits, `-`, `_` and `.` only: `{name}`"));
    None
}

fn required<'n>(reader: &mut Reader, fields: &Fields<'n>, name: &str, what: &str) -> Option<&'n Node> {
    let found = fields.find(name);
    if found.is_none() {
        let start = fields.span.start..fields.span.start + 1;
        reader.error(&start, format!("{what} has no `{name}`"));
    }
    found
}

fn start_of(node: &Node) -> Range<usize> {
    node.span.start..node.span.start.saturating_add(1)
}

const RULE_KEYS: &[&str] = &[
    "id",
    "when",
    "unless",
    "verdict",
    "risk",
    "tags",
    "why",
    "what",
    "review",
    "on-unreadable",
    "mode",
    "examples",
];
const ADJUST_KEYS: &[&str] = &["rule", "when", "unless", "verdict", "why", "until", "examples"];
const VERDICTS: &[(&str, Verdict)] =
    &[("hold", Verdict::Hold), ("deny", Verdict::Deny), ("pass", Verdict::Pass)];
const RISKS: &[(&str, Risk)] =
    &[("low", Risk::Low), ("medium", Risk::Medium), ("high", Risk::High), ("critical", Risk::Critical)];
const APPROVALS_MAX: u32 = 20;
const SOURCE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
