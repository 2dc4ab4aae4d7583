// A request to the API as a form has it: for fetch, and as a line for a shell.

/** What is to be sent; a part of the path that nobody has filled in stands there by its name. */
export function requestOf(path, verb, inputs, body) {
  const query = new URLSearchParams();
  const headers = body ? { "Content-Type": "application/json" } : {};
  let address = path;
  for (const [parameter, { value }] of inputs) {
    if (value === "") continue;
    if (parameter.in === "path") address = address.replace(`{${parameter.name}}`, () => encodeURIComponent(value));
    else if (parameter.in === "header") headers[parameter.name] = value;
    else query.append(parameter.name, value);
  }
  const target = query.size ? `${address}?${query}` : address;
  return { verb: verb.toUpperCase(), target, headers, body: body?.value };
}

/** Text as one word of a POSIX shell, whatever stands in it. */
const word = (text) => (/^[\w:/.=@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

/** The same with curl. */
export function commandOf({ verb, target, headers, body }, isStream) {
  const flags = isStream ? "-N " : /[?&]format=(csv|jsonl|parquet)/.test(target) ? "-OJ " : "";
  const parts = [`curl ${flags}${word(location.origin + target)}`];
  if (verb !== "GET" && !(verb === "POST" && body)) parts.push(`-X ${verb}`);
  for (const [name, value] of Object.entries(headers)) parts.push(`-H ${word(`${name}: ${value}`)}`);
  if (body) parts.push(`--data-raw ${word(body)}`);
  return parts.join(" \\\n  ");
}

const KNOWN = {
  userId: () => "user_1",
  eventType: () => "PAGE_VIEW",
  pageUrl: () => "/hello",
  productId: () => "product_1",
  timestamp: () => new Date().toISOString(),
  name: () => "Blue mug",
  by: () => "Ada",
  items: () => ["product_1", "product_2"],
};

const ALSO = ["pageUrl", "name"];

/** Something that may be sent as this: what has to be there, and a little more. */
export function sampleOf(schema, node) {
  if (node.$ref) return sampleOf(schema, schema.components.schemas[node.$ref.split("/").at(-1)]);
  if (node.oneOf) return sampleOf(schema, node.oneOf[0]);
  const required = new Set(node.required ?? []);
  const names = Object.keys(node.properties ?? {}).filter(
    (name) => required.has(name) || ALSO.includes(name),
  );
  return Object.fromEntries(names.map((name) => [name, KNOWN[name]?.() ?? null]));
}
