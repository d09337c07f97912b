/**
 * An app's client of Attune: every message once and in order, every reply shown once, whatever happens to the network, the
 * server or the app. One file without a dependency, for browsers and Node 20 or later; copy it.
 *
 *     const attune = new Attune({ url, session, store: local("attune"), on: { reply: show, resources: showLines } });
 *     await attune.say("I want to feel calm");
 *
 * What was written waits in a store until it is answered, with a key that is made when it is written: however often it is
 * sent, it is one turn. The store holds a person's words; each goes when its answer has come. One store for each session, and
 * one client on it at a time.
 *
 * Never ship an API key: your own backend mints session tokens, and `token` fetches them.
 */

export type Level = "none" | "elevated" | "high" | "crisis";

/** A place where people in danger are listened to. */
export interface Resource {
  name: string;
  call: string | null;
  text: string | null;
  chat: string | null;
  hours: string;
  country: string;
}

/** A reply, wherever it was asked for. */
export interface Reply {
  session: string;
  /** Counts from 1 in a session; null where danger could not wait for the store. */
  turn: number | null;
  /** The message that it answers, where this client sent it. */
  key: string | null;
  said: string;
  text: string;
  level: Level;
  resources: Resource[];
  /** That this is an AI, where it has to be told now. */
  disclosure: string | null;
}

/** A refusal. Decide by `error`; `message` may be shown. */
export interface Problem {
  error: string;
  status: number;
  message: string;
  resources?: Resource[];
  retry_after?: number;
}

export interface Message {
  key: string;
  text: string;
}

/** What happened in a session, without a word of it. */
export interface SessionEvent {
  id: string;
  event: string;
  at: string;
  session_id: string;
  turn?: number;
  status?: string;
  safety_level?: Level;
}

/** What the app does. Only these are called, and never two replies at once. */
export interface Handlers {
  /**
   * Shows a reply. Each comes once, in the order of turns, those to other devices of the person too; a device that joins is
   * told the latest 50. It is waited for: an app that was killed in the middle of it is told the same `turn` again.
   */
  reply(reply: Reply): void | Promise<void>;
  /** Shows crisis lines, now: they come with replies, with refusals, and when nobody can be reached. */
  resources(lines: Resource[]): void;
  /** Everything that was said so far of the reply to a message. It may begin anew, and is no reply yet. */
  part?(text: string, key: string): void;
  /**
   * It was not taken. Where it `waits` it is sent again when the app has done what is missing (consent, a login) and calls
   * `wake`; else it is the person's again. Without a message it is the connection that was refused.
   */
  refused?(problem: Problem, message: Message | null, waits: boolean): void;
  status?(status: "connecting" | "open" | "closed"): void;
  /** Another frame of a socket: `typing`, `paused`, `broadcast`. */
  frame?(frame: Frame): void;
}

export interface Options {
  url: string;
  session: string;
  on: Handlers;
  /** Where what waits is kept. By default in memory, so that it ends with the app. */
  store?: Store;
  /** How messages are sent. Stay with one for a session: a key counts within its way. */
  over?: "http" | "sse" | "socket";
  /** Fetches a session token from your backend: at first, and whenever the server knows the one at hand no more. */
  token?: () => Promise<string>;
  /** Fetches a ticket for a socket. By default it is minted with the token. */
  ticket?: () => Promise<string>;
  fetch?: typeof globalThis.fetch;
  WebSocket?: typeof globalThis.WebSocket;
}

/** Keeps one text. */
export interface Store {
  load(): string | null | Promise<string | null>;
  save(text: string): void | Promise<void>;
}

export function memory(): Store {
  let kept: string | null = null;
  return { load: () => kept, save: (text) => void (kept = text) };
}

export function local(name: string, storage: Storage = globalThis.localStorage): Store {
  return { load: () => storage.getItem(name), save: (text) => storage.setItem(name, text) };
}

/** What it needs of `node:fs/promises`. */
export interface Files {
  readFile(path: string, encoding: "utf8"): Promise<string>;
  writeFile(path: string, text: string, options: { mode: number; flush: boolean }): Promise<void>;
  rename(from: string, to: string): Promise<void>;
}

