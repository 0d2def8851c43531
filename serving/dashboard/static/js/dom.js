// Building elements. Text of the server only ever becomes a text node: nothing here parses markup.

/**
 * Return a new element. `props` sets properties and attributes: `class`, `on` (listeners by event), `vars` (custom
 * properties of the style), `data`, `aria` and any attribute; null and false leave one out. Children are nodes,
 * strings or numbers; null and false are left out.
 */
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
    else if (name === "vars") for (const [key, text] of Object.entries(value)) node.style.setProperty(`--${key}`, text);
    else if (name === "data") Object.assign(node.dataset, value);
    else if (name === "aria") for (const [key, text] of Object.entries(value)) node.setAttribute(`aria-${key}`, text);
    else node.setAttribute(name, value === true ? "" : value);
  }
  append(node, children);
  return node;
}

function append(node, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    node.append(child instanceof Node ? child : String(child));
  }
}

/**
 * Replace what stands in `container`. The focus stays on the element with the same `data-key`, and places that scroll
 * (those with a `data-key`) stay where they were scrolled to, so that news never takes a reader's place away.
 */
export function fill(container, ...children) {
  const focused = container.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  const caret = focused === undefined ? null : document.activeElement.selectionStart;
  const places = new Map();
  for (const node of container.querySelectorAll("[data-key]")) {
    if (node.scrollTop || node.scrollLeft) places.set(node.dataset.key, [node.scrollTop, node.scrollLeft]);
  }
  const own = [container.scrollTop, container.scrollLeft];
  container.replaceChildren();
  append(container, children);
  [container.scrollTop, container.scrollLeft] = own;
  for (const node of container.querySelectorAll("[data-key]")) {
    if (places.has(node.dataset.key)) [node.scrollTop, node.scrollLeft] = places.get(node.dataset.key);
    if (node.dataset.key === focused) {
      node.focus({ preventScroll: true });
      if (typeof caret === "number") node.setSelectionRange?.(caret, caret);
    }
  }
}

/** Say something to screen readers, once. */
export function speak(text) {
  const place = document.getElementById("spoken");
  if (place.textContent !== text) place.textContent = text;
}

/** Show a short message in the corner; it goes by itself, and is read aloud. */
export function notify(text) {
  document.querySelector(".notice")?.remove();
  const notice = el("p", { class: "notice" }, text);
  document.body.append(notice);
  speak(text);
  setTimeout(() => notice.remove(), 9000);
}
