// How figures, times and names are written. What is not known is written as a dash, never as a zero.

export const UNKNOWN = "–";
const MINUS = "−";

/** Return whether a value is a number that can be drawn. */
export const known = (value) => typeof value === "number" && Number.isFinite(value);

/** Return a decimal string of the journal as a number to compare and to draw with; null where there is none. */
export function figure(value) {
  if (typeof value === "number") return Number.isFinite(value) ? value : null;
  const found = typeof value === "string" && value.trim() !== "" ? Number(value) : NaN;
  return Number.isFinite(found) ? found : null;
}

/** Return a number with grouped digits and `digits` decimals. */
export function number(value, digits = 2) {
  if (!known(value)) return UNKNOWN;
  const text = Math.abs(value).toLocaleString("en-US", {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
  return isNegative(value, digits) ? MINUS + text : text;
}

/** Return a number with its sign, plus included; what rounds to zero has none. */
export function signed(value, digits = 2) {
  if (!known(value)) return UNKNOWN;
  const zero = Math.abs(value) < 0.5 * 10 ** -digits;
  return (value > 0 && !zero ? "+" : "") + number(value, digits);
}

function isNegative(value, digits) {
  return value < 0 && Math.abs(value) >= 0.5 * 10 ** -digits;
}

/** Return a fraction as per cent, with its sign. */
export const percent = (value, digits = 2) => (known(value) ? `${signed(value * 100, digits)}%` : UNKNOWN);

/** Return a share as per cent, without a sign. */
export const share = (value, digits = 1) => (known(value) ? `${number(value * 100, digits)}%` : UNKNOWN);

/** Return a decimal string of the journal with grouped digits; no digit of it is changed. */
export function exact(text) {
  if (text === null || text === undefined || text === "") return UNKNOWN;
  const [whole, rest] = String(text).split(".");
  const grouped = whole.replace("-", MINUS).replace(/\B(?=(\d{3})+(?!\d))/g, ",");
  return rest === undefined ? grouped : `${grouped}.${rest}`;
}

/** Return an amount of coins: a decimal string without the zeros at its end, which only say how it was computed. */
export const amount = (text) => exact(String(text ?? "").replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, ""));

/** Return a price of the journal, or a number as one: as many digits as it needs, five at most that count. */
export function price(value) {
  if (typeof value === "string") return exact(value);
  if (!known(value)) return UNKNOWN;
  const digits = value === 0 ? 2 : Math.max(0, Math.min(8, 4 - Math.floor(Math.log10(Math.abs(value)))));
  return number(value, digits);
}

/** Return the tone of a result: `up`, `down`, or `flat` where it is nothing or not known. */
export function tone(value, digits = 2) {
  if (!known(value) || Math.abs(value) < 0.5 * 10 ** -digits) return "flat";
  return value > 0 ? "up" : "down";
}

/** Return the sign that goes with a tone, so that no colour stands alone. */
export const arrow = (value, digits = 2) => ({ up: "▲", down: "▼", flat: "" })[tone(value, digits)];

/** Return an age or a span of seconds in its two largest units. */
export function span(seconds) {
  if (!known(seconds)) return UNKNOWN;
  const whole = Math.max(0, Math.floor(seconds));
  const [days, hours, minutes] = [
    Math.floor(whole / 86400),
    Math.floor(whole / 3600) % 24,
    Math.floor(whole / 60) % 60,
  ];
  if (days) return `${days} d ${hours} h`;
  if (hours) return `${hours} h ${minutes} min`;
  if (minutes) return minutes < 10 ? `${minutes} min ${whole % 60} s` : `${minutes} min`;
  return `${whole} s`;
}

const two = (value) => String(value).padStart(2, "0");

/** Return the time of day of an instant in UTC. */
export function clock(value) {
  const at = instant(value);
  return at ? `${two(at.getUTCHours())}:${two(at.getUTCMinutes())}:${two(at.getUTCSeconds())}` : UNKNOWN;
}

/** Return the local time of day of an instant. */
export function localClock(value) {
  const at = instant(value);
  return at ? `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}` : UNKNOWN;
}

let present = () => Date.now();

/** Set what counts as now: the time of the process, which a replay plays. */
export function setPresent(now) {
  present = now;
}

/** Return date and time of an instant in UTC; without the year where it is short of a year ago. */
export function stamp(value) {
  const at = instant(value);
  if (!at) return UNKNOWN;
  const day = `${two(at.getUTCMonth() + 1)}-${two(at.getUTCDate())}`;
  const year = Math.abs(present() - at) > 300 * 86400e3 ? `${at.getUTCFullYear()}-` : "";
  return `${year}${day} ${two(at.getUTCHours())}:${two(at.getUTCMinutes())}`;
}

/** Return date and time of an instant in UTC to the second. */
export const preciseStamp = (value) => (instant(value) ? `${stamp(value)}:${clock(value).slice(-2)}` : UNKNOWN);

/** Return an instant as a Date, null where there is none. */
export function instant(value) {
  if (value === null || value === undefined) return null;
  const at = new Date(value);
  return Number.isNaN(at.getTime()) ? null : at;
}

/** Return the name of a pair as it is read: BASE__QUOTE is written BASE / QUOTE. */
export const pairName = (pair) => (pair ? String(pair).replace("__", " / ") : UNKNOWN);

/** Return a sentence of the process with its pairs as they are read; the ids of positions stay as they are typed. */
export const readable = (text) => String(text).replace(/\b([A-Z0-9]+)__([A-Z0-9]+)\b(?!@)/g, "$1 / $2");

/** Return an instrument without what all of them share. */
export const asset = (instrument) => String(instrument ?? UNKNOWN).replace("-USDT-SWAP", "");

/** Return the start of a long id. */
export const short = (id, length = 10) => (id ? String(id).slice(0, length) : UNKNOWN);
