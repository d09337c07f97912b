//! The gate: begin, claim, renew, abandon, and the hand-over of leases.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::command::{ClaimReply, Reply, Unclaimed, answer, answer_with};
use super::record::{Record, ReplyRecord};

use super::tables::{self, value_of};
use super::waiting::{Arrival, Call, Claimed, End, Request, Standing, Woken};
use super::writer::Writer;
use crate::domain::id::{ClientKey, SessionKey};
use crate::domain::quota::{Permit, Quota};
use crate::domain::safety::SafetyMemory;
use crate::domain::session::Session;
use crate::domain::time::Timestamp;
use crate::store::{
    Abandon, Begin, Begun, Claim, Gate, Idempotency, Lane, Lease, StoreError, StoredReply, Ticket,
};

impl Writer {
    pub fn begin(&mut self, request: &Begin, reply: Reply<Gate>) {
        let key = request.session.clone();
        let gate = self.gate(request);
        let brings = match &gate {
            Ok(Gate::Begun(begun)) => Some(Unclaimed::Lease(key.clone(), begun.lease)),
            Ok(Gate::Queued(ticket) | Gate::Running(ticket)) => {
                Some(Unclaimed::Ticket(key.clone(), ticket.id))
            }
            Ok(
                Gate::Limited(_)
                | Gate::Busy { .. }
                | Gate::QueueFull { .. }
                | Gate::KeyReused
                | Gate::Replay(_)
                | Gate::Gone { .. },
            )
            | Err(_) => None,
        };
        self.watch(&key);
        self.answer(answer_with(reply, gate, brings));
    }

    fn gate(&mut self, request: &Begin) -> Result<Gate, StoreError> {
        let key = request.session.clone();
        self.expire_lease(&key, self.clock.now());
        let live = self.live(&key)?;
        let record = live.as_ref().map(|(record, _)| record);
        if let Some(gate) = self.gate_of_repeat(request)? {
            return Ok(gate);
        }
        if let Some(idempotency) = &request.idempotency
            && let Some(gate) = self.gate_of_key(request, idempotency)?
        {
            return Ok(gate);
        }
        if let Some(successor) = self.successor(&key, record)? {
            return Ok(Gate::Gone { successor });
        }
        let client = self.client_of(record, request)?;
        let counts = self.level_of(live.as_ref(), &client)?;
        let asked = record.is_some_and(|record| record.session.awaits_safety_answer());
        let lane = if counts.pauses() || asked { Lane::Danger } else { request.lane };
        self.admit(request, client, lane)
    }

    /// Whose memory counts: a session's, else that of whoever is in danger and had one of this id, else its
    /// predecessor's, else the request's.
    fn client_of(&mut self, record: Option<&Record>, request: &Begin) -> Result<ClientKey, StoreError> {
        if let Some(record) = record {
            return Ok(record.session.client.clone());
        }
        if let Some(former) = self.former_client(&request.session)? {
            return Ok(former);
        }
        let Some(predecessor) = &request.predecessor else { return Ok(request.client.clone()) };
        let before = self.live(predecessor)?;
        Ok(before.map_or_else(|| request.client.clone(), |(record, _)| record.session.client.clone()))
    }

    fn level_of(
        &self,
        live: Option<&(Record, SafetyMemory)>,
        client: &ClientKey,
    ) -> Result<crate::domain::safety::Level, StoreError> {
        match live {
            Some((record, memory)) => Ok(record.session.level_under(memory)),
            None => Ok(self.memory_of(client)?.level),
        }
    }

    fn gate_of_repeat(&mut self, request: &Begin) -> Result<Option<Gate>, StoreError> {
        let now = self.clock.now();
        let key = &request.session;
        Ok(match self.seat(key).standing(request.id, now) {
            None => None,
            Some(Standing::Holds(lease)) => {
                let limits = self.limits.clone();
                self.seat(key).take_up(&limits, now);
                Some(self.begin_now(key, lease)?)
            }
            Some(Standing::Queued(id, quota)) => Some(Gate::Queued(ticket(request, id, quota))),
            Some(Standing::Joined(id, quota)) => Some(Gate::Running(ticket(request, id, quota))),
        })
    }

    /// What the idempotency key alone decides.
    fn gate_of_key(&mut self, request: &Begin, used: &Idempotency) -> Result<Option<Gate>, StoreError> {
        if let Some(stored) = self.stored_reply(&request.session, &used.key)? {
            let is_same = stored.body == used.body;
            return Ok(Some(if is_same { Gate::Replay(stored.reply) } else { Gate::KeyReused }));
        }
        let running = self.seat(&request.session).running(&used.key);
        match running {
            None => Ok(None),
            Some(body) if body != used.body => Ok(Some(Gate::KeyReused)),
            Some(_) => Ok(Some(self.join(request))),
        }
    }

