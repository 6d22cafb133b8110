//! Matchers: the maps under `when` and `unless`. A map means all of its clauses.

use super::condition::Condition;
use super::facts::{Facts, Field, Seen};
use super::host::HostPattern;
use super::method::MethodSet;
use super::path::{PathPattern, routed, trimmed};
use super::protocol::Asked;
use super::rate::{Counting, Rate};
use super::reader::Reader;
use super::tree::{Key, Kind, Node};
use super::truth::{Stance, Truth, Unclear};
use super::value::{Order, ValueMatch};
use super::window::TimeWindow;
use http::HeaderName;
use ipnet::IpNet;
use std::borrow::Cow;
use std::net::IpAddr;

/// All of its clauses, cheap ones first.
#[derive(Debug)]
pub(super) struct Matcher {
    pub(super) clauses: Vec<Clause>,
}

/// One thing that a matcher asks for.
#[derive(Debug)]
pub(super) struct Clause {
    pub(super) ask: Ask,
    /// What the rule file says, in one line.
    pub(super) written: String,
}

#[derive(Debug)]
pub(super) enum Ask {
    Port(ValueMatch),
    Method(MethodSet),
    Host(Vec<HostPattern>),
    Path(Vec<PathPattern>),
    /// A path by regular expression or glob, where a pattern cannot say it.
    PathText(ValueMatch),
    Source(Vec<IpNet>),
    Agent(ValueMatch),
    Label(String, ValueMatch),
    Size(Vec<(Order, u64)>),
    Header(HeaderName, ValueMatch),
    Query(String, ValueMatch),
    Time(Vec<TimeWindow>),
    /// Something of a call in a protocol.
    Call(Asked),
    Body(Vec<Box<str>>, ValueMatch),
    Text(ValueMatch),
    If(Condition),
    Rate(Rate),
}

impl Matcher {
    /// Reads a map of clauses. `rule` is the rule's id.
    pub(super) fn read(reader: &mut Reader, node: &Node, what: &str, rule: &str) -> Option<Self> {
        let fields = reader.map(node, what)?;
        let mut clauses = Vec::new();
        for (key, value) in fields.iter() {
            read_clause(reader, key, value, what, rule, &mut clauses);
        }
        if fields.iter().next().is_none() {
            reader.error_help(
                &node.span,
                format!("{what} is empty"),
                "say what it matches, at least `host: \"*\"`",
            );
        }
        clauses.sort_by_key(|clause| clause.ask.cost());
        let mut matcher = Self { clauses };
        // What excepts is asked only where something else has said where.
        if what != "`when`" || matcher.says_where() {
            matcher.ask_anywhere();
        }
        Some(matcher)
    }

    /// Whether a host or a path limits it.
    fn says_where(&self) -> bool {
        self.clauses.iter().any(|clause| match &clause.ask {
            Ask::Host(hosts) => !hosts.iter().any(|host| matches!(host, HostPattern::Any)),
            Ask::Path(_) | Ask::PathText(_) | Ask::Port(_) => true,
            _ => false,
        })
    }

    fn ask_anywhere(&mut self) {
        for clause in &mut self.clauses {
            if let Ask::Call(asked) = &mut clause.ask {
                asked.anywhere();
            }
        }
    }

    /// Limits it to the hosts of its pack, unless it names hosts itself.
    pub(super) fn limit_to(&mut self, hosts: &[HostPattern], written: &str) {
        if self.hosts().is_none() {
            self.clauses.push(Clause { ask: Ask::Host(hosts.to_vec()), written: written.to_owned() });
            self.clauses.sort_by_key(|clause| clause.ask.cost());
            self.ask_anywhere();
        }
    }

    pub(super) fn answer(&self, facts: &Facts<'_>, stance: Stance) -> Truth {
        let mut truth = Truth::Yes;
        for clause in &self.clauses {
            truth = truth.and(clause.ask.answer(facts, stance));
            if truth == Truth::No {
                break;
            }
        }
        truth
    }

