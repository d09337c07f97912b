"""The other program: it shares Redis with Attune and knows only the keys and commands that were there before Attune.

It keeps a session's state in a hash, its history in a list and its origin in a second hash, each with the time to live
that it was made with, and writes with plain commands, one after the other. It knows no revision, no lease and no field
that Attune added. The answer is one line of JSON on standard output.

REDIS_URL says where Redis is. SEED_CLOCK, where it is set, is what its clock shows (ISO 8601 without a zone), for a Redis
whose own clock is wound by hand.
"""

import argparse
import json
import os
import sys
from contextlib import contextmanager
from datetime import datetime, timezone

import redis
from redis.lock import Lock

INDEX = "trt:active_sessions"
SESSION_TTL = 86400
HISTORY_KEPT = 50
HISTORY_READ = 10
DAY = 86400
LOCK_TIMEOUT = 10
LOCK_WAIT = 5

NEW_STATE = {
    "current_stage": "stage_1",
    "current_substate": "1.1_goal_and_vision",
    "body_questions_asked": 0,
    "stage_1_completion": {
        "goal_stated": False,
        "vision_accepted": False,
        "problem_identified": False,
        "body_awareness_present": False,
    },
}


class LockedOut(Exception):
    """Somebody else works on the session for longer than this program waits."""


def now():
    shown = os.environ.get("SEED_CLOCK")
    return datetime.fromisoformat(shown) if shown else datetime.now()


def unix_time(moment):
    """A time without a zone is local, as datetime has it; a wound one is UTC, as its Redis has it."""
    if os.environ.get("SEED_CLOCK"):
        moment = moment.replace(tzinfo=timezone.utc)
    return moment.timestamp()


class Sessions:
    """The sessions in Redis, as this program sees them."""

    def __init__(self, url):
        self.redis = redis.from_url(url, decode_responses=True)

    @staticmethod
    def key(session_id, part):
        return f"trt:session:{session_id}:{part}"

    def exists(self, session_id):
        return self.redis.exists(self.key(session_id, "state")) > 0

    def load(self, session_id):
        state = self.redis.hgetall(self.key(session_id, "state"))
        if not state:
            return None
        if "stage_1_completion" in state:
            state["stage_1_completion"] = json.loads(state["stage_1_completion"])
        if "body_questions_asked" in state:
            state["body_questions_asked"] = int(state["body_questions_asked"])
        return state

    def save(self, session_id, state):
        key = self.key(session_id, "state")
        fields = {
            "session_id": session_id,
            "current_stage": state["current_stage"],
            "current_substate": state["current_substate"],
            "body_questions_asked": state["body_questions_asked"],
            "stage_1_completion": json.dumps(state["stage_1_completion"]),
            "last_interaction": now().isoformat(),
        }
        self.redis.hset(key, mapping=fields)
        self.redis.expire(key, SESSION_TTL)
        self.redis.zadd(INDEX, {session_id: unix_time(now())})

    def create(self, session_id):
        """A new session; one that is there stays as it is."""
        if self.exists(session_id):
            return False
        self.save(session_id, NEW_STATE)
        meta = {"created_at": now().isoformat(), "created_via": "input_endpoint"}
        self.redis.hset(self.key(session_id, "meta"), mapping=meta)
        return True

    def add_exchange(self, session_id, exchange):
        key = self.key(session_id, "history")
        self.redis.lpush(key, json.dumps(exchange))
        self.redis.ltrim(key, 0, HISTORY_KEPT - 1)
        self.redis.expire(key, SESSION_TTL)

    def history(self, session_id):
        newest = self.redis.lrange(self.key(session_id, "history"), 0, HISTORY_READ - 1)
        return [json.loads(exchange) for exchange in newest]

    def meta(self, session_id):
        return self.redis.hgetall(self.key(session_id, "meta"))

    def is_listed(self, session_id):
        return self.redis.zscore(INDEX, session_id) is not None

    def list(self):
        loaded = ((session_id, self.load(session_id)) for session_id in self.redis.zrevrange(INDEX, 0, 99))
        shown = ("current_substate", "last_interaction")
        return [
            {"session_id": session_id, **{field: state[field] for field in shown}}
            for session_id, state in loaded
            if state
        ]

    def delete(self, session_id):
        self.redis.delete(*(self.key(session_id, part) for part in ("state", "history", "meta")))
        self.redis.zrem(INDEX, session_id)

    def count(self, session_id, decision):
        """The counter of this minute and the figures of this day. Nothing is refused here."""
        minute = f"trt:ratelimit:{session_id}:{int(unix_time(now()) // 60)}"
        self.redis.incr(minute)
        self.redis.expire(minute, 60)
        day = f"trt:analytics:daily:{now().strftime('%Y-%m-%d')}"
        self.redis.hincrby(day, "total_inputs", 1)
        self.redis.hincrby(day, f"event:{decision}", 1)
        self.redis.expire(day, 30 * DAY)

    @contextmanager
    def locked(self, session_id, wanted):
        if not wanted:
            yield
            return
        lock = Lock(self.redis, f"trt:lock:{session_id}", timeout=LOCK_TIMEOUT)
        if not lock.acquire(blocking=True, blocking_timeout=LOCK_WAIT):
            raise LockedOut
        try:
            yield
        finally:
            lock.release()


