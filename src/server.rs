//! Assembly: one running Holdpoint, from its configuration to its last record.

mod chats;

use crate::agents::Agents;
use crate::audit::{Event, EventKind};
use crate::chat::Chat;
use crate::config::Config;
use crate::desk::Desk;
use crate::identity::Identity;
use crate::ledger::Ledger;
use crate::metrics::{Metrics, Reason};
use crate::outbound::Outbound;
use crate::outbox::{self, Outbox};
use crate::proxy::{self, Proxy, Way, WayKind};
use crate::review;
use crate::reviewers::Reviewers;
use crate::routing::{OnCall, Routing};
use crate::rulebook::{Reloaded, Rulebook, RulebookError, Shelf};
use crate::rules::Rates;
use crate::store::{Store, StoreError};
use crate::tls::{self, AuthorityError, CertificateAuthority, LeafError, Leaves, Trust};
use crate::traffic::{self, Closed, Traffic};
use jiff::Timestamp;
use serde_json::json;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A Holdpoint that listens.
#[derive(Debug)]
pub struct Server {
    listen: SocketAddr,
    control: SocketAddr,
    certificate: PathBuf,
    reviewers: Reviewers,
    parts: Parts,
}

/// What must end, in order.
#[derive(Debug)]
struct Parts {
    proxy: Arc<Proxy>,
    desk: Arc<Desk>,
    outbox: Outbox,
    traffic: Traffic,
    ledger: Ledger,
    store: Store,
    shutdown: CancellationToken,
    ready: Arc<watch::Sender<bool>>,
    faces: TaskTracker,
    clerks: TaskTracker,
}