    pub(super) fn hosts(&self) -> Option<&[HostPattern]> {
        self.clauses.iter().find_map(|clause| match &clause.ask {
            Ask::Host(hosts) => Some(hosts.as_slice()),
            _ => None,
        })
    }

    pub(super) fn paths(&self) -> Option<&[PathPattern]> {
        self.clauses.iter().find_map(|clause| match &clause.ask {
            Ask::Path(paths) => Some(paths.as_slice()),
            _ => None,
        })
    }

    pub(super) fn methods(&self) -> Option<&MethodSet> {
        self.clauses.iter().find_map(|clause| match &clause.ask {
            Ask::Method(methods) => Some(methods),
            _ => None,
        })
    }

    pub(super) fn counts(&self) -> bool {
        self.clauses.iter().any(|clause| matches!(clause.ask, Ask::Rate(_)))
    }
}

/// Any of several matchers.
pub(super) fn any_of(matchers: &[Matcher], facts: &Facts<'_>, stance: Stance) -> Truth {
    matchers.iter().fold(Truth::No, |truth, matcher| truth.or(matcher.answer(facts, stance)))
}

impl Ask {
    /// Place in the order of asking. A rate counts only what matches otherwise, so it comes last.
    const fn cost(&self) -> u8 {
        match self {
            Self::Method(_) => 0,
            Self::Port(_) => 1,
            Self::Host(_) => 2,
            Self::Path(_) | Self::PathText(_) => 3,
            Self::Agent(_) => 4,
            Self::Source(_) => 5,
            Self::Label(..) => 6,
            Self::Size(_) => 7,
            Self::Header(..) => 8,
            Self::Query(..) => 9,
            Self::Time(_) => 10,
            Self::Call(_) => 11,
            Self::Body(..) => 12,
            Self::Text(_) => 13,
            Self::If(_) => 14,
            Self::Rate(_) => 15,
        }
    }

    pub(super) fn answer(&self, facts: &Facts<'_>, stance: Stance) -> Truth {
        let head = facts.head;
        match self {
            Self::Port(value) => value.answer(&port(facts), stance),
            Self::Method(methods) => methods.answer(facts, stance),
            Self::Host(hosts) => hosts.iter().any(|h| h.matches(head.authority.host.as_str())).into(),
            Self::Path(paths) => path_answer(paths, facts, stance),
            Self::PathText(value) => value.answer(&readings(facts, stance), stance),
            Self::Source(networks) => {
                let source = facts.caller.source.to_canonical();
                networks.iter().any(|network| network.contains(&source)).into()
            }
            Self::Agent(value) => {
                value.answer(&Field::one(Seen::text(facts.caller.agent.name.as_str())), stance)
            }
            Self::Label(name, value) => value.answer(&label(facts, name), stance),
            Self::Size(bounds) => match facts.size() {
                Some(size) => bounds.iter().all(|(order, bound)| order.holds(size.cmp(bound))).into(),
                None => Truth::Unclear(Unclear::Body),
            },
            Self::Header(name, value) => value.answer(&header(facts, name, stance), stance),
            Self::Query(name, value) => value.answer(&facts.query(name), stance),
            Self::Time(windows) => match (facts.counting, facts.now) {
                (Counting::Met, _) => Truth::Yes,
                (_, Some(now)) => windows.iter().any(|window| window.contains(now)).into(),
                (_, None) => Truth::Unclear(Unclear::Other),
            },
            Self::Call(asked) => asked.answer(facts, stance),
            Self::Body(pointer, value) => value.answer(&facts.body(pointer), stance),
            Self::Text(value) => value.answer(&facts.text(), stance),
            Self::If(condition) => condition.answer(facts, stance),
            Self::Rate(rate) => rate.answer(facts),
        }
    }

