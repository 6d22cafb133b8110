//! Which requests carry SQL, and where in them it stands.

use super::{Class, Dialect};
use crate::decode::form::{component, split};
use crate::decode::protocol::{Request, Unread};
use crate::decode::{Body, Decoded, Json, same_folded};
use crate::request::Head;
use http::Method;
use std::borrow::Cow;

/// A service that takes SQL in requests like this one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Carrier {
    /// `bigquery`, `athena`: what a rule calls it.
    pub(super) service: &'static str,
    pub(super) dialects: &'static [Dialect],
    hosts: &'static [&'static str],
    place: Place,
    /// Where the texts stand in the JSON body: names from the top down, `*` for each item of a list.
    fields: &'static [&'static [&'static str]],
    kind: Kind,
}

/// What besides the host tells it.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// The path ends in one of these, whatever its case, slashes at the end apart.
    PathEnd(&'static [&'static str]),
    /// `X-Amz-Target`, or the path of CBOR, ends in one of these operations.
    Operation(&'static [&'static str]),
    /// Everything that goes there.
    Anything,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Texts in JSON.
    Json,
    /// BigQuery's jobs, which load, copy and extract as well.
    BigQueryJob,
    /// In the query `query`, and in the body behind it.
    ClickHouse,
}

/// What a request carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Carried<'a> {
    Text(Cow<'a, str>),
    /// It does something without SQL, described here.
    Does(Class, &'static str),
}

impl Carrier {
    pub(super) fn of(head: &Head<'_>) -> Option<Self> {
        let host = head.authority.host.as_str();
        let knows = |carrier: &&Self| match carrier.kind {
            Kind::Json | Kind::BigQueryJob => {
                !reads(head)
                    && carrier.hosts.iter().any(|known| is_host(known, host))
                    && carrier.place.fits(head)
            }
            Kind::ClickHouse => carrier.hosts.iter().any(|known| is_host(known, host)) || is_clickhouse(head),
        };
        CARRIERS.iter().find(knows).copied()
    }

    /// All texts, by every reading of the body.
    pub(super) fn texts<'a>(&self, request: &Request<'a>) -> Result<Vec<Carried<'a>>, Unread> {
        if self.kind == Kind::ClickHouse {
            return clickhouse(request);
        }
        let decoded = match request.body {
            Body::Decoded(decoded) => decoded,
            Body::Binary { why, .. } | Body::Unreadable(why) => return Err(why.clone().into()),
            Body::Empty => return Err("it carries no statement".into()),
            Body::NotRead => return Err("its body was not read".into()),
        };
        let Some(json) = &decoded.json else { return Err("its body is not JSON".into()) };
        let mut found: Vec<&'a Json> = Vec::new();
        self.fields.iter().for_each(|names| gather(json, names, &mut found));
        let mut carried = Vec::new();
        if self.kind == Kind::BigQueryJob {
            carried.extend(job(json));
        }
        if self.service == "athena" && has(json, &["ResultConfiguration", "OutputLocation"]) {
            carried.push(Carried::Does(Class::Export, "store the result where the request says"));
        }
        carried.extend(self.also(request.head));
        if self.service == "athena" && is_of_lambda(json) {
            carried.push(Carried::Does(Class::Execute, "ask a Lambda function for the tables"));
        }
        for value in found {
            match value {
                Json::Text(text) => carried.push(Carried::Text(Cow::Borrowed(text.as_str()))),
                _ => return Err("its statement is not a text".into()),
            }
        }
        if !carried.iter().any(|carried| matches!(carried, Carried::Text(_))) && self.kind == Kind::Json {
            return Err("no statement is found in it".into());
        }
        if carried.is_empty() { Err("no statement is found in it".into()) } else { Ok(carried) }
    }
}