export function file(fs: Files, path: string): Store {
  return {
    load: () =>
      fs.readFile(path, "utf8").catch((fault: { code?: string }) => {
        if (fault.code === "ENOENT") return null;
        throw fault;
      }),
    // Whole or not at all: an app may be killed at any moment.
    save: async (text) => {
      await fs.writeFile(`${path}.new`, text, { mode: 0o600, flush: true });
      await fs.rename(`${path}.new`, path);
    },
  };
}

const PAUSE_FIRST_MS = 500;
const PAUSE_LONGEST_MS = 10_000;
/** Streams say every 15 s that they stand, sockets every 30 s. */
const SILENCE_MAX_MS = 45_000;
const PING_AFTER_MS = 20_000;
const HISTORY_LIMIT = 50;

/** How long to wait before try `n`: not all at once, when a server comes back to many. */
const pause = (n: number) => Math.min(PAUSE_FIRST_MS * 2 ** n, PAUSE_LONGEST_MS) * (0.5 + Math.random() / 2);

/** To be sent again, with the same key. Without a problem nobody has answered. */
class Again extends Error {
  readonly problem: Problem | undefined;
  constructor(problem?: Problem) {
    super("again");
    this.problem = problem;
  }
}

/** Will not be taken as it is, however often it is sent. */
class Refused extends Error {
  readonly problem: Problem;
  constructor(problem: Problem) {
    super(problem.error);
    this.problem = problem;
  }
}

const faultOf = (problem: Problem) => {
  const { status, error } = problem;
  const again = status === 408 || status === 429 || status >= 500 || error === "busy";
  return again ? new Again(problem) : new Refused(problem);
};

/** What the app or the person can do something about. */
const isMendable = ({ status }: Problem) => status === 401 || status === 403 || status === 428;

/** Waits until it is rung, or for so long. A ring while nobody waits is kept. */
class Bell {
  #isRung = false;
  #wake = () => {};

  ring() {
    this.#isRung = true;
    this.#wake();
  }

  async wait(ms?: number) {
    if (!this.#isRung) {
      await new Promise<void>((resolve) => {
        const timer = ms === undefined ? undefined : setTimeout(resolve, ms);
        this.#wake = () => (clearTimeout(timer), resolve());
      });
    }
    this.#isRung = false;
  }
}

/** What outlives the app. */
interface State {
  session: string;
  /** The last turn that was shown. */
  turn: number;
  /** The last event that was heard. */
  event: string | null;
  /** Crisis lines for when nobody can be reached. */
  lines: Resource[];
  waiting: Message[];
}

/** One session. */
export class Attune {
  readonly #on: Handlers;
  readonly #store: Store;
  readonly #http: Http;
  readonly #way: Way;
  readonly #bell = new Bell();
  readonly #following = new Bell();
  readonly #loaded: Promise<void>;
  #state: State;
  #saving: Promise<void> = Promise.resolve();
  #showing: Promise<void> = Promise.resolve();
  #status: "connecting" | "open" | "closed" | undefined;
  #isClosed = false;
  #isSending = false;
  /** The latest turn that was heard of. */
  #latest = 0;
  /** Messages that a server has put off, and why; and those for which it is known that none answers. */
  readonly #putOff = new Map<string, string>();
  readonly #unreached = new Set<string>();
  /** Replies that were shown without a number. */
  readonly #unnumbered = new Set<string>();

  constructor(options: Options) {
    this.#on = options.on;
    this.#store = options.store ?? memory();
    this.#state = { session: options.session, turn: 0, event: null, lines: [], waiting: [] };
    const part = (text: string, key: string) => this.#on.part?.(text, key);
    const session = () => this.#state.session;
    this.#http = new Http(options, session, part);
    this.#way = options.over === "socket" ? new Socket(options, this.#http, session, this.#hooks(part)) : this.#http;
    this.#loaded = this.#load();
    // Who says something is told where nothing can be loaded.
    this.#deliver().catch(() => {});
  }

  /** Writes a message down, and sends it after those before it. Gives its key once it is written. */
  async say(text: string): Promise<string> {
    await this.#loaded;
    const message = { key: newKey(), text };
    this.#state.waiting.push(message);
    try {
      await this.#save();
    } catch (fault) {
      this.#drop(message.key);
      throw fault;
    }
    this.wake();
    return message.key;
  }