    /// Its name to people: `method`, `query.force`, `body./amount`.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Port(_) => "port".to_owned(),
            Self::Method(_) => "method".to_owned(),
            Self::Host(_) => "host".to_owned(),
            Self::Path(_) | Self::PathText(_) => "path".to_owned(),
            Self::Source(_) => "source".to_owned(),
            Self::Agent(_) => "agent".to_owned(),
            Self::Label(name, _) => format!("label.{name}"),
            Self::Size(_) => "size".to_owned(),
            Self::Header(name, _) => format!("header.{name}"),
            Self::Query(name, _) => format!("query.{name}"),
            Self::Time(_) => "time".to_owned(),
            Self::Call(asked) => asked.name().to_owned(),
            Self::Body(pointer, _) => {
                let escape = |s: &str| s.replace('~', "~0").replace('/', "~1");
                pointer.iter().fold("body.".to_owned(), |name, s| format!("{name}/{}", escape(s)))
            }
            Self::Text(_) => "body.text".to_owned(),
            Self::If(_) => "if".to_owned(),
            Self::Rate(_) => "rate".to_owned(),
        }
    }

    /// What the request has there; `None` when it has nothing, or nothing that can be shown.
    pub(super) fn seen(&self, facts: &Facts<'_>) -> Option<String> {
        let head = facts.head;
        let all = |field: &Field<'_>| {
            let values: Vec<&str> = field.values.iter().map(|seen| &*seen.text).collect();
            (!values.is_empty()).then(|| values.join(", "))
        };
        let seen = match self {
            Self::Port(_) => Some(head.authority.port.to_string()),
            Self::Method(_) => Some(facts.methods.shown()),
            Self::Host(_) => Some(head.authority.host.as_str().to_owned()),
            Self::Path(_) | Self::PathText(_) => Some(head.path.to_owned()),
            Self::Source(_) => Some(facts.caller.source.to_string()),
            Self::Agent(_) => Some(facts.caller.agent.name.clone()),
            Self::Label(name, _) => all(&label(facts, name)),
            Self::Size(_) => facts.size().map(|size| size.to_string()),
            Self::Header(name, _) => all(&facts.header(name)),
            Self::Query(name, _) => all(&facts.query(name)),
            Self::Time(_) => facts.now.map(|now| now.to_string()),
            Self::Call(asked) => asked.seen(facts),
            Self::Body(pointer, _) => all(&facts.body(pointer)),
            Self::Text(_) => all(&facts.text()),
            Self::If(_) | Self::Rate(_) => None,
        };
        seen.map(|text| cut(&text))
    }
}

/// At most [`SHOWN_CHARS_MAX`] characters, with a mark where something was cut.
pub(super) fn cut(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

fn port(facts: &Facts<'_>) -> Field<'static> {
    let port = facts.head.authority.port;
    let text = match port {
        443 => Cow::Borrowed("443"), // the usual one allocates nothing
        other => Cow::Owned(other.to_string()),
    };
    Field::one(Seen { text, number: Some(f64::from(port)) })
}

fn label<'a>(facts: &Facts<'a>, name: &str) -> Field<'a> {
    facts.caller.agent.labels.get(name).map_or_else(Field::default, |v| Field::one(Seen::text(v.as_str())))
}

/// The path and its other readings, as the values of one field; generously without slashes at the end as well.
fn readings<'a>(facts: &Facts<'a>, stance: Stance) -> Field<'a> {
    let mut field = Field::one(Seen::text(facts.head.path));
    field.values.extend(facts.head.readings.iter().map(|reading| Seen::text(&**reading)));
    if stance == Stance::Generous {
        let paths =
            std::iter::once(facts.head.path).chain(facts.head.readings.iter().map(|reading| &**reading));
        let others = paths.flat_map(|path| {
            [Some(trimmed(path)), routed(path)].into_iter().flatten().map(move |it| (path, it))
        });
        let new = others.filter(|(path, other)| path != other && !other.is_empty());
        field.values.extend(new.map(|(_, other)| Seen::text(other)));
    }
    field
}

