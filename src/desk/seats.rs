//! The live connections that wait, by hold.

use super::{Desk, Outcome, Release};
use crate::hold::HoldId;
use jiff::Timestamp;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

/// Who waits with which hold. Bounded by the desk's places: every seat keeps one.
#[derive(Debug, Default)]
pub(super) struct Seats(Mutex<HashMap<HoldId, Table>>);

#[derive(Debug, Default)]
struct Table {
    /// A claim is on its way to the store: whoever loses patience now waits for it.
    claiming: bool,
    /// Oldest first.
    seats: Vec<Seat>,
    next: u64,
}

#[derive(Debug)]
struct Seat {
    number: u64,
    tell: oneshot::Sender<Outcome>,
    patience_ends: Option<Timestamp>,
}

impl Seats {
    fn tables(&self) -> MutexGuard<'_, HashMap<HoldId, Table>> {
        // Every change under this lock is one statement: a panic leaves nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sit(&self, id: &HoldId) -> (u64, oneshot::Receiver<Outcome>) {
        let (tell, told) = oneshot::channel();
        let mut tables = self.tables();
        let table = tables.entry(id.clone()).or_default();
        let number = table.next;
        table.next += 1;
        table.seats.push(Seat { number, tell, patience_ends: None });
        (number, told)
    }

    /// Gives the seat up.
    fn leave(&self, id: &HoldId, number: u64) {
        Self::vacate(&mut self.tables(), id, number);
    }

    /// Gives the seat up, unless a claim is on its way. False: its owner is being told, or will be.
    fn lose_patience(&self, id: &HoldId, number: u64) -> bool {
        let mut tables = self.tables();
        let claiming = tables.get(id).is_some_and(|table| table.claiming);
        !claiming && Self::vacate(&mut tables, id, number)
    }

    fn vacate(tables: &mut HashMap<HoldId, Table>, id: &HoldId, number: u64) -> bool {
        let Some(table) = tables.get_mut(id) else { return false };
        let before = table.seats.len();
        table.seats.retain(|seat| seat.number != number);
        let left = table.seats.len() < before;
        if table.seats.is_empty() && !table.claiming {
            tables.remove(id);
        }
        left
    }

    fn expect(&self, id: &HoldId, number: u64, until: Timestamp) {
        let mut tables = self.tables();
        let seats = tables.get_mut(id).map(|table| &mut table.seats);
        if let Some(seat) = seats.and_then(|seats| seats.iter_mut().find(|seat| seat.number == number)) {
            seat.patience_ends = Some(until);
        }
    }

    /// Announces a claim; false when nobody waits, or one is under way.
    pub(super) fn begin_claim(&self, id: &HoldId) -> bool {
        match self.tables().get_mut(id) {
            Some(table) if !table.claiming && !table.seats.is_empty() => {
                table.claiming = true;
                true
            }
            _ => false,
        }
    }

    /// The claim is over. Without a release in hand, whoever waits waits on.
    pub(super) fn end_claim(&self, id: &HoldId) {
        let mut tables = self.tables();
        if let Some(table) = tables.get_mut(id) {
            table.claiming = false;
            if table.seats.is_empty() {
                tables.remove(id);
            }
        }
    }

    fn clear(&self, id: &HoldId) -> Vec<Seat> {
        self.tables().remove(id).map(|table| table.seats).unwrap_or_default()
    }

    /// Tells everybody who waits.
    pub(super) fn tell(&self, id: &HoldId, outcome: impl Fn() -> Outcome) {
        for seat in self.clear(id) {
            // An error says that this one has just gone.
            let _ = seat.tell.send(outcome());
        }
    }

    /// As [`Self::tell`], but leaves it to a claim that is on its way: the release that was seen may be its own.
    pub(super) fn tell_unless_claiming(&self, id: &HoldId, outcome: impl Fn() -> Outcome) {
        if !self.tables().get(id).is_some_and(|table| table.claiming) {
            self.tell(id, outcome);
        }
    }

    /// Gives the release to the newest who is still there; the others are superseded. When nobody is, it is
    /// dropped, and recorded as not sent.
    pub(super) fn hand(&self, release: Release) {
        let id = release.id().clone();
        let mut outcome = Outcome::Released(release);
        let mut seats = self.clear(&id);
        while let Some(newest) = seats.pop() {
            match newest.tell.send(outcome) {
                Ok(()) => break,
                Err(returned) => outcome = returned,
            }
        }
        for seat in seats {
            let _ = seat.tell.send(Outcome::Superseded);
        }
    }

    pub(super) fn waiting(&self, id: &HoldId) -> (usize, Option<Timestamp>) {
        let tables = self.tables();
        let seats = tables.get(id).map_or(&[][..], |table| &table.seats);
        (seats.len(), seats.iter().filter_map(|seat| seat.patience_ends).max())
    }

    pub(super) fn has(&self, id: &HoldId) -> bool {
        self.tables().contains_key(id)
    }

    pub(super) fn all(&self) -> Vec<HoldId> {
        self.tables().keys().cloned().collect()
    }
}

/// One live connection that waits with a hold. Dropping it says that the client has gone; the hold stays.
#[derive(Debug)]
pub struct Waiter {
    desk: Arc<Desk>,
    id: HoldId,
    number: u64,
    told: oneshot::Receiver<Outcome>,
    expires_at: Timestamp,
    _place: OwnedSemaphorePermit,
}

impl Waiter {
    pub(super) fn seat(
        desk: Arc<Desk>,
        id: HoldId,
        expires_at: Timestamp,
        place: OwnedSemaphorePermit,
    ) -> Self {
        let (number, told) = desk.seats.sit(&id);
        Self { desk, id, number, told, expires_at, _place: place }
    }

    pub fn id(&self) -> &HoldId {
        &self.id
    }

    pub fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// Waits at most `patience` for the outcome; a release that is being recorded at that moment is waited for.
    ///
    /// # Cancel safety
    /// Dropped while waiting, nothing is released for this connection: the claim is made by a task of the
    /// desk, and a claim whose taker has gone is recorded as ambiguous, not sent.
    pub async fn outcome(mut self, patience: Duration) -> Outcome {
        self.desk.seats.expect(
            &self.id,
            self.number,
            Timestamp::now().saturating_add(patience).unwrap_or(Timestamp::MAX),
        );
        // Both branches are cancel-safe.
        let told = tokio::select! {
            biased;
            told = &mut self.told => told,
            () = tokio::time::sleep(patience) => {
                if self.desk.seats.lose_patience(&self.id, self.number) {
                    return Outcome::PatienceOver;
                }
                (&mut self.told).await
            }
        };
        match told {
            Ok(Outcome::Released(mut release)) => {
                release.hand_over();
                Outcome::Released(release)
            }
            Ok(outcome) => outcome,
            // Nobody is left to tell: the desk is closing.
            Err(_) => Outcome::PatienceOver,
        }
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.desk.seats.leave(&self.id, self.number);
        self.told.close();
        // Told, but not heard: the next who waits may have it.
        if let Ok(Outcome::Released(release)) = self.told.try_recv() {
            self.desk.seats.hand(release);
        }
    }
}
