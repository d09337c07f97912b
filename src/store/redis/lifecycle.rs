//! What changes a session outside of a turn: create, raise, transition, extend; and what a client's memory does to all
//! of its sessions.

use std::sync::Arc;
use std::time::Duration;

use redis::Cmd;

use super::Inner;
use super::commit::seconds;
use super::gate::idem_args;
use super::held::Ground;
use super::lineage::place_in_line;
use super::record::{changing_fields, lasting_fields, meta_fields, transitions_field};
use super::value::{self, Parts, millis};
use crate::domain::id::{ClientKey, SessionKey};
use crate::domain::safety::{Level, SafetyMemory};
use crate::domain::session::{Event, Party, Session, Status};
use crate::redis::keys;
use crate::store::{
    Commit, Create, Created, Idempotency, Raise, Raised, Remaining, StoreError, Transition, Transitioned,
};

/// Sessions of a client that one script aligns.
pub(super) const ALIGNED_AT_ONCE: u64 = 100;
/// An app that gives everybody the same client must not keep a raise from its answer: the rest are seen in their new
/// light by every read and by their next begin, and written then.
pub(super) const ALIGNED_MAX: u64 = 1_000;
/// How often something is decided on what others wrote meanwhile.
pub(super) const TRIES_MAX: usize = 10;

/// A level that rises, and whose.
struct Rise<'a> {
    session: &'a SessionKey,
    client: ClientKey,
    level: Level,
    why: String,
    call: String,
    /// A session that its caller has written itself.
    except: &'a str,
    /// Whether the client was looked for in the session's metadata.
    is_looked_up: bool,
}

enum Rising {
    /// Another program made the session: its client has to be looked for.
    Strange,
    /// The session is another client's, or was.
    Of(ClientKey),
    /// The session has vanished; its successor answers for it.
    At(SessionKey),
    Raised {
        raised: Raised,
        next: Option<u64>,
    },
}

impl Inner {
    pub(super) async fn create(&self, mut request: Create) -> Result<Created, StoreError> {
        let name = self.nonce();
        for _ in 0..TRIES_MAX {
            let memory = self.memory_of(&request.key.org, &request.session.client).await?;
            let mut session = request.session.clone();
            session.revision = 1;
            session.align(&memory, self.clock.now());
            let call = self.create_call(&request, &session, &memory, &name)?;
            let mut parts = Parts::of(self.run(&self.scripts.create, call).await?)?;
            match parts.text()?.as_str() {
                "created" => return Ok(Created::Created(Arc::new(session))),
                "replay" => return Ok(Created::Replay(parts.bytes()?.into())),
                "reused" => return Ok(Created::KeyReused),
                "exists" => return Ok(Created::Exists),
                "client" => request.session.client = parts.client()?,
                _ => {}
            }
        }
        Err(StoreError::Away("the client's memory changes all the time".to_owned()))
    }

    fn create_call(
        &self,
        request: &Create,
        session: &Session,
        memory: &SafetyMemory,
        name: &str,
    ) -> Result<Cmd, StoreError> {
        let (key, org) = (&request.key, &request.key.org);
        let mut names = vec![
            self.keys.session(key, keys::STATE),
            self.keys.session(key, keys::META),
            self.keys.active(org),
            self.keys.expires(org),
            self.keys.idle(org),
            self.keys.client(org, &session.client),
            self.keys.safety(org, &session.client),
            self.keys.orgs(),
            self.keys.session(key, keys::HISTORY),
            self.keys.session(key, keys::PINNED),
            self.keys.session(key, keys::IDEMS),
        ];
        let used = request.idempotency.as_ref();
        names.extend(used.map(|used| self.keys.create(org, &used.key)));
        let (idem, body) = idem_args(used);
        let reply = used.map(|_: &Idempotency| (request.reply)(session));
        let mut call = self.scripts.create.call(&names);
        call.arg(name)
            .arg(session.status.as_str())
            .arg(session.level.as_str())
            .arg(session.id.as_str())
            .arg(seconds(session.last_interaction))
            .arg(self.keys.index_prefix(org))
            .arg(memory.epoch)
            .arg(millis(session.ttl))
            .arg(millis(self.limits.session_max_age))
            .arg(millis(self.idle_of(session.ttl)))
            .arg(org.as_str())
            .arg(body)
            .arg(reply.as_deref().unwrap_or_default())
            .arg(millis(self.limits.idempotency_ttl))
            .arg(idem)
            .arg(session.client.as_str())
            .arg(if session.client_id.is_none() { self.keys.safety_prefix(org) } else { "-".to_owned() })
            .arg(self.keys.credentials_prefix());
        let mut fields = changing_fields(session, None, None, &self.protocols)?;
        fields.extend(lasting_fields(session, &self.protocols));
        fields.extend(transitions_field(session)?);
        call.arg(fields.len()).arg(fields).arg(meta_fields(session));
        Ok(call)
    }

