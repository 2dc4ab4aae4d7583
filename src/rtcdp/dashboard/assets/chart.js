// An area chart of a number that changes with time: the newest point at the right edge.

import { rate } from "./format.js";
import { shape } from "./element.js";

const MARGIN = { top: 10, right: 4, bottom: 22, left: 48 };
const SPAN_MS = 120_000;
const GAP_MS = 5_000; // Nothing is known of a longer silence, so no line is drawn through it.
const LINES = 4;
const TIMES = [[120, "2 min ago"], [90, "90 s"], [60, "1 min"], [30, "30 s"], [0, "now"]];
const NARROW = 480;

export class Chart {
  #svg;
  #readout;
  #points = [];
  #pointer = null;

  constructor(svg, readout) {
    this.#svg = svg;
    this.#readout = readout;
    svg.addEventListener("pointermove", (event) => {
      this.#pointer = event.clientX - svg.getBoundingClientRect().left;
      this.#draw();
    });
    svg.addEventListener("pointerleave", () => {
      this.#pointer = null;
      this.#draw();
    });
    new ResizeObserver(() => this.#draw()).observe(svg);
  }

  get peak() {
    return this.#points.reduce((peak, point) => Math.max(peak, point.value), 0);
  }

  add(at, value) {
    this.#points.push({ at, value });
    const first = this.#points.findIndex((point) => point.at >= at - SPAN_MS);
    this.#points.splice(0, first);
    this.#draw();
  }

  #draw() {
    const { clientWidth: width, clientHeight: height } = this.#svg;
    if (width === 0) return;
    const inner = { width: width - MARGIN.left - MARGIN.right, height: height - MARGIN.top - MARGIN.bottom };
    const now = this.#points.at(-1)?.at ?? 0;
    const top = roundUp(this.peak);
    const x = (at) => MARGIN.left + inner.width * (1 - (now - at) / SPAN_MS);
    const y = (value) => MARGIN.top + inner.height * (1 - value / top);
    this.#svg.replaceChildren(...this.#axes(width, height, top, x, y, now), ...this.#curve(x, y));
    this.#show(x, y, height, now);
  }

  #axes(width, height, top, x, y, now) {
    const nodes = [];
    for (let step = 0; step <= LINES; step += 1) {
      const value = (top * step) / LINES;
      nodes.push(
        shape("line", { class: "grid", x1: MARGIN.left, x2: width - MARGIN.right, y1: y(value), y2: y(value) }),
        shape("text", { x: MARGIN.left - 8, y: y(value) + 4, "text-anchor": "end" }, rate(value)),
      );
    }
    for (const [seconds, words] of TIMES.filter(([seconds]) => width > NARROW || seconds % 60 === 0)) {
      const anchor = seconds === 120 ? "start" : seconds === 0 ? "end" : "middle";
      nodes.push(shape("text", { x: x(now - seconds * 1000), y: height - 4, "text-anchor": anchor }, words));
    }
    return nodes;
  }

  #curve(x, y) {
    const lines = stretches(this.#points).map((points) => {
      const line = points.map((point, i) => `${i ? "L" : "M"}${x(point.at).toFixed(1)} ${y(point.value).toFixed(1)}`).join("");
      const area = `${line}L${x(points.at(-1).at).toFixed(1)} ${y(0)}L${x(points[0].at).toFixed(1)} ${y(0)}Z`;
      return [shape("path", { class: "area", d: area }), shape("path", { class: "line", d: line })];
    });
    return lines.flat();
  }

  #show(x, y, height, now) {
    if (this.#pointer === null || this.#points.length === 0) {
      this.#readout.textContent = "last two minutes";
      return;
    }
    const distance = (point) => Math.abs(x(point.at) - this.#pointer);
    const nearest = this.#points.reduce((best, point) => (distance(point) < distance(best) ? point : best));
    const at = x(nearest.at);
    this.#svg.append(
      shape("line", { class: "cursor", x1: at, x2: at, y1: MARGIN.top, y2: height - MARGIN.bottom }),
      shape("circle", { class: "dot", cx: at, cy: y(nearest.value), r: 4.5 }),
    );
    const ago = Math.round((now - nearest.at) / 1000);
    this.#readout.textContent = `${rate(nearest.value)} events/s, ${ago === 0 ? "now" : `${ago} s ago`}`;
  }
}

/** The points in runs without a gap; a point alone makes no line. */
function stretches(points) {
  const runs = [];
  points.forEach((point, i) => {
    if (i === 0 || point.at - points[i - 1].at > GAP_MS) runs.push([]);
    runs.at(-1).push(point);
  });
  return runs.filter((run) => run.length > 1);
}

/** The smallest of 1, 2, 4, 8 × 10ⁿ that is not below `value`, so that four lines fall on round numbers. */
function roundUp(value) {
  if (value <= 4) return 4;
  const unit = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 4, 8, 10].map((factor) => factor * unit).find((limit) => limit >= value);
}
