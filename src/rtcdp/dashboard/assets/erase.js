// Has a user erased once their id was typed in, and follows that to its receipt.

import { element } from "./element.js";
import { loginToken } from "./login_token.js";

const LOOK_EVERY_MS = 500;
const FORMS = "form[data-erase]";

document.addEventListener("input", ({ target }) => {
  const form = target.closest(FORMS);
  if (form) buttonOf(form).disabled = !isSure(form);
});

document.addEventListener("submit", (submitted) => {
  if (!submitted.target.matches(FORMS)) return;
  submitted.preventDefault();
  erase(submitted.target);
});

function showForms() {
  for (const form of document.querySelectorAll(FORMS)) form.hidden = false;
}

showForms();
document.addEventListener("rtcdp:refreshed", showForms);

const buttonOf = (form) => form.querySelector("button");

const isSure = (form) => form.elements.sure.value === form.dataset.user;

async function erase(form) {
  const whose = form.dataset.erase;
  // By the time that there is something to say, the form may be that of another user.
  const say = (outcome, ...words) => {
    if (!form.isConnected || form.dataset.erase !== whose) return;
    form.querySelector("[role=status]").replaceChildren(...words);
    if (outcome) form.dataset.outcome = outcome;
    if (outcome !== "done") buttonOf(form).disabled = outcome === null || !isSure(form);
  };
  buttonOf(form).disabled = true;
  try {
    let answer = await fetch(whose, { method: "DELETE", headers: loginToken() });
    const where = answer.headers.get("Location");
    let told = await answer.json();
    while (answer.ok && ["waiting", "erasing"].includes(told.state)) {
      say(null, told.state === "waiting" ? "It waits for the processor." : "The processor erases.");
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
      answer = await fetch(where);
      told = await answer.json();
    }
    if (answer.ok) say(told.state, ...ended(told, where));
    else say("refused", `${told.detail}. ${told.hint}`);
  } catch {
    say("unknown", "The server can't be reached. What it was asked to do, it does.");
  }
}

function ended(told, where) {
  if (told.state === "failed") return [`Nothing was erased: ${told.trouble}.`];
  const records = Object.values(told.receipt.records).reduce((sum, count) => sum + count, 0);
  const found = told.receipt.found.length;
  const left = found ? `the id still stands in ${found} places` : "the search found it nowhere";
  return [`Erased ${records} records; ${left}. `, element("a", { href: where }, "The receipt")];
}
