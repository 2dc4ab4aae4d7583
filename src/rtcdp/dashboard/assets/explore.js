// A choice is shown as soon as it is made.

document.addEventListener("change", ({ target }) => {
  if (target.matches("#choose select")) target.form.requestSubmit();
});
