// Keeps a page as new as the store: the server renders it again, and what is another one is merged
// into what stands here, so that neither the focus nor the scrolling is lost.

const everyMs = Number(document.body.dataset.everyMs);
let last = { epoch: null, at: performance.now() };
let isAsking = false;

/** Called with each tick. A page that is read further back, or that nobody sees, stays as it is. */
export function refreshSoon(tick) {
  if (last.epoch === null) last.epoch = tick.epoch;
  const now = performance.now();
  const isSame = tick.epoch === last.epoch && now - last.at < 5 * everyMs;
  if (isSame || isAsking || document.hidden || now - last.at < everyMs) return;
  if (!document.querySelector("[data-live]") || new URLSearchParams(location.search).has("cursor")) return;
  last = { epoch: tick.epoch, at: now };
  refresh();
}

/** The page as it is now, without its scripts being run. */
export function refresh() {
  isAsking = true;
  const request = new XMLHttpRequest();
  request.open("GET", location.href);
  request.setRequestHeader("Accept", "text/html");
  // Many pages that ask at once may share an answer.
  request.setRequestHeader("Cache-Control", "max-age=1");
  request.responseType = "document";
  request.addEventListener("loadend", () => {
    isAsking = false;
    if (request.status !== 200 || !request.response) return;
    for (const fresh of request.response.querySelectorAll("[data-live]")) {
      const old = document.getElementById(fresh.id);
      if (old && !isBeingUsed(old)) merge(old, fresh);
    }
    document.dispatchEvent(new CustomEvent("rtcdp:refreshed"));
  });
  request.send();
}

const isBeingUsed = (node) =>
  node.contains(document.activeElement) && /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.nodeName);

const keyOf = (node) => (node.nodeType === Node.ELEMENT_NODE && (node.id || node.dataset?.row)) || null;

const isAlike = (one, other) =>
  one.nodeType === other.nodeType && one.nodeName === other.nodeName && keyOf(one) === keyOf(other);

/** Makes `old` what `fresh` is, keeping the elements that are in both. What a script draws
 * (`data-drawn`) is its own, and a list that was opened stays open. */
export function merge(old, fresh) {
  if (old.isEqualNode(fresh)) return;
  if (!isAlike(old, fresh)) {
    old.replaceWith(document.adoptNode(fresh));
    return;
  }
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  if ("drawn" in old.dataset) return;
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && name !== "open") old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  mergeChildren(old, fresh);
}

function mergeChildren(old, fresh) {
  const named = new Map([...old.children].filter(keyOf).map((each) => [keyOf(each), each]));
  let place = old.firstChild;
  for (const wanted of [...fresh.childNodes]) {
    const isHere = place !== null && !keyOf(wanted) && isAlike(place, wanted);
    const found = keyOf(wanted) ? named.get(keyOf(wanted)) : isHere ? place : undefined;
    if (found === undefined || !isAlike(found, wanted)) {
      old.insertBefore(document.adoptNode(wanted), place);
      continue;
    }
    if (found === place) place = place.nextSibling;
    else old.insertBefore(found, place);
    merge(found, wanted);
  }
  while (place !== null) {
    const next = place.nextSibling;
    place.remove();
    place = next;
  }
}