/// Why it does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    #[error("the certificate authority cannot be used")]
    Authority(#[from] AuthorityError),
    #[error("certificates cannot be minted")]
    Leaf(#[from] LeafError),
    #[error("origins cannot be verified")]
    Trust(#[source] tls::TrustError),
    #[error(transparent)]
    Rules(#[from] RulebookError),
    #[error("the database cannot be used")]
    Store(#[from] StoreError),
    #[error("the traffic log cannot be used")]
    Traffic(#[from] traffic::OpenError),
    #[error(
        "cannot listen on {address}: is another Holdpoint running? `holdpoint doctor` tells, and `{key}` moves it"
    )]
    Listen { address: SocketAddr, key: &'static str, source: std::io::Error },
}

impl Server {
    /// Opens everything and listens. When it returns, `/readyz` says so.
    ///
    /// # Errors
    /// The first thing that is missing; nothing is left running.
    pub async fn start(config: &Config) -> Result<Self, ServerError> {
        let (metrics, registry) = Metrics::registered();
        let shutdown = CancellationToken::new();
        let agents_listener = listen(config.listen, "listen").await?;
        let control_listener = listen(config.control.listen, "control.listen").await?;
        let mut ways = Vec::with_capacity(config.ways.len());
        for way in &config.ways {
            let key = if matches!(way.kind, WayKind::Reverse { .. }) { "reverse" } else { "transparent" };
            let failed = |source| ServerError::Listen { address: way.listen, key, source };
            let listener = way.bind().map_err(failed)?;
            let listen = listener.local_addr().map_err(failed)?;
            ways.push((Arc::new(Way { listen, ..way.clone() }), listener));
        }
        let bound = |listener: &TcpListener, asked| listener.local_addr().unwrap_or(asked);
        let (agents_address, control_address) =
            (bound(&agents_listener, config.listen), bound(&control_listener, config.control.listen));
        let control_url = config
            .control
            .url
            .clone()
            .unwrap_or_else(|| format!("http://{}", crate::config::reachable(control_address)));

        // What reads files goes beside what waits for the database.
        let files = {
            let (shelf, certs) = (Shelf::from(config), config.certs.clone());
            let extra = config.upstream.extra_ca.clone();
            tokio::task::spawn_blocking(move || read_files(shelf, &certs, &extra))
        };
        let store = Store::open(&config.store).await?;
        let (rulebook, authority, provider, trust) =
            files.await.expect("reading files neither panics nor is cancelled")?;
        let rulebook = Arc::new(rulebook);
        let ledger = Ledger::new(&store);
        let reviewers = Reviewers::new(&store);
        let outbound = Outbound::new(trust.as_ref());
        let agents = Agents::open(&store).await?;
        let agents = Arc::new(agents.with_workloads(config.workloads.clone(), &outbound));
        let desk = Desk::start(&store, config.desk.clone(), Arc::clone(&metrics)).await?;
        let (closed, segments) = mpsc::channel(SEGMENTS_MAX);
        let traffic = Traffic::open(config.traffic.clone(), Arc::clone(&metrics), closed)?;
        let certificate = authority.certificate_path().to_owned();

        let (faces, clerks) = (TaskTracker::new(), TaskTracker::new());
        let identity = config.identity.clone().map(|mut settings| {
            // A claim may name a chat account without its workspace or tenant.
            settings.slack_team = config.slack.as_ref().and_then(|slack| slack.team.clone());
            settings.teams_tenant = config.teams.as_ref().map(|teams| teams.tenant.clone());
            Arc::new(Identity::new(settings, &outbound, &store, &control_url))
        });
        let match_email = identity.as_ref().is_some_and(|identity| identity.settings().match_email);
        let chats = chats::build(&chats::Ground {
            config,
            store: &store,
            chat: Chat::new(&store, &desk, &control_url, match_email),
            outbound: outbound.clone(),
            metrics: &metrics,
            tasks: &faces,
            shutdown: &shutdown,
        });
        // Before anything can be held: what is not followed from here on is not told.
        let told = outbox::Parts {
            notifiers: chats.notifiers,
            routing: Routing::new(config.channels.clone(), config.routes.clone()),
            on_call: OnCall::new(config.on_call.clone(), outbound.clone()),
            subscriptions: chats.subscriptions,
            source: control_url.clone(),
            metrics: Arc::clone(&metrics),
        };
        let outbox = Outbox::start(&store, told).await?;

        let services = proxy::Services {
            rules: rulebook.current(),
            rates: Arc::new(Rates::default()),
            desk: Arc::clone(&desk),
            agents: Arc::clone(&agents),
            traffic: traffic.clone(),
            fingerprints: store.fingerprints(),
            leaves: Leaves::new(Arc::new(authority), provider, Arc::clone(&metrics))?,
            trust,
            metrics: Arc::clone(&metrics),
        };
        let settings = proxy::Settings {
            listen: agents_address,
            ways: ways.iter().map(|(way, _)| way.listen).collect(),
            control: control_address,
            control_url: control_url.clone(),
            upstream: config.upstream.clone(),
            tunnel: config.tunnel.clone(),
            limits: config.limits.clone(),
            timeouts: config.timeouts.clone(),
            patience: config.patience.clone(),
        };
        let proxy = Arc::new(Proxy::new(services, settings, shutdown.clone()));
        let (ready, is_ready) = watch::channel(false);
        let ready = Arc::new(ready);
        let face = review::app(review::Context {
            desk: Arc::clone(&desk),
            reviewers: reviewers.clone(),
            identity,
            agents,
            ledger: ledger.clone(),
            rules: rulebook.current(),
            solo: config.solo,
            public_url: control_url,
            registry,
            ready: is_ready,
            shutdown: shutdown.clone(),
            outbox: outbox.clone(),
            callbacks: chats.callbacks,
        });

        clerks.spawn(keep_segments(segments, ledger.clone()));
        faces.spawn(follow_rules(Arc::clone(&rulebook), ledger.clone(), metrics, shutdown.clone()));
        for (way, listener) in ways {
            tracing::info!(listen = %way.listen, kind = ?way.kind, "a further listener is open");
            let serving = Arc::clone(&proxy);
            faces.spawn(async move { serving.serve_way(way, listener).await });
        }
        let serving = Arc::clone(&proxy);
        faces.spawn(async move { serving.serve(agents_listener).await });
        faces.spawn(review::serve(control_listener, face, shutdown.clone()));
        let started = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "solo": config.solo,
            "rules": rulebook.current().load().digest(),
            "listen": agents_address.to_string(),
            "control": control_address.to_string(),
        });
        ledger.append(event(EventKind::ServerStarted, None, started)).await?;
        ready.send_replace(true);
        faces.spawn(watch_health(store.clone(), traffic.clone(), Arc::clone(&ready), shutdown.clone()));
        let parts = Parts { proxy, desk, outbox, traffic, ledger, store, shutdown, ready, faces, clerks };
        Ok(Self { listen: agents_address, control: control_address, certificate, reviewers, parts })
    }

    /// Where agents connect.
    pub const fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// Where reviewers connect.
    pub const fn control(&self) -> SocketAddr {
        self.control
    }

    /// The CA that agents must trust.
    pub fn certificate(&self) -> &Path {
        &self.certificate
    }

    pub const fn reviewers(&self) -> &Reviewers {
        &self.reviewers
    }

    /// Serves until SIGTERM or SIGINT, then ends in order: stop accepting, let what is under way end, record
    /// the outcomes, close the traffic log, close the database. A second signal ends at once.
    ///
    /// # Errors
    /// Something could not be written to its end.
    pub async fn serve(self) -> Result<(), ServerError> {
        asked_to_stop().await;
        tracing::info!("stopping; ask again to stop at once");
        tokio::select! {
            stopped = self.stop() => stopped,
            () = asked_to_stop() => Ok(()),
        }
    }

    /// # Errors
    /// As [`Server::serve`].
    pub async fn stop(self) -> Result<(), ServerError> {
        let Parts { proxy, desk, outbox, traffic, ledger, store, shutdown, ready, faces, clerks } =
            self.parts;
        shutdown.cancel();
        ready.send_replace(false);
        if !proxy.drained(DRAIN_MAX).await {
            tracing::warn!("some exchanges did not end in {DRAIN_MAX:?} and were cut off");
        }
        faces.close();
        if tokio::time::timeout(DRAIN_MAX, faces.wait()).await.is_err() {
            tracing::warn!("some reviewers' connections did not end in {DRAIN_MAX:?} and were cut off");
        }
        desk.close(FLUSH_MAX).await;
        outbox.close(FLUSH_MAX).await;
        if traffic.close(FLUSH_MAX).await.is_err() {
            tracing::error!(
                "the traffic log could not be written to its end; the next start closes its segment"
            );
        }
        drop((traffic, proxy)); // with the last writer gone, the clerk's channel ends
        clerks.close();
        if tokio::time::timeout(FLUSH_MAX, clerks.wait()).await.is_err() {
            tracing::warn!("a closed traffic segment is not in the ledger yet; the next start reports it");
        }
        let stopped = ledger.append(event(EventKind::ServerStopped, None, json!({}))).await;
        store.close().await;
        stopped.map(drop).map_err(ServerError::from)
    }
}

type Files = (Rulebook, CertificateAuthority, Arc<rustls::crypto::CryptoProvider>, Option<Trust>);

fn read_files(shelf: Shelf, certs: &Path, extra_ca: &[PathBuf]) -> Result<Files, ServerError> {
    let rulebook = Rulebook::open(shelf)?;
    let authority = CertificateAuthority::load_or_make(certs)?;
    let provider = tls::provider();
    let trust = match Trust::new(extra_ca, &provider) {
        Ok(trust) => Some(trust),
        Err(error @ tls::TrustError::NoRoots(_)) => {
            tracing::warn!(%error, "no https origin can be reached");
            None
        }
        Err(error) => return Err(ServerError::Trust(error)),
    };
    Ok((rulebook, authority, provider, trust))
}

async fn listen(address: SocketAddr, key: &'static str) -> Result<TcpListener, ServerError> {
    TcpListener::bind(address).await.map_err(|source| ServerError::Listen { address, key, source })
}

/// Reloads rules on SIGHUP and when their files change.
async fn follow_rules(book: Arc<Rulebook>, ledger: Ledger, metrics: Arc<Metrics>, stop: CancellationToken) {
    let mut changes = match book.watch(stop.clone()) {
        Ok(changes) => Some(changes),
        Err(error) => {
            tracing::warn!(%error, "rule files cannot be watched; send SIGHUP after a change");
            None
        }
    };
    let Ok(mut hangup) = signal(SignalKind::hangup()) else { return };
    let mut rejected = None;
    loop {
        let changed = async {
            match &mut changes {
                Some(changes) => changes.next().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = changed => if changed.is_none() { return },
            _ = hangup.recv() => {}
            () = stop.cancelled() => return,
        }
        let reloading = Arc::clone(&book);
        let Ok(result) = tokio::task::spawn_blocking(move || reloading.reload()).await else { continue };
        let (kind, detail) = match result {
            Ok(Reloaded::Unchanged) => {
                rejected = None;
                continue;
            }
            Ok(Reloaded::Replaced(digest)) => {
                rejected = None;
                tracing::info!(%digest, "the rules were loaded anew");
                metrics.rules_reloads.get_or_create(&Reason { reason: "loaded" }).inc();
                (EventKind::RulesLoaded, json!({ "digest": digest }))
            }
            Err(error) => {
                let text = error.to_string();
                if rejected.as_ref() == Some(&text) {
                    continue; // said already
                }
                tracing::error!("the rules were NOT loaded; the old ones stay in force\n{text}");
                metrics.rules_reloads.get_or_create(&Reason { reason: "rejected" }).inc();
                let detail = json!({ "in_force": book.current().load().digest(), "error": text });
                rejected = Some(text);
                (EventKind::RulesRejected, detail)
            }
        };
        if let Err(error) = ledger.append(event(kind, None, detail)).await {
            tracing::error!(error = &error as &dyn std::error::Error, "a reload could not be recorded");
        }
    }
}

/// Says not ready while the database or the traffic log cannot be written: nothing is forwarded then, and
/// whoever routes to this process should know.
async fn watch_health(
    store: Store,
    traffic: Traffic,
    ready: Arc<watch::Sender<bool>>,
    stop: CancellationToken,
) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(HEALTH_EVERY) => {}
        }
        let written = store.probe().await;
        let healthy = written.is_ok() && traffic.is_writable();
        let changed = !stop.is_cancelled()
            && ready.send_if_modified(|ready| std::mem::replace(ready, healthy) != healthy);
        match written {
            _ if !changed => {}
            Err(error) => tracing::error!(
                error = &error as &dyn std::error::Error,
                "not ready: the database cannot be written"
            ),
            Ok(()) if healthy => tracing::info!("ready again"),
            Ok(()) => tracing::error!("not ready: the traffic log cannot be written"),
        }
    }
}

