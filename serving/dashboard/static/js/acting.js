// May anything be asked of the process now? Buttons that cannot be used say why.

let why = "";

/** Return why nothing can be asked of the process; an empty text where it can. */
export const whyNotAsk = () => why;

/** Set why nothing can be asked: every button that acts is disabled with that reason, and comes back without one. */
export function setWhyNotAsk(reason) {
  why = reason;
  markActs();
}

/** Mark the buttons that act: those that were drawn since the reason was set, too. */
export function markActs() {
  for (const button of document.querySelectorAll("[data-act]")) {
    if (why === "" && button.dataset.refused === undefined) continue;
    if (why === "") {
      delete button.dataset.refused;
      button.removeAttribute("title");
      button.disabled = false;
    } else if (button.dataset.refused !== why) {
      if (button.disabled && button.dataset.refused === undefined) continue; // there is nothing to ask with it anyway
      button.dataset.refused = button.title = why;
      button.disabled = true;
    }
  }
}
