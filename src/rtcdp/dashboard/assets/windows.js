// The newest windows, each with a link to the very events in it.

import { count, dayOf, timeOfDay } from "./format.js";
import { byId, element } from "./element.js";

export function showWindows(metric, windows) {
  const largest = windows.reduce((most, window) => Math.max(most, window.page_view_count), 1);
  byId("windows").replaceChildren(...windows.map((window) => row(metric, window, largest)));
  byId("no-windows").hidden = windows.length > 0;
}

function row(metric, window, largest) {
  const meter = element("i", {});
  meter.style.width = `${Math.round((100 * window.page_view_count) / largest)}px`;
  const query = new URLSearchParams({ metric, userId: window.userId, window_start: window.window_start });
  const times = `${timeOfDay(window.window_start)} – ${timeOfDay(window.window_end)}`;
  return element(
    "tr",
    {},
    element("td", { title: window.userId }, window.userId),
    element("td", { title: dayOf(window.window_start) }, times),
    element("td", { class: "number" }, element("div", { class: "meter" }, meter, element("b", {}, count(window.page_view_count)))),
    element("td", {}, element("a", { href: `/api/events?${query}` }, "events")),
  );
}
