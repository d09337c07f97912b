"""An app's client of Attune, with the standard library alone: every message once and in order, whatever happens to the
network, the server or the app.

    python3 attune.py http://127.0.0.1:8000 my-session           says each line of standard input
    python3 attune.py http://127.0.0.1:8000 my-session follow    tells what happens, behind the event AFTER where it is set

ATTUNE_TOKEN is presented where it is set: a session token that your own backend has minted. Never ship an API key.

What was written waits in a file until it is answered (`QUEUE`, else `attune-SESSION.queue` in this directory): each message with
a key that is made when it is written, so that however often it is sent it is one turn. The file holds a person's words: it is
its owner's alone, and each line goes when its answer has come.
"""

import contextlib
import http.client
import json
import os
import random
import sys
import time
import urllib.parse
import uuid
from pathlib import Path

PAUSE_FIRST, PAUSE_LONGEST = 0.5, 10.0
# A stream says that it is still there every 15 s.
SILENCE_MAX = 45.0


class Refused(Exception):
    """A message that will not be taken, however often it is sent. `problem` is the body: its `message` is for the person, and
    so are its `resources`, the crisis lines that come with every refusal of an input."""

    def __init__(self, problem):
        super().__init__(problem.get("error", "unknown"))
        self.problem = problem


class Again(Exception):
    """Nobody knows yet: to be sent again, with the same key, after so many seconds where the server says how many."""

    def __init__(self, after=None):
        super().__init__("again")
        self.after = after


class Queue:
    """Messages that wait to be answered, in the order in which they were written."""

    def __init__(self, path):
        self.path = Path(path)
        lines = self.path.read_text("utf-8").splitlines() if self.path.exists() else []
        self.waiting = [json.loads(line) for line in lines if line]

    def add(self, text):
        self.waiting.append({"key": uuid.uuid4().hex, "text": text})
        self._write()

    def answered(self):
        self.waiting.pop(0)
        self._write()

    def _write(self):
        # Whole or not at all: an app may be killed at any moment.
        new = self.path.with_suffix(".new")
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.writelines(json.dumps(message) + "\n" for message in self.waiting)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self.path)


class Attune:
    """One session. `refresh` is asked for another token when the server knows the one at hand no more: your own backend mints
    it."""

    def __init__(self, url, session, queue, token=None, refresh=None):
        self.url = urllib.parse.urlsplit(url)
        self.session, self.queue, self.token, self.refresh = session, queue, token, refresh

    def say(self, text):
        """Writes a message down. It is sent by the next `deliver`."""
        self.queue.add(text)

    def deliver(self, on_delta=lambda text: None):
        """Sends what waits, one after the other, and gives the turn of each. `on_delta` is told each sentence as it comes."""
        while self.queue.waiting:
            try:
                turn = self._deliver(self.queue.waiting[0], on_delta)
            except Refused:
                self.queue.answered()
                raise
            self.session = turn["session_id"]
            # An app that is killed before it was shown is told again.
            yield turn
            self.queue.answered()

    def follow(self, after=None):
        """Gives what happens in the session, each event once and in order: from now on, or behind the event `after`."""
        pause = PAUSE_FIRST
        while True:
            try:
                with self._ask("GET", "events", {"last-event-id": after}) as response:
                    for after, _, event in events(response):
                        pause = PAUSE_FIRST
                        yield event
            except (Again, OSError, http.client.HTTPException):
                pass
            time.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(pause * 2, PAUSE_LONGEST)

    def _deliver(self, message, on_delta):
        pause, stream = PAUSE_FIRST, Stream(message, on_delta)
        while True:
            try:
                return self._send(stream)
            except (Again, OSError, http.client.HTTPException) as fault:
                after = getattr(fault, "after", None)
                # Not all at once, when a server comes back to many.
                time.sleep(after if after is not None else pause * random.uniform(0.5, 1.0))
                pause = min(pause * 2, PAUSE_LONGEST)

    def _send(self, stream):
        headers = {
            "content-type": "application/json",
            "idempotency-key": stream.message["key"],
            "last-event-id": stream.last_id,
        }
        body = json.dumps({"user_input": stream.message["text"]}).encode()
        with self._ask("POST", "input", headers, body) as response:
            return stream.read(response)

    @contextlib.contextmanager
    def _ask(self, method, what, headers, body=None):
        secure = self.url.scheme == "https"
        connect = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = connect(self.url.hostname, self.url.port, timeout=SILENCE_MAX)
        headers = {name: value for name, value in headers.items() if value} | {"accept": "text/event-stream"}
        if self.token:
            headers["authorization"] = f"Bearer {self.token}"
        try:
            path = f"/session/{urllib.parse.quote(self.session, safe='')}/{what}"
            connection.request(method, self.url.path.rstrip("/") + path, body, headers)
            response = connection.getresponse()
            if response.status != 200:
                self._refused(response)
            yield response
        finally:
            connection.close()

    def _refused(self, response):
        problem = json.loads(response.read() or b"{}")
        if response.status == 401 and self.refresh:
            self.token = self.refresh()
            raise Again(0)
        judge(problem, response.status, response.headers.get("retry-after"))


def judge(problem, status, retry_after=None):
    """What can be sent again is; all else is the person's to know."""
    if status in (429, 503) or problem.get("error") in ("busy", "deadline"):
        raise Again(float(retry_after) if retry_after else None)
    raise Refused(problem)


def events(response):
    """Id, name and data of each event of a stream. One that was cut off in the middle is none."""
    fields = {}
    for line in response:
        name, _, value = line.decode("utf-8").rstrip("\r\n").partition(": ")
        if name:
            fields[name] = value
            continue
        if "data" in fields:
            yield fields["id"], fields["event"], json.loads(fields["data"])
        fields = {}


class Stream:
    """What one message is answered with, over as many connections as it takes."""

    def __init__(self, message, on_delta):
        self.message, self.on_delta = message, on_delta
        self.last_id = None

    def read(self, response):
        for self.last_id, event, data in events(response):
            turn = self._hear(event, data)
            if turn is not None:
                return turn
        # It broke off. Whatever became of the turn, the same key tells.
        raise Again()

    def _hear(self, event, data):
        if event == "delta":
            self.on_delta(data["text"])
        elif event == "problem":
            judge(data, data.get("status", 500))
        elif event == "turn":
            return data
        return None


def talk(attune):
    """Says each line of standard input, and prints what comes of it."""
    for line in sys.stdin:
        attune.say(line.rstrip("\n"))
        try:
            for turn in attune.deliver():
                print(f"[{turn['turn']}] {turn['therapist_response']}", flush=True)
        except Refused as refused:
            print(refused.problem.get("message", "It was not taken."), flush=True)
            for line_of_help in refused.problem.get("resources", []):
                print(f"  {line_of_help['name']}: {line_of_help.get('call') or line_of_help.get('chat')}", flush=True)


def main():
    url, session, *follows = sys.argv[1:]
    queue = Queue(os.environ.get("QUEUE", f"attune-{session}.queue"))
    attune = Attune(url, session, queue, os.environ.get("ATTUNE_TOKEN"))
    if follows != ["follow"]:
        return talk(attune)
    for event in attune.follow(os.environ.get("AFTER")):
        print(event["id"], event["event"], event.get("turn", ""), flush=True)


if __name__ == "__main__":
    main()
