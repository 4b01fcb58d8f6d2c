// The requests of one JSON argument, made in order by one of the official TypeScript clients; a line of JSON for each.
//
// What the server asks its client is answered with `spec.answers`. Lists are read to their last page.
import { connected } from "./connect.mjs";

const spec = JSON.parse(process.argv[2]);
const { client, call } = await connected(spec);

const lists = {
  "tools/list": ["tools", (params) => client.listTools(params)],
  "prompts/list": ["prompts", (params) => client.listPrompts(params)],
  "resources/list": ["resources", (params) => client.listResources(params)],
  "resources/templates/list": ["resourceTemplates", (params) => client.listResourceTemplates(params)],
};
const single = {
  "tools/call": call,
  "prompts/get": (params) => client.getPrompt(params),
  "resources/read": (params) => client.readResource(params),
};

async function all([name, list]) {
  const found = [];
  let cursor;
  do {
    const page = await list(cursor ? { cursor } : undefined);
    found.push(...page[name]);
    cursor = page.nextCursor;
  } while (cursor);
  return { [name]: found };
}

for (const { method, params } of spec.requests) {
  const progress = [];
  try {
    const result = await (lists[method]
      ? all(lists[method])
      : single[method](params, { onprogress: (beat) => progress.push(beat) }));
    console.log(JSON.stringify({ result, progress }));
  } catch (problem) {
    console.log(JSON.stringify({ error: { code: problem.code, message: problem.message }, progress }));
  }
}
await client.close();
process.exit(0);