def take_turn(sessions, session_id, change, with_lock):
    """One input as the program's endpoint handles it: load, change, save, remember the exchange."""
    with sessions.locked(session_id, with_lock):
        sessions.create(session_id)
        state = sessions.load(session_id)
        change(state)
        sessions.save(session_id, state)
        decision = "body_location"
        exchange = {
            "timestamp": now().isoformat(),
            "client_input": "There is a weight on my shoulders",
            "therapist_response": "Which shoulder carries more of it?",
            "navigation_decision": decision,
        }
        sessions.add_exchange(session_id, exchange)
        sessions.count(session_id, decision)


def take_turns(sessions, given, count, change):
    """How many turns were written, and whether the lock was in the way of the others."""
    for written in range(count):
        try:
            take_turn(sessions, given.id, change, given.lock)
        except LockedOut:
            return {"written": written, "locked_out": True}
    return {"written": count, "locked_out": False}


def read(sessions, given):
    return {
        "state": sessions.load(given.id),
        "history": sessions.history(given.id),
        "meta": sessions.meta(given.id),
        "listed": sessions.is_listed(given.id),
    }


def write(sessions, given):
    asked = {
        "current_substate": given.substate,
        "body_questions_asked": given.body,
        "stage_1_completion": given.completion,
    }
    asked = {field: value for field, value in asked.items() if value is not None}
    return take_turns(sessions, given, given.turns, lambda state: state.update(asked))


def hammer(sessions, given):
    """Each write counts one body question more, so that a lost one can be told."""

    def change(state):
        state["body_questions_asked"] += 1

    return take_turns(sessions, given, given.count, change)


def create(sessions, given):
    return {"created": sessions.create(given.id)}


def list_all(sessions, _given):
    rows = sessions.list()
    return {"total_sessions": len(rows), "sessions": rows}


def delete(sessions, given):
    sessions.delete(given.id)
    return {"deleted": given.id}


def arguments():
    parser = argparse.ArgumentParser(description="A program that shares Redis with Attune.")
    commands = parser.add_subparsers(required=True)
    for name, run in (("read", read), ("create", create), ("delete", delete), ("write", write), ("hammer", hammer)):
        command = commands.add_parser(name)
        command.add_argument("id")
        command.set_defaults(run=run)
        if run in (write, hammer):
            command.add_argument("--lock", action="store_true")
        if run is write:
            command.add_argument("--substate")
            command.add_argument("--body", type=int)
            command.add_argument("--completion", type=json.loads)
            command.add_argument("--turns", type=int, default=1)
        if run is hammer:
            command.add_argument("--count", type=int, required=True)
    commands.add_parser("list").set_defaults(run=list_all)
    return parser.parse_args()


def main():
    given = arguments()
    sessions = Sessions(os.environ.get("REDIS_URL", "redis://localhost:6379"))
    try:
        print(json.dumps(given.run(sessions, given)))
    except Exception as error:
        # Its message might quote what a person wrote.
        sys.exit(f"{type(error).__module__}.{type(error).__name__}")


if __name__ == "__main__":
    main()
