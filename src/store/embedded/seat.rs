//! Who works on a session, who waits for it, and how many permits are out. Pure: the clock's time, fresh leases and the
//! waiters' means of being answered come in as arguments. Nothing of it survives the process: a crash ends all turns.
//!
//! Invariants: at most one holder; a permit is given back at most once, because it moves with its request; a waiter
//! is in one place only.

use std::collections::VecDeque;
use std::sync::Arc;

use super::waiting::{Arrival, Call, Claimed, Claimer, Done, End, Holder, Request, Standing, Waiter, Woken};
use crate::domain::quota::{Permit, Quota, Window};
use crate::domain::time::Timestamp;
use crate::store::{Abandon, BeginId, Lane, Lease, Limits, StoredReply};

/// The window of the lane of danger.
const DANGER_WINDOW: std::time::Duration = std::time::Duration::from_mins(1);
/// No queue and no crowd of joiners grows beyond this, danger or not.
const WAITERS_MAX: usize = 10_000;

/// Stands for a repeated begin that found its lease.
const BY_BEGIN: Call = 0;

#[derive(Debug)]
pub(super) struct Seat<C> {
    holder: Option<Holder>,
    queue: VecDeque<Waiter<C>>,
    joiners: Vec<Waiter<C>>,
    /// A reply for joiners that had not claimed yet when the turn was done.
    done: Vec<Done>,
    ordinary: Window,
    danger: Window,
    /// Whether the ordinary window knows permits that no record does.
    pub unsaved: bool,
    /// Where the seat stands in the writer's list of deadlines.
    pub watched: Option<Timestamp>,
}

impl<C> Seat<C> {
    pub fn new(permits: Vec<Timestamp>) -> Self {
        Self {
            holder: None,
            queue: VecDeque::new(),
            joiners: Vec::new(),
            done: Vec::new(),
            ordinary: Window::from_permits(permits),
            danger: Window::default(),
            unsaved: false,
            watched: None,
        }
    }

    pub fn permits(&self) -> Vec<Timestamp> {
        self.ordinary.permits()
    }

    pub fn lease(&self) -> Option<Lease> {
        self.holder.as_ref().map(|holder| holder.lease)
    }

    pub fn request(&self) -> Option<&Request> {
        self.holder.as_ref().map(|holder| &holder.request)
    }

    pub fn deadline(&self) -> Option<Timestamp> {
        self.holder.as_ref().map(|holder| holder.deadline)
    }

    pub fn holds(&self, lease: Lease, now: Timestamp) -> bool {
        self.holder.as_ref().is_some_and(|holder| holder.lease == lease && now < holder.deadline)
    }

    /// Whether a repeated begin has the lease: then the first answer's loss is no reason to end it.
    pub fn is_taken_up(&self, lease: Lease) -> bool {
        self.holder.as_ref().is_some_and(|holder| holder.lease == lease && holder.call == Some(BY_BEGIN))
    }

    /// A repeated begin finds its lease with its whole time, also where nobody had claimed it yet.
    pub fn take_up(&mut self, limits: &Limits, now: Timestamp) {
        if let Some(holder) = &mut self.holder {
            holder.deadline = now.plus(limits.lease_ttl);
            holder.call = Some(BY_BEGIN);
        }
    }

    pub fn renew(&mut self, lease: Lease, limits: &Limits, now: Timestamp) -> bool {
        let holds = self.holds(lease, now);
        if let Some(holder) = self.holder.as_mut().filter(|_| holds) {
            holder.deadline = now.plus(limits.lease_ttl);
        }
        holds
    }

    /// Whether somebody would be woken by the holder's end.
    pub fn is_waited_for(&self) -> bool {
        !self.queue.is_empty() || !self.joiners.is_empty()
    }

    /// Whether nothing is lost when the seat is dropped and made anew from its record.
    pub fn is_idle(&mut self, limits: &Limits, now: Timestamp) -> bool {
        self.ordinary.forget(limits.rate_window, now);
        self.danger.forget(DANGER_WINDOW, now);
        self.is_vacant(now) && self.danger.is_empty() && (!self.unsaved || self.ordinary.is_empty())
    }

