// One address of the API: what it takes and answers, with a form to try it and the same as a command.

import { element } from "./element.js";
import { loginToken } from "./login_token.js";
import { commandOf, requestOf, sampleOf } from "./request.js";

const MAX_DEPTH = 6;
const STREAM = "/api/live";
const SHOWN_BYTES = 65_536;
const ANY_GOOD = "Request fulfilled, document follows"; // What is described where nobody said more.

/** Text in which `names` between backticks are set as code. */
export const prose = (text) => text.split("`").map((part, i) => (i % 2 ? element("code", {}, part) : part));

/** `namesFor` tells of a parameter of a path which names of the catalog it takes, if it is such a one. */
export function operation(schema, path, verb, description, namesFor) {
  const name = [verb, ...path.split(/\W+/).filter(Boolean)].join("-");
  return element(
    "details",
    { class: "card operation", id: name },
    element(
      "summary",
      {},
      element("span", { class: "verb", "data-verb": verb }, verb.toUpperCase()),
      element("code", {}, path),
      element("span", { class: "quiet" }, description.summary ?? ""),
    ),
    element(
      "div",
      { class: "inside" },
      element("p", {}, ...prose(description.description ?? "")),
      form(schema, path, verb, description, namesFor),
      ...answers(schema, description),
      ...refusals(description),
    ),
  );
}

function form(schema, path, verb, description, namesFor) {
  const parameters = description.parameters ?? [];
  const fields = parameters.map((parameter) => field(parameter, namesFor(path, parameter)));
  const inputs = new Map(parameters.map((parameter, i) => [parameter, fields[i][1]]));
  const taken = description.requestBody?.content["application/json"]?.schema;
  const sample = taken && JSON.stringify(sampleOf(schema, taken), null, 2);
  const body = taken && element("textarea", { "aria-label": "body", spellcheck: "false" }, sample);
  const command = element("pre", { tabindex: "0", "aria-label": "The same as a command" });
  const copy = element("button", { type: "button" }, "Copy");
  const result = element("div", { class: "answer" });
  const node = element(
    "form",
    { class: "inside" },
    element("div", { class: "fields" }, ...fields.flat()),
    ...(body ? [body] : []),
    element("div", { class: "snippet" }, command, copy),
    element("div", {}, element("button", { type: "submit" }, "Try it")),
    result,
  );
  const asked = () => requestOf(path, verb, inputs, body);
  const tell = () => (command.textContent = commandOf(asked(), path === STREAM));
  node.addEventListener("input", tell);
  tell();
  copy.addEventListener("click", () => copyFrom(copy, command));
  node.addEventListener("submit", (event) => {
    event.preventDefault();
    if (path === STREAM) show(result, "A stream: read it with", command.textContent);
    else send(asked(), result);
  });
  return node;
}

async function copyFrom(button, node) {
  try {
    await navigator.clipboard.writeText(node.textContent);
    button.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(node);
    button.textContent = "Selected";
  }
  setTimeout(() => (button.textContent = "Copy"), 2000);
}

function field(parameter, names) {
  const label = element("label", {}, parameter.name);
  const told = { "aria-label": parameter.name, required: Boolean(parameter.required) };
  const words = names?.length ? names : parameter.schema?.enum;
  const choices = parameter.required ? words : ["", ...(words ?? [])];
  const input = words
    ? element("select", told, ...choices.map((word) => element("option", { value: word }, word)))
    : element("input", { ...told, placeholder: parameter.required ? "required" : "", autocomplete: "off" });
  const limits = limitsOf(parameter.schema ?? {});
  const said = [parameter.description?.replace(/\.$/, ""), limits].filter(Boolean).join("; ");
  return [label, input, element("span", { class: "quiet" }, ...prose(said))];
}

