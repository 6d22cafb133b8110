//! The configuration: `holdpoint.yaml` (JSON is YAML), overridden by `HOLDPOINT_…` variables.
//!
//! What was written is read into a tree that remembers places (`config/tree.rs`), looked up by key (`config/read.rs`) and
//! lowered here into what is meant: the settings of the modules. All complaints come at once.

mod channels;
mod grants;
mod identity;
mod problem;
mod read;
mod routes;
mod slack;
mod teams;
mod tree;
mod ways;
mod webhooks;
mod workloads;

use crate::agents::Workload;
use crate::authority::{Authority, HostPattern};
use crate::notify::webhook;
pub use crate::proxy::{Limits, Patience, Resolve, Timeouts, Upstream, Way};
use crate::routing::{self, Channels};
use crate::ruling::Verdict;
use crate::{desk, rules, store, traffic};
use globset::GlobMatcher;
use ipnet::IpNet;
use read::{Field, Reader};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tree::Node;

/// The configuration as meant: nothing in it needs further checking, but files that it names may be missing.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file that it came from.
    pub file: Option<PathBuf>,
    /// Where agents connect.
    pub listen: SocketAddr,
    /// Further listeners: redirected connections, and those that stand for one origin.
    pub ways: Vec<Way>,
    pub control: Control,
    /// The folder of the CA.
    pub certs: PathBuf,
    /// One person runs the agents and reviews.
    pub solo: bool,
    pub store: store::Settings,
    pub traffic: traffic::Settings,
    pub desk: desk::Settings,
    pub rules: Rules,
    pub upstream: Upstream,
    /// Hosts that are passed unread (pinned certificates).
    pub tunnel: Vec<HostPattern>,
    pub patience: Patience,
    pub limits: Limits,
    pub timeouts: Timeouts,
    /// Whose tokens agents may show instead of one of ours.
    pub workloads: Vec<Workload>,
    pub log: Log,
    /// Base URL of an OTLP/HTTP collector.
    pub otlp_endpoint: Option<String>,
    /// Where holds are shown in chat.
    pub channels: Channels,
    /// `None`: no bot in Teams.
    pub teams: Option<crate::notify::teams::Settings>,
    /// `None`: local accounts only.
    pub identity: Option<crate::identity::Settings>,
    /// `None`: Slack is not used.
    pub slack: Option<crate::notify::slack::Settings>,
    /// Who is told of which hold. None: every channel of every hold.
    pub routes: Vec<routing::Route>,
    /// Where it is written who is on call, by name.
    pub on_call: routing::Sources,
    /// What machines are told of, by name.
    pub webhooks: BTreeMap<String, webhook::Settings>,
}

/// The reviewers' side.
#[derive(Debug, Clone)]
pub struct Control {
    pub listen: SocketAddr,
    /// How reviewers reach it, without a trailing slash: in links, and the origin that forms must come from.
    pub url: Option<String>,
}

impl Control {
    /// The public URL, or the address of the listener.
    pub fn base_url(&self) -> String {
        self.url.clone().unwrap_or_else(|| format!("http://{}", reachable(self.listen)))
    }
}

/// Where rules come from.
#[derive(Debug, Clone)]
pub struct Rules {
    pub folders: Vec<PathBuf>,
    /// Whether the embedded packs are in force.
    pub standard: bool,
    /// Descriptor sets of gRPC services.
    pub descriptors: Vec<PathBuf>,
    pub settings: rules::Settings,
}

/// What is logged, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// A `tracing` filter: `info`, `holdpoint=debug,warn`.
    pub filter: String,
    pub format: LogFormat,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogFormat {
    #[default]
    Text,
    Json,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    #[error("the configuration cannot be read: `{path}`")]
    File { path: PathBuf, source: std::io::Error },
    /// The report has every complaint with its place.
    #[error("the configuration has {count} {}\n\n{report}", if *.count == 1 { "mistake" } else { "mistakes" })]
    Invalid { count: usize, report: String },
}

/// The process's variables that concern the configuration.
pub fn environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
        .filter(|(name, _)| name.starts_with("HOLDPOINT_"))
        .map(|(name, value)| (name, value.to_string_lossy().into_owned()))
        .collect()
}

