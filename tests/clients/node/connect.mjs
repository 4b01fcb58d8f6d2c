// A connected client of one of the official TypeScript SDKs: over HTTP, or through a program on its stdin and stdout.

const at = ({ url }) => new URL(`${url}/mcp`);
const bearing = ({ token }) => ({ requestInit: { headers: { Authorization: `Bearer ${token}` } } });
const program = ({ command: [command, ...args] }) => ({ command, args, env: process.env });

export async function connected(spec) {
  const { Client, HttpTransport, StdioTransport, schema, options } = await (spec.sdk === "1.x" ? older() : newer(spec));
  const transport = spec.command ? new StdioTransport(program(spec)) : new HttpTransport(at(spec), bearing(spec));
  const client = new Client({ name: spec.name, version: "1" }, options);
  await client.connect(transport);
  return { client, transport, call: (params, more) => client.callTool(params, ...schema, more) };
}

async function older() {
  const { Client } = await import("@modelcontextprotocol/sdk/client/index.js");
  const { StreamableHTTPClientTransport } = await import("@modelcontextprotocol/sdk/client/streamableHttp.js");
  const { StdioClientTransport } = await import("@modelcontextprotocol/sdk/client/stdio.js");
  const { CallToolResultSchema } = await import("@modelcontextprotocol/sdk/types.js");
  return {
    Client,
    HttpTransport: StreamableHTTPClientTransport,
    StdioTransport: StdioClientTransport,
    schema: [CallToolResultSchema],
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
    options: { versionNegotiation: { mode: era } },
  };
}