    pub(super) async fn raise(&self, raise: &Raise) -> Result<Raised, StoreError> {
        let mut session = raise.session.clone();
        let mut client = raise.client.clone();
        let call = self.nonce();
        let mut is_looked_up = false;
        for _ in 0..TRIES_MAX {
            let rise = Rise {
                is_looked_up,
                session: &session,
                client: client.clone(),
                level: raise.level,
                why: raise.why.join(" "),
                call: call.clone(),
                except: "",
            };
            match self.rise(&rise, 0).await? {
                Rising::Of(other) => client = other,
                Rising::Strange => {
                    let ground = self.reload(&session, &client).await?;
                    client = ground.session.map_or(client, |session| session.client.clone());
                    is_looked_up = true;
                }
                Rising::At(successor) => session = successor,
                Rising::Raised { raised, next } => {
                    self.align_on(&rise, next).await?;
                    return Ok(raised);
                }
            }
        }
        Err(StoreError::Away("the session changes all the time".to_owned()))
    }

    /// Aligns a client's other sessions after a turn that raised its level.
    pub(super) async fn align_others(&self, commit: &Commit, level: Level) -> Result<(), StoreError> {
        let rise = Rise {
            session: &commit.key,
            client: commit.session.client.clone(),
            level,
            why: commit.why.join(" "),
            // The commit has signed the memory with its lease.
            call: super::gate::hex(commit.lease.0),
            except: commit.key.id.as_str(),
            is_looked_up: true,
        };
        self.align_on(&rise, Some(0)).await
    }

    async fn align_on(&self, rise: &Rise<'_>, mut next: Option<u64>) -> Result<(), StoreError> {
        while let Some(from) = next {
            next = match self.rise(rise, from).await? {
                Rising::Raised { next, .. } => next,
                Rising::Of(_) | Rising::At(_) | Rising::Strange => None,
            };
        }
        Ok(())
    }

    async fn rise(&self, rise: &Rise<'_>, from: u64) -> Result<Rising, StoreError> {
        let (key, org) = (rise.session, &rise.session.org);
        let names = [
            self.keys.safety(org, &rise.client),
            self.keys.client(org, &rise.client),
            self.keys.session(key, keys::STATE),
            self.keys.session(key, keys::NEWEST),
            self.keys.active(org),
            self.keys.expires(org),
            self.keys.idle(org),
            self.keys.forgettable(org),
            self.keys.orgs(),
        ];
        let mut call = self.scripts.raise.call(&names);
        call.arg(rise.client.as_str())
            .arg(rise.level.as_str())
            .arg(&rise.why)
            .arg(&rise.call)
            .arg(self.keys.sessions_prefix(org))
            .arg(self.keys.index_prefix(org))
            .arg(key.id.as_str())
            .arg(from)
            .arg(ALIGNED_AT_ONCE)
            .arg(millis(self.limits.session_ttl))
            .arg(rise.except)
            .arg(u8::from(rise.is_looked_up))
            .arg(self.keys.creates_prefix(org))
            .arg(ALIGNED_MAX)
            .arg(self.keys.alerts_prefix(org))
            .arg(org.as_str())
            .arg(self.keys.safety_prefix(org));
        let mut parts = Parts::of(self.run(&self.scripts.raise, call).await?)?;
        match parts.text()?.as_str() {
            "client" => parts.client().map(Rising::Of),
            "newest" => self.answering(key).await.map(Rising::At),
            "strange" => Ok(Rising::Strange),
            _ => {
                let level = Level::parse(&parts.text()?).unwrap_or(rise.level);
                let rose = parts.number::<u8>()? == 1;
                let next = u64::try_from(parts.number::<i64>()?).ok();
                Ok(Rising::Raised { raised: Raised { level, rose }, next })
            }
        }
    }

