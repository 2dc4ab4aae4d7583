// Says that somebody has seen an anomaly, or takes it back, and shows the page again.

import { loginToken } from "./login_token.js";

const WHO = "rtcdp-seen-by";

document.addEventListener("submit", (submitted) => {
  if (!submitted.target.matches("form[data-seen]")) return;
  submitted.preventDefault();
  say(submitted.target);
});

function showForms() {
  for (const form of document.querySelectorAll("form[data-seen][hidden]")) {
    form.hidden = false;
    if (form.elements.by) form.elements.by.value = localStorage.getItem(WHO) ?? "";
  }
}

showForms();
document.addEventListener("rtcdp:refreshed", showForms);

async function say(form) {
  const { by, note } = form.elements;
  if (by) localStorage.setItem(WHO, by.value.trim());
  const body = by ? JSON.stringify({ by: by.value.trim(), note: note.value }) : undefined;
  const answer = await fetch(form.dataset.seen, {
    method: form.dataset.method,
    headers: { ...(body && { "Content-Type": "application/json" }), ...loginToken() },
    body,
  });
  if (answer.ok) {
    location.reload();
    return;
  }
  const problem = await answer.json();
  form.querySelector("[role=status]").textContent = `${problem.detail}: ${problem.hint}`;
}
