// The API's documentation, drawn from its OpenAPI description: headings in their order, and under
// each its addresses. What is the same everywhere, an error, is told once.

import { byId, element } from "./element.js";
import { operation, outline, prose } from "./operation.js";

const SCHEMA = "/openapi.json";
const FOLDS = "/api/folds";
const METRICS = "/api/metrics";
const VERBS = ["get", "post", "put", "patch", "delete"];
const ERRORS = "Errors";

async function load() {
  const answer = await fetch(SCHEMA);
  if (!answer.ok) throw new Error(`${SCHEMA} answered ${answer.status}`);
  const schema = await answer.json();
  const [folds, metrics] = await Promise.all([itemsOf(FOLDS), itemsOf(METRICS)]);
  const namesFor = (path, parameter) => names(folds, metrics, path, parameter);
  const all = Object.entries(schema.paths).flatMap(([path, item]) =>
    VERBS.filter((verb) => item[verb]).map((verb) => ({ path, verb, description: item[verb] })),
  );
  const groups = (schema.tags ?? []).filter((tag) => all.some(({ description }) => description.tags[0] === tag.name));
  byId("intro").replaceChildren(
    ...prose(schema.info.description ?? ""),
    " Where keys are in force, add ",
    element("code", {}, "-H 'Authorization: Bearer KEY'"),
    " to each command.",
  );
  byId("groups").replaceChildren(...[...groups, { name: ERRORS }].flatMap(({ name }) => [linkTo(name), " "]));
  byId("operations").append(...groups.map((tag) => group(schema, tag, all, namesFor)), errors(schema, all));
  openNamed();
  addEventListener("hashchange", openNamed);
}

/** What a catalog holds now; nothing where it can't be read: names are written by hand then. */
async function itemsOf(path) {
  try {
    return (await (await fetch(path)).json()).items ?? [];
  } catch {
    return [];
  }
}

/** The names of the catalog that may stand in a place of an address: those of folds whose own addresses
 * begin as it does, or of all metrics. Undefined where it takes anything. */
function names(folds, metrics, path, parameter) {
  const place = `{${parameter.name}}`;
  if (parameter.in === "path" && parameter.name === "name" && path.includes(place)) {
    const before = path.slice(0, path.indexOf(place));
    return folds.filter(({ url, rows_url }) => [url, rows_url].some((each) => each.startsWith(before))).map(({ name }) => name);
  }
  if (parameter.in === "query" && parameter.name === "fold") {
    return folds.filter(({ kind }) => path.includes(`/${kind}`)).map(({ name }) => name);
  }
  if (parameter.in === "query" && parameter.name === "metric") return metrics.map(({ name }) => name);
  return undefined;
}

const idOf = (name) => `group-${name.toLowerCase()}`;

const linkTo = (name) => element("a", { href: `#${idOf(name)}` }, name);

function section(name, words, ...children) {
  const id = idOf(name);
  const title = element("h2", { id: `${id}-title` }, name);
  const head = element("div", { class: "docs-head" }, title, element("p", { class: "quiet" }, words ?? ""));
  return element("section", { class: "docs-group", id, "aria-labelledby": `${id}-title` }, head, ...children);
}

/** The addresses of a heading. Those with a second tag stand together where the first of them is. */
function group(schema, tag, all, namesFor) {
  const nodes = [];
  const folds = new Map();
  for (const { path, verb, description } of all) {
    const [name, within] = description.tags;
    if (name !== tag.name) continue;
    const node = operation(schema, path, verb, description, namesFor);
    if (within === undefined) {
      nodes.push(node);
      continue;
    }
    if (!folds.has(within)) {
      folds.set(within, []);
      nodes.push(within);
    }
    folds.get(within).push(node);
  }
  const folded = (name) => fold(schema.tags.find((each) => each.name === name), folds.get(name));
  return section(tag.name, tag.description, ...nodes.map((each) => (folds.has(each) ? folded(each) : each)));
}

function fold(tag, nodes) {
  const words = element("span", { class: "quiet" }, `${nodes.length} · ${tag.description}`);
  return element(
    "details",
    { class: "card fold", id: idOf(tag.name) },
    element("summary", {}, element("b", {}, tag.name), words),
    element("div", { class: "folded" }, ...nodes),
  );
}

function errors(schema, all) {
  const [media, content] = all
    .flatMap(({ description }) => Object.entries(description.responses?.default?.content ?? {}))
    .find(([, each]) => each.schema);
  const shape = element("pre", { class: "block", tabindex: "0" }, outline(schema, content.schema));
  const words = "All that goes wrong is told in this form; code is for programs, hint says what to do.";
  return section(ERRORS, words, element("div", { class: "card" }, element("p", { class: "quiet" }, media), shape));
}

function openNamed() {
  const named = location.hash && byId(location.hash.slice(1));
  if (!named) return;
  for (let each = named; each; each = each.parentElement) {
    if (each.nodeName === "DETAILS") each.open = true;
  }
  named.scrollIntoView();
}

load().catch((error) => (byId("intro").textContent = `The description can't be read: ${error.message}`));
