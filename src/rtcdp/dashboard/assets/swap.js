// Swaps what a page shows for what the server renders: the same HTML that it sends to who comes anew, merged into what
// stands here, so that neither the focus nor the scrolling is lost. One answer is waited for at a time.

const PARTS = ["header.top", "main", "footer.foot", "#keys"];
let awaited = null;

/** Asks for a page as it was so many seconds ago at most, without its scripts being run. */
export function ask(address, seconds = 1) {
  const request = new XMLHttpRequest();
  request.open("GET", address);
  request.setRequestHeader("Accept", "text/html");
  // Many pages that ask at once may share an answer.
  request.setRequestHeader("Cache-Control", `max-age=${seconds}`);
  request.responseType = "document";
  request.send();
  return request;
}

export const isAwaiting = () => awaited !== null;

/** Calls `show` with the page that was asked for, or `fail`; whatever was waited for before is given up. */
export function awaitPage(request, show, fail = () => {}) {
  const before = awaited;
  awaited = request;
  // Told at once that it is over, it finds that nobody waits for it.
  if (before !== request) before?.abort();
  const settle = () => {
    if (awaited !== request) return;
    awaited = null;
    if (request.status !== 200 || !request.response) return fail();
    show(request.response);
    document.dispatchEvent(new CustomEvent("rtcdp:refreshed"));
  };
  if (request.readyState === XMLHttpRequest.DONE) settle();
  else request.addEventListener("loadend", settle);
}

/** Whatever is waited for is waited for no more. */
function giveUp() {
  const request = awaited;
  awaited = null;
  request?.abort();
}

// Who goes to another page isn't taken back by an answer, or by its failing.
addEventListener("beforeunload", giveUp);

/** The parts of the page that tell of what happens now. */
export function showLive(fresh) {
  for (const part of fresh.querySelectorAll("[data-live]")) {
    const old = document.getElementById(part.id);
    if (old && !isBeingUsed(old)) merge(old, part);
  }
}

/** All of another page of the same kind. */
export function showWhole(fresh) {
  for (const name of PARTS) {
    const [old, part] = [document, fresh].map((page) => page.querySelector(name));
    if (old && part) merge(old, part);
  }
  Object.assign(document.body.dataset, fresh.body.dataset);
  // What was typed or chosen is in the address by now, and what the server wrote is what holds.
  for (const form of document.querySelectorAll("main form")) form.reset();
}

const isBeingUsed = (node) =>
  node.contains(document.activeElement) && /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.nodeName);

const keyOf = (node) => (node.nodeType === Node.ELEMENT_NODE && (node.id || node.dataset?.row)) || null;

const isAlike = (one, other) =>
  one.nodeType === other.nodeType && one.nodeName === other.nodeName && keyOf(one) === keyOf(other);

/** Makes `old` what `fresh` is, keeping the elements that are in both. What a script draws
 * (`data-drawn`) is its own, a list that was opened stays open, and what is for browsers without script stays as it is. */
function merge(old, fresh) {
  if (old.isEqualNode(fresh)) return;
  if (!isAlike(old, fresh)) {
    old.replaceWith(document.adoptNode(fresh));
    return;
  }
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  if ("drawn" in old.dataset || old.nodeName === "NOSCRIPT") return;
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
