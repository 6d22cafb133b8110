//! The agents' face: the data plane. `proxy/exchange.rs` is the life of one request; read it first.

mod body;
mod destination;
mod entered;
mod entry;
mod exchange;
pub(crate) mod fields;
mod messages;
mod own;
mod parked;
mod patience;
mod pulse;
mod push;
mod reply;
mod settings;
mod socks;
mod strict;
mod tunnel;
mod upgrade;
mod upstream;
mod way;
mod websocket;

pub use settings::{Limits, Patience, Resolve, Settings, Timeouts, Upstream};
pub use way::{Bindings, Way, WayKind};

use crate::agents::Agents;
use crate::desk::Desk;
use crate::metrics::Metrics;
use crate::redact::Fingerprints;
use crate::rules::{Rates, RuleSet};
use crate::tls::{Leaves, Trust};
use crate::traffic::Traffic;
use arc_swap::ArcSwap;
use destination::Guard;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use upstream::Upstreams;

/// What the data plane works with.
#[derive(Debug)]
pub struct Services {
    pub rules: Arc<ArcSwap<RuleSet>>,
    pub rates: Arc<Rates>,
    pub desk: Arc<Desk>,
    pub agents: Arc<Agents>,
    pub traffic: Traffic,
    pub fingerprints: Fingerprints,
    pub leaves: Leaves,
    /// `None`: there are no roots; every `https` origin is answered with 502 and the reason.
    pub trust: Option<Trust>,
    pub metrics: Arc<Metrics>,
}

/// The running data plane.
#[derive(Debug)]
pub struct Proxy {
    gate: Arc<Gate>,
    tasks: TaskTracker,
}

/// Shared by all connections.
#[derive(Debug)]
struct Gate {
    services: Services,
    settings: Settings,
    upstreams: Upstreams,
    /// Requests without credentials belong to the agent `local`.
    loopback: bool,
    tasks: TaskTracker,
    shutdown: CancellationToken,
    /// One for each connection that has changed to another protocol.
    upgrades: Arc<Semaphore>,
}

impl Proxy {
    pub fn new(services: Services, settings: Settings, shutdown: CancellationToken) -> Self {
        let tasks = TaskTracker::new();
        let upstream_tasks = TaskTracker::new();
        let upstreams = Upstreams::new(
            Guard::new(&settings),
            services.trust.clone(),
            settings.timeouts.clone(),
            upstream_tasks,
        );
        let loopback = settings.listen.ip().is_loopback();
        let upgrades = Arc::new(Semaphore::new(settings.limits.connections.min(Semaphore::MAX_PERMITS)));
        let gate = Gate { services, settings, upstreams, loopback, tasks: tasks.clone(), shutdown, upgrades };
        Self { gate: Arc::new(gate), tasks }
    }

    /// Accepts connections until shutdown is asked for.
    pub async fn serve(&self, listener: TcpListener) {
        entry::accept(Arc::clone(&self.gate), listener).await;
    }

    /// Accepts on one more listener until shutdown is asked for.
    pub async fn serve_way(&self, way: Arc<Way>, listener: TcpListener) {
        entry::accept_way(Arc::clone(&self.gate), way, listener).await;
    }

    /// Waits until every connection has ended, at most `deadline`. True: all have.
    pub async fn drained(&self, deadline: Duration) -> bool {
        self.tasks.close();
        tokio::time::timeout(deadline, self.tasks.wait()).await.is_ok()
    }
}

/// Spawns what hyper needs spawned as tasks that are waited for.
#[derive(Debug, Clone)]
struct Owned(TaskTracker);

impl<F> hyper::rt::Executor<F> for Owned
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, future: F) {
        self.0.spawn(future);
    }
}

/// No delay for small writes (a new connection would cost 40 ms), and dead peers are noticed.
fn tune(tcp: &TcpStream) {
    let keepalive = socket2::TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE);
    if let Err(error) =
        tcp.set_nodelay(true).and_then(|()| socket2::SockRef::from(tcp).set_tcp_keepalive(&keepalive))
    {
        tracing::debug!(%error, "a socket option could not be set");
    }
}

const KEEPALIVE: Duration = Duration::from_secs(30);
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 8 << 20;
