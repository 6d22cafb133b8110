//! Who is who on the agents' side: enrolment, and the lookup that every connection makes.

mod workload;

pub use crate::store::Enrolled;
pub use workload::{Initiator, Mapping, Workload, WorkloadError};

use crate::agent::{Agent, LOCAL_AGENT};
use crate::audit::EventKind;
use crate::person::Person;
use crate::store::{Credential, Enrolling, Enrolment, Store, StoreError, random_secret, secret_hash};
use arc_swap::ArcSwap;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// An agent that has shown its credentials, for the life of a connection.
#[derive(Debug, Clone)]
pub struct Known {
    pub agent: Arc<Agent>,
    /// On whose behalf it acts in this session, where its credentials say so.
    pub initiator: Option<Person>,
    /// Cancelled when the agent is revoked or its token rotated: the connection must close.
    pub revoked: CancellationToken,
    /// When what it has shown ends, and the connection with it.
    pub until: Option<Instant>,
}

impl Known {
    /// Returns when the agent must go: revoked, or its token has ended.
    ///
    /// # Cancel safety
    /// May be dropped and called again.
    pub async fn ended(&self) {
        match self.until {
            None => self.revoked.cancelled().await,
            // Both only wait.
            Some(until) => tokio::select! {
                () = self.revoked.cancelled() => {}
                () = tokio::time::sleep_until(until) => {}
            },
        }
    }
}

/// The agents. Lookups read a snapshot in memory, which follows the database within 200 ms, whichever process
/// changed it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Agents {
    store: Store,
    snapshot: Arc<ArcSwap<Snapshot>>,
    /// One reload at a time, so that an older one never replaces a newer one.
    reloading: Arc<tokio::sync::Mutex<()>>,
    workloads: Arc<[workload::Trusted]>,
}

#[derive(Debug)]
struct Snapshot {
    by_name: HashMap<String, Entry>,
    local: Known,
}

#[derive(Debug, Clone)]
struct Entry {
    known: Known,
    /// None: it comes with tokens of its workload.
    token_hash: Option<Vec<u8>>,
    workload: Option<String>,
}

impl Agents {
    /// Reads the agents, and starts the task that follows changes until [`Store::close`].
    ///
    /// # Errors
    /// The store.
    pub async fn open(store: &Store) -> Result<Self, StoreError> {
        // Subscribed before the first read: nothing falls between.
        let mut rows = store.subscribe();
        let snapshot = Snapshot::build(store.credentials().await?, None)?;
        let agents = Self {
            store: store.clone(),
            snapshot: Arc::new(ArcSwap::from_pointee(snapshot)),
            reloading: Arc::default(),
            workloads: Arc::from([]),
        };
        let (tasks, stop) = store.tasks();
        let (follower, stop) = (agents.clone(), stop.clone());
        tasks.spawn(async move {
            let mut stale = false;
            loop {
                // All branches are cancel-safe.
                let row = tokio::select! {
                    () = stop.cancelled() => break,
                    () = tokio::time::sleep(RETRY_AFTER), if stale => Err(RecvError::Lagged(0)),
                    row = rows.recv() => row,
                };
                match row {
                    Ok(row) => stale |= concerns_agents(row.event.event),
                    Err(RecvError::Lagged(_)) => stale = true,
                    Err(RecvError::Closed) => break,
                }
                if stale {
                    match follower.reload().await {
                        Ok(()) => stale = false,
                        Err(error) => {
                            tracing::error!(
                                error = &error as &dyn std::error::Error,
                                "the agents cannot be read"
                            );
                        }
                    }
                }
            }
        });
        Ok(agents)
    }

    /// Checks `Proxy-Authorization: Basic` user and password. Constant time in the token; synchronous, no I/O.
    pub fn authenticate(&self, name: &str, token: &str) -> Option<Known> {
        let hash = secret_hash(token);
        let snapshot = self.snapshot.load();
        let entry = snapshot.by_name.get(name)?;
        verify_slices_are_equal(entry.token_hash.as_ref()?, &hash).ok()?;
        Some(entry.known.clone())
    }

    /// An agent that is known by where it connects from: the listener and network are its credentials.
    pub fn by_name(&self, name: &str) -> Option<Known> {
        let snapshot = self.snapshot.load();
        snapshot.by_name.get(name).map(|entry| entry.known.clone())
    }

    /// The agent `local`, for requests without credentials on a loopback-only listener.
    pub fn local(&self) -> Known {
        self.snapshot.load().local.clone()
    }

    /// Enrols an agent in the name of whoever keeps the machine. Returns its token (`hpa_…`), which is shown
    /// once and stored as a hash only.
    ///
    /// # Errors
    /// The name is no name, or is or was in use; the store.
    pub async fn add(
        &self,
        name: &str,
        owners: &[Person],
        labels: &BTreeMap<String, String>,
    ) -> Result<String, StoreError> {
        self.enrol(name, owners.to_vec(), labels, None).await
    }

    /// As [`Self::add`], by a person: whoever is handed the token could act as the agent, and is one of its
    /// owners.
    ///
    /// # Errors
    /// As [`Self::add`].
    pub async fn add_own(
        &self,
        name: &str,
        others: &[Person],
        labels: &BTreeMap<String, String>,
        by: &Person,
    ) -> Result<String, StoreError> {
        let mut owners = vec![by.clone()];
        owners.extend(others.iter().filter(|other| *other != by).cloned());
        self.enrol(name, owners, labels, Some(by.clone())).await
    }

