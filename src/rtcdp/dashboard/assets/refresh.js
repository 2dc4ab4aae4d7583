// Keeps a page as new as the store: the server renders it again, and what is another one is swapped.

import { ask, awaitPage, isAwaiting, showLive } from "./swap.js";

const REST = 10;
const REST_MAX_MS = 20_000;
let last = { epoch: null, at: performance.now() };
let restMs = 0;

/** Called with each tick. A page that is read further back, or that nobody sees, stays as it is. */
export function refreshSoon(tick) {
  if (last.epoch === null) last.epoch = tick.epoch;
  const now = performance.now();
  const everyMs = Number(document.body.dataset.everyMs);
  const isSame = tick.epoch === last.epoch && now - last.at < 5 * everyMs;
  if (isSame || isAwaiting() || document.hidden || now - last.at < Math.max(everyMs, restMs)) return;
  if (!document.querySelector("[data-live]") || new URLSearchParams(location.search).has("cursor")) return;
  last = { epoch: tick.epoch, at: now };
  // What takes the server long, because it has much to do, is asked for less often.
  const rest = () => (restMs = Math.min(REST * (performance.now() - now), REST_MAX_MS));
  awaitPage(
    ask(location.href),
    (fresh) => {
      rest();
      showLive(fresh);
    },
    rest,
  );
}
