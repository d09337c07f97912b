/**
 * A conversation in a terminal, to try `attune.ts` with Node:
 *
 *     talk.ts http://127.0.0.1:8000 my-session [http | sse | socket | follow]
 *
 * Says each line of standard input, and shows each reply; `follow` says nothing, and shows what happens too. What waits is in
 * `attune-SESSION.json` in this directory. ATTUNE_TOKEN is presented where it is set.
 */

import * as fs from "node:fs/promises";
import process from "node:process";
import { createInterface } from "node:readline";

import { Attune, file, type Options } from "./attune.ts";

const [url = "http://127.0.0.1:8000", session = "my-session", over = "sse"] = process.argv.slice(2);
const token = process.env.ATTUNE_TOKEN;
const show = (line: string) => console.log(line);

const options: Options = {
  url,
  session,
  store: file(fs, process.env.QUEUE ?? `attune-${session}.json`),
  over: over === "http" || over === "socket" ? over : "sse",
  on: {
    reply: ({ turn, text }) => show(`[${turn}] ${text}`),
    resources: (lines) => lines.forEach(({ name, call, chat }) => show(`  ${name}: ${call ?? chat}`)),
    refused: ({ message }, _, waits) => show(waits ? `${message} (It waits.)` : message),
  },
};
if (token) options.token = () => Promise.resolve(token);

const attune = new Attune(options);
if (over === "follow") {
  await attune.follow(({ event, turn }) => show(turn === undefined ? event : `${event} ${turn}`));
} else {
  if (over !== "socket") void attune.follow();
  for await (const line of createInterface({ input: process.stdin })) await attune.say(line);
}
