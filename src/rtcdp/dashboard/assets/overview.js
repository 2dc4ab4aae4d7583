// The overview: shows each tick of the live stream.

import { showAnomalies } from "./anomalies.js";
import { Chart } from "./chart.js";
import { compact, count, duration, rate, share, timeOfDay } from "./format.js";
import { byId } from "./element.js";
import { prepareLedger, showLedger } from "./ledger.js";
import { showWindows } from "./windows.js";

const SMOOTHED_TICKS = 4; // Commits come in bursts; two seconds of them make a pace.
const IN_STEP_MS = 2000;
const recent = [];
const chart = new Chart(byId("chart"), byId("readout"));

function show(tick) {
  const { totals, rates } = tick;
  if (rates) {
    const pace = smoothed(rates.received);
    byId("rate").textContent = rate(pace);
    if (recent.length === SMOOTHED_TICKS) {
      chart.add(Date.parse(tick.at), pace);
      byId("peak").textContent = rate(chart.peak);
    }
  }
  byId("received").textContent = compact(totals.received, 10_000_000);
  byId("received").title = count(totals.received);
  byId("admitted-share").textContent = share(totals.admitted, totals.received);
  showFreshness(tick);
  showLedger(totals);
  showWindows(tick.window_metric, tick.windows);
  byId("welcome").hidden = totals.received > 0 || tick.lag_ms > 0;
}

function smoothed(perSecond) {
  recent.push(perSecond);
  if (recent.length > SMOOTHED_TICKS) recent.shift();
  return recent.reduce((sum, one) => sum + one, 0) / recent.length;
}

function showFreshness(tick) {
  const [number, unit] = tick.lag_ms === null ? ["–", ""] : duration(tick.lag_ms);
  byId("lag").textContent = number;
  byId("lag-unit").textContent = unit;
  byId("lag-words").textContent = lagWords(tick.lag_ms);
  byId("as-of").textContent = tick.as_of ? timeOfDay(tick.as_of) : "–";
  byId("as-of").title = tick.as_of ?? "";
  byId("epoch").textContent = count(tick.epoch);
}

function lagWords(lagMs) {
  if (lagMs === null) return "how far behind is not known";
  if (lagMs === 0) return "all that came in is counted";
  return lagMs < IN_STEP_MS ? "in step" : "catching up";
}

function firstEvent() {
  const event = `{"userId": "user_1", "eventType": "PAGE_VIEW", "pageUrl": "/hello", "timestamp": '$(date +%s000)'}`;
  return `curl ${location.origin}/v1/events \\\n  -H 'Content-Type: application/json' \\\n  -d '${event}'`;
}

function prepareWelcome() {
  const snippet = byId("curl");
  snippet.textContent = firstEvent();
  byId("copy").addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(snippet.textContent);
      byId("copy").textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(snippet);
      byId("copy").textContent = "Selected";
    }
    setTimeout(() => (byId("copy").textContent = "Copy"), 2000);
  });
}

prepareLedger();
prepareWelcome();
document.addEventListener("rtcdp:tick", ({ detail }) => show(detail));
document.addEventListener("rtcdp:anomalies", ({ detail }) => showAnomalies(detail));
document.addEventListener("rtcdp:away", () => (recent.length = 0));
