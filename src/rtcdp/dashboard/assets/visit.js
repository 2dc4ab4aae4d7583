// A choice on a page (a figure, a time, a filter, a row, a zone) shows its answer without the page being left. The address
// is that of the choice, as if the page had been opened there: it can be kept, reloaded and gone back to.

import { ask, awaitPage, showWhole } from "./swap.js";

const AHEAD_MS = 2000;
const CHOICES = ".segments, .tabs";
let shown = here();
let ahead = { address: null };

export function prepareVisits() {
  document.addEventListener("pointerdown", (event) => {
    const link = choiceOf(event);
    // By the time that the click comes, a part of the answer has been waited for.
    if (link) ahead = { address: link.href, at: performance.now(), request: ask(link.href) };
  });
  document.addEventListener("click", (event) => {
    const link = choiceOf(event);
    if (!link) return;
    event.preventDefault();
    press(link);
    visit(link.href);
  });
  document.addEventListener("submit", (event) => {
    const form = event.target;
    const address = new URL(form.getAttribute("action") ?? location.pathname, location.href);
    if (event.defaultPrevented || form.getAttribute("method") !== "get" || !isSamePage(address)) return;
    event.preventDefault();
    address.search = new URLSearchParams(new FormData(form, event.submitter));
    form.closest("details")?.removeAttribute("open");
    visit(address.href);
  });
  addEventListener("popstate", () => {
    if (shown !== here()) show(location.href);
  });
}

function here() {
  return location.pathname + location.search;
}

const isSamePage = (address) => address.origin === location.origin && address.pathname === location.pathname;

/** The link that an event chooses, if it leads to the same page with other choices, in this very window. */
function choiceOf(event) {
  if (event.defaultPrevented || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) {
    return null;
  }
  const link = event.target.closest?.("a[href]");
  return !link || link.target || link.hasAttribute("download") || link.hash || !isSamePage(link) ? null : link;
}

/** What was chosen looks so at once, whenever its numbers come. */
function press(link) {
  link.toggleAttribute("data-asked", true);
  const choices = link.closest(CHOICES);
  if (!choices) return;
  for (const each of choices.querySelectorAll("[aria-current]")) each.removeAttribute("aria-current");
  link.setAttribute("aria-current", "true");
}

function visit(address) {
  if (address === location.href) history.replaceState(null, "", address);
  else history.pushState(null, "", address);
  show(address);
}

function show(address) {
  const main = document.querySelector("main");
  const focused = document.activeElement;
  main.setAttribute("aria-busy", "true");
  const isAhead = ahead.address === address && performance.now() - ahead.at < AHEAD_MS;
  const request = isAhead ? ahead.request : ask(address);
  ahead = { address: null };
  shown = here();
  awaitPage(
    request,
    (fresh) => {
      // Somewhere else than it was asked for: a login, perhaps.
      if (new URL(request.responseURL).pathname !== location.pathname) return location.reload();
      showWhole(fresh);
      if (focused !== document.body && !focused.isConnected) main.focus({ preventScroll: true });
    },
    // As it would be without this script, with whatever there is to say then.
    () => location.reload(),
  );
}