    pub(super) async fn transition(&self, transition: &Transition) -> Result<Transitioned, StoreError> {
        let key = &transition.session;
        let name = self.nonce();
        for _ in 0..TRIES_MAX {
            let ground = self.reload(key, &self.client_by_id(key)).await?;
            let Some(stored) = &ground.session else { return Ok(Transitioned::Absent) };
            if transition.event == Event::Clear {
                return self.clear(key, &stored.client, &name, transition.seen).await;
            }
            let mut session = Session::clone(stored);
            let (by, reason) = (transition.by, &transition.reason);
            let status = match session.apply(transition.event, by, reason, self.clock.now()) {
                Ok(status) => status,
                Err(refusal) => return Ok(Transitioned::Refused(refusal)),
            };
            if status == stored.status || self.rewrite(key, &session, &ground, &name).await? {
                return Ok(Transitioned::Done(status));
            }
        }
        Err(StoreError::Away("the session changes all the time".to_owned()))
    }

    /// The client of a session that names none.
    pub(super) fn client_by_id(&self, key: &SessionKey) -> ClientKey {
        self.secret.client_key(&key.org, None, &key.id)
    }

    /// Expires an idle session. True where this server was the one that did.
    pub(super) async fn expire(&self, key: &SessionKey) -> Result<bool, StoreError> {
        let ground = self.reload(key, &self.client_by_id(key)).await?;
        let Some(stored) = &ground.session else { return Ok(false) };
        let mut session = Session::clone(stored);
        let done = session.apply(Event::Expire, Party::System, "idle", self.clock.now());
        if !done.is_ok_and(|status| status == Status::Expired) {
            return Ok(false);
        }
        // A session that was written meanwhile is not idle.
        self.rewrite(key, &session, &ground, &self.nonce()).await
    }

    /// Writes a session where nobody wrote it since it was read. True where it stands.
    pub(super) async fn rewrite(
        &self,
        key: &SessionKey,
        session: &Session,
        ground: &Ground,
        name: &str,
    ) -> Result<bool, StoreError> {
        let names = [self.keys.session(key, keys::STATE), self.keys.active(&key.org)];
        let mut call = self.scripts.rewrite.call(&names);
        call.arg(name)
            .arg(session.status.as_str())
            .arg(session.level.as_str())
            .arg(session.id.as_str())
            .arg(seconds(session.last_interaction))
            .arg(self.keys.index_prefix(&key.org))
            .arg(&ground.mark.revision)
            .arg(&ground.mark.turn_count)
            .arg(&ground.mark.last_interaction);
        // A session of another program has no client yet: its first turn enters it everywhere.
        let mut fields = changing_fields(session, None, None, &self.protocols)?;
        fields.extend(transitions_field(session)?);
        call.arg(fields);
        Ok(value::number(&self.run(&self.scripts.rewrite, call).await?)? == 1)
    }

    pub(super) async fn extend(
        &self,
        key: &SessionKey,
        ttl: Duration,
    ) -> Result<Option<Remaining>, StoreError> {
        let Some(snapshot) = self.snapshot(key).await? else { return Ok(None) };
        let (session, org) = (&snapshot.session, &key.org);
        let own = [keys::STATE, keys::HISTORY, keys::META, keys::PINNED];
        let mut names = own.map(|what| self.keys.session(key, what)).to_vec();
        names.extend([
            self.keys.expires(org),
            self.keys.idle(org),
            self.keys.session(key, keys::IDEMS),
            self.keys.safety(org, &session.client),
        ]);
        let line = place_in_line(&key.id, session.successor_of.as_ref());
        let root = line.as_ref().map(|(root, _)| key.with_id(root.clone()));
        names.extend(root.map(|root| self.keys.session(&root, keys::NEWEST)));
        let mut call = self.scripts.extend.call(&names);
        call.arg(session.id.as_str())
            .arg(millis(ttl))
            .arg(session.created_at.millis())
            .arg(millis(self.limits.session_max_age))
            .arg(millis(self.idle_of(ttl)))
            .arg(self.keys.session(key, keys::IDEM))
            .arg(self.keys.creates_prefix(org))
            .arg(line.map_or_else(|| "-".to_owned(), |(_, number)| number.to_string()))
            .arg(self.keys.index_prefix(org));
        let told = value::number(&self.run(&self.scripts.extend, call).await?)?;
        if told != -2 {
            self.extend_chat(key, ttl).await?;
        }
        match told {
            -1 => Ok(Some(Remaining::Held)),
            left => Ok(u64::try_from(left).ok().map(|left| Remaining::For(Duration::from_millis(left)))),
        }
    }
}