    fn stored_reply(&self, session: &SessionKey, key: &[u8; 16]) -> Result<Option<ReplyRecord>, StoreError> {
        let bytes = value_of(&self.tables.replies, &tables::reply(session, key))?;
        let stored = bytes.map(|bytes| ReplyRecord::decode(&bytes)).transpose()?;
        let now = self.clock.now();
        Ok(stored.filter(|stored| now < stored.expires_at))
    }

    fn join(&mut self, request: &Begin) -> Gate {
        let retry_after = self.retry_after(&request.session);
        if self.limits.lease_wait.is_zero() {
            return Gate::Busy { retry_after };
        }
        let (id, limits) = (self.next_ticket(), self.limits.clone());
        let quota = Quota { limit: limits.rate_limit, remaining: 0, reset: Duration::ZERO };
        let joining = request_of(request, request.client.clone(), request.lane, Permit { at: None, quota });
        if self.seat(&request.session).join(joining, id, &limits) {
            Gate::Running(ticket(request, id, quota))
        } else {
            Gate::QueueFull { retry_after }
        }
    }

    fn admit(&mut self, request: &Begin, client: ClientKey, lane: Lane) -> Result<Gate, StoreError> {
        let (now, limits) = (self.clock.now(), self.limits.clone());
        let (id, lease) = (self.next_ticket(), self.new_lease());
        let seat = self.seat(&request.session);
        let permit = match seat.take_permit(lane, &limits, now) {
            Ok(permit) => permit,
            Err(quota) => return Ok(Gate::Limited(quota)),
        };
        let asked = request_of(request, client, lane, permit);
        let arrival = seat.arrive(asked, id, lease, &limits, now);
        let session = request.session.clone();
        let retry_after = self.retry_after(&session);
        match arrival {
            Arrival::Holds => self.begin_now(&session, lease),
            Arrival::Queued => Ok(Gate::Queued(ticket(request, id, permit.quota))),
            Arrival::Busy => Ok(Gate::Busy { retry_after }),
            Arrival::Full => Ok(Gate::QueueFull { retry_after }),
        }
    }

    fn begin_now(&mut self, key: &SessionKey, lease: Lease) -> Result<Gate, StoreError> {
        match self.begun(key) {
            Ok(Holds::Begun(begun)) => Ok(Gate::Begun(begun)),
            Ok(Holds::Gone(successor)) => {
                self.abandon(key, lease, Abandon::Failed);
                Ok(Gate::Gone { successor })
            }
            Err(error) => {
                self.abandon(key, lease, Abandon::Failed);
                Err(error)
            }
        }
    }

    /// What the seat's holder needs to know.
    fn begun(&mut self, key: &SessionKey) -> Result<Holds, StoreError> {
        let live = self.live(key)?;
        let record = live.as_ref().map(|(record, _)| record);
        if let Some(successor) = self.successor(key, record)? {
            return Ok(Holds::Gone(successor));
        }
        let seat = self.seat(key);
        let (Some(lease), Some(request)) = (seat.lease(), seat.request().cloned()) else {
            return Err(StoreError::Away("its lease went".to_owned()));
        };
        let predecessor = match (&request.predecessor, &live) {
            (Some(predecessor), None) => self.aligned(predecessor)?,
            (Some(_) | None, _) => None,
        };
        let (client, memory) = match &live {
            Some((record, memory)) => (record.session.client.clone(), memory.clone()),
            None => (request.client.clone(), self.memory_of(&request.client)?),
        };
        Ok(Holds::Begun(Box::new(Begun {
            lease,
            lease_ttl: self.limits.lease_ttl,
            client,
            session: live.map(|(record, memory)| record.aligned(&memory, self.clock.now())),
            predecessor,
            memory,
            recent: self.recent(key)?,
            quota: request.permit.quota,
        })))
    }

    /// A live session as it counts.
    pub fn aligned(&mut self, key: &SessionKey) -> Result<Option<Arc<Session>>, StoreError> {
        let now = self.clock.now();
        Ok(self.live(key)?.map(|(record, memory)| record.aligned(&memory, now)))
    }

    pub fn claim(&mut self, key: &SessionKey, ticket: u64, call: Call, reply: ClaimReply) {
        let (now, limits) = (self.clock.now(), self.limits.clone());
        match self.seat(key).claim(ticket, call, reply, &limits, now) {
            Claimed::Holds(reply) => self.wake(key, vec![Woken::Handed(reply)]),
            Claimed::Replay(reply, stored) => self.replay(reply, stored),
            Claimed::Waits => {}
            Claimed::Unknown(reply) => {
                let retry_after = self.retry_after(key);
                self.answer(answer(reply.0, Ok(Claim::Busy { retry_after })));
            }
        }
        self.watch(key);
    }

    fn replay(&mut self, reply: ClaimReply, stored: StoredReply) {
        self.answer(answer(reply.0, Ok(Claim::Replay(stored))));
    }

