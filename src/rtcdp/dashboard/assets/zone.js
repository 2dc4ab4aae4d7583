// The choice of a time zone: sent with the address, and kept for the next visit.

import { byId, element } from "./element.js";

const YEAR_S = 31_536_000;

export function prepareZone() {
  offerOwn();
  document.addEventListener("rtcdp:refreshed", offerOwn);
  document.addEventListener("change", ({ target }) => {
    if (target.id !== "tz") return;
    document.cookie = `rtcdp-tz=${encodeURIComponent(target.value)}; path=/; max-age=${YEAR_S}; samesite=strict`;
    target.form.requestSubmit();
  });
}

function offerOwn() {
  const select = byId("tz");
  const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (own && ![...select.options].some((option) => option.value === own)) {
    select.prepend(element("option", { value: own }, `${own.replaceAll("_", " ")} (yours)`));
  }
}