    async fn enrol(
        &self,
        name: &str,
        owners: Vec<Person>,
        labels: &BTreeMap<String, String>,
        by: Option<Person>,
    ) -> Result<String, StoreError> {
        let token = random_secret("hpa_")?;
        let how = Enrolment::Token { by, hash: secret_hash(&token) };
        self.store.enrol(Enrolling { name: name.to_owned(), owners, labels: labels.clone(), how }).await?;
        self.reload().await?;
        Ok(token)
    }

    /// The person that a text names as an owner: `issuer|subject`, the name of a local account, or the address
    /// of exactly one person that has signed in.
    ///
    /// # Errors
    /// It names nobody; the store.
    pub async fn owner(&self, text: &str) -> Result<Person, OwnerError> {
        let text = text.trim();
        if text.contains('|') {
            return text.parse().map_err(|_| OwnerError::NoName(text.escape_debug().to_string()));
        }
        let local = Person::local(text);
        if self.store.reviewers().await?.iter().any(|account| account.name == text) {
            return Ok(local);
        }
        if !text.contains('@') {
            return text.parse().map_err(|_| OwnerError::NoName(text.escape_debug().to_string()));
        }
        let known = self.store.people().await?;
        let same = |email: &String| email.eq_ignore_ascii_case(text);
        let mut of_address = known
            .into_iter()
            .filter(|person| person.revoked_at.is_none() && person.email.as_ref().is_some_and(same));
        match (of_address.next(), of_address.next()) {
            (Some(one), None) => Ok(one.person),
            (Some(_), Some(_)) => Err(OwnerError::Ambiguous(text.to_owned())),
            (None, _) => Err(OwnerError::Unknown(text.escape_debug().to_string())),
        }
    }

    /// All that ever were, by name; `local` is among them.
    ///
    /// # Errors
    /// The store.
    pub async fn list(&self) -> Result<Vec<Enrolled>, StoreError> {
        self.store.agents().await
    }

    /// Replaces the token; connections that used the old one close. `by` a person: they are handed the new one,
    /// and are one of the owners from now on. `None`: there is no such agent with a token.
    ///
    /// # Errors
    /// The store.
    pub async fn rotate(&self, name: &str, by: Option<&Person>) -> Result<Option<String>, StoreError> {
        let token = random_secret("hpa_")?;
        let rotated = self.store.rotate_agent(name, secret_hash(&token), by).await?;
        self.reload().await?;
        Ok(rotated.then_some(token))
    }

    /// Ends an agent for ever: its connections close, its open holds are withdrawn. False: there is no such
    /// agent, it was revoked before, or it is `local`.
    ///
    /// # Errors
    /// The store.
    pub async fn revoke(&self, name: &str, by: Option<&Person>) -> Result<bool, StoreError> {
        let revoked = self.store.revoke_agent(name, by).await?;
        self.reload().await?;
        Ok(revoked)
    }

    async fn reload(&self) -> Result<(), StoreError> {
        let _one = self.reloading.lock().await;
        let credentials = self.store.credentials().await?;
        let before = self.snapshot.load_full();
        let now = Snapshot::build(credentials, Some(&before))?;
        for (name, entry) in &before.by_name {
            let same = now.by_name.get(name).is_some_and(|new| new.token_hash == entry.token_hash);
            if !same {
                entry.known.revoked.cancel();
            }
        }
        self.snapshot.store(Arc::new(now));
        Ok(())
    }
}

impl Snapshot {
    /// A snapshot in which an agent whose credentials are as before keeps its cancellation.
    fn build(credentials: Vec<Credential>, before: Option<&Self>) -> Result<Self, StoreError> {
        let mut by_name = HashMap::with_capacity(credentials.len());
        let mut local = None;
        for Credential { agent, token_hash, workload } in credentials {
            let name = agent.name.clone();
            let revoked = before
                .and_then(|b| b.by_name.get(&name))
                .filter(|entry| entry.token_hash == token_hash)
                .map(|entry| entry.known.revoked.clone())
                .unwrap_or_default();
            let known = Known { agent: Arc::new(agent), initiator: None, revoked, until: None };
            if token_hash.is_some() || workload.is_some() {
                by_name.insert(name, Entry { known, token_hash, workload });
            } else if name == LOCAL_AGENT {
                local = Some(known);
            }
        }
        let local = local.ok_or_else(|| StoreError::Damaged(format!("agent `{LOCAL_AGENT}`")))?;
        Ok(Self { by_name, local })
    }
}

fn concerns_agents(event: EventKind) -> bool {
    matches!(
        event,
        EventKind::AgentAdded | EventKind::AgentRotated | EventKind::AgentChanged | EventKind::AgentRevoked
    )
}

/// Why a text names no owner.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OwnerError {
    #[error(
        "an owner is written `issuer|subject`, the name of a local account, or the address of somebody who has signed in: `{0}`"
    )]
    NoName(String),
    #[error(
        "nobody with the address `{0}` has signed in here: let them sign in to the inbox once, or write `issuer|subject`"
    )]
    Unknown(String),
    #[error(
        "several people have the address `{0}`: write `issuer|subject`, as `holdpoint reviewers list` shows it"
    )]
    Ambiguous(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// When the agents could not be read.
const RETRY_AFTER: Duration = Duration::from_secs(1);