    /// Whether nobody works or waits.
    pub fn is_vacant(&mut self, now: Timestamp) -> bool {
        self.done.retain(|done| now < done.until);
        self.holder.as_ref().is_none_or(|holder| now >= holder.deadline)
            && !self.is_waited_for()
            && self.done.is_empty()
    }

    /// Where the same call of begin stands already.
    pub fn standing(&mut self, begin: BeginId, now: Timestamp) -> Option<Standing> {
        let holder = self.holder.as_ref().filter(|holder| holder.request.begin == begin);
        if let Some(holder) = holder.filter(|holder| now < holder.deadline) {
            return Some(Standing::Holds(holder.lease));
        }
        if let Some(waiter) = self.queue.iter_mut().find(|waiter| waiter.request.begin == begin) {
            waiter.is_repeated = true;
            return Some(Standing::Queued(waiter.ticket, waiter.request.permit.quota));
        }
        let joiner = self.joiners.iter_mut().find(|joiner| joiner.request.begin == begin)?;
        joiner.is_repeated = true;
        Some(Standing::Joined(joiner.ticket, joiner.request.permit.quota))
    }

    /// The body of the turn that runs or waits under this key.
    pub fn running(&self, key: &[u8; 16]) -> Option<[u8; 16]> {
        let held = self.holder.iter().map(|holder| &holder.request);
        let mut requests = held.chain(self.queue.iter().map(|waiter| &waiter.request));
        requests.find_map(|request| body_under(request, key))
    }

    pub fn take_permit(&mut self, lane: Lane, limits: &Limits, now: Timestamp) -> Result<Permit, Quota> {
        match lane {
            Lane::Ordinary => {
                let permit = self.ordinary.take(limits.rate_limit, limits.rate_window, now)?;
                self.unsaved = true;
                Ok(permit)
            }
            Lane::Danger => self.danger.take(limits.danger_limit, DANGER_WINDOW, now),
        }
    }

    pub fn give_back(&mut self, request: &Request) {
        match request.lane {
            Lane::Ordinary => self.ordinary.give_back(request.permit),
            Lane::Danger => self.danger.give_back(request.permit),
        }
    }

    /// Forgets what a session that was deleted leaves: its permits, and whoever waited for it but those in danger. A
    /// message from before must not bring it back. Those who have to be told are given back.
    pub fn forget(&mut self) -> Vec<C> {
        self.ordinary = Window::default();
        self.danger = Window::default();
        self.unsaved = false;
        let is_ordinary = |waiter: &mut Waiter<C>| waiter.request.lane == Lane::Ordinary;
        let joiners = self.joiners.extract_if(.., is_ordinary);
        let (left, stays): (Vec<_>, Vec<_>) =
            self.queue.drain(..).partition(|waiter| waiter.request.lane == Lane::Ordinary);
        self.queue = stays.into();
        left.into_iter().chain(joiners).filter_map(|waiter| Some(waiter.claimer?.1)).collect()
    }
}

fn body_under(request: &Request, key: &[u8; 16]) -> Option<[u8; 16]> {
    request.idempotency.as_ref().filter(|used| used.key == *key).map(|used| used.body)
}

impl<C: Claimer> Seat<C> {
    /// Takes the lease, or a place in the queue under `ticket`. The permit is given back where there is neither.
    pub fn arrive(
        &mut self,
        request: Request,
        ticket: u64,
        lease: Lease,
        limits: &Limits,
        now: Timestamp,
    ) -> Arrival {
        self.prune();
        if self.holder.is_none() && self.queue.is_empty() {
            self.hold(request, lease, now.plus(limits.lease_ttl), None, None);
            return Arrival::Holds;
        }
        if limits.lease_wait.is_zero() && request.lane == Lane::Ordinary {
            self.give_back(&request);
            return Arrival::Busy;
        }
        if is_full(request.lane, self.queue.len(), limits) {
            self.give_back(&request);
            return Arrival::Full;
        }
        let place = match request.lane {
            Lane::Danger => self.queue.iter().take_while(|w| w.request.lane == Lane::Danger).count(),
            Lane::Ordinary => self.queue.len(),
        };
        self.queue.insert(place, Waiter { ticket, request, claimer: None, is_repeated: false });
        Arrival::Queued
    }

