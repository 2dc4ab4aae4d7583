// Commands that can be copied. Without script they are for the usual address; with it, for the one
// that this page came from.

const USUAL = "http://localhost:8081";

export function prepareCopying() {
  showButtons();
  document.addEventListener("rtcdp:refreshed", showButtons);
  document.addEventListener("click", ({ target }) => {
    const button = target.closest?.(".snippet .copy");
    if (button) copy(button, snippetOf(button));
  });
}

const snippetOf = (button) => button.closest(".snippet").querySelector("pre");

function showButtons() {
  for (const button of document.querySelectorAll(".snippet .copy")) {
    const snippet = snippetOf(button);
    if (location.origin !== USUAL && snippet.textContent.includes(USUAL)) {
      snippet.textContent = snippet.textContent.replaceAll(USUAL, location.origin);
    }
    button.hidden = false;
  }
}

async function copy(button, snippet) {
  try {
    await navigator.clipboard.writeText(snippet.textContent);
    button.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(snippet);
    button.textContent = "Selected";
  }
  setTimeout(() => (button.textContent = "Copy"), 2000);
}
