// The chart of one figure, drawn by uPlot from the table below it; what is still open is hatched.

import { byId } from "./element.js";
import { compact, moment, money, tick } from "./format.js";

const HEIGHT = 230;
const NARROW = 520;
let plot = null;
let drawnFor = "";

/** Draws what the table says, or draws it again with the table's new numbers. */
export function showChart() {
  const box = byId("plot");
  if (!box || !globalThis.uPlot) return;
  const data = read();
  const options = { ...box.dataset, title: byId("chart-title").textContent };
  const wanted = JSON.stringify(options);
  if (plot === null || wanted !== drawnFor || !plot.root.isConnected) {
    plot?.destroy();
    byId("canvas").replaceChildren();
    plot = new globalThis.uPlot(described(options), data, byId("canvas"));
    drawnFor = wanted;
    new ResizeObserver(() => plot.root.isConnected && plot.setSize(size())).observe(box);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => plot.redraw(false));
  } else {
    plot.setData(data);
  }
}

/** Times in seconds, the numbers of what has ended, those before, and the one that is still open. */
function read() {
  const rows = [...byId("chart-table").tBodies[0].rows].reverse();
  const number = (text) => (text === "" ? null : Number(text));
  const at = rows.map((row) => Number(row.dataset.at) / 1000);
  const values = rows.map((row) => number(row.dataset.value));
  const before = rows.map((row) => number(row.dataset.before));
  const open = rows.map(() => null);
  const place = byId("plot").dataset.open;
  if (place !== "") {
    open[place] = values[place];
    values.fill(null, Number(place));
  }
  return [at, values, before, open];
}

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const size = () => ({ width: Math.max(200, byId("plot").clientWidth), height: HEIGHT });
const atAxis = (kind) => (kind === "share" ? (value) => `${+(100 * value).toFixed(1)} %` : (value) => compact(value, 10_000));

/** Steps of an axis that counts: there is no half of an event. */
const WHOLE = Array.from({ length: 39 }, (_, place) => [1, 2, 5][place % 3] * 10 ** Math.floor(place / 3));

function described({ kind, interval, title, zone }) {
  const write = kind === "money" ? money : atAxis(kind);
  const written = (_, value) => (value === null || value === undefined ? "–" : write(value));
  const axis = { stroke: () => colour("--quiet"), font: "11px system-ui", ticks: { show: false } };
  const width = byId("plot").clientWidth;
  return {
    ...size(),
    tzDate: (at) => globalThis.uPlot.tzDate(new Date(at * 1000), zone),
    legend: { live: true },
    cursor: { y: false, points: { size: 8 } },
    scales: { x: { time: true }, y: { range: (_, least, most) => [0, most > 0 ? most * 1.08 : 1] } },
    axes: [
      { ...axis, size: 26, grid: { show: false }, space: width < NARROW ? 90 : 70, values: (_, splits) => splits.map((at) => tick(at * 1000, interval)) },
      { ...axis, size: 56, ...(kind === "count" ? { incrs: WHOLE } : {}), grid: { stroke: () => colour("--line"), width: 1 }, values: (_, splits) => splits.map(atAxis(kind)) },
    ],
    series: [
      { label: interval, value: (_, at) => (at === null ? "–" : moment(at * 1000)) },
      { label: title, stroke: () => colour("--accent"), fill: () => colour("--accent-wash"), width: 2, value: written, points: { show: false } },
      { label: "Time before", stroke: () => colour("--received"), dash: [4, 4], width: 1.5, value: written, points: { show: false } },
      { label: "Open", stroke: () => colour("--accent"), paths: () => null, points: { show: false }, value: written },
    ],
    hooks: { draw: [hatchOpen] },
  };
}

/** The piece of time that has not ended, as a hatched block: it is no collapse. */
function hatchOpen(chart) {
  const [at, , , open] = chart.data;
  const place = open.findIndex((value) => value !== null);
  if (at.length < 2 || place < 0) return;
  const { ctx, bbox } = chart;
  const middle = chart.valToPos(at[place], "x", true);
  const beside = chart.valToPos(at[place === 0 ? 1 : place - 1], "x", true);
  const half = Math.max(3, Math.abs(middle - beside) / 2);
  const top = chart.valToPos(open[place], "y", true);
  const bottom = bbox.top + bbox.height;
  ctx.save();
  ctx.beginPath();
  ctx.rect(middle - half, top, 2 * half, bottom - top);
  ctx.fillStyle = colour("--accent-wash");
  ctx.fill();
  ctx.clip();
  ctx.strokeStyle = colour("--accent");
  ctx.lineWidth = 1.5 * devicePixelRatio;
  ctx.beginPath();
  for (let x = middle - half - (bottom - top); x < middle + half; x += 8 * devicePixelRatio) {
    ctx.moveTo(x, bottom);
    ctx.lineTo(x + (bottom - top), top);
  }
  ctx.stroke();
  ctx.restore();
}