/// Reads the configuration: the file, if any, then the variables of `environment` over it. Relative paths
/// in a file start at the file's folder, others at the current folder.
///
/// # Errors
/// The file cannot be read, or something in it or in the variables is wrong: everything, at once.
pub fn load(file: Option<&Path>, environment: &[(String, String)]) -> Result<Config, ConfigError> {
    let text = match file {
        Some(path) => std::fs::read_to_string(path)
            .map_err(|source| ConfigError::File { path: path.to_owned(), source })?,
        None => String::new(),
    };
    parse(file, text, environment)
}

fn parse(file: Option<&Path>, text: String, environment: &[(String, String)]) -> Result<Config, ConfigError> {
    let mut reader = Reader::default();
    reader.file(file.map_or_else(|| "holdpoint.yaml".to_owned(), |path| path.display().to_string()), text);
    for (name, value) in environment.iter().filter(|(name, _)| !is_not_ours(name)) {
        reader.variable(name, value);
    }
    let config = lower(&mut reader, file);
    reader.finish().map_err(|(count, report)| ConfigError::Invalid { count, report })?;
    Ok(config)
}

/// Every key, by its full name. Maps may be nested or written flat with dots.
const KEYS: &[&str] = &[
    "listen",
    "transparent",
    "reverse",
    "control.listen",
    "control.url",
    "data",
    "certs",
    "rules",
    "standard-rules",
    "otherwise.read",
    "otherwise.write",
    "otherwise.unknown-host",
    "mode",
    "grpc.descriptors",
    "solo",
    "upstream.extra-ca",
    "upstream.resolve",
    "upstream.allow",
    "tunnel",
    "hold.patience",
    "hold.patience-by-client",
    "hold.expires",
    "hold.approval-life",
    "hold.max-held-bytes",
    "hold.max-body-bytes",
    "hold.keep-body",
    "inspect.max-bytes",
    "limits.connections",
    "limits.header-bytes",
    "limits.held",
    "limits.pending-per-agent",
    "grants.scopes",
    "grants.longest",
    "grants.uses",
    "grants.never",
    "timeouts.header",
    "timeouts.handshake",
    "timeouts.connect",
    "timeouts.first-byte",
    "timeouts.idle",
    "workloads",
    "traffic.segment-bytes",
    "traffic.segment-age",
    "log",
    "log.level",
    "log.format",
    "otlp.endpoint",
    "channels",
    "teams.app-id",
    "teams.app-secret",
    "teams.tenant",
    "teams.tenants",
    "teams.cloud",
    "teams.login",
    "teams.service",
    "teams.metadata",
    "teams.hosts",
    "identity.issuer",
    "identity.client-id",
    "identity.client-secret",
    "identity.scopes",
    "identity.groups-claim",
    "identity.person-key",
    "identity.slack-claim",
    "identity.teams-claim",
    "identity.match-email",
    "identity.groups-fresh",
    "identity.api.audience",
    "identity.api.deciding-clients",
    "identity.cli-client-id",
    "identity.device-client-id",
    "roles",
    "step-up.max-age",
    "step-up.acr",
    "slack.app-token",
    "slack.bot-token",
    "slack.signing-secret",
    "slack.team",
    "slack.mode",
    "slack.api",
    "slack.sockets",
    "slack.silence",
    "webhooks",
    "schedules",
    "on-call",
    "routes",
];

