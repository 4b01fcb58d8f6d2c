// A connected client of one of the official TypeScript SDKs: over HTTP, or through a program on its stdin and stdout.
// With `spec.answers` it says that it can be asked, and answers every form with them.

const at = ({ url }) => new URL(`${url}/mcp`);
const bearing = ({ token }) => ({ requestInit: { headers: { Authorization: `Bearer ${token}` } } });
const program = ({ command: [command, ...args] }) => ({ command, args, env: process.env });
const asked = { elicitation: { form: {}, url: {} } };

export async function connected(spec) {
  const sdk = await (spec.sdk === "1.x" ? older() : newer(spec));
  const { Client, HttpTransport, StdioTransport, schema, elicitation } = sdk;
  const options = { ...sdk.options, ...(spec.answers ? { capabilities: asked } : {}) };
  const transport = spec.command ? new StdioTransport(program(spec)) : new HttpTransport(at(spec), bearing(spec));
  const client = new Client({ name: spec.name, version: "1" }, options);
  if (spec.answers) client.setRequestHandler(elicitation, () => ({ action: "accept", content: spec.answers }));
  await client.connect(transport);
  return { client, transport, call: (params, more) => client.callTool(params, ...schema, more) };
}

async function older() {
  const { Client } = await import("@modelcontextprotocol/sdk/client/index.js");
  const { StreamableHTTPClientTransport } = await import("@modelcontextprotocol/sdk/client/streamableHttp.js");
  const { StdioClientTransport } = await import("@modelcontextprotocol/sdk/client/stdio.js");
  const { CallToolResultSchema, ElicitRequestSchema } = await import("@modelcontextprotocol/sdk/types.js");
  return {
    Client,
    HttpTransport: StreamableHTTPClientTransport,
    StdioTransport: StdioClientTransport,
    schema: [CallToolResultSchema],
    elicitation: ElicitRequestSchema,
  };
}

async function newer({ era }) {
  const { Client, StreamableHTTPClientTransport } = await import("@modelcontextprotocol/client");
  const { StdioClientTransport } = await import("@modelcontextprotocol/client/stdio");
  return {
    Client,
    HttpTransport: StreamableHTTPClientTransport,
    StdioTransport: StdioClientTransport,
    schema: [],
    elicitation: "elicitation/create",
    options: { versionNegotiation: { mode: era } },
  };
}
