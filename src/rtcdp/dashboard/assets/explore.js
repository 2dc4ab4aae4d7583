// A choice is shown as soon as it is made.

import { byId } from "./element.js";

const form = byId("choose");
if (form) {
  for (const select of form.querySelectorAll("select")) {
    select.addEventListener("change", () => form.requestSubmit());
  }
}