impl Carrier {
    /// What the operation itself does with the statement.
    fn also<'a>(&self, head: &Head<'_>) -> Vec<Carried<'a>> {
        let is = |operations: &'static [&'static str]| Place::Operation(operations).fits(head);
        match self.service {
            "timestream" if is(&["CreateScheduledQuery"]) => vec![
                Carried::Does(Class::Write, "store the result, time and again"),
                Carried::Does(Class::Export, "report where the request says"),
            ],
            "athena" if is(&["CreatePreparedStatement", "UpdatePreparedStatement"]) => {
                vec![Carried::Does(Class::Ddl, "keep a statement under a name")]
            }
            _ => Vec::new(),
        }
    }
}

impl Place {
    fn fits(self, head: &Head<'_>) -> bool {
        let mut paths = std::iter::once(head.path).chain(head.readings.iter().map(|reading| &**reading));
        match self {
            Self::Anything => true,
            Self::PathEnd(ends) => paths.any(|path| {
                let path = path.trim_end_matches('/');
                let tail = |end: &str| path.len().checked_sub(end.len()).and_then(|at| path.get(at..));
                ends.iter().any(|end| tail(end).is_some_and(|tail| tail.eq_ignore_ascii_case(end)))
            }),
            Self::Operation(operations) => {
                let targets =
                    head.headers.get_all("x-amz-target").iter().filter_map(|value| value.to_str().ok());
                let targets = targets.filter_map(|target| target.rsplit('.').next());
                // `/service/…/operation/NAME`; elsewhere, a name may be that of an object.
                let by_path = paths.filter_map(|path| {
                    let mut segments = path.trim_end_matches('/').rsplit('/');
                    let name = segments.next()?;
                    segments.next()?.eq_ignore_ascii_case("operation").then_some(name)
                });
                let mut named = targets.chain(by_path);
                named.any(|name| {
                    operations.iter().any(|operation| operation.eq_ignore_ascii_case(name.trim()))
                })
            }
        }
    }
}

/// Whether the host is one of a service that is known, whatever is asked of it.
pub(super) fn is_of_one(head: &Head<'_>) -> bool {
    let host = head.authority.host.as_str();
    CARRIERS.iter().any(|carrier| carrier.hosts.iter().any(|known| is_host(known, host)))
}

/// A list of jobs is asked for where a job is sent to; nothing else in the head says otherwise.
fn reads(head: &Head<'_>) -> bool {
    let overrides = ["x-http-method-override", "x-http-method", "x-method-override"];
    matches!(*head.method, Method::GET | Method::HEAD | Method::OPTIONS)
        && !overrides.iter().any(|name| head.headers.contains_key(*name))
}

/// A server of one's own, by the port that it has from the start, or by fields that only it knows.
fn is_clickhouse(head: &Head<'_>) -> bool {
    head.authority.port == CLICKHOUSE_PORT
        || head.headers.keys().any(|name| name.as_str().starts_with("x-clickhouse-"))
}

/// `*` stands for one label or a part of one; in front, with a dot behind, for one or more.
fn is_host(pattern: &str, host: &str) -> bool {
    if pattern == "*" {
        return true;
    }
    if let Some(parent) = pattern.strip_prefix("**.") {
        let child = host.len().checked_sub(parent.len() + 1);
        return child
            .and_then(|at| host.get(at..))
            .is_some_and(|tail| tail.strip_prefix('.') == Some(parent));
    }
    let (mut labels, mut wanted) = (host.split('.'), pattern.split('.'));
    loop {
        match (wanted.next(), labels.next()) {
            (None, None) => return true,
            (Some(want), Some(label)) if is_label(want, label) => {}
            _ => return false,
        }
    }
}

fn is_label(pattern: &str, label: &str) -> bool {
    let mut pieces = pattern.split('*');
    let Some(rest) = pieces.next().and_then(|front| label.strip_prefix(front)) else { return false };
    let Some(back) = pieces.next_back() else { return rest.is_empty() };
    let Some(mut rest) = rest.strip_suffix(back) else { return false };
    pieces.all(|piece| match rest.split_once(piece) {
        Some((_, behind)) => {
            rest = behind;
            true
        }
        None => false,
    })
}