  /** Messages that are not answered yet. */
  async waiting(): Promise<Message[]> {
    await this.#loaded;
    return [...this.#state.waiting];
  }

  /** Tries again now: the network is back, the person has consented or logged in. */
  wake() {
    this.#bell.ring();
    this.#following.ring();
    this.#way.wake();
  }

  /** Ends the reply that is being written, with what it has said. */
  async stop(): Promise<void> {
    await this.#way.stop();
  }

  /** Lets go of everything. What waits stays in the store. */
  close() {
    this.#isClosed = true;
    this.#way.close();
    this.#http.close();
    this.#bell.ring();
    this.#following.ring();
  }

  /**
   * Hears of everything that happens in the session, and shows what is answered on other devices, until `close`. Goes on behind
   * the last event that was heard. A socket hears what is said over other sockets without it.
   */
  async follow(heard: (event: SessionEvent) => void | Promise<void> = () => {}): Promise<void> {
    await this.#loaded;
    for (let tries = 0; !this.#isClosed; tries += 1) {
      try {
        const stream = await this.#http.follow(this.#state.event);
        await this.#hearOf(Infinity);
        for await (const { id, data } of stream) {
          tries = 0;
          const event = JSON.parse(data) as SessionEvent;
          if (event.event === "reply_ready") await this.#hearOf(event.turn ?? 0);
          await heard(event);
          this.#state.event = id;
          await this.#save();
        }
      } catch (fault) {
        // Before its first turn there is no session to follow.
        const isEarly = this.#state.turn === 0 && fault instanceof Refused && fault.problem.status === 404;
        if (fault instanceof Refused && !isEarly) return this.#on.refused?.(fault.problem, null, false);
      }
      if (!this.#isClosed) await this.#following.wait(pause(tries));
    }
  }

  async #load() {
    const kept = await this.#store.load();
    if (kept !== null) this.#state = { ...this.#state, ...(JSON.parse(kept) as Partial<State>) };
  }

  #save(): Promise<void> {
    const save = async () => this.#store.save(JSON.stringify(this.#state));
    this.#saving = this.#saving.catch(() => {}).then(save);
    return this.#saving;
  }

