// Has a user erased once their id was typed in, and follows that to its receipt.

import { element } from "./element.js";
import { loginToken } from "./login_token.js";

const LOOK_EVERY_MS = 500;

for (const form of document.querySelectorAll("form[data-erase]")) {
  const button = form.querySelector("button");
  form.hidden = false;
  form.elements.sure.addEventListener("input", () => {
    button.disabled = form.elements.sure.value !== form.dataset.user;
  });
  form.addEventListener("submit", (submitted) => {
    submitted.preventDefault();
    erase(form, button);
  });
}

async function erase(form, button) {
  const says = form.querySelector("[role=status]");
  button.disabled = true;
  try {
    let answer = await fetch(form.dataset.erase, { method: "DELETE", headers: loginToken() });
    const where = answer.headers.get("Location");
    let told = await answer.json();
    while (answer.ok && ["waiting", "erasing"].includes(told.state)) {
      says.textContent =
        told.state === "waiting" ? "It waits for the processor." : "The processor erases.";
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
      answer = await fetch(where);
      told = await answer.json();
    }
    form.dataset.outcome = answer.ok ? told.state : "refused";
    says.replaceChildren(...(answer.ok ? ended(told, where) : [`${told.detail}. ${told.hint}`]));
  } catch {
    says.textContent = "The server can't be reached. What it was asked to do, it does.";
  }
}

function ended(told, where) {
  if (told.state === "failed") return [`Nothing was erased: ${told.trouble}.`];
  const records = Object.values(told.receipt.records).reduce((sum, count) => sum + count, 0);
  const found = told.receipt.found.length;
  const left = found ? `the id still stands in ${found} places` : "the search found it nowhere";
  return [`Erased ${records} records; ${left}. `, element("a", { href: where }, "The receipt")];
}