/// Takes every key, and fills in what was not written.
fn lower(reader: &mut Reader, file: Option<&Path>) -> Config {
    let base = file.and_then(Path::parent).unwrap_or(Path::new("")).to_owned();
    let path = |field: &mut Field, node: &Node| field.path(node, &base);
    let folder = |default: &str| base.join(default);

    let listen = reader.take("listen", Field::socket).unwrap_or(loopback(8080));
    let control = Control {
        listen: reader.take("control.listen", Field::socket).unwrap_or(loopback(8081)),
        url: reader.take("control.url", base_url),
    };
    let ways = ways::ways(reader);
    let elsewhere = ways.iter().any(|way| !way.listen.ip().is_loopback());
    let loopback_only = listen.ip().is_loopback() && control.listen.ip().is_loopback() && !elsewhere;
    let (mut identity, charter) = identity::people(reader, &base);
    let slack = slack::settings(reader, &base);
    let teams = teams::settings(reader, &base);
    if let Some(identity) = &mut identity {
        identity.slack_team = slack.as_ref().and_then(|slack| slack.team.clone());
        identity.teams_tenant = teams.as_ref().map(|teams| teams.tenant.clone());
    }
    let solo = reader.take("solo", Field::boolean).unwrap_or(loopback_only && identity.is_none());
    let data = reader.take("data", path).unwrap_or_else(|| folder("data"));

    let channels = channels::channels(reader, &base);
    let (routes, on_call) = routes::routes(reader, &channels, &base);

    Config {
        listen,
        ways,
        control,
        certs: reader.take("certs", path).unwrap_or_else(|| folder("certs")),
        solo,
        traffic: traffic_settings(reader, data.join("traffic")),
        store: store::Settings { data },
        desk: desk::Settings {
            solo,
            expires: reader.take("hold.expires", Field::duration).unwrap_or(HOUR),
            approval_life: reader.take("hold.approval-life", Field::duration).unwrap_or(HOUR / 4),
            held_bytes_max: reader.take("hold.max-held-bytes", Field::size).unwrap_or(256 << 20),
            held_exchanges_max: reader.take("limits.held", Field::count).unwrap_or(20_000),
            pending_per_agent_max: reader.take("limits.pending-per-agent", Field::count).unwrap_or(100),
            keep_body: reader.take("hold.keep-body", Field::duration).unwrap_or(7 * 24 * HOUR),
            charter: Arc::new(charter),
            grants: Arc::new(grants::policy(reader)),
        },
        rules: Rules {
            folders: reader.take("rules", |field, node| field.list(node, path)).unwrap_or_default(),
            standard: reader.take("standard-rules", Field::boolean).unwrap_or(true),
            descriptors: reader.take("grpc.descriptors", |f, node| f.list(node, path)).unwrap_or_default(),
            settings: rule_settings(reader),
        },
        upstream: Upstream {
            extra_ca: reader.take("upstream.extra-ca", |f, node| f.list(node, path)).unwrap_or_default(),
            resolve: reader.take("upstream.resolve", resolve).unwrap_or_default(),
            allow: reader.take("upstream.allow", |f, node| f.list(node, network)).unwrap_or_default(),
        },
        tunnel: reader.take("tunnel", |field, node| field.list(node, host_pattern)).unwrap_or_default(),
        patience: Patience {
            at_most: reader.take("hold.patience", Field::duration),
            by_client: reader.take("hold.patience-by-client", by_client).unwrap_or_default(),
        },
        limits: Limits {
            connections: reader.take("limits.connections", Field::count).unwrap_or(10_000),
            header_bytes: reader.take("limits.header-bytes", Field::size).unwrap_or(64 << 10),
            inspect_bytes: reader.take("inspect.max-bytes", Field::size).unwrap_or(1 << 20),
            held_body_bytes: reader.take("hold.max-body-bytes", Field::size).unwrap_or(16 << 20),
        },
        timeouts: Timeouts {
            header: reader.take("timeouts.header", Field::duration).unwrap_or(Duration::from_secs(30)),
            handshake: reader.take("timeouts.handshake", Field::duration).unwrap_or(Duration::from_secs(10)),
            connect: reader.take("timeouts.connect", Field::duration).unwrap_or(Duration::from_secs(10)),
            first_byte: reader.take("timeouts.first-byte", Field::duration).unwrap_or(HOUR / 6),
            idle: reader.take("timeouts.idle", Field::duration).unwrap_or(HOUR / 6),
        },
        workloads: reader
            .take("workloads", |field, node| workloads::workloads(field, node, &base))
            .unwrap_or_default(),
        log: log(reader),
        otlp_endpoint: reader.take("otlp.endpoint", base_url),
        teams,
        identity,
        slack,
        webhooks: webhooks::webhooks(reader, &channels, &base),
        routes,
        on_call,
        channels,
        file: file.map(Path::to_owned),
    }
}

fn traffic_settings(reader: &mut Reader, folder: PathBuf) -> traffic::Settings {
    let mut settings = traffic::Settings::in_folder(folder);
    if let Some(bytes) = reader.take("traffic.segment-bytes", Field::size) {
        settings.segment_bytes_max = u64::try_from(bytes).unwrap_or(u64::MAX);
    }
    if let Some(age) = reader.take("traffic.segment-age", Field::duration) {
        settings.segment_age_max = age;
    }
    settings
}

fn rule_settings(reader: &mut Reader) -> rules::Settings {
    let default = rules::Otherwise::default();
    let otherwise = rules::Otherwise {
        read: reader.take("otherwise.read", verdict).unwrap_or(default.read),
        write: reader.take("otherwise.write", verdict).unwrap_or(default.write),
        unknown_host: reader.take("otherwise.unknown-host", verdict).unwrap_or(default.unknown_host),
    };
    let mode = |field: &mut Field, node: &Node| {
        field.parsed(node, "`enforce` or `observe`", |text| match text {
            "enforce" => Some(rules::Mode::Enforce),
            "observe" => Some(rules::Mode::Observe),
            _ => None,
        })
    };
    let mode = reader.take("mode", mode).unwrap_or_default();
    rules::Settings { otherwise, mode, ..rules::Settings::default() }
}