    /// Waits beside the running turn of the same key. False when too many do.
    pub fn join(&mut self, request: Request, ticket: u64, limits: &Limits) -> bool {
        self.joiners.retain(|joiner| !is_gone(joiner.claimer.as_ref()));
        if is_full(request.lane, self.joiners.len(), limits) {
            return false;
        }
        self.joiners.push(Waiter { ticket, request, claimer: None, is_repeated: false });
        true
    }

    /// Attaches a claim to its ticket.
    pub fn claim(
        &mut self,
        ticket: u64,
        call: Call,
        claimer: C,
        limits: &Limits,
        now: Timestamp,
    ) -> Claimed<C> {
        if let Some(holder) = self.holder.as_mut().filter(|holder| holder.ticket == Some(ticket)) {
            if now < holder.deadline {
                holder.call = Some(call);
                holder.deadline = now.plus(limits.lease_ttl);
                return Claimed::Holds(claimer);
            }
            return Claimed::Unknown(claimer);
        }
        if let Some(waiter) = self.queue.iter_mut().find(|waiter| waiter.ticket == ticket) {
            waiter.claimer = Some((call, claimer));
            return Claimed::Waits;
        }
        if let Some(joiner) = self.joiners.iter_mut().find(|joiner| joiner.ticket == ticket) {
            joiner.claimer = Some((call, claimer));
            return Claimed::Waits;
        }
        match self.done.iter().position(|done| done.ticket == ticket) {
            Some(place) => Claimed::Replay(claimer, self.done.swap_remove(place).reply),
            None => Claimed::Unknown(claimer),
        }
    }

    /// Ends the holder's turn and hands over. `lease` is for whoever is next.
    pub fn release(&mut self, end: End, lease: Lease, limits: &Limits, now: Timestamp) -> Vec<Woken<C>> {
        let Some(holder) = self.holder.take() else {
            return self.hand_over(lease, limits, now).into_iter().collect();
        };
        let mut woken = Vec::new();
        match end {
            End::Committed(reply) => {
                if let Some((used, reply)) = reply {
                    self.answer_joiners(&used.key, &reply, now.plus(limits.claim_ttl), &mut woken);
                }
                self.inherit(&holder.request, false);
            }
            End::Abandoned(Abandon::Failed) => self.inherit(&holder.request, true),
            End::Abandoned(Abandon::Stopped) | End::Died => self.inherit(&holder.request, false),
        }
        woken.extend(self.hand_over(lease, limits, now));
        woken
    }

    fn answer_joiners(
        &mut self,
        key: &[u8; 16],
        reply: &StoredReply,
        until: Timestamp,
        woken: &mut Vec<Woken<C>>,
    ) {
        let same = |joiner: &mut Waiter<C>| body_under(&joiner.request, key).is_some();
        for joiner in self.joiners.extract_if(.., same) {
            let reply = Arc::clone(reply);
            match joiner.claimer {
                Some((_, claimer)) => woken.push(Woken::Replayed(claimer, reply)),
                None => self.done.push(Done { ticket: joiner.ticket, reply, until }),
            }
        }
        let surplus = self.done.len().saturating_sub(WAITERS_MAX);
        self.done.drain(..surplus);
    }

    /// The first who joined an unfinished turn takes its place at the head, and its permit; with nobody there the
    /// permit goes back where it is due.
    fn inherit(&mut self, ended: &Request, is_given_back: bool) {
        if let Some(heir) = self.heir_of(ended) {
            self.queue.push_front(heir);
        } else if is_given_back {
            self.give_back(ended);
        }
    }