  async #deliver() {
    await this.#loaded;
    this.#way.begin();
    void this.#fetchLines();
    for (let tries = 0; !this.#isClosed; ) {
      const wait = await this.#pass().catch(() => "again" as const);
      tries = wait === "again" ? tries + 1 : 0;
      await this.#bell.wait(wait === "again" ? pause(tries - 1) : wait);
    }
  }

  /**
   * Sends what waits, one after the other. What a server puts off stays where it is, and whatever is new behind it is sent once
   * all the same: it may be danger, which is never put off. How long to wait before the next pass, or for the bell.
   */
  async #pass(): Promise<number | "again" | undefined> {
    let wait: number | "again" | undefined;
    let isBlocked = false;
    for (const message of [...this.#state.waiting]) {
      if (this.#isClosed) return;
      if (isBlocked && this.#putOff.has(message.key)) continue;
      const fault = await this.#send(message);
      if (fault === null) continue;
      if (fault instanceof Refused) {
        isBlocked = (await this.#refused(fault.problem, message)) || isBlocked;
        continue;
      }
      if (!(fault instanceof Again) || fault.problem === undefined) return this.#unreachable();
      if (this.#isNews(fault.problem, message)) this.#hand(fault.problem.resources ?? this.#state.lines);
      isBlocked = true;
      const after = fault.problem.retry_after;
      wait ??= after === undefined ? "again" : after * 1_000;
    }
    await this.#catchUp();
    return wait;
  }

  async #send(message: Message): Promise<unknown> {
    this.#isSending = true;
    try {
      const turn = await this.#way.send(message);
      this.#tellStatus("open");
      await this.#show(turn, message.key);
      return null;
    } catch (fault) {
      return fault;
    } finally {
      this.#isSending = false;
    }
  }

  /** Nobody can be reached: so the person should know who else listens. */
  #unreachable(): "again" | undefined {
    if (this.#isClosed) return undefined;
    this.#tellStatus("closed");
    const news = this.#state.waiting.filter(({ key }) => !this.#unreached.has(key));
    for (const { key } of news) this.#unreached.add(key);
    if (news.length > 0) this.#hand(this.#state.lines);
    return "again";
  }

  /** Whether the message stays. */
  async #refused(problem: Problem, message: Message): Promise<boolean> {
    const waits = isMendable(problem);
    if (!waits) this.#drop(message.key);
    await this.#save();
    if (this.#isNews(problem, message)) {
      this.#hand(problem.resources ?? this.#state.lines);
      this.#on.refused?.(problem, message, waits);
    }
    return waits;
  }

  /** Whether a message was not put off for this before. */
  #isNews({ error }: Problem, { key }: Message): boolean {
    const isNews = this.#putOff.get(key) !== error;
    this.#putOff.set(key, error);
    return isNews;
  }

  #drop(answered: string | null) {
    this.#state.waiting = this.#state.waiting.filter(({ key }) => key !== answered);
  }

  #tellStatus(status: "connecting" | "open" | "closed") {
    if (status !== this.#status) this.#on.status?.(status);
    this.#status = status;
  }

  #hand(lines: Resource[] | undefined) {
    if (lines !== undefined && lines.length > 0) this.#on.resources(lines);
  }

  async #fetchLines() {
    const fetched = await this.#http.read<{ resources: Resource[] }>("/resources").catch(() => null);
    if (fetched === null) return;
    this.#state.lines = fetched.resources;
    await this.#save();
  }

  /** One after the other. */
  #inOrder(show: () => Promise<void>): Promise<void> {
    this.#showing = this.#showing.catch(() => {}).then(show);
    return this.#showing;
  }

  #show(turn: Turn, key: string | null): Promise<void> {
    return this.#inOrder(async () => {
      if (turn.session_id !== this.#state.session) {
        // The session had expired; this is the first turn of the one that goes on for it.
        this.#state.session = turn.session_id;
        this.#state.turn = 0;
        this.#http.close();
        this.#way.wake();
      }
      if (turn.turn !== null && turn.turn > this.#state.turn + 1) await this.#fill(turn.turn);
      await this.#tell(replyOf(turn, key));
    });
  }

  /** Tells a reply that was not told yet. What is kept of it afterwards is its number. */
  async #tell(reply: Reply) {
    this.#hand(reply.resources);
    const words = `${reply.said}\n${reply.text}`;
    const isKnown = reply.turn !== null && (reply.turn <= this.#state.turn || this.#unnumbered.delete(words));
    if (!isKnown) await this.#on.reply(reply);
    if (reply.turn === null) this.#unnumbered.add(words);
    if (this.#state.turn === 0) this.#following.ring();
    this.#state.turn = Math.max(this.#state.turn, reply.turn ?? 0);
    this.#drop(reply.key);
    await this.#save();
  }

  /** Somebody was answered. While a message of ours is on its way that may be its own answer, which is told first. */
  async #hearOf(turn: number) {
    this.#latest = Math.max(this.#latest, turn);
    if (!this.#isSending) await this.#catchUp();
  }

  #catchUp(): Promise<void> {
    return this.#inOrder(async () => {
      const latest = this.#latest;
      if (latest <= this.#state.turn) return;
      // What is heard of from here on may be behind what is asked for now.
      this.#latest = 0;
      await this.#fill().catch((fault: unknown) => {
        this.#latest = latest;
        throw fault;
      });
    });
  }

  /** Tells what was answered elsewhere, up to a turn. */
  async #fill(before?: number) {
    const bound = before === undefined ? "" : `&before=${before}`;
    const asking = this.#http.read<{ exchanges: Exchange[] }>(this.#http.path(`/history?limit=${HISTORY_LIMIT}${bound}`));
    const { exchanges } = await asking.catch((fault: unknown) => {
      if (!(fault instanceof Refused)) throw fault;
      // There is no session yet.
      if (fault.problem.status === 404) return { exchanges: [] };
      throw new Again(fault.problem);
    });
    await this.#tellMissed(exchanges.reverse());
  }

  async #tellMissed(exchanges: Exchange[]) {
    for (const exchange of exchanges.filter(({ turn }) => turn > this.#state.turn)) {
      const lines = exchange.told?.resources ? await this.#linesOf(exchange.turn) : [];
      await this.#tell(replyOfExchange(exchange, this.#state.session, lines));
    }
  }

  async #linesOf(turn: number): Promise<Resource[]> {
    const told = await this.#http.read<Partial<Turn>>(this.#http.path(`/turn/${turn}`)).catch(() => null);
    return told?.safety?.resources ?? this.#state.lines;
  }

  #hooks(part: (text: string, key: string) => void): Hooks {
    return {
      part,
      seen: () => this.#state.turn,
      status: (status) => {
        this.#tellStatus(status);
        if (status === "open") this.#bell.ring();
      },
      // While one of ours is on its way, what others were answered is told behind it.
      turn: (turn) => (this.#isSending ? this.#hearOf(turn.turn ?? 0) : this.#show(turn, null)),
      missed: (exchanges) =>
        this.#isSending ? this.#hearOf(exchanges.at(-1)?.turn ?? 0) : this.#inOrder(() => this.#tellMissed(exchanges)),
      refused: (problem) => {
        this.#hand(problem.resources ?? this.#state.lines);
        this.#on.refused?.(problem, null, true);
      },
      frame: (frame) => this.#on.frame?.(frame),
    };
  }
}

