// The token of this tab: kept for the session only, never in an address, a cookie or a lasting store.

const KEY = "pairity-token";
const listeners = new Set();

export const readToken = () => sessionStorage.getItem(KEY);

/** Keep a token, or forget it with null. */
export function keepToken(token) {
  if (token) sessionStorage.setItem(KEY, token);
  else sessionStorage.removeItem(KEY);
  for (const listener of listeners) listener();
}

export const onToken = (listener) => listeners.add(listener);
