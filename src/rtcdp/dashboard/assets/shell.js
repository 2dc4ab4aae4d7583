// What all pages do: say how fresh they are, follow what happens, and listen to keys.

import { byId } from "./element.js";
import { prepareCopying } from "./copying.js";
import { prepareKeys } from "./keys.js";
import { refreshSoon } from "./refresh.js";
import { prepareVisits } from "./visit.js";
import { prepareZone } from "./zone.js";

const RETRY_MS = 2000;
const SILENCE_MS = 5000;
const IN_STEP_MS = 2000;
const name = document.title;

function connect() {
  const asked = document.body.dataset.stream;
  const stream = new EventSource(`/api/live${asked ? `?${asked}` : ""}`);
  let silence;
  const heard = () => {
    clearTimeout(silence);
    silence = setTimeout(() => again(0), SILENCE_MS);
  };
  const again = (pauseMs) => {
    clearTimeout(silence);
    stream.close();
    setState("away", "not connected; trying again…");
    document.dispatchEvent(new CustomEvent("rtcdp:away"));
    setTimeout(connect, pauseMs);
  };
  const on = (kind, act) =>
    stream.addEventListener(kind, (event) => {
      heard();
      const detail = JSON.parse(event.data);
      act(detail);
      document.dispatchEvent(new CustomEvent(`rtcdp:${kind}`, { detail }));
    });
  on("tick", show);
  on("anomalies", () => {});
  on("rows", () => {});
  on("problem", (problem) => setState("problem", problem.detail));
  stream.addEventListener("error", () => again(RETRY_MS));
  heard();
}

function show(tick) {
  const problems = Object.entries(tick.problems).map(([part, words]) => `${part}: ${words}`);
  if (tick.warning) problems.push(`log: ${tick.warning}`);
  const isBehind = tick.lag_ms !== null && tick.lag_ms > IN_STEP_MS;
  setState(problems.length ? "problem" : "live", problems.join("; ") || (isBehind ? "catching up" : "up to date"));
  byId("state-lag").textContent = problems.length || tick.lag_ms === null ? "" : lag(tick.lag_ms, isBehind);
  refreshSoon(tick);
}

const lag = (ms, isBehind) => {
  // Rounded up: nothing is as new as now.
  const tenths = Math.max(1, Math.ceil(ms / 100));
  const seconds = ms < 60_000 ? `${(tenths / 10).toFixed(1)} s` : `${Math.round(ms / 60_000)} min`;
  return isBehind ? `${seconds} behind` : `${seconds} ago`;
};

/** Said once, and not with each tick: who listens to a page is told what changes. */
function setState(state, words) {
  const node = byId("state");
  document.body.dataset.state = node.dataset.state = state;
  if (state !== "live") byId("state-lag").textContent = "";
  if (byId("state-words").textContent === words) return;
  byId("state-words").textContent = words;
  document.title = state === "live" ? name : `${words} · ${name}`;
}

prepareZone();
prepareKeys();
prepareCopying();
prepareVisits();
connect();
