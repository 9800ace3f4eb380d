// The keys on the screen: they show which letters play what, and can be played by mouse and fingers.

import { on } from "./state.js";
import { $, h, button, say, select } from "./dom.js";
import { WHITE, BLACK, hand, held, noteOn, noteOff, shiftOctave, setDrums, openMidi } from "./keys.js";
import { isBlack, nameOf } from "./plan.js";

const SPAN = 24;
const shown = new Map();
let keys, range;
const letter = (code) => (code === "Semicolon" ? ";" : code.slice(3));

function build() {
  const steps = new Map([...WHITE, ...BLACK].map(([code, step]) => [step, letter(code)]));
  keys.replaceChildren();
  shown.clear();
  let place = 0;
  for (let step = 0; step <= SPAN; step++) {
    const pitch = hand.octave + step, black = isBlack(step);
    if (pitch > 127) break;
    const key = h("div", { class: black ? "key black" : "key white" },
      h("span", {}, steps.get(step) ?? ""), step % 12 === 0 ? h("i", {}, nameOf(pitch)) : null);
    key.dataset.pitch = pitch;
    if (black) key.style.setProperty("--place", place);
    else place += 1;
    keys.append(key);
    shown.set(pitch, key);
  }
  keys.style.setProperty("--whites", place);
  say(range, `${nameOf(hand.octave)} – ${nameOf(Math.min(127, hand.octave + SPAN))}`);
  light();
}

function light() {
  const sounding = new Set([...held.values()].map((note) => note.pitch));
  for (const [pitch, key] of shown) key.classList.toggle("on", sounding.has(pitch));
}

function touch(event, ends) {
  const id = `finger ${event.pointerId}`;
  const under = ends ? null : document.elementFromPoint(event.clientX, event.clientY)?.closest(".key");
  const pitch = under ? Number(under.dataset.pitch) : null;
  if (held.get(id)?.pitch === pitch) return;
  noteOff(id);
  if (pitch !== null) {
    const box = under.getBoundingClientRect();
    noteOn(id, pitch, Math.round(50 + 70 * Math.min(1, Math.max(0, (event.clientY - box.top) / box.height))));
  }
}

export function startPiano() {
  range = h("span", { class: "range" });
  keys = h("div", { class: "keys", "aria-hidden": "true" });
  const fingers = new Set();
  keys.addEventListener("pointerdown", (event) => { event.preventDefault(); keys.setPointerCapture(event.pointerId); fingers.add(event.pointerId); touch(event); });
  keys.addEventListener("pointermove", (event) => { if (fingers.has(event.pointerId)) touch(event); });
  for (const type of ["pointerup", "pointercancel"]) keys.addEventListener(type, (event) => { fingers.delete(event.pointerId); touch(event, true); });
  const instrument = select("What your keys play", [["keys", "Piano"], ["drums", "Drums"]], (value) => setDrums(value === "drums"));
  const midi = button("MIDI keyboard", () => openMidi(), { kind: "quiet", title: "Use a MIDI keyboard that is plugged into this computer" });
  const said = h("small", { role: "status", class: "midi-said" });
  on("midi", (line) => { say(said, line); midi.hidden = /^Listening/.test(line); });
  $("piano").append(
    h("div", { class: "piano-tools" }, h("b", {}, "Your keys"), instrument,
      button("Octave −", () => shiftOctave(-1), { key: { aria: "z", shown: "Z" }, kind: "quiet" }), range,
      button("Octave +", () => shiftOctave(1), { key: { aria: "x", shown: "X" }, kind: "quiet" }), midi, said),
    keys);
  on("octave", build);
  on("held", light);
  build();
}
