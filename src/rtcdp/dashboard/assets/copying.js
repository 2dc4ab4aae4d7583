// Commands that can be copied. `__ORIGIN__` in them is where this page came from.

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
    if (snippet.textContent.includes("__ORIGIN__")) {
      snippet.textContent = snippet.textContent.replaceAll("__ORIGIN__", location.origin);
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
