// Acting: each with a typed confirmation and a reason, journalled by the process. Without a token nothing can be asked.

import { whyNotAsk } from "./acting.js";
import { post } from "./api.js";
import { openDialog } from "./dialog.js";
import { el, notify } from "./dom.js";
import { keepToken, readToken } from "./token.js";

/** What can be asked for: the word to type (none: a reason suffices), what it is called, and what will happen. */
export const ACTIONS = {
  guard: {
    word: "GUARD",
    title: "Guard",
    text: "No new entries from now on. Exits, stops and reconciliation go on until a person lifts the guard.",
  },
  unguard: {
    word: "UNGUARD",
    title: "Lift the guard",
    text: "New entries are allowed again, where nothing else guards.",
  },
  halt: {
    word: "HALT",
    title: "Halt",
    text: "The process stops trading: no entries and no exits of its own. Stops that are on the venue stay. A person resumes.",
  },
  resume: { word: "RESUME", title: "Resume", text: "The process trades again with its next decision." },
  flatten: {
    word: "FLATTEN",
    title: "Flatten",
    text: "Closes every open position at the market and halts. A person resumes.",
  },
  close: {
    word: null,
    title: "Close one position",
    text: "Closes all legs of this position at the market. Its stops are taken back once it is flat.",
  },
  acknowledge: { title: "Acknowledge", text: "Says that a person has seen this. It is not escalated any further." },
  "acknowledge-all": {
    title: "Acknowledge all",
    text: "Says that a person has seen everything that waits. Nothing of it is escalated any further.",
  },
};

/**
 * Open the dialog of an action. `target` may hold position_id or event_id and `about`, the words for them. `onDone` is
 * called once the process has taken the request.
 */
export function askFor(action, target = {}, onDone = () => {}) {
  if (whyNotAsk()) return notify(whyNotAsk());
  if (!readToken()) return askForToken(() => askFor(action, target, onDone), "Acting needs the control token.");
  const { title, text } = ACTIONS[action];
  const word = action === "close" ? `CLOSE ${target.position_id}` : ACTIONS[action].word;
  const optional = !word; // acknowledging changes nothing of what is traded: at night one press must do
  const reason = el("input", {
    type: "text",
    name: "reason",
    required: !optional,
    maxlength: "400",
    autocomplete: "off",
  });
  const typed = el("input", {
    type: "text",
    name: "confirmation",
    class: "mono",
    autocomplete: "off",
    autocapitalize: "off",
    spellcheck: "false",
  });
  const send = el("button", { type: "submit", class: word ? "grave" : null, disabled: !optional }, title);
  const said = el("p", { class: "warn", role: "alert" });
  const token = el("input", { type: "password", name: "token", autocomplete: "off" });
  const again = el("label", { hidden: true }, "Token", token);
  const form = el(
    "form",
    { class: "inside" },
    el("p", {}, text),
    target.about ? el("p", { class: "strong wrap" }, target.about) : null,
    el("label", {}, optional ? "Reason (may stay empty)" : "Reason (kept in the journal)", reason),
    word ? el("label", {}, el("span", {}, "Type ", el("kbd", {}, word), " to confirm"), typed) : null,
    said,
    again,
    el("div", { class: "foot" }, el("button", { type: "button", on: { click: () => dialog.close() } }, "Cancel"), send),
  );
  const confirmed = () => optional || (reason.value.trim() !== "" && typed.value === word);
  const ready = () => confirmed() && (again.hidden || token.value.trim() !== "");
  form.addEventListener("input", () => {
    send.disabled = !ready();
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!ready() || send.disabled) return;
    send.disabled = true;
    said.textContent = "";
    if (!again.hidden) keepToken(token.value.trim());
    try {
      const { about, ...ids } = target;
      const answer = await post(`actions/${action}`, {
        reason: reason.value.trim(),
        confirmation: word ? typed.value : "",
        ...ids,
      });
      dialog.close();
      notify(`${title}: asked as ${answer.request_id}. The process carries it out; watch the state.`);
      onDone();
    } catch (error) {
      if (error.status === 401) return askAgain();
      // Without an answer nobody knows whether it was taken: say so instead of inviting a second time blindly.
      const unsure =
        error.status === 0 ? " It may have been taken all the same: look at the events before you ask again." : "";
      said.textContent = `✕ ${error.message}${error.remedy ? ` (${error.remedy})` : ""}.${unsure}`;
      send.disabled = !ready();
    }
  });
  // What was typed stays: whoever wants to halt has no time to type it twice.
  function askAgain() {
    keepToken(null);
    again.hidden = false;
    token.value = "";
    send.disabled = true;
    said.textContent = `✕ The token is wrong and was forgotten. Nothing was asked of the process: enter the control token that it was started with, then press ${title} again.`;
    token.focus();
  }
  const dialog = openDialog(title, form);
  reason.focus();
}

/** Ask for the token of this tab; `then` is called with it kept. */
export function askForToken(then = () => {}, why = "Read only: acting needs the control token.") {
  const token = el("input", { type: "password", name: "token", required: true, autocomplete: "off" });
  const form = el(
    "form",
    { class: "inside" },
    el("p", {}, why),
    el("p", { class: "hint" }, "It is kept for this tab only, until the tab is closed or locked."),
    el("label", {}, "Token", token),
    el(
      "div",
      { class: "foot" },
      el("button", { type: "button", on: { click: () => dialog.close() } }, "Cancel"),
      el("button", { type: "submit" }, "Unlock"),
    ),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!token.value.trim()) return;
    keepToken(token.value.trim());
    dialog.close();
    then();
  });
  const dialog = openDialog("Unlock", form);
  token.focus();
}

/** The buttons that fit the state: what can be asked for now, or that this page only reads. */
export function actionButtons(status, onDone) {
  if (!status) return null;
  if (!status.can_act) return el("div", { class: "acts muted" }, "Read only: no control token is configured.");
  const button = (action, grave = false) =>
    el(
      "button",
      {
        type: "button",
        class: grave ? "grave" : null,
        data: { key: `act-${action}`, act: action },
        on: { click: () => askFor(action, {}, onDone) },
      },
      ACTIONS[action].title,
    );
  const byPerson = "person" in (status.causes ?? {}); // the one cause that a person lifts
  const byState = {
    trading: [button("guard"), button("halt", true)],
    guarding: [button(byPerson ? "unguard" : "guard"), button("halt", true)],
    halted: [button("resume")],
  };
  const locked = readToken()
    ? null
    : el(
        "button",
        { type: "button", data: { key: "act-unlock" }, on: { click: () => askForToken() } },
        "Read only: unlock",
      );
  if (locked) return el("div", { class: "acts" }, whyNotAsk() ? el("p", { class: "muted" }, whyNotAsk()) : locked);
  const reason = whyNotAsk() ? el("p", { class: "muted", id: "why-not-ask" }, whyNotAsk()) : null;
  return el("div", { class: "acts" }, reason, byState[status.trading] ?? [], button("flatten", true));
}
