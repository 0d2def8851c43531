// Requests to the API of the process that served the page. Every one ends: by an answer, an error or its deadline.

import { readToken } from "./token.js";

const BASE = "/api/v1/";
const DEADLINE_MS = 8000;

/** An answer that is none: `status` is the HTTP code, 0 where nothing answered. */
export class ApiError extends Error {
  constructor(status, what, remedy = "") {
    super(what);
    this.status = status;
    this.remedy = remedy;
  }
}

export function headers(extra = {}) {
  const token = readToken();
  return token ? { ...extra, Authorization: `Bearer ${token}` } : extra;
}

/** Read a path below /api/v1/ and return its JSON, within a deadline. Throws ApiError. */
export const get = (path, within = DEADLINE_MS) =>
  ask(path, { headers: headers({ Accept: "application/json" }) }, within).then(readJson);

/** Read a path below /api/v1/ and return its text. Throws ApiError. */
export const getText = (path) => ask(path, { headers: headers() }).then((answer) => answer.text());

/** Ask for an action and return the answer's JSON. Throws ApiError. */
export function post(path, body) {
  const wanted = {
    method: "POST",
    headers: headers({ "Content-Type": "application/json" }),
    body: JSON.stringify(body),
  };
  return ask(path, wanted).then(readJson);
}

async function ask(path, wanted, within = DEADLINE_MS) {
  let answer;
  try {
    const common = { cache: "no-store", credentials: "omit", redirect: "error" };
    answer = await fetch(BASE + path, { ...common, ...wanted, signal: AbortSignal.timeout(within) });
  } catch (error) {
    const late = error.name === "TimeoutError";
    throw new ApiError(0, late ? `the process did not answer in ${within / 1000} s` : "the process does not answer");
  }
  if (answer.ok) return answer;
  throw await refusal(answer);
}

async function refusal(answer) {
  try {
    const { error, detail } = await answer.json();
    if (error) return new ApiError(answer.status, error.what, error.remedy);
    if (typeof detail === "string") return new ApiError(answer.status, detail);
  } catch {
    // Not JSON: the code says what there is to say.
  }
  const texts = { 401: "the token is missing or wrong", 403: "the process refuses this", 404: "there is none" };
  return new ApiError(answer.status, texts[answer.status] ?? `the process answered ${answer.status}`);
}

async function readJson(answer) {
  try {
    return await answer.json();
  } catch {
    throw new ApiError(answer.status, "the answer is not JSON, or was cut off");
  }
}
