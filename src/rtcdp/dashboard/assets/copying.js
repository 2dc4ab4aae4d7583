// Commands that can be copied. `__ORIGIN__` in them is where this page came from.

export function prepareCopying() {
  for (const button of document.querySelectorAll(".snippet .copy")) {
    const snippet = button.closest(".snippet").querySelector("pre");
    if (snippet.textContent.includes("__ORIGIN__")) {
      snippet.textContent = snippet.textContent.replaceAll("__ORIGIN__", location.origin);
    }
    button.hidden = false;
    button.addEventListener("click", () => copy(button, snippet));
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