/** A turn as it is answered. It has more members: docs/api.md. */
interface Turn {
  turn: number | null;
  session_id: string;
  therapist_response: string;
  preprocessing: { original_input: string };
  safety: { level: Level; resources: Resource[] };
  disclosure: { text: string } | null;
}

/** A turn as the history has it. */
interface Exchange {
  turn: number;
  client_input: string;
  therapist_response: string;
  safety_level: Level;
  told?: { resources?: boolean; disclosure?: { text: string } };
}

const replyOf = (turn: Turn, key: string | null): Reply => ({
  session: turn.session_id,
  turn: turn.turn,
  key,
  said: turn.preprocessing.original_input,
  text: turn.therapist_response,
  level: turn.safety.level,
  resources: turn.safety.resources,
  disclosure: turn.disclosure?.text ?? null,
});

const replyOfExchange = (exchange: Exchange, session: string, resources: Resource[]): Reply => ({
  session,
  turn: exchange.turn,
  key: null,
  said: exchange.client_input,
  text: exchange.therapist_response,
  level: exchange.safety_level,
  resources,
  disclosure: exchange.told?.disclosure?.text ?? null,
});

const newKey = () =>
  [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");

/** A way to send messages. */
interface Way {
  /** Its turn; else `Again`, `Refused`, or whatever breaks a network. */
  send(message: Message): Promise<Turn>;
  begin(): void;
  stop(): Promise<void>;
  wake(): void;
  close(): void;
}

/** What was heard of a reply, over as many connections as it takes. */
class Hearing {
  readonly key: string;
  text = "";
  turn = 0;
  seq = 0;
  constructor(key: string) {
    this.key = key;
  }

  /** A part that does not go on behind the last one begins anew: its turn was run again. */
  add(turn: number, seq: number, text: string) {
    const goesOn = turn === this.turn && seq > this.seq;
    this.text = goesOn ? this.text + text : text;
    [this.turn, this.seq] = [turn, seq];
  }
}

/** Gives up a connection on which nothing is heard any more. */
class Patience {
  readonly #controller = new AbortController();
  readonly signal = this.#controller.signal;
  readonly #ended: (patience: Patience) => void;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(ended: (patience: Patience) => void) {
    this.#ended = ended;
    this.heard();
  }

  /** A sign of life. */
  heard() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#controller.abort(), SILENCE_MAX_MS);
  }

  end() {
    clearTimeout(this.#timer);
    this.#controller.abort();
    this.#ended(this);
  }
}

interface ServerEvent {
  id: string;
  name: string;
  data: string;
}

/** The events of a stream. One that was cut off in the middle is none. */
async function* eventsOf(response: Response, patience: Patience): AsyncGenerator<ServerEvent> {
  const reader = response.body!.getReader();
  const decoder = new TextDecoder();
  try {
    for (let rest = ""; ; ) {
      const { done, value } = await reader.read();
      if (done) return;
      patience.heard();
      const blocks = (rest + decoder.decode(value, { stream: true })).split("\n\n");
      rest = blocks.pop()!;
      for (const block of blocks) {
        const fields = new Map(block.split("\n").map((line) => line.split(/: (.*)/s, 2) as [string, string]));
        const [id, name, data] = [fields.get("id"), fields.get("event"), fields.get("data")];
        if (id !== undefined && name !== undefined && data !== undefined) yield { id, name, data };
      }
    }
  } finally {
    patience.end();
  }
}

