// Title and icon of the tab: the open result, or that there is none to trust.

import { known, signed, tone } from "./format.js";

const SIZE = 64;
const FILLS = { up: "#0a7a4f", down: "#b81d34", flat: "#3a4655", gone: "#7a7f87" };

/** Set title and icon. `alive` is false where nothing is current, `away` where the venue does not say the result. */
export function showInTab(status, alive, word, away) {
  const result = away ? null : status?.account?.open_result_usdt;
  const mode = status?.mode === "live" ? "LIVE " : "";
  const figure = alive && known(result) ? `${signed(result)} USDT · ` : "";
  const title = `${alive ? "" : "✕ "}${figure}${mode}${word} – pairity`;
  if (document.title !== title) document.title = title;
  drawIcon(alive && known(result) ? tone(result) : alive && !away ? "flat" : "gone");
}

let drawn = null;

function drawIcon(kind) {
  if (kind === drawn) return;
  drawn = kind;
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = SIZE;
  const pen = canvas.getContext("2d");
  pen.fillStyle = FILLS[kind];
  pen.beginPath();
  pen.roundRect(2, 2, SIZE - 4, SIZE - 4, 14);
  pen.fill();
  pen.strokeStyle = pen.fillStyle = "#ffffff";
  pen.lineWidth = 8;
  pen.beginPath();
  if (kind === "gone") {
    for (const [x, y, u, v] of [
      [20, 20, 44, 44],
      [44, 20, 20, 44],
    ]) {
      pen.moveTo(x, y);
      pen.lineTo(u, v);
    }
    pen.stroke();
  } else if (kind === "flat") {
    pen.moveTo(16, 32);
    pen.lineTo(48, 32);
    pen.stroke();
  } else {
    const [tip, base] = kind === "up" ? [16, 46] : [48, 18];
    pen.moveTo(32, tip);
    pen.lineTo(50, base);
    pen.lineTo(14, base);
    pen.fill();
  }
  document.getElementById("icon").href = canvas.toDataURL("image/png");
  document.getElementById("icon").dataset.kind = kind;
}