    fn heir_of(&mut self, ended: &Request) -> Option<Waiter<C>> {
        let key = ended.idempotency.as_ref()?.key;
        let place = self.joiners.iter().position(|joiner| {
            body_under(&joiner.request, &key).is_some() && !is_gone(joiner.claimer.as_ref())
        })?;
        let mut heir = self.joiners.remove(place);
        heir.request.permit = ended.permit;
        heir.request.lane = ended.lane;
        Some(heir)
    }

    fn hand_over(&mut self, lease: Lease, limits: &Limits, now: Timestamp) -> Option<Woken<C>> {
        self.prune();
        let Waiter { ticket, request, claimer, .. } = self.queue.pop_front()?;
        // Somebody who is there has the whole time; one who has not come yet has to come soon.
        let (call, claimer) = claimer.unzip();
        let ttl = if claimer.is_some() { limits.lease_ttl } else { limits.claim_ttl };
        self.hold(request, lease, now.plus(ttl), Some(ticket), call);
        claimer.map(Woken::Handed)
    }

    fn hold(
        &mut self,
        request: Request,
        lease: Lease,
        deadline: Timestamp,
        ticket: Option<u64>,
        call: Option<Call>,
    ) {
        self.holder = Some(Holder { lease, request, deadline, ticket, call });
    }

    /// Ends a lease that ran out.
    pub fn expire(&mut self, lease: Lease, limits: &Limits, now: Timestamp) -> Vec<Woken<C>> {
        match &self.holder {
            Some(holder) if now >= holder.deadline => {
                // A hand-over that nobody came for has used nothing.
                let is_parked = holder.ticket.is_some() && holder.call.is_none();
                let end = if is_parked { End::Abandoned(Abandon::Failed) } else { End::Died };
                self.release(end, lease, limits, now)
            }
            Some(_) | None => Vec::new(),
        }
    }

    /// Gives a ticket up. `call` is the claim that does, `None` before there was one; an earlier one has no say over
    /// a later one. The lease is named where it had been handed over to that ticket: it is the caller's to abandon.
    pub fn withdraw(&mut self, ticket: u64, call: Option<Call>) -> Option<Lease> {
        let may = |own: Option<Call>| own.is_none() || own == call;
        let is_it = |waiter: &Waiter<C>| {
            let is_lost = call.is_some() || !waiter.is_repeated;
            waiter.ticket == ticket && is_lost && may(waiter.claimer.as_ref().map(|(own, _)| *own))
        };
        if let Some(place) = self.queue.iter().position(is_it) {
            self.drop_waiter(place);
            return None;
        }
        self.joiners.retain(|joiner| !is_it(joiner));
        self.done.retain(|done| done.ticket != ticket);
        let holder = self.holder.as_ref().filter(|holder| holder.ticket == Some(ticket));
        holder.filter(|holder| may(holder.call)).map(|holder| holder.lease)
    }

    fn prune(&mut self) {
        let mut place = 0;
        while let Some(waiter) = self.queue.get(place) {
            if is_gone(waiter.claimer.as_ref()) {
                self.drop_waiter(place);
            }
            // One who inherited the place stands in it now.
            place += usize::from(self.queue.get(place).is_some_and(|next| !is_gone(next.claimer.as_ref())));
        }
    }

    fn drop_waiter(&mut self, place: usize) {
        let Some(waiter) = self.queue.remove(place) else { return };
        match self.heir_of(&waiter.request) {
            Some(heir) => self.queue.insert(place, heir),
            None => self.give_back(&waiter.request),
        }
    }
}

fn is_full(lane: Lane, waiting: usize, limits: &Limits) -> bool {
    match lane {
        Lane::Ordinary => waiting >= limits.queue_max.min(WAITERS_MAX),
        Lane::Danger => waiting >= WAITERS_MAX,
    }
}

fn is_gone<C: Claimer>(claimer: Option<&(Call, C)>) -> bool {
    claimer.is_some_and(|(_, claimer)| claimer.is_gone())
}

#[cfg(test)]
#[path = "seat_tests.rs"]
mod tests;
