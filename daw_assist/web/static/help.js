// All keys at a glance.

import { h, button } from "./dom.js";

const PAGES = [
  ["Play", [["A S D F G H J K L ;", "white keys"], ["W E T Y U O P", "black keys"], ["Z X", "octave down, up"], ["Space", "start and stop"], ["C", "click on and off"], ["N", "tap the tempo"]]],
  ["The suggestion", [["Enter", "accept"], ["Shift Enter", "accept the first bar"], ["\u2190 \u2192", "other candidates"], ["V", "listen first"], ["Backspace", "reject"], ["Ctrl Z", "undo"], ["B", "hold"], ["M", "mute"], ["Esc", "silence everything"]]],
  ["Editing", [["I", "edit, and done"], [", .", "step through the notes"], ["\u2190 \u2192 \u2191 \u2193", "move (Shift: length, octave)"], ["Alt \u2191 \u2193", "velocity"], ["Ins  Del", "add, delete"], ["Q", "lock"], ["R", "regenerate the rest"]]],
  ["View", [["[ ]", "pick bars to fill"], ["+ \u2212", "zoom"], ["0", "follow the music"], ["?", "this list"]]],
];
let dialog = null;

export function help() {
  if (!dialog) {
    dialog = h("dialog", { class: "help", "aria-label": "Keys" },
      h("div", { class: "help-grid" }, ...PAGES.map(([name, rows]) => h("section", {}, h("h3", {}, name), h("dl", {}, ...rows.flatMap(([keys, does]) => [h("dt", {}, h("kbd", {}, keys)), h("dd", {}, does)]))))),
      button("Close", () => dialog.close(), { kind: "primary" }));
    dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
    document.body.append(dialog);
  }
  if (!dialog.open) dialog.showModal();
}
