// A client that tells everything that it is told, a line of JSON for each: probe.mjs ATTUNE_JS URL SESSION OVER.
// Each line of standard input is said; `/wake`, `/stop`, `/follow` and `/token ...` do what they say.
import { createInterface } from "node:readline";

const [path, url, session, over] = process.argv.slice(2);
const { Attune } = await import(path);
const tell = (what, value) => console.log(JSON.stringify({ [what]: value }));
let token;

const attune = new Attune({
  url,
  session,
  over,
  ...(process.env.ATTUNE_TOKEN && {
    token: async () => {
      tell("token", token ?? null);
      return token ?? process.env.ATTUNE_TOKEN;
    },
  }),
  on: {
    reply: (reply) => tell("reply", reply),
    resources: (lines) => tell("resources", lines),
    part: (text, key) => tell("part", { text, key }),
    refused: (problem, message, waits) => tell("refused", { error: problem.error, text: message?.text ?? null, waits }),
    status: (status) => tell("status", status),
    frame: (frame) => tell("frame", frame.type),
  },
});

for await (const line of createInterface({ input: process.stdin })) {
  const [word, value] = line.split(" ");
  if (word === "/wake") attune.wake();
  else if (word === "/stop") await attune.stop();
  else if (word === "/follow") void attune.follow((event) => tell("event", event));
  else if (word === "/token") token = value;
  else tell("said", await attune.say(line));
}