/** The problem in an answer, or in that of something that stands before the server. */
async function problemOf(response: Response): Promise<Problem> {
  const body = (await response.json().catch(() => ({}))) as Partial<Problem>;
  const after = Number(response.headers.get("retry-after") ?? NaN);
  const problem = { error: "unknown", message: "Something went wrong.", ...body, status: response.status };
  return Number.isNaN(after) ? problem : { ...problem, retry_after: after };
}

/** Requests, and replies as answers or as streams of events. */
class Http implements Way {
  readonly #options: Options;
  readonly #session: () => string;
  readonly #part: (text: string, key: string) => void;
  readonly #open = new Set<Patience>();
  #token: string | undefined;
  #hearing = new Hearing("");

  constructor(options: Options, session: () => string, part: (text: string, key: string) => void) {
    [this.#options, this.#session, this.#part] = [options, session, part];
  }

  async send({ key, text }: Message): Promise<Turn> {
    if (this.#hearing.key !== key) this.#hearing = new Hearing(key);
    const hearing = this.#hearing;
    const headers: Record<string, string> = { "content-type": "application/json", "idempotency-key": key };
    const init = { method: "POST", headers, body: JSON.stringify({ user_input: text }) };
    if (this.#options.over !== "sse") return this.read<Turn>(this.path("/input"), init);
    headers["accept"] = "text/event-stream";
    if (hearing.seq > 0) headers["last-event-id"] = `${hearing.turn}.${hearing.seq}`;
    for await (const { id, name, data } of await this.#events(this.path("/input"), init)) {
      if (name === "turn") return JSON.parse(data) as Turn;
      if (name === "problem") throw faultOf(JSON.parse(data) as Problem);
      const [turn = 0, seq = 0] = id.split(".").map(Number);
      hearing.add(turn, seq, (JSON.parse(data) as { text: string }).text);
      this.#part(hearing.text, key);
    }
    // It broke off. Whatever became of the turn, the same key tells.
    throw new Again();
  }

  async stop() {
    await this.read(this.path("/turn"), { method: "DELETE" });
  }

  begin() {}

  wake() {}

  /** Breaks off whatever is on its way. */
  close() {
    for (const patience of this.#open) patience.end();
  }

  /** A path of the session. */
  path = (rest: string) => `/session/${encodeURIComponent(this.#session())}${rest}`;

  async read<Body>(path: string, init: RequestInit = {}): Promise<Body> {
    const { response, patience } = await this.#ask(path, init);
    try {
      return (await response.json()) as Body;
    } finally {
      patience.end();
    }
  }

  /** What happens in the session, behind the last event that was heard. It is listened for once this is there. */
  follow(last: string | null): Promise<AsyncGenerator<ServerEvent>> {
    return this.#events(this.path("/events"), { headers: last === null ? {} : { "last-event-id": last } });
  }

  async #events(path: string, init: RequestInit): Promise<AsyncGenerator<ServerEvent>> {
    const { response, patience } = await this.#ask(path, init);
    return eventsOf(response, patience);
  }

  async #ask(path: string, init: RequestInit, isSecond = false): Promise<{ response: Response; patience: Patience }> {
    this.#token ??= await this.#options.token?.();
    const headers = new Headers(init.headers);
    if (this.#token !== undefined) headers.set("authorization", `Bearer ${this.#token}`);
    const fetch = this.#options.fetch ?? globalThis.fetch.bind(globalThis);
    const patience = new Patience((ended) => this.#open.delete(ended));
    this.#open.add(patience);
    const url = `${this.#options.url.replace(/\/+$/, "")}/api/v1${path}`;
    const asking = fetch(url, { ...init, headers, signal: patience.signal });
    const response = await asking.catch((fault: unknown) => {
      patience.end();
      throw fault;
    });
    if (response.ok) return { response, patience };
    const problem = await problemOf(response);
    patience.end();
    if (problem.status !== 401 || this.#options.token === undefined || isSecond) throw faultOf(problem);
    this.#token = undefined;
    return this.#ask(path, init, true);
  }
}

/** What a socket is told of the client, and tells it. */
interface Hooks {
  seen(): number;
  part(text: string, key: string): void;
  status(status: "connecting" | "open" | "closed"): void;
  turn(turn: Turn): Promise<void>;
  missed(exchanges: Exchange[]): Promise<void>;
  refused(problem: Problem): void;
  frame(frame: Frame): void;
}

/** A frame of a socket. What it holds depends on its type: docs/live.md. */
export interface Frame {
  type?: string;
  [member: string]: unknown;
}

type Incoming =
  | { type: "hello"; turn: number | null; missed: Exchange[] }
  | { type: "delta"; id: string | null; turn: number; seq: number; text: string }
  | ({ type: "turn"; id?: string } & Turn)
  | ({ type: "problem"; id?: string; close: number } & Problem)
  | { type: "typing" | "paused" | "broadcast" }
  | { type: "accepted" | "pong" | "bye" };

/** How a connection ended. */
interface End {
  code: number;
  problem: Problem;
}

/** The problems of the close codes that are the protocol's own; for the others 4000 is added to the status. */
const STATUS_OF_CLOSE: Record<number, number> = { 1002: 400, 1003: 415, 1007: 400, 1008: 429, 1009: 413, 1011: 500 };

const GOING_AWAY = 1001;
const BROKEN_OFF = 1006;

const endOf = (code: number, reason = "", told: (Problem & { close: number }) | null = null): End => {
  if (told?.close === code) return { code, problem: told };
  const status = code >= 4_000 ? code - 4_000 : (STATUS_OF_CLOSE[code] ?? 503);
  return { code, problem: { error: reason || "lost", status, message: "Something went wrong." } };
};

/** A WebSocket in the dialect `attune.v1`, and another one whenever it ends. */
class Socket implements Way {
  readonly #options: Options;
  readonly #http: Http;
  readonly #session: () => string;
  readonly #hooks: Hooks;
  readonly #bell = new Bell();
  #wire: WebSocket | null = null;
  /** The session that it is connected for. */
  #at = "";
  /** The connection once it stands. */
  #greeted: Promise<WebSocket> = Promise.reject(new Again());
  #asked: { hearing: Hearing; resolve: (turn: Turn) => void; reject: (fault: Error) => void } | null = null;
  #isClosed = false;

  constructor(options: Options, http: Http, session: () => string, hooks: Hooks) {
    [this.#options, this.#http, this.#session, this.#hooks] = [options, http, session, hooks];
    this.#greeted.catch(() => {});
  }

  async send({ key, text }: Message): Promise<Turn> {
    const wire = await this.#greeted;
    return new Promise((resolve, reject) => {
      this.#asked = { hearing: new Hearing(key), resolve, reject };
      say(wire, { type: "input", id: key, text });
    });
  }

  async stop() {
    say(await this.#greeted, { type: "stop" });
  }

  begin() {
    void this.#run();
  }

  wake() {
    this.#bell.ring();
    if (this.#at !== this.#session()) this.#wire?.close();
  }

  close() {
    this.#isClosed = true;
    this.#wire?.close();
    this.#bell.ring();
  }

  async #run() {
    for (let tries = 0; !this.#isClosed; tries += 1) {
      this.#hooks.status("connecting");
      let isGreeted = false;
      const { code, problem } = await this.#connection(() => (isGreeted = true));
      if (this.#isClosed) return this.#asked?.reject(new Again());
      this.#hooks.status("closed");
      if (isGreeted) tries = 0;
      // Another server stands where this one is about to stop.
      const isElsewhere = isGreeted && code === GOING_AWAY;
      await this.#bell.wait(this.#takeEnd(problem, isGreeted) ? (isElsewhere ? 0 : pause(tries)) : undefined);
    }
  }

  /** Whether it is worth another try. */
  #takeEnd(problem: Problem, isGreeted: boolean): boolean {
    const asked = this.#asked;
    this.#asked = null;
    // A credential that ended is fetched anew.
    const isStale = problem.status === 401 && isGreeted && this.#mint() !== undefined;
    const fault = isStale ? new Again() : faultOf(problem);
    asked?.reject(fault instanceof Again ? new Again() : fault);
    if (fault instanceof Again) return true;
    if (asked === null) this.#hooks.refused(problem);
    // What was wrong with a message goes with it.
    return asked !== null && !isMendable(problem);
  }

  #mint(): (() => Promise<string>) | undefined {
    const { ticket, token } = this.#options;
    if (ticket !== undefined || token === undefined) return ticket;
    return async () => (await this.#http.read<{ ticket: string }>(this.#http.path("/ticket"), { method: "POST" })).ticket;
  }

  /** One connection, to its end. */
  async #connection(greeted: () => void): Promise<End> {
    let greet = (_wire: WebSocket) => {};
    let fail = (_fault: Again) => {};
    this.#greeted = new Promise((resolve, reject) => ([greet, fail] = [resolve, reject]));
    this.#greeted.catch(() => {});
    try {
      this.#at = this.#session();
      const ticket = await this.#mint()?.();
      if (this.#isClosed) return endOf(BROKEN_OFF);
      const url = `${this.#options.url.replace(/^http/, "ws").replace(/\/+$/, "")}/ws/chat/`;
      const offers = ["attune.v1", ...(ticket === undefined ? [] : [`ticket.${ticket}`])];
      const Wire = this.#options.WebSocket ?? globalThis.WebSocket;
      const wire = new Wire(`${url}?session=${encodeURIComponent(this.#at)}`, offers);
      this.#wire = wire;
      return await this.#listen(wire, () => (greeted(), greet(wire), this.#hooks.status("open")));
    } catch (fault) {
      return fault instanceof Refused ? { code: BROKEN_OFF, problem: fault.problem } : endOf(BROKEN_OFF);
    } finally {
      fail(new Again());
      // Until there is another, nothing is sent.
      this.#greeted = Promise.reject(new Again());
      this.#greeted.catch(() => {});
    }
  }

  #listen(wire: WebSocket, greet: () => void): Promise<End> {
    return new Promise((resolve) => {
      let told: (Problem & { close: number }) | null = null;
      let isGreeted = false;
      let timer: ReturnType<typeof setTimeout>;
      const end = (code: number, reason = "") => {
        clearTimeout(timer);
        wire.onmessage = wire.onclose = wire.onerror = null;
        wire.close();
        resolve(endOf(code, reason, told));
      };
      // A network that is gone says nothing: who hears nothing asks once.
      const alive = () => {
        clearTimeout(timer);
        timer = setTimeout(() => {
          if (isGreeted) say(wire, { type: "ping" });
          timer = setTimeout(() => end(BROKEN_OFF), SILENCE_MAX_MS - PING_AFTER_MS);
        }, PING_AFTER_MS);
      };
      alive();
      wire.onmessage = ({ data }) => {
        alive();
        const frame = JSON.parse(data as string) as Incoming;
        if (frame.type === "problem" && frame.id === undefined) told = frame;
        else this.#hear(wire, frame, isGreeted).catch(() => wire.close());
        if (frame.type !== "hello" || isGreeted) return;
        isGreeted = true;
        greet();
      };
      wire.onclose = ({ code, reason }) => end(code, reason);
      // Where no connection came about, this may be all that is told.
      wire.onerror = () => setTimeout(() => end(BROKEN_OFF));
    });
  }

  async #hear(wire: WebSocket, frame: Incoming, isGreeted: boolean): Promise<void> {
    const asked = this.#asked;
    const isOurs = asked !== null && "id" in frame && frame.id === asked.hearing.key;
    switch (frame.type) {
      case "hello":
        if (isGreeted) return this.#hooks.missed(frame.missed);
        if ((frame.turn ?? 0) > this.#hooks.seen()) say(wire, { type: "resume", last_turn: this.#hooks.seen() });
        return;
      case "delta":
        if (!isOurs) return;
        asked.hearing.add(frame.turn, frame.seq, frame.text);
        return this.#hooks.part(asked.hearing.text, asked.hearing.key);
      case "turn":
        if (!isOurs) return this.#hooks.turn(frame);
        this.#asked = null;
        return asked.resolve(frame);
      case "problem":
        if (isOurs) this.#asked = null;
        return isOurs ? asked.reject(faultOf(frame)) : undefined;
      case "typing":
      case "paused":
      case "broadcast":
        return this.#hooks.frame(frame as Frame);
      case "accepted":
      case "pong":
      case "bye":
        return;
    }
  }
}

const say = (wire: WebSocket, frame: Frame) => wire.send(JSON.stringify(frame));
