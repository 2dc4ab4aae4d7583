// Sends what happens on a web page to rtcdp. Keeps nothing in the browser unless it is told to.
(() => {
  const script = document.currentScript;
  const options = script.dataset;
  const target = new URL("/v1/events", options.to || script.src);
  if (options.key) target.searchParams.set("key", options.key);
  if (options.source) target.searchParams.set("source", options.source);

  const KEPT = 100, PER_REQUEST = 20, FIRST_WAIT_MS = 1000, LONGEST_WAIT_MS = 60000;
  const refuses = navigator.doNotTrack === "1" || window.doNotTrack === "1" || navigator.globalPrivacyControl;
  let allowed = !refuses && options.consent !== "required";
  let stopped = Boolean(refuses);
  let waiting = [], sending = false, waitMs = FIRST_WAIT_MS, timer = 0, lastPage = "", user = options.user || "";

  // getRandomValues, for pages without TLS have no randomUUID.
  const mark = () => Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("");

  // Who it is: told, or new with each page load; with data-visitor="tab" or "browser" kept there.
  const visitor = () => {
    if (user) return user;
    const place = { tab: "sessionStorage", browser: "localStorage" }[options.visitor];
    try {
      user = (place && window[place].getItem("rtcdp")) || `anon-${mark()}`;
      if (place) window[place].setItem("rtcdp", user);
    } catch {
      user ||= `anon-${mark()}`;
    }
    return user;
  };

  const body = (events) => events.map((event) => JSON.stringify({ userId: visitor(), ...event })).join("\n");

  // What was not answered for goes once more, with the same ids: it counts once.
  const send = async () => {
    if (sending || !allowed || !waiting.length) return;
    sending = true;
    clearTimeout(timer);
    timer = 0;
    const batch = waiting.slice(0, PER_REQUEST);
    let again = true, askedMs = 0;
    try {
      const answer = await fetch(target, { method: "POST", body: body(batch), keepalive: true, credentials: "omit" });
      again = answer.status === 429 || answer.status === 408 || answer.status >= 500;
      askedMs = 1000 * Number(answer.headers.get("Retry-After")) || 0;
    } catch {
      // Away: it is tried again.
    }
    sending = false;
    if (!again) {
      waiting = waiting.filter((event) => !batch.includes(event));
      waitMs = FIRST_WAIT_MS;
      return send();
    }
    timer = setTimeout(send, Math.max(askedMs, waitMs));
    waitMs = Math.min(2 * waitMs, LONGEST_WAIT_MS);
  };

  // The page may not come back: what waits goes in a beacon, also what is under way.
  const sendLast = () => {
    if (!allowed || !waiting.length) return;
    const batch = waiting.slice(0, KEPT);
    if (navigator.sendBeacon(target, body(batch))) waiting = waiting.filter((event) => !batch.includes(event));
  };

  const track = (eventType, fields = {}) => {
    if (stopped) return;
    const pageUrl = location.href.split("#")[0].slice(0, 2048);
    waiting.push({ eventId: mark(), eventType, timestamp: Date.now(), pageUrl, ...fields });
    if (waiting.length > KEPT) waiting.shift();
    if (!timer) timer = setTimeout(send, 0);
  };

  const page = () => {
    const here = options.hash === undefined ? location.href.split("#")[0] : location.href;
    if (here === lastPage) return;
    lastPage = here;
    track("PAGE_VIEW", options.hash === undefined ? {} : { pageUrl: here.slice(0, 2048) });
  };

  const consent = (given) => {
    if (refuses) return;
    allowed = given;
    stopped = !given;
    if (given) send();
    else waiting = [];
  };

  const identify = (id) => {
    user = String(id);
  };

  window.rtcdp = { track, page, consent, identify };

  if (options.manual === undefined) {
    for (const name of ["pushState", "replaceState"]) {
      const before = history[name];
      history[name] = function (...values) {
        before.apply(this, values);
        page();
      };
    }
    addEventListener("popstate", page);
    addEventListener("hashchange", page);
    addEventListener("pageshow", (shown) => {
      if (!shown.persisted) return;
      lastPage = "";
      page();
    });
    if (document.prerendering) document.addEventListener("prerenderingchange", page, { once: true });
    else page();
  }

  // <button data-rtcdp="ADD_TO_CART" data-rtcdp-product="p-1" data-rtcdp-value="9.9">
  addEventListener("click", (click) => {
    const element = click.target instanceof Element && click.target.closest("[data-rtcdp]");
    if (!element) return;
    const { rtcdp, rtcdpProduct, rtcdpValue } = element.dataset;
    track(rtcdp, { productId: rtcdpProduct, value: rtcdpValue === undefined ? undefined : Number(rtcdpValue) });
  });
  addEventListener("pagehide", sendLast);
  document.addEventListener("visibilitychange", () => document.visibilityState === "hidden" && sendLast());
  addEventListener("online", send);
})();