    /// Tells the holder, who has waited, that it is one. Where the session has gone, its lease goes to the next, who is
    /// woken by that.
    fn deliver(&mut self, key: &SessionKey, reply: ClaimReply) -> Vec<Woken<ClaimReply>> {
        let lease = self.seat(key).lease();
        let claim = match self.begun(key) {
            Ok(Holds::Begun(begun)) => {
                let brings = Unclaimed::Lease(key.clone(), begun.lease);
                self.answer(answer_with(reply.0, Ok(Claim::Begun(begun)), Some(brings)));
                return Vec::new();
            }
            Ok(Holds::Gone(successor)) => Ok(Claim::Gone { successor }),
            Err(error) => Err(error),
        };
        self.answer(answer(reply.0, claim));
        lease.map(|lease| self.abandoned(key, lease, Abandon::Failed)).unwrap_or_default()
    }

    /// A loop, for a whole queue may find in one go that its session went.
    fn wake(&mut self, key: &SessionKey, woken: Vec<Woken<ClaimReply>>) {
        let mut woken = VecDeque::from(woken);
        while let Some(one) = woken.pop_front() {
            match one {
                Woken::Handed(reply) => woken.extend(self.deliver(key, reply)),
                Woken::Replayed(reply, stored) => self.replay(reply, stored),
            }
        }
        self.watch(key);
    }

    pub fn give_up(&mut self, key: &SessionKey, ticket: u64, call: Call) -> Duration {
        // Handed over in the meantime: the claim finds its answer before this one.
        let is_handed = self.seat(key).withdraw(ticket, Some(call)).is_some();
        self.watch(key);
        if is_handed { Duration::ZERO } else { self.retry_after(key) }
    }

    pub fn withdraw(&mut self, key: &SessionKey, ticket: u64, call: Option<Call>) {
        let handed = self.seat(key).withdraw(ticket, call);
        match handed {
            Some(lease) => self.abandon(key, lease, Abandon::Failed),
            None => self.watch(key),
        }
    }

    pub fn renew(&mut self, key: &SessionKey, lease: Lease) -> bool {
        let (now, limits) = (self.clock.now(), self.limits.clone());
        let renewed = self.memory.seats.get_mut(key).is_some_and(|seat| seat.renew(lease, &limits, now));
        self.watch(key);
        renewed
    }

    pub fn abandon(&mut self, key: &SessionKey, lease: Lease, why: Abandon) {
        let woken = self.abandoned(key, lease, why);
        self.wake(key, woken);
    }

    fn abandoned(&mut self, key: &SessionKey, lease: Lease, why: Abandon) -> Vec<Woken<ClaimReply>> {
        let now = self.clock.now();
        let holds = self.memory.seats.get(key).is_some_and(|seat| seat.holds(lease, now));
        if holds { self.released(key, End::Abandoned(why)) } else { Vec::new() }
    }

    /// Ends the holder's turn and hands the lease over.
    pub fn release(&mut self, key: &SessionKey, end: End) {
        let woken = self.released(key, end);
        self.wake(key, woken);
    }

    fn released(&mut self, key: &SessionKey, end: End) -> Vec<Woken<ClaimReply>> {
        let (now, limits, lease) = (self.clock.now(), self.limits.clone(), self.new_lease());
        let seat = self.memory.seats.get_mut(key);
        seat.map(|seat| seat.release(end, lease, &limits, now)).unwrap_or_default()
    }

    fn expire_lease(&mut self, key: &SessionKey, now: Timestamp) {
        let (limits, lease) = (self.limits.clone(), self.new_lease());
        if let Some(seat) = self.memory.seats.get_mut(key) {
            let woken = seat.expire(lease, &limits, now);
            self.wake(key, woken);
        }
    }

    /// Hands over every lease that ran out under somebody who waits. All of it by one reading of the clock: one that
    /// was set back in between would find none to end, and the same one due for ever.
    pub fn hand_over_due(&mut self) {
        let now = self.clock.now();
        while let Some((_, key)) = self.memory.deadlines.first().filter(|(due, _)| *due <= now).cloned() {
            self.expire_lease(&key, now);
        }
    }

    /// How long the present lease still stands.
    fn retry_after(&self, key: &SessionKey) -> Duration {
        let deadline = self.memory.seats.get(key).and_then(super::seat::Seat::deadline);
        deadline.map_or(Duration::ZERO, |deadline| deadline.since(self.clock.now()))
    }
}

enum Holds {
    Begun(Box<Begun>),
    Gone(SessionKey),
}

fn ticket(request: &Begin, id: u64, quota: Quota) -> Ticket {
    Ticket { request: Box::new(request.clone()), id, quota }
}

fn request_of(request: &Begin, client: ClientKey, lane: Lane, permit: Permit) -> Request {
    Request {
        begin: request.id,
        lane,
        client,
        predecessor: request.predecessor.clone(),
        idempotency: request.idempotency.clone(),
        permit,
    }
}
