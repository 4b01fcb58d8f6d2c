// Ask a person before doing something: one question to Assent, with the official TypeScript client.
//
// usage: node ask_first.ts "What you are about to do"      exits 0 only when a person said yes
//
// ASSENT_TOKEN is the agent's token, ASSENT_URL the server, http://127.0.0.1:7420 by default. Node 22.18 or newer.
import process from "node:process";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";

type Answer = { status: string; may_proceed: boolean; next: string; request_id: string };

const DAY = 86_400_000;
// Without these the client gives up after 60 seconds, whatever progress arrives. With onprogress the server sends a
// sign of life every ten seconds, and each restarts the clock; the total is a day, the longest that a question lives.
const waiting = {
  timeout: 60_000,
  resetTimeoutOnProgress: true,
  maxTotalTimeout: DAY,
  onprogress: ({ message }: { message?: string }) => console.error(message ?? "waiting"),
};

async function ask(client: Client, title: string): Promise<boolean> {
  let params: { name: string; arguments: Record<string, unknown> } = {
    name: "ask_approval",
    arguments: { title, risk: "medium" },
  };
  for (;;) {
    const result = await client.callTool(params, waiting);
    const answer = result.structuredContent as Answer | undefined;
    if (answer === undefined) throw new Error(JSON.stringify(result.content));
    // Still open: the server answers a client that it does not know before a minute is over. Wait on, do not ask anew.
    if (answer.status === "pending") {
      params = { name: "await_review", arguments: { request_id: answer.request_id } };
      continue;
    }
    console.log(answer.next);
    return answer.may_proceed;
  }
}

const client = new Client({ name: "ask-first", version: "1.0.0" }, { versionNegotiation: { mode: "auto" } });
const url = new URL("/mcp", process.env.ASSENT_URL ?? "http://127.0.0.1:7420");
const headers = { Authorization: `Bearer ${process.env.ASSENT_TOKEN ?? ""}` };
await client.connect(new StreamableHTTPClientTransport(url, { requestInit: { headers } }));
try {
  const allowed = await ask(client, process.argv.slice(2).join(" ") || "Say hello to the world?");
  process.exitCode = allowed ? 0 : 1;
} finally {
  await client.close();
}