fn verdict(field: &mut Field, node: &Node) -> Option<Verdict> {
    field.parsed(node, "`pass`, `hold` or `deny`", |text| match text {
        "pass" => Some(Verdict::Pass),
        "hold" => Some(Verdict::Hold),
        "deny" => Some(Verdict::Deny),
        _ => None,
    })
}

/// `log: info`, or `log: { level: info, format: json }`.
fn log(reader: &mut Reader) -> Log {
    let level = |field: &mut Field, node: &Node| {
        field.parsed(node, "a filter such as `info` or `holdpoint=debug,warn`", |text| {
            tracing_subscriber::EnvFilter::builder().parse(text).ok().map(|_| text.to_owned())
        })
    };
    let format = |field: &mut Field, node: &Node| {
        field.parsed(node, "`text` or `json`", |text| match text {
            "text" => Some(LogFormat::Text),
            "json" => Some(LogFormat::Json),
            _ => None,
        })
    };
    let short = reader.take("log", level);
    Log {
        filter: reader.take("log.level", level).or(short).unwrap_or_else(|| "info".to_owned()),
        format: reader.take("log.format", format).unwrap_or_default(),
    }
}

fn base_url(field: &mut Field, node: &Node) -> Option<String> {
    field.parsed(node, "a URL such as `https://holdpoint.example.com`", |text| {
        let url = url::Url::parse(text).ok()?;
        let sound = matches!(url.scheme(), "http" | "https") && url.has_host() && url.query().is_none();
        sound.then(|| text.trim_end_matches('/').to_owned())
    })
}

fn host_pattern(field: &mut Field, node: &Node) -> Option<HostPattern> {
    let expected = "a host such as `pinned.example.com`, or `*.example.com` for all under it";
    field.parsed(node, expected, |text| HostPattern::parse(text).ok())
}

/// `10.0.0.0/8`, or one address.
fn network(field: &mut Field, node: &Node) -> Option<IpNet> {
    field.parsed(node, "a network such as `10.0.0.0/8` or `fd00::/8`", |text| {
        text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
    })
}

fn resolve(field: &mut Field, node: &Node) -> Option<Vec<Resolve>> {
    field.map(node, "a map from `host` or `host:port` to `address:port`", |field, name, key, value| {
        let to = field.socket(value);
        let Ok(Authority { host, port }) = Authority::parse(name, ANY_PORT) else {
            return field.wrong(key, "`host` or `host:port`");
        };
        Some(Resolve { host, port: (port != ANY_PORT).then_some(port), to: to? })
    })
}

fn by_client(field: &mut Field, node: &Node) -> Option<Vec<(GlobMatcher, Duration)>> {
    field.map(node, "a map from `User-Agent` globs to durations", |field, name, key, value| {
        let patience = field.duration(value);
        let Ok(glob) = globset::GlobBuilder::new(name).case_insensitive(true).build() else {
            return field.wrong(key, "a glob such as `my-client/*`");
        };
        Some((glob.compile_matcher(), patience?))
    })
}

/// Variables with our prefix that are no configuration: what the commands read, and what Kubernetes sets in
/// every pod beside a service that is called `holdpoint`.
fn is_not_ours(variable: &str) -> bool {
    let Some(rest) = variable.strip_prefix("HOLDPOINT_") else { return true };
    matches!(rest, "CONFIG" | "TOKEN" | "URL" | "PROXY_URL" | "PORT")
        || rest.starts_with("PORT_")
        || rest.starts_with("SERVICE_")
}

/// Where a listener can be reached from this machine.
pub fn reachable(listen: SocketAddr) -> SocketAddr {
    match listen.ip() {
        ip if !ip.is_unspecified() => listen,
        IpAddr::V4(_) => SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), listen.port()),
        IpAddr::V6(_) => SocketAddr::new(IpAddr::V6(std::net::Ipv6Addr::LOCALHOST), listen.port()),
    }
}

const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

const HOUR: Duration = Duration::from_secs(3600);

/// Port 0 is never written in an authority, so it can stand for none.
const ANY_PORT: u16 = 0;

#[cfg(test)]
mod tests;
