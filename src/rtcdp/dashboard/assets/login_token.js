// What a server that asks for a login wants to see of whoever changes something.

/** The header, if there is a login. */
export function loginToken() {
  const found = /(?:^|; )rtcdp_csrf=([^;]*)/.exec(document.cookie);
  return found ? { "X-CSRF-Token": decodeURIComponent(found[1]) } : {};
}