/// Generously, what some take for a list is one as well, value by value.
fn header<'a>(facts: &Facts<'a>, name: &HeaderName, stance: Stance) -> Field<'a> {
    let mut field = facts.header(name);
    if stance == Stance::Generous && field.values.iter().any(|seen| seen.text.contains(',')) {
        let whole = field.values.clone();
        let items = whole.iter().flat_map(|seen| seen.text.split(','));
        field.values.extend(items.map(|item| Seen::text(item.trim().to_owned())));
    }
    field
}

/// For `Exact` each reading must match some pattern; not all of them the same one.
fn path_answer(paths: &[PathPattern], facts: &Facts<'_>, stance: Stance) -> Truth {
    let mut readings = std::iter::once(facts.head.path).chain(facts.head.readings.iter().map(|r| &**r));
    let any = |path: &str| paths.iter().any(|pattern| pattern.matches(path, stance));
    match stance {
        Stance::Generous => readings.any(any).into(),
        Stance::Exact => readings.all(any).into(),
    }
}

fn read_clause(
    reader: &mut Reader,
    key: &Key,
    node: &Node,
    what: &str,
    rule: &str,
    clauses: &mut Vec<Clause>,
) {
    let mut add = |reader: &Reader, ask: Option<Ask>, node: &Node| {
        clauses.extend(ask.map(|ask| Clause { ask, written: reader.written(node) }));
    };
    match key.text.as_str() {
        "port" => {
            let ask = ValueMatch::read(reader, node, "`port`").map(Ask::Port);
            add(reader, ask, node);
        }
        "method" => {
            let ask = MethodSet::read(reader, node).map(Ask::Method);
            add(reader, ask, node);
        }
        "host" => {
            let hosts = read_each(reader, node, "`host`", HostPattern::parse);
            add(reader, Some(Ask::Host(hosts)), node);
        }
        "path" if matches!(node.kind, Kind::Map(_)) => {
            let ask = ValueMatch::read_folding(reader, node, "`path`").map(Ask::PathText);
            add(reader, ask, node);
        }
        "path" => {
            let paths = read_each(reader, node, "`path`", PathPattern::parse);
            add(reader, Some(Ask::Path(paths)), node);
        }
        "source" => {
            let networks = read_each(reader, node, "`source`", read_network);
            add(reader, Some(Ask::Source(networks)), node);
        }
        "agent" => {
            let ask = ValueMatch::read(reader, node, "`agent`").map(Ask::Agent);
            add(reader, ask, node);
        }
        "size" => {
            let ask = read_size(reader, node);
            add(reader, ask, node);
        }
        "time" => {
            let windows = reader.list(node, "`time`");
            let windows = windows.into_iter().filter_map(|n| TimeWindow::read(reader, n)).collect();
            add(reader, Some(Ask::Time(windows)), node);
        }
        "if" => {
            let ask = Condition::read(reader, node).map(Ask::If);
            add(reader, ask, node);
        }
        "rate" if what == "`when`" => {
            let ask = Rate::read(reader, node, rule).map(Ask::Rate);
            add(reader, ask, node);
        }
        "rate" => reader.error(&key.span, "`rate` can stand under a rule's `when` only"),
        "query" | "header" | "label" | "body" => {
            let name = format!("`{}`", key.text);
            let Some(fields) = reader.map(node, &name) else { return };
            if fields.iter().next().is_none() {
                reader.error(&node.span, format!("{name} is empty: name what is compared"));
            }
            for (field, value) in fields.iter() {
                let ask = read_named(reader, &key.text, field, value);
                add(reader, ask, value);
            }
        }
        "operation" | "service" | "access" | "tag" | "resource" => reader.error_help(
            &key.span,
            format!("`{}` needs the catalogue, which this version does not have", key.text),
            "match by `host`, `method`, `path`, `query`, `header` and `body` for now",
        ),
        name if super::protocol::known(name) => {
            let ask = Asked::read(reader, key, node).map(Ask::Call);
            add(reader, ask, node);
        }
        unknown => {
            let known: Vec<&str> = KEYS.iter().copied().chain(super::protocol::names()).collect();
            let help = super::reader::did_you_mean(unknown, &known).map_or_else(
                || format!("known here: {}", known.join(", ")),
                |k| format!("did you mean `{k}`?"),
            );
            reader.error_help(&key.span, format!("unknown key `{unknown}` in {what}"), help);
        }
    }
}

