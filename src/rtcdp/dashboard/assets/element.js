// Builds elements from text, never from markup, so that nothing a user sent can become code.

const SVG = "http://www.w3.org/2000/svg";

export const byId = (id) => document.getElementById(id);

export function element(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

export function shape(name, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

/** Lets a node have these elements. What is the same as before stays: a click that begins on it ends on it. */
export function refill(node, fresh) {
  const old = [...node.children];
  for (const [place, each] of fresh.entries()) {
    if (place >= old.length) node.append(each);
    else if (!old[place].isEqualNode(each)) old[place].replaceWith(each);
  }
  for (const each of old.slice(fresh.length)) each.remove();
}

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== null && value !== false) {
      node.setAttribute(name, value === true ? "" : value);
    }
  }
  node.append(...children);
  return node;
}