fn gather<'a>(json: &'a Json, names: &[&str], found: &mut Vec<&'a Json>) {
    let Some((name, rest)) = names.split_first() else { return found.push(json) };
    match json {
        Json::Map(entries) => {
            for (_, value) in entries.iter().filter(|(key, _)| same_folded(key, name)) {
                gather(value, rest, found);
            }
        }
        Json::List(items) if *name == "*" => items.iter().for_each(|item| gather(item, rest, found)),
        Json::List(_) | Json::Null | Json::Bool(_) | Json::Number(_) | Json::Text(_) | Json::Enum { .. } => {}
    }
}

fn has(json: &Json, names: &[&str]) -> bool {
    let mut found = Vec::new();
    gather(json, names, &mut found);
    !found.is_empty()
}

/// Whether tables without a catalog are those of a Lambda function.
fn is_of_lambda(json: &Json) -> bool {
    let mut catalogs = Vec::new();
    gather(json, &["QueryExecutionContext", "Catalog"], &mut catalogs);
    let lambda = |text: &str| text.to_ascii_lowercase().contains(LAMBDA);
    catalogs.iter().any(|catalog| matches!(catalog, Json::Text(text) if lambda(text)))
}

/// What a BigQuery job does besides its query.
fn job<'a>(json: &Json) -> Vec<Carried<'a>> {
    let has = |names: &[&str]| has(json, names);
    let mut does = Vec::new();
    if has(&["configuration", "extract"]) {
        does.push(Carried::Does(Class::Export, "extract a table to Cloud Storage"));
    }
    if has(&["configuration", "load"]) {
        does.push(Carried::Does(Class::Write, "load data into a table"));
    }
    if has(&["configuration", "copy"]) {
        does.push(Carried::Does(Class::Write, "copy a table"));
    }
    if has(&["configuration", "query", "destinationTable"]) {
        does.push(Carried::Does(Class::Write, "store the result in a table"));
    }
    does
}

/// The server joins the parameter and the body; a form in several parts can carry the parameter, too.
fn clickhouse<'a>(request: &Request<'a>) -> Result<Vec<Carried<'a>>, Unread> {
    let mut queries: Vec<Cow<'a, str>> = split(request.head.query.unwrap_or_default(), &['&'])
        .filter(|(name, _)| same_folded(&component(name), "query"))
        .map(|(_, value)| component(value))
        .collect();
    // What gateways before it make of its other fields.
    let fields = request.head.headers.get_all("x-clickhouse-query").iter();
    queries.extend(fields.map(|value| String::from_utf8_lossy(value.as_bytes())));
    let mut settings: Vec<(Cow<'a, str>, Cow<'a, str>)> =
        split(request.head.query.unwrap_or_default(), &['&'])
            .map(|(name, value)| (component(name), component(value)))
            .collect();
    let text = match request.body {
        Body::Empty => "",
        Body::Decoded(Decoded { text: Some(text), form, .. }) => {
            let parts = form.iter().flatten().filter(|(name, _)| same_folded(name, "query"));
            if is_clickhouse_form(request.head)? {
                let Some(form) = form else { return Err("its body is not a form".into()) };
                settings
                    .extend(form.iter().map(|(name, value)| (name.as_str().into(), value.as_str().into())));
                queries.extend(parts.map(|(_, value)| Cow::Borrowed(value.as_str())));
                ""
            } else {
                text
            }
        }
        // Rows in a format of bytes behind an insert: what is done stands in the parameter.
        Body::Binary { .. } if queries.iter().any(|query| is_insert(query)) => "",
        Body::Binary { why, .. } | Body::Unreadable(why) => return Err(why.clone().into()),
        Body::Decoded(_) => return Err("its body is no text".into()),
        Body::NotRead => return Err("its body was not read".into()),
    };
    if queries.is_empty() {
        queries.push(Cow::Borrowed(""));
    }
    let joined = queries.into_iter().map(|query| match (query.trim().is_empty(), text.trim().is_empty()) {
        (_, true) => query,
        (true, false) => Cow::Borrowed(text),
        (false, false) => Cow::Owned(format!("{query}\n{text}")),
    });
    let mut texts: Vec<Carried<'a>> =
        joined.filter(|text| !text.trim().is_empty()).map(Carried::Text).collect();
    for (name, value) in &settings {
        if same_folded(name, "stream_like_engine_allow_direct_select") && !texts.is_empty() {
            texts.push(Carried::Does(Class::Write, "take what it reads from a queue"));
        }
        if same_folded(name, "dialect") && value != "clickhouse" {
            return Err("it asks for another dialect".into());
        }
    }
    if texts.is_empty() {
        // `/ping`, `/replicas_status`, and the page at the root.
        return if matches!(*request.head.method, Method::GET | Method::HEAD) {
            Ok(vec![Carried::Does(Class::Read, "nothing: it carries no statement")])
        } else {
            Err("no statement is found in it".into())
        };
    }
    Ok(texts)
}

