// The overview: draws the chart, and shows each tick of the live stream.

import { drawAnomalies, showAnomalies } from "./anomalies.js";
import { showChart } from "./chart.js";
import { rate } from "./format.js";
import { byId } from "./element.js";
import { prepareLedger, showLedger } from "./ledger.js";
import { showWindows } from "./windows.js";

const SMOOTHED_TICKS = 4; // Commits come in bursts; two seconds of them make a pace.
const recent = [];
let peak = 0;

function show(tick) {
  const { totals, rates } = tick;
  if (rates) {
    const pace = smoothed(rates.received);
    byId("rate").textContent = rate(pace);
    peak = Math.max(peak, pace);
    byId("peak").textContent = rate(peak);
  }
  showLedger(totals);
  showWindows(tick.window_metric, tick.windows);
  byId("welcome").hidden = totals.received > 0 || tick.lag_ms > 0;
}

function smoothed(perSecond) {
  recent.push(perSecond);
  if (recent.length > SMOOTHED_TICKS) recent.shift();
  return recent.reduce((sum, one) => sum + one, 0) / recent.length;
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
showChart();
document.addEventListener("rtcdp:refreshed", showChart);
document.addEventListener("rtcdp:refreshed", drawAnomalies);
document.addEventListener("rtcdp:tick", ({ detail }) => show(detail));
document.addEventListener("rtcdp:anomalies", ({ detail }) => showAnomalies(detail));
document.addEventListener("rtcdp:away", () => (recent.length = 0));