fn read_named(reader: &mut Reader, kind: &str, name: &Key, node: &Node) -> Option<Ask> {
    let value = ValueMatch::read(reader, node, &format!("`{}`", name.text));
    match kind {
        "query" => Some(Ask::Query(name.text.clone(), value?)),
        "label" => Some(Ask::Label(name.text.clone(), value?)),
        "header" => match HeaderName::from_bytes(name.text.to_ascii_lowercase().as_bytes()) {
            Ok(header) => Some(Ask::Header(header, value?)),
            Err(_) => {
                reader.error(&name.span, format!("`{}` is not a header name", name.text));
                None
            }
        },
        _ if name.text == "text" => Some(Ask::Text(value?)),
        _ => match pointer(&name.text) {
            Some(pointer) => Some(Ask::Body(pointer, value?)),
            None => {
                reader.error_help(
                    &name.span,
                    format!("`{}` is not a JSON pointer", name.text),
                    "write /a/b/0, with ~1 for a slash and ~0 for a tilde in a name",
                );
                None
            }
        },
    }
}

/// A JSON pointer (RFC 6901), or a bare name, which is a member on top or a form field.
pub(super) fn pointer(text: &str) -> Option<Vec<Box<str>>> {
    let Some(path) = text.strip_prefix('/') else {
        return (!text.is_empty()).then(|| vec![text.into()]);
    };
    path.split('/')
        .map(|segment| {
            let tildes = segment.matches('~').count();
            let sound = tildes == segment.matches("~0").count() + segment.matches("~1").count();
            sound.then(|| segment.replace("~1", "/").replace("~0", "~").into())
        })
        .collect()
}

fn read_each<T>(
    reader: &mut Reader,
    node: &Node,
    what: &str,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Vec<T> {
    let mut parsed = Vec::new();
    for item in reader.list(node, what) {
        let Some(text) = reader.text(item, what) else { continue };
        match parse(&text) {
            Ok(value) => parsed.push(value),
            Err(why) => reader.error(&item.span, format!("bad {what}: {why}")),
        }
    }
    parsed
}

fn read_network(text: &str) -> Result<IpNet, String> {
    let parsed = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    parsed.map_err(|_| format!("`{text}` is not an address or a network such as 10.0.0.0/8"))
}

fn read_size(reader: &mut Reader, node: &Node) -> Option<Ask> {
    let known: Vec<&str> = Order::WORDS.iter().map(|(word, _)| *word).collect();
    let fields = reader.fields(node, "`size`", &known)?;
    let mut bounds = Vec::new();
    for (word, order) in Order::WORDS {
        if let Some(bound) = fields.find(word) {
            bounds.extend(reader.bytes(bound, &format!("`{word}`")).map(|bytes| (order, bytes)));
        }
    }
    if bounds.is_empty() {
        if !matches!(&node.kind, Kind::Map(entries) if !entries.is_empty()) {
            reader.error_help(&node.span, "`size` has no bound", "size: { gt: 1MiB }");
        }
        return None;
    }
    let (mut least, mut most) = (0, u64::MAX);
    for (order, bound) in &bounds {
        match order {
            Order::Greater => least = least.max(bound.saturating_add(1)),
            Order::GreaterOrEqual => least = least.max(*bound),
            Order::Less if *bound == 0 => (least, most) = (1, 0),
            Order::Less => most = most.min(bound - 1),
            Order::LessOrEqual => most = most.min(*bound),
        }
    }
    if least > most {
        reader.error(&node.span, "no size lies between these bounds: nothing can ever match");
    }
    Some(Ask::Size(bounds))
}

const KEYS: &[&str] = &[
    "host", "port", "method", "path", "query", "header", "body", "agent", "label", "source", "time", "rate",
    "size", "if",
];
pub(super) const SHOWN_CHARS_MAX: usize = 200;