/// Whether the server reads the body as a form. It compares the first bytes, and what is no form is SQL.
fn is_clickhouse_form(head: &Head<'_>) -> Result<bool, Unread> {
    let types: Vec<&[u8]> =
        head.headers.get_all("content-type").iter().map(|value| value.as_bytes()).collect();
    let multipart = |value: &&[u8]| {
        value.trim_ascii_start().get(..9).is_some_and(|front| front.eq_ignore_ascii_case(b"multipart"))
    };
    match types.as_slice() {
        [one] if one.starts_with(b"multipart/form-data") => Ok(true),
        types if types.iter().any(multipart) => Err("its body may be a form for the server, or SQL".into()),
        _ => Ok(false),
    }
}

fn is_insert(query: &str) -> bool {
    super::doubt::first_word(query).is_some_and(|word| word.eq_ignore_ascii_case("insert"))
}

/// What a catalog begins with that is a Lambda function.
pub(super) const LAMBDA: &str = "lambda:";
const CLICKHOUSE_PORT: u16 = 8123;

const GOOGLE: &[&str] = &[
    "bigquery.googleapis.com",
    "*bigquery*.googleapis.com",
    "bigquery.*.googleapis.com",
    "bigquery.*.rep.googleapis.com",
    "*bigquery*.p.googleapis.com",
    "www.googleapis.com",
    "content-bigquery.googleapis.com",
];
const AWS: &[&str] = &["**.amazonaws.com", "**.amazonaws.com.cn", "**.api.aws", "**.amazonaws.eu"];

const DATABRICKS: &[&str] = &[
    "**.cloud.databricks.com",
    "**.cloud.databricks.us",
    "**.cloud.databricks.mil",
    "**.azuredatabricks.net",
    "**.gcp.databricks.com",
    "**.databricks.azure.us",
    "**.databricks.azure.cn",
];

