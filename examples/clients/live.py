"""A conversation over a WebSocket, with `websockets` from PyPI (15 or later); what waits is kept as in `attune.py`, which has to
lie beside this file.

    python3 live.py http://127.0.0.1:8000 my-session            every message once and in order (`attune.v1`)
    python3 live.py http://127.0.0.1:8000 my-session plain      bare text, as older clients speak it (`attune.plain`)

ATTUNE_TOKEN is presented where it is set.
"""

import json
import os
import sys
import urllib.parse

from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.sync.client import connect

from attune import SILENCE_MAX, Again, Attune, Queue, judge, talk

GOING_AWAY = 1001
# The codes that are the protocol's own; for the others 4000 is added to the status.
STATUS_OF_CLOSE = {1002: 400, 1003: 415, 1007: 400, 1008: 429, 1009: 413, 1011: 500}


def address(url, session):
    return f"ws{url.removeprefix('http').rstrip('/')}/ws/chat/?session={urllib.parse.quote(session, safe='')}"


def headers(token):
    return {"Authorization": f"Bearer {token}"} if token else None


class Live(Attune):
    """One session over one connection at a time, which stays between messages. While it waits for an answer `on_other` is told
    what was said over other sockets, that too which was missed while there was no connection."""

    def __init__(self, url, session, queue, token=None, refresh=None, on_other=lambda turn: None):
        super().__init__(url, session, queue, token, refresh)
        self.base, self.on_other, self.connection, self.seen = url, on_other, None, None

    def _send(self, stream):
        message = stream.message
        try:
            if self.connection is None:
                self._connect()
            self.connection.send(json.dumps({"type": "input", "id": message["key"], "text": message["text"]}))
            return self._answer(stream)
        except (WebSocketException, OSError) as fault:
            self.connection = None
            return self._lost(fault)

    def _connect(self):
        self.connection = connect(
            address(self.base, self.session), subprotocols=["attune.v1"], additional_headers=headers(self.token)
        )
        hello = self._hear()
        if self.seen is not None and (hello["turn"] or 0) > self.seen:
            self.connection.send(json.dumps({"type": "resume", "last_turn": self.seen}))
        self.seen = self.seen if self.seen is not None else hello["turn"]

    def _hear(self):
        return json.loads(self.connection.recv(timeout=SILENCE_MAX))

    def _answer(self, stream):
        key = stream.message["key"]
        while True:
            frame = self._hear()
            kind, is_ours = frame.get("type"), frame.get("id") == key
            if kind == "delta" and is_ours:
                stream.on_delta(frame["text"])
            elif kind == "problem" and is_ours:
                judge(frame, frame["status"], frame.get("retry_after"))
            elif kind == "turn" and is_ours:
                self.seen = frame["turn"] or self.seen
                return frame
            elif kind == "turn":
                self._other(frame)
            elif kind == "hello":
                for exchange in frame["missed"]:
                    if exchange["client_input"] != stream.message["text"]:
                        self._other(exchange)

    def _other(self, turn):
        if self.seen is None or turn["turn"] > self.seen:
            self.seen = turn["turn"]
            self.on_other(turn)

    def _lost(self, fault):
        status, after = 503, None
        if isinstance(fault, InvalidStatus):
            status, after = fault.response.status_code, fault.response.headers.get("retry-after")
        elif isinstance(fault, ConnectionClosed) and fault.rcvd is not None:
            code = fault.rcvd.code
            if code == GOING_AWAY:
                # Another server stands where this one is about to stop.
                raise Again(0)
            status = code - 4000 if code >= 4000 else STATUS_OF_CLOSE.get(code, 503)
        if status == 401 and self.refresh:
            self.token = self.refresh()
            raise Again(0)
        judge({"error": "lost"}, status, after)


def plain(url, session, token):
    """Each line is counted first, and answered behind that. Nothing is sent again."""
    where = address(url, session) + "&mode=therapy"
    with connect(where, subprotocols=["attune.plain"], additional_headers=headers(token)) as connection:
        for line in sys.stdin:
            connection.send(line.rstrip("\n"))
            frame = {}
            while frame.get("type") not in ("reply", "problem"):
                frame = json.loads(connection.recv())
                if "count" in frame:
                    print(f"({frame['count']})", flush=True)
            print(frame.get("therapist_response") or frame["message"], flush=True)


def main():
    url, session, *dialect = sys.argv[1:]
    token = os.environ.get("ATTUNE_TOKEN")
    if dialect == ["plain"]:
        return plain(url, session, token)
    queue = Queue(os.environ.get("QUEUE", f"attune-{session}.queue"))
    show = lambda turn: print(f"[{turn['turn']}] {turn['therapist_response']}", flush=True)
    return talk(Live(url, session, queue, token, on_other=show))


if __name__ == "__main__":
    main()
