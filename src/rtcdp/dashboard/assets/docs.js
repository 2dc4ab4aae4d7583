// The API's documentation, drawn from its OpenAPI description, with a form to try each address.

import { byId, element } from "./element.js";

const SCHEMA = "/openapi.json";
const VERBS = ["get", "post", "put", "patch", "delete"];
const MAX_DEPTH = 6;

async function load() {
  const answer = await fetch(SCHEMA);
  if (!answer.ok) throw new Error(`${SCHEMA} answered ${answer.status}`);
  const schema = await answer.json();
  byId("intro").replaceChildren(...prose(schema.info.description ?? ""));
  for (const [path, item] of Object.entries(schema.paths).sort(intakeFirst)) {
    for (const verb of VERBS) {
      if (item[verb]) byId("operations").append(operation(schema, path, verb, item[verb]));
    }
  }
  openNamed();
}

const intakeFirst = ([one], [other]) => other.startsWith("/v1/") - one.startsWith("/v1/");

/** Text in which `names` between backticks are set as code. */
const prose = (text) => text.split("`").map((part, i) => (i % 2 ? element("code", {}, part) : part));

function operation(schema, path, verb, description) {
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
      form(schema, path, verb, description),
      ...answers(schema, description),
    ),
  );
}

function form(schema, path, verb, description) {
  const parameters = description.parameters ?? [];
  const fields = parameters.map((parameter) => field(parameter));
  const inputs = new Map(parameters.map((parameter, i) => [parameter, fields[i][1]]));
  const body = description.requestBody && element("textarea", { "aria-label": "body", spellcheck: "false" }, example());
  const result = element("div", { class: "answer" });
  const node = element(
    "form",
    { class: "inside" },
    element("div", { class: "fields" }, ...fields.flat()),
    ...(body ? [body] : []),
    element("div", {}, element("button", { type: "submit" }, "Try it")),
    result,
  );
  node.addEventListener("submit", (event) => {
    event.preventDefault();
    send(path, verb, inputs, body, result);
  });
  return node;
}

function field(parameter) {
  const label = element("label", {}, parameter.name);
  const input = element("input", {
    "aria-label": parameter.name,
    required: Boolean(parameter.required),
    placeholder: parameter.required ? "required" : "",
    autocomplete: "off",
  });
  return [label, input, element("span", { class: "quiet" }, ...prose(parameter.description ?? ""))];
}

async function send(path, verb, inputs, body, result) {
  const query = new URLSearchParams();
  const headers = {};
  let address = path;
  for (const [parameter, input] of inputs) {
    if (input.value === "") continue;
    if (parameter.in === "path") address = address.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
    else if (parameter.in === "header") headers[parameter.name] = input.value;
    else query.set(parameter.name, input.value);
  }
  if (body) headers["Content-Type"] = "application/json";
  const target = query.size ? `${address}?${query}` : address;
  const show = (title, text) =>
    result.replaceChildren(element("h3", {}, title), element("pre", { class: "block", tabindex: "0" }, text));
  if (address === "/api/live") {
    show("A stream", `curl -N ${location.origin}${target}`);
    return;
  }
  try {
    const answer = await fetch(target, { method: verb.toUpperCase(), headers, body: body?.value });
    show(`${answer.status} ${answer.statusText} · ${verb.toUpperCase()} ${target}`, pretty(await answer.text()));
  } catch (error) {
    show("No answer", String(error));
  }
}

function answers(schema, description) {
  return Object.entries(description.responses ?? {}).flatMap(([status, response]) => {
    const [media] = Object.entries(response.content ?? {});
    if (!media || !media[1].schema) return [];
    const title = `${status === "default" ? "otherwise" : status} · ${media[0]} · ${response.description ?? ""}`;
    return [
      element("div", {}, element("h3", {}, title), element("pre", { class: "block", tabindex: "0" }, outline(schema, media[1].schema))),
    ];
  });
}

/** What an answer looks like, as JSON with types in place of values. */
function outline(schema, node, indent = "", depth = 0) {
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

function example() {
  const event = { userId: "user_1", eventType: "PAGE_VIEW", pageUrl: "/hello", timestamp: new Date().toISOString() };
  return JSON.stringify([event], null, 2);
}

function openNamed() {
  const named = location.hash && byId(location.hash.slice(1));
  if (named) {
    named.open = true;
    named.scrollIntoView();
  }
}

load().catch((error) => (byId("intro").textContent = `The description can't be read: ${error.message}`));
