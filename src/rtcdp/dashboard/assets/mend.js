// Feeds a dead letter in again, as it was mended, and says what became of it.

import { loginToken } from "./login_token.js";

const OUTCOMES = {
  admitted: "It is counted.",
  duplicate: "An event with this id was counted before: it is a duplicate.",
  late: "It came too late to be counted.",
  dead_letter: "It is a dead letter again.",
  erased: "Its user was erased: it is not counted.",
  waiting: "It is in the log, and counted as soon as the processor comes to it.",
};

document.addEventListener("submit", (submitted) => {
  if (!submitted.target.matches("form[data-mend]")) return;
  submitted.preventDefault();
  send(submitted.target, submitted.target.querySelector("button"));
});

function showButtons() {
  for (const button of document.querySelectorAll("form[data-mend]:not([data-outcome]) button")) button.hidden = false;
}

showButtons();
document.addEventListener("rtcdp:refreshed", showButtons);

async function send(form, button) {
  const says = form.querySelector("[role=status]");
  button.disabled = true;
  says.textContent = "sending…";
  try {
    const answer = await fetch(form.dataset.mend, {
      method: "POST",
      headers: { "Content-Type": "application/json", ...loginToken() },
      body: JSON.stringify({ raw: form.elements.raw.value }),
    });
    const told = await answer.json();
    says.textContent = answer.ok
      ? `${OUTCOMES[told.outcome]} ${told.message ?? ""}`.trim()
      : `${told.detail}. ${told.hint}`;
    form.dataset.outcome = answer.ok ? told.outcome : "refused";
    form.elements.raw.readOnly = answer.ok;
    button.hidden = answer.ok;
  } catch {
    says.textContent = "The server can't be reached: try again.";
  } finally {
    button.disabled = false;
  }
}
