// Dark and light: the system's preference, or the reader's own choice, kept in this browser.

const KEY = "pairity-theme";
const ORDER = ["system", "dark", "light"];
const system = matchMedia("(prefers-color-scheme: light)");
const listeners = new Set();

export const chosenTheme = () => localStorage.getItem(KEY) ?? "system";

function apply() {
  const chosen = chosenTheme();
  document.documentElement.dataset.theme = chosen === "system" ? (system.matches ? "light" : "dark") : chosen;
  for (const listener of listeners) listener();
}

/** Go on to the next of system, dark, light; return it. */
export function switchTheme() {
  const next = ORDER[(ORDER.indexOf(chosenTheme()) + 1) % ORDER.length];
  if (next === "system") localStorage.removeItem(KEY);
  else localStorage.setItem(KEY, next);
  apply();
  return next;
}

/** Hear of changes: what is drawn on a canvas does not follow the style sheet by itself. */
export const onTheme = (listener) => listeners.add(listener);

export function startTheme() {
  system.addEventListener("change", apply);
  apply();
}

/** Return a colour of the page as it stands for an element (old panels have none). */
export const colour = (name, node = document.body) => getComputedStyle(node).getPropertyValue(`--${name}`).trim();
