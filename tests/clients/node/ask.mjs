// One agent on the official TypeScript clients: asks its question, and awaits for as long as it is told `pending`.
//
// The whole setting is one JSON argument; every answer, or failure, of a call is one line of JSON on stdout.
import { connected } from "./connect.mjs";

const spec = JSON.parse(process.argv[2]);
const { question, options } = spec;

function say(line) {
  console.log(JSON.stringify(line));
}

const { client, call } = await connected(spec);
let params = { name: "ask_approval", arguments: question };
for (;;) {
  const started = Date.now();
  let beats = 0;
  const more = { ...options.limits, ...(options.progress ? { onprogress: () => (beats += 1) } : {}) };
  const seconds = () => (Date.now() - started) / 1000;
  try {
    const { structuredContent: result } = await call(params, more);
    say({ tool: params.name, seconds: seconds(), beats, result });
    if (result.status !== "pending") break;
    params = { name: "await_review", arguments: { request_id: result.request_id } };
  } catch (problem) {
    say({ tool: params.name, seconds: seconds(), beats, gave_up: problem.code });
    // It never read an answer: the same question again finds the same card. Only the second try has patience.
    options.limits = { timeout: 600_000 };
    Object.assign(params.arguments, options.again);
  }
}
await client.close();
