// The ledger as two bars of one length: what came in, and what became of it.

import { count, share } from "./format.js";
import { byId, element } from "./element.js";

const PARTS = [
  ["admitted", "Admitted", "/events?verdict=admitted&from=1970-01-01"],
  ["duplicate", "Duplicate", "/pipeline?records=duplicates&from=1970-01-01#records"],
  ["late", "Late", "/pipeline?records=late&from=1970-01-01#records"],
  ["dead_letter", "Dead letters", "/pipeline?records=dead_letters&from=1970-01-01#records"],
];

const bars = new Map();
const numbers = new Map();

export function prepareLedger() {
  for (const [part, title, address] of PARTS) {
    const bar = element("i", { "data-part": part });
    const total = element("span", {}, "–");
    const ratio = element("small", {});
    byId("parts").append(bar);
    byId("legend").append(
      element(
        "div",
        { "data-part": part },
        element("dt", {}, element("a", { href: address }, title)),
        element("dd", {}, total, ratio),
      ),
    );
    bars.set(part, bar);
    numbers.set(part, { total, ratio });
  }
}

export function showLedger(totals) {
  let sum = 0;
  for (const [part] of PARTS) {
    const value = totals[part];
    sum += value;
    const bar = bars.get(part);
    bar.style.flexGrow = String(totals.received ? value / totals.received : 0);
    bar.toggleAttribute("data-some", value > 0);
    numbers.get(part).total.textContent = count(value);
    numbers.get(part).ratio.textContent = share(value, totals.received);
  }
  byId("all").toggleAttribute("data-some", totals.received > 0);
  const balance = byId("balance");
  const balanced = sum === totals.received;
  balance.dataset.balanced = balanced ? "yes" : "no";
  balance.textContent = balanced
    ? `${count(totals.received)} received, every one accounted for`
    : `${count(totals.received)} received, but ${count(sum)} accounted for`;
}
