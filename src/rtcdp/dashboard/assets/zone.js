// The choice of a time zone: sent with the address, and kept for the next visit.

import { byId, element } from "./element.js";

const YEAR_S = 31_536_000;

export function prepareZone() {
  const select = byId("tz");
  const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (own && ![...select.options].some((option) => option.value === own)) {
    select.prepend(element("option", { value: own }, `${own.replaceAll("_", " ")} (yours)`));
  }
  select.addEventListener("change", () => {
    document.cookie = `rtcdp-tz=${encodeURIComponent(select.value)}; path=/; max-age=${YEAR_S}; samesite=strict`;
    select.form.requestSubmit();
  });
}
