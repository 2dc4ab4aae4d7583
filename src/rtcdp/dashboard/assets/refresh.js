// Keeps a page as new as the store: the server renders it again, and what is another one is swapped.

import { ask, awaitPage, isAwaiting, showLive } from "./swap.js";

let last = { epoch: null, at: performance.now() };

/** Called with each tick. A page that is read further back, or that nobody sees, stays as it is. */
export function refreshSoon(tick) {
  if (last.epoch === null) last.epoch = tick.epoch;
  const now = performance.now();
  const everyMs = Number(document.body.dataset.everyMs);
  const isSame = tick.epoch === last.epoch && now - last.at < 5 * everyMs;
  if (isSame || isAwaiting() || document.hidden || now - last.at < everyMs) return;
  if (!document.querySelector("[data-live]") || new URLSearchParams(location.search).has("cursor")) return;
  last = { epoch: tick.epoch, at: now };
  awaitPage(ask(location.href), showLive);
}