/** The bounds of a field and what it is without being sent, in words. */
function limitsOf(node) {
  const whole = (number) => number.toLocaleString("en");
  const said = [];
  if (node.type === "array") {
    const inner = limitsOf(node.items ?? {});
    return [inner, node.maxItems && `up to ${whole(node.maxItems)} times`].filter(Boolean).join("; ");
  }
  if (node.minimum !== undefined && node.maximum !== undefined) {
    said.push(`${whole(node.minimum)} to ${whole(node.maximum)}`);
  }
  if (node.enum) said.push(node.enum.map((word) => `\`${word}\``).join(", "));
  if (node.examples) said.push(`like ${node.examples.map((each) => `\`${each}\``).join(", ")}`);
  if (node.default !== undefined && node.default !== null) said.push(`else ${node.default}`);
  return said.join("; ");
}

async function send({ verb, target, headers, body }, result) {
  try {
    const token = verb === "GET" ? {} : loginToken();
    const answer = await fetch(target, { method: verb, headers: { ...headers, ...token }, body });
    const isFile = answer.headers.has("Content-Disposition");
    const text = isFile ? await beginningOf(answer) : pretty(await answer.text());
    show(result, `${answer.status} ${answer.statusText} · ${verb} ${target}`, text);
  } catch (error) {
    show(result, "No answer", String(error));
  }
}

/** How a file begins, which may be of any length: the rest is not asked for. */
async function beginningOf(answer) {
  const reader = answer.body.getReader();
  if (answer.headers.get("Content-Type").includes("parquet")) {
    await reader.cancel();
    return "A Parquet file; the command saves it";
  }
  const decoder = new TextDecoder();
  let [text, size] = ["", 0];
  while (size < SHOWN_BYTES) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    text += decoder.decode(value.subarray(0, SHOWN_BYTES - size), { stream: true });
    size += value.length;
  }
  await reader.cancel();
  return `${text}\n… so far the first 64 KB; the command saves all of it`;
}

function show(result, title, text) {
  result.replaceChildren(element("h3", {}, title), block(text));
}

const isError = (status) => status === "default" || Number(status) >= 400;

function answers(schema, description) {
  return Object.entries(description.responses ?? {}).flatMap(([status, response]) => {
    const [media] = Object.entries(response.content ?? {});
    if (isError(status) || !media?.[1].schema) return [];
    const words = response.description === ANY_GOOD ? "" : response.description;
    const title = [status, media[0], words].filter(Boolean).join(" · ");
    const shape = ["Its form", block(outline(schema, media[1].schema))];
    const sides = [...Object.values(media[1].examples ?? {}).map(exampleOf), shape];
    const shown = sides.map(([words, node]) => element("div", {}, element("p", { class: "quiet" }, words), node));
    return [element("div", {}, element("h3", {}, title), element("div", { class: "sides" }, ...shown))];
  });
}

const block = (text) => element("pre", { class: "block", tabindex: "0" }, text);

/** What a shop that was made up was answered: the request, and below it the answer. */
function exampleOf({ summary, description, value, "x-shortened": isShortened }) {
  const words = `An example: ${summary}${description ? ", sent:" : ""}`;
  const cut = isShortened ? ", lists shortened" : "";
  const sent = description ? [`${JSON.stringify(JSON.parse(description), null, 2)}\n\nis answered:\n`] : [];
  const text = typeof value === "string" ? value : JSON.stringify(value, null, 2);
  return [words + cut, block([...sent, text].join("\n"))];
}

/** Errors that are known by their status. Their form is told once, for all addresses. */
function refusals(description) {
  const known = Object.entries(description.responses ?? {}).filter(
    ([status]) => status !== "default" && isError(status),
  );
  if (!known.length) return [];
  const items = known.map(([status, { description: words }]) =>
    element("li", {}, element("b", {}, status), ` ${words ?? ""}`),
  );
  return [element("ul", { class: "quiet refusals" }, ...items)];
}

/** What an answer looks like, as JSON with types in place of values. */
export function outline(schema, node, indent = "", depth = 0) {
  if (node.$ref) return outline(schema, schema.components.schemas[node.$ref.split("/").at(-1)], indent, depth);
  if (depth > MAX_DEPTH) return "…";
  const choices = node.oneOf ?? node.anyOf;
  if (choices) return choices.map((choice) => outline(schema, choice, indent, depth + 1)).join(" | ");
  if (node.type === "array") return `[${outline(schema, node.items ?? {}, indent, depth + 1)}, …]`;
  if (node.properties) {
    const inner = `${indent}  `;
    const lines = Object.entries(node.properties).map(
      ([name, property]) => `${inner}"${name}": ${outline(schema, property, inner, depth + 1)}`,
    );
    return `{\n${lines.join(",\n")}\n${indent}}`;
  }
  if (node.enum) return node.enum.map((value) => JSON.stringify(value)).join(" | ");
  return [node.type ?? "anything"].flat().join(" | ");
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