const CARRIERS: &[Carrier] = &[
    Carrier {
        service: "bigquery",
        dialects: &[Dialect::BigQuery],
        hosts: GOOGLE,
        place: Place::PathEnd(&["/queries"]),
        fields: &[&["query"]],
        kind: Kind::Json,
    },
    Carrier {
        service: "bigquery",
        dialects: &[Dialect::BigQuery],
        hosts: GOOGLE,
        place: Place::PathEnd(&["/jobs"]),
        fields: &[&["configuration", "query", "query"]],
        kind: Kind::BigQueryJob,
    },
    Carrier {
        service: "snowflake",
        dialects: &[Dialect::Snowflake],
        hosts: &["**.snowflakecomputing.com", "**.snowflakecomputing.cn", "**.snowflake.app"],
        place: Place::PathEnd(&["/api/v2/statements"]),
        fields: &[&["statement"]],
        kind: Kind::Json,
    },
    Carrier {
        service: "snowflake",
        dialects: &[Dialect::Snowflake],
        hosts: &["**.snowflakecomputing.com", "**.snowflakecomputing.cn", "**.snowflake.app"],
        place: Place::PathEnd(&["/queries/v1/query-request"]),
        fields: &[&["sqlText"]],
        kind: Kind::Json,
    },
    Carrier {
        service: "databricks",
        dialects: &[Dialect::Databricks],
        hosts: DATABRICKS,
        place: Place::PathEnd(&["/sql/statements"]),
        fields: &[&["statement"]],
        kind: Kind::Json,
    },
    Carrier {
        service: "databricks",
        dialects: &[Dialect::Databricks],
        hosts: DATABRICKS,
        // In other languages than SQL as well: those do not parse.
        place: Place::PathEnd(&["/commands/execute"]),
        fields: &[&["command"], &["commandFile"]],
        kind: Kind::Json,
    },
    Carrier {
        service: "rds-data",
        dialects: &[Dialect::Postgres, Dialect::MySql],
        hosts: &[
            "rds-data.*.amazonaws.com",
            "rds-data.*.amazonaws.com.cn",
            "rds-data.*.api.aws",
            "rds-data-fips.*.amazonaws.com",
            "**.rds-data.*.vpce.amazonaws.com",
        ],
        place: Place::PathEnd(&[
            "/execute",
            "/batchexecute",
            "/executesql",
            "/operation/executestatement",
            "/operation/batchexecutestatement",
        ]),
        fields: &[&["sql"], &["sqlStatements"]],
        kind: Kind::Json,
    },
    Carrier {
        service: "redshift-data",
        dialects: &[Dialect::Redshift],
        hosts: &[
            "redshift-data.*.amazonaws.com",
            "redshift-data.*.amazonaws.com.cn",
            "redshift-data.*.api.aws",
            "redshift-data-fips.*.amazonaws.com",
            "**.redshift-data.*.vpce.amazonaws.com",
        ],
        place: Place::Operation(&["ExecuteStatement", "BatchExecuteStatement"]),
        fields: &[&["Sql"], &["Sqls", "*"]],
        kind: Kind::Json,
    },
    Carrier {
        service: "athena",
        dialects: &[Dialect::Trino],
        hosts: AWS,
        place: Place::Operation(&[
            "StartQueryExecution",
            "CreatePreparedStatement",
            "UpdatePreparedStatement",
        ]),
        fields: &[&["QueryString"], &["QueryStatement"]],
        kind: Kind::Json,
    },
    Carrier {
        service: "dynamodb",
        dialects: &[Dialect::PartiQl],
        hosts: AWS,
        place: Place::Operation(&["ExecuteStatement", "BatchExecuteStatement", "ExecuteTransaction"]),
        fields: &[
            &["Statement"],
            &["Statements", "*", "Statement"],
            &["TransactStatements", "*", "Statement"],
        ],
        kind: Kind::Json,
    },
    Carrier {
        service: "timestream",
        dialects: &[Dialect::Trino],
        hosts: &[
            "query.timestream.*.amazonaws.com",
            "query-*.timestream.*.amazonaws.com",
            "timestream-query.*.api.aws",
            "query.timestream-fips.*.amazonaws.com",
            "**.timestream.*.vpce.amazonaws.com",
        ],
        place: Place::Operation(&["Query", "PrepareQuery", "CreateScheduledQuery"]),
        fields: &[&["QueryString"]],
        kind: Kind::Json,
    },
    Carrier {
        service: "clickhouse",
        dialects: &[Dialect::ClickHouse],
        hosts: &["**.clickhouse.cloud"],
        place: Place::Anything,
        fields: &[],
        kind: Kind::ClickHouse,
    },
];
