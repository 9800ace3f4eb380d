// Pedals, pads and keys of a controller: learn one for each action.

import { state, on } from "./state.js";
import { h, button, say, mark, show } from "./dom.js";
import { act } from "./acts.js";

const WORDS = {
  accept: "Accept", accept_bar: "Accept the first bar", reject: "Reject", next: "Next candidate", previous: "Previous candidate", audition: "Listen", undo: "Undo",
  hold: "Hold", mute: "Mute", panic: "Panic", stop_playing: "Stop what plays", tap: "Tap tempo", clock: "Start and stop",
};
const kinds = { cc: "pedal or knob", note: "pad or key", program: "program" };

function spell(trigger) {
  const pieces = trigger.split(":"), kind = kinds[pieces[0]] ?? pieces[0];
  return pieces.length === 3 ? `${kind} ${pieces[2]}, channel ${pieces[1]}` : `${kind} ${pieces[1]}`;
}

export function handsPanel() {
  const list = h("ul", { class: "hands" }), rows = new Map();
  on("hello", (hello) => {
    if (!hello) return;
    rows.clear();
    for (const action of hello.actions) {
      const what = h("small", {}), learn = button("Learn", () => act(state.view?.learning === action ? "unlearn" : "learn", { action }), { kind: "quiet" });
      const off = button("×", () => act("unlearn", { action }), { kind: "clear", title: "Take it off" });
      const name = WORDS[action] ?? action;
      learn.setAttribute("aria-label", `Learn ${name}`);
      off.setAttribute("aria-label", `Take ${name} off`);
      rows.set(action, { row: h("li", {}, h("span", {}, name), what, learn, off), what, learn, off });
    }
    list.replaceChildren(...[...rows.values()].map((one) => one.row));
    look(state.view);
  });
  const look = (view) => {
    for (const [action, { row, what, learn, off }] of rows) {
      const on = Object.entries(view?.hands ?? {}).filter(([, own]) => own === action).map(([trigger]) => spell(trigger)), learning = view?.learning === action;
      say(what, learning ? "press it now…" : on.join("; ") || "–");
      mark(learn, "aria-pressed", learning);
      row.classList.toggle("learning", learning);
      show(off, on.length > 0);
    }
  };
  on("view", look);
  return h("div", { class: "panel-body" }, h("p", { class: "hint" }, "Choose Learn, then press a pedal, pad or key of your MIDI keyboard or controller; the letter keys do not count. The sustain pedal stays yours."), list);
}
