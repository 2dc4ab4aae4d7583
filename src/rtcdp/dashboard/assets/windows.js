// The newest windows, each with a link to the very events in it.

import { count, dayOf, timeOfDay } from "./format.js";
import { byId, element } from "./element.js";

const rows = new Map();
let drawnFor = null; // The address that the texts and links of all rows are made for: a zone, and the way back.

/** Rows that stay are kept, so that a tick takes away neither the focus nor a click. */
export function showWindows(metric, windows) {
  const body = byId("windows");
  if (drawnFor !== location.href) {
    for (const { node } of rows.values()) node.remove();
    rows.clear();
    drawnFor = location.href;
  }
  const largest = windows.reduce((most, window) => Math.max(most, window.page_view_count), 1);
  const shown = new Set(windows.map(keyOf));
  for (const [key, row] of rows) {
    if (shown.has(key)) continue;
    row.node.remove();
    rows.delete(key);
  }
  windows.forEach((window, place) => {
    const row = rows.get(keyOf(window)) ?? added(metric, window);
    row.show(window.page_view_count, largest);
    if (body.children[place] !== row.node) body.insertBefore(row.node, body.children[place] ?? null);
  });
  byId("windows-table").hidden = windows.length === 0;
  byId("no-windows").hidden = windows.length > 0;
}

const keyOf = (window) => `${window.window_start} ${window.userId}`;

function added(metric, window) {
  const meter = element("i", {});
  const number = element("b", {});
  const query = new URLSearchParams({
    metric,
    where: `userId=${window.userId}`,
    from: window.window_start,
    to: window.window_end,
    back: location.pathname + location.search,
  });
  const node = element(
    "tr",
    {},
    element("td", { title: window.userId }, window.userId),
    element(
      "td",
      { title: dayOf(window.window_start) },
      timeOfDay(window.window_start),
      element("span", { class: "until" }, ` – ${timeOfDay(window.window_end)}`),
    ),
    element("td", { class: "number" }, element("div", { class: "meter" }, number, meter)),
    element("td", {}, element("a", { href: `/events?${query}` }, "events")),
  );
  const show = (views, largest) => {
    number.textContent = count(views);
    meter.style.setProperty("--ratio", String(views / largest));
  };
  const row = { node, show };
  rows.set(keyOf(window), row);
  return row;
}