/// Enters every closed traffic segment into the ledger. One that cannot be entered is reported by the next start.
async fn keep_segments(mut segments: mpsc::Receiver<Closed>, ledger: Ledger) {
    while let Some(closed) = segments.recv().await {
        match ledger.append(closed.event()).await {
            Ok(_) => {
                if let Err(error) = closed.recorded() {
                    tracing::warn!(%error, "an uncompressed traffic segment could not be removed");
                }
            }
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "a traffic segment could not be recorded"
                );
            }
        }
    }
}

async fn asked_to_stop() {
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

fn event(kind: EventKind, subject: Option<String>, detail: serde_json::Value) -> Event {
    Event { at: Timestamp::now(), event: kind, actor: "holdpoint".to_owned(), subject, detail }
}

impl From<&Config> for Shelf {
    fn from(config: &Config) -> Self {
        let rules = &config.rules;
        Self {
            folders: rules.folders.clone(),
            standard: rules.standard,
            descriptors: rules.descriptors.clone(),
            settings: rules.settings.clone(),
        }
    }
}

/// What is under way at a stop may take so long to end; parked requests are answered at once.
const DRAIN_MAX: Duration = Duration::from_secs(20);
const FLUSH_MAX: Duration = Duration::from_secs(5);
const SEGMENTS_MAX: usize = 16;
const HEALTH_EVERY: Duration = Duration::from_secs(10);
