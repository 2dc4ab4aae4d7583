// Keys: `?` shows them, `g` and a letter go to a page, a number chooses the time.

import { byId } from "./element.js";

const WAIT_MS = 1500;
let goesSince = -Infinity;

export function prepareKeys() {
  const dialog = byId("keys");
  const button = byId("show-keys");
  button.hidden = false;
  button.addEventListener("click", () => dialog.showModal());
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isWriting(event.target)) return;
    if (event.key === "?") {
      if (!dialog.open) dialog.showModal();
      event.preventDefault();
    } else if (performance.now() - goesSince < WAIT_MS) {
      goesSince = -Infinity;
      dialog.querySelector(`a[data-key="${CSS.escape(event.key)}"]`)?.click();
    } else if (event.key === "g") {
      goesSince = performance.now();
    } else if (/^[1-9]$/.test(event.key)) {
      document.querySelectorAll("nav.segments.times a")[Number(event.key) - 1]?.click();
    }
  });
}

const isWriting = (node) => node.isContentEditable || /^(INPUT|SELECT|TEXTAREA)$/.test(node.nodeName);
