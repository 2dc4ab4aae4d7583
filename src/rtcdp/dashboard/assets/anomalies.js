// What is out of the ordinary in the last day, newest first, and who has seen it.

import { compact, count, dayOf, timeOfDay } from "./format.js";
import { byId, element, refill } from "./element.js";
import { loginToken } from "./login_token.js";

const SHOWN = 8;
const WHO = "rtcdp-seen-by";
let known = new Map();
let drawnIn = null; // The zone that times stand there in.
let naming = null; // The field that somebody types a name into, which no message takes away.

/** The first message has all that there are; each one after it what began, changed and is gone. */
export function showAnomalies(message) {
  if (message.standing) known = new Map(message.standing.map((each) => [nameOf(each), each]));
  for (const each of [...(message.onset ?? []), ...(message.changed ?? [])]) known.set(nameOf(each), each);
  for (const each of message.gone ?? []) known.delete(nameOf(each));
  draw();
}

/** The same, where it was drawn for another zone, or holds what is no longer of the last day. */
export function drawAnomalies() {
  const since = dayAgo();
  const isOld = [...known.values()].some((each) => each.window_start < since);
  if (isOld || (known.size && drawnIn !== document.body.dataset.zone)) draw();
}

const dayAgo = () => new Date(Date.now() - 86_400_000).toISOString();

const nameOf = (each) => JSON.stringify([each.metric, each.key, each.window_start]);

function draw() {
  const since = dayAgo();
  for (const [name, each] of known) if (each.window_start < since) known.delete(name);
  const newest = [...known.values()].sort((a, b) => (a.window_start < b.window_start ? 1 : -1));
  if (naming) return;
  drawnIn = document.body.dataset.zone;
  refill(byId("anomalies"), newest.slice(0, SHOWN).map(row));
  byId("anomalies-table").hidden = newest.length === 0;
  byId("no-anomalies").hidden = newest.length > 0;
  byId("no-anomalies").textContent = "Nothing in the last day.";
  const unseen = newest.filter((each) => !each.acknowledged).length;
  byId("anomalies-count").textContent = newest.length
    ? `${count(newest.length)} in the last day, ${count(unseen)} that nobody has seen`
    : "in the last day";
}

const pageOf = (each) => `/anomalies/${encodeURIComponent(each.id)}${zoneOf()}`;

/** The zone that was chosen goes along, as with all links. */
function zoneOf() {
  const zone = new URLSearchParams(location.search).get("tz");
  return zone ? `?${new URLSearchParams({ tz: zone })}` : "";
}

function row(each) {
  const what = [each.metric, ...Object.values(each.key)].join(" ");
  return element(
    "tr",
    {},
    element("td", { title: each.says }, element("a", { href: pageOf(each) }, ...breakable(what))),
    element("td", { title: dayOf(each.window_start) }, timeOfDay(each.window_start)),
    element("td", { class: each.direction }, `${each.direction === "up" ? "▲" : "▼"} ${compact(each.observed)}`),
    element("td", {}, compact(each.expected)),
    element("td", { title: each.acknowledged?.note }, each.acknowledged?.by ?? seenButton(each)),
    element("td", {}, element("a", { href: `${pageOf(each)}#events-title` }, "events")),
  );
}

/** Text that goes on in the next line after an underscore, where there is no room for all of it. */
const breakable = (text) => text.split(/(?<=_)/).flatMap((part) => [part, element("wbr")]);

function seenButton(each) {
  const button = element("button", { type: "button", class: "plain" }, "I have seen it");
  button.addEventListener("click", () => {
    const name = element("input", { "aria-label": "Who has seen it", maxlength: "100", placeholder: "your name" });
    name.value = localStorage.getItem(WHO) ?? "";
    name.addEventListener("keydown", ({ key }) => {
      if (key === "Enter" && name.value.trim()) say(each, name.value.trim());
      if (key === "Escape") name.blur();
    });
    name.addEventListener("blur", () => {
      naming = null;
      draw();
    });
    naming = name;
    button.replaceWith(name);
    name.focus();
  });
  return button;
}

async function say(each, by) {
  localStorage.setItem(WHO, by);
  const answer = await fetch(`${each.url}/acknowledgement`, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...loginToken() },
    body: JSON.stringify({ by }),
  });
  const told = await answer.json();
  naming?.blur();
  if (answer.ok) showAnomalies({ changed: [told.anomaly] });
  else byId("anomalies-count").textContent = `${told.detail}: ${told.hint}`;
}
