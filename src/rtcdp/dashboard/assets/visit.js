// A choice on a page (a figure, a time, a filter, a row, a zone) shows its answer without the page being left. The address
// is that of the choice, as if the page had been opened there: it can be kept, reloaded and gone back to.

import { ask, awaitPage, showWhole } from "./swap.js";

const AHEAD_MS = 2000;
const AGE_S = 10; // Whatever is chosen is told of the numbers that stand there: they are renewed soon anyway.
const CHOICES = ".segments, .tabs";
let shown = here();
let ahead = { address: null };

export function prepareVisits() {
  document.addEventListener("pointerdown", (event) => {
    // A finger may as well begin to scroll.
    const choice = event.pointerType === "mouse" ? choiceOf(event) : null;
    // By the time that the click comes, a part of the answer has been waited for.
    if (choice) ahead = { address: choice.address, at: performance.now(), request: ask(choice.address, AGE_S) };
  });
  document.addEventListener("click", (event) => {
    const choice = choiceOf(event);
    if (!choice) return;
    event.preventDefault();
    press(choice.link);
    show(choice.address, enter);
  });
  document.addEventListener("submit", (event) => {
    const form = event.target;
    const address = new URL(form.getAttribute("action") ?? location.pathname, location.href);
    if (event.defaultPrevented || form.getAttribute("method") !== "get" || !isSamePage(address)) return;
    event.preventDefault();
    address.search = new URLSearchParams(new FormData(form, event.submitter));
    form.closest("details")?.removeAttribute("open");
    show(address.href, enter);
  });
  addEventListener("popstate", () => {
    if (shown !== here()) show(location.href);
  });
}

function here() {
  return location.pathname + location.search;
}

/** The address of a choice stands there from when its answer does, so that neither tells of the other's. */
function enter(address) {
  if (address === location.href) history.replaceState(null, "", address);
  else history.pushState(null, "", address);
}

const isSamePage = (address) => address.origin === location.origin && address.pathname === location.pathname;

/** The link that an event chooses, if it leads to the same page with other choices, in this very window. */
function choiceOf(event) {
  if (event.defaultPrevented || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) {
    return null;
  }
  // Whoever turns a page of a list wants to read it from its beginning. Links of drawings have no address in parts.
  const link = event.target.closest?.("a[href]:not([target], [download], .pager a)");
  const address = link && new URL(link.getAttribute("href"), location.href);
  return !link || address.hash || !isSamePage(address) ? null : { link, address: address.href };
}

/** What was chosen looks so at once, whenever its numbers come. */
function press(link) {
  link.toggleAttribute("data-asked", true);
  const choices = link.closest(CHOICES);
  if (!choices) return;
  for (const each of choices.querySelectorAll("[aria-current]")) each.removeAttribute("aria-current");
  link.setAttribute("aria-current", "true");
}

/** Whether all that a page loads is loaded here. */
function hasAllOf(fresh) {
  const [known, wanted] = [document, fresh].map((page) =>
    [...page.head.querySelectorAll("script[src], link[href]")].map((each) => each.getAttribute("src") ?? each.getAttribute("href")),
  );
  return wanted.every((each) => known.includes(each));
}

/** Shows what stands at an address; with `enterIt`, once it is there, it is entered as the page's own. */
function show(address, enterIt = null) {
  const main = document.querySelector("main");
  const focused = document.activeElement;
  main.setAttribute("aria-busy", "true");
  const isAhead = ahead.address === address && performance.now() - ahead.at < AHEAD_MS;
  const request = isAhead ? ahead.request : ask(address, AGE_S);
  ahead = { address: null };
  // As it would be without this script, with whatever there is to say then.
  const leave = () => (!enterIt || address === location.href ? location.reload() : location.assign(address));
  awaitPage(
    request,
    (fresh) => {
      // Gone back or forward again before it came.
      if (!enterIt && address !== location.href) return show(location.href);
      // Somewhere else than it was asked for: a login, perhaps.
      const isElsewhere = new URL(request.responseURL).pathname !== location.pathname;
      if (isElsewhere || !hasAllOf(fresh)) return leave();
      enterIt?.(address);
      shown = here();
      showWhole(fresh);
      if (focused !== document.body && !focused.isConnected) main.focus({ preventScroll: true });
    },
    leave,
  );
}
