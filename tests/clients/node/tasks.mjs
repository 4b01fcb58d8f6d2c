// One agent on the official client of the Tasks extension: asks its question, and settles the task it may be given.
//
// Setting and lines are those of ask.mjs. `options.then` is what it does with a task before it waits: update or cancel.
import { randomUUID } from "node:crypto";
import { createTaskSessionFromClient } from "@modelcontextprotocol/ext-tasks/client";
import { connected } from "./connect.mjs";

const spec = JSON.parse(process.argv[2]);
const { name, question, options } = spec;

// The package leaves the wire to its host, because the client's own request() knows no results that are tasks.
function dispatcher(transport) {
  const answered = new Map();
  const others = transport.onmessage;
  transport.onmessage = (message, extra) => {
    const { error, result } = message;
    const answer = answered.get(message.id);
    if (answer) answer(error ? { kind: "error", error } : { kind: "result", result });
    else others(message, extra);
  };
  return async (request, { signal, context } = {}) => {
    const id = randomUUID();
    const limits = [signal, context?.requestTimeoutMs && AbortSignal.timeout(context.requestTimeoutMs)].filter(Boolean);
    const requestSignal = AbortSignal.any(limits);
    try {
      return await new Promise((resolve, reject) => {
        answered.set(id, resolve);
        requestSignal.addEventListener("abort", () => reject(requestSignal.reason));
        transport.send({ jsonrpc: "2.0", id, ...request }, { requestSignal }).catch(reject);
      });
    } finally {
      answered.delete(id);
    }
  };
}

const began = Date.now();
function say(tool, rest) {
  console.log(JSON.stringify({ tool, seconds: (Date.now() - began) / 1000, beats: 0, ...rest }));
}

async function asked(session, limits) {
  try {
    return await session.callTool("ask_approval", question, { requestTimeoutMs: limits.timeout });
  } catch (problem) {
    say("ask_approval", { gave_up: problem.cause?.name ?? problem.name });
    Object.assign(question, options.again);
    return asked(session, {});
  }
}

const { client, transport } = await connected(spec);
const session = createTaskSessionFromClient(client, {
  endpointId: spec.url,
  rawDispatch: dispatcher(transport),
  v2RequestFraming: {
    protocolVersion: client.getNegotiatedProtocolVersion(),
    clientInfo: { name, version: "1" },
    clientCapabilities: {},
  },
});
const execution = await asked(session, options.limits);
const tool = execution.kind === "task" ? "tasks/get" : "ask_approval";
if (execution.kind === "task") {
  const task = session.task(execution.handle.taskId);
  say("ask_approval", { result: (await task.snapshot()).raw });
  if (options.then === "update") await task.updateJson({ approve: { action: "accept", content: { approve: true } } });
  if (options.then === "cancel") await execution.cancel();
  if (options.then) say(`tasks/${options.then}`, { result: (await task.snapshot()).raw });
}
const { outcome } = await execution.settle();
say(tool, { result: outcome.result?.structuredContent ?? { status: outcome.status } });
await session.close();
await client.close();
