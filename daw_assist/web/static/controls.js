// The head of the page and the row of buttons under the roll; every button has its key, which is written on it.

import { state, on, set } from "./state.js";
import { $, h, button, say, show, mark, select, isTyping, kept } from "./dom.js";
import { act, steer, toast, startStop, elsewhere, accept, chordsAlone, answersAgain, step, reject, audition, hold, undo, mute, tap, panic, metronome, listen, setMode, fillPicked, pickBars } from "./acts.js";
import { setVolume, volume, hears } from "./sound.js";
import { clicks as clicking } from "./metronome.js";
import { setTheme, isDark } from "./colours.js";
import { follow, zoomBy } from "./roll.js";
import { editKey, toggleEdit } from "./edit.js";
import { barsNamed } from "./timeline.js";
import { help } from "./help.js";

const key = (shown, aria = shown) => ({ shown, aria });
const MODES = {
  continue: ["Continue", "Suggests what follows; plays when you accept"], trade: ["Trade", "You play some bars, then it answers, in turn"],
  harmonize: ["Harmonize", "Chords under your melody"], accompany: ["Accompany", "Bass, chords and drums under what you play"],
  fill: ["Fill", "Bars between two places of the song; with a loop in the DAW, in every pass"],
};
const TEMPI = [20, 300];
const METRES = ["4/4", "3/4", "2/4", "6/8", "5/4", "7/8", "9/8", "12/8"];

const KEYS = {
  Enter: (event) => accept(event.shiftKey ? { bars: 1 } : {}), Backspace: () => reject(), Space: () => startStop(),
  ArrowLeft: () => step(-1), ArrowRight: () => step(1), KeyV: () => audition(), KeyB: () => hold(), KeyM: () => mute(), KeyN: () => tap(),
  KeyC: () => metronome(), Escape: () => panic(), KeyI: () => toggleEdit(), BracketLeft: () => pickBars(-1), BracketRight: () => pickBars(1),
  Digit0: () => follow(), Slash: () => help(), Minus: () => zoomBy(0.8), Equal: () => zoomBy(1.25),
};
const OFTEN = ["ArrowLeft", "ArrowRight", "Minus", "Equal", "KeyN", "BracketLeft", "BracketRight"];

function pressed(event) {
  if (document.querySelector("dialog[open]")) return;
  if (isTyping(event.target)) { if (event.key === "Escape") event.target.blur(); return; }
  if ((event.ctrlKey || event.metaKey) && event.code === "KeyZ" && !event.shiftKey) { event.preventDefault(); return undo(); }
  if (event.ctrlKey || event.metaKey || event.altKey && !state.editing) return;
  const target = event.target;
  const own = target instanceof Element && target.closest("button, a, [role=tab], [role=radio], summary, input");
  if (own && ["Enter", "Space"].includes(event.code)) return;
  if (own && /^Arrow/.test(event.code) && own.matches("[role=tab], [role=radio], input")) return;
  if (editKey(event)) return event.preventDefault();
  const does = KEYS[event.code === "NumpadEnter" ? "Enter" : event.code];
  if (!does || (event.repeat && !OFTEN.includes(event.code))) return;
  event.preventDefault();
  does(event);
}

function tempo() {
  const bpm = h("input", { type: "number", step: "1", "aria-label": "Tempo, beats a minute", inputmode: "numeric" });
  bpm.addEventListener("change", () => {
    const value = Number(bpm.value), [low, high] = tempi();
    if (bpm.value !== "" && value >= low && value <= high) steer({ bpm: value });
    else { put(); toast(`The tempo can be from ${low} to ${high} beats a minute.`); }
    bpm.blur();
  });
  const put = () => { bpm.value = String(Math.round((state.view?.bpm ?? 120) * 10) / 10); };
  on("hello", (hello) => { if (hello) [bpm.min, bpm.max] = tempi(); });
  const metre = select("Metre", METRES.map((name) => [name, name]), (value) => { const { view } = state, open = view && (view.running || view.open?.notes.length); steer({ meter: value }); if (open && value !== view.open?.metre) toast(`${value} from the next bar line.`); });
  on("view", (view) => {
    if (!view) return;
    if (document.activeElement !== bpm) put();
    led(bpm, "set the tempo");
    led(taps, "tap the tempo");
    const name = view.open?.metre ?? "4/4";
    if (![...metre.options].some((option) => option.value === name)) metre.append(h("option", { value: name }, name));
    if (document.activeElement !== metre && metre.value !== name) metre.value = name;
  });
  const taps = button("Tap", tap, { key: key("N"), kind: "quiet" });
  $("tempo").append(h("label", { class: "bpm" }, bpm, h("span", {}, "bpm")), taps, metre);
}

/** Lowest and highest that can be set here. */
function tempi() {
  const [low, high] = state.hello?.ranges.bpm ?? TEMPI;
  return [Math.max(low, TEMPI[0]), Math.min(high, TEMPI[1])];
}

/** Where another clock leads this cannot be used, and says why. */
function led(control, what) {
  const not = elsewhere(what);
  control.disabled = Boolean(not);
  if (not) mark(control, "title", not);
  else control.removeAttribute("title");
}

function modes() {
  const made = new Map();
  for (const [mode, [label, title]] of Object.entries(MODES)) {
    const one = button(label, () => setMode(mode), { title });
    one.setAttribute("role", "radio");
    made.set(mode, one);
    $("modes").append(one);
  }
  arrows($("modes"));
  on("view", (view) => {
    for (const [mode, one] of made) {
      mark(one, "aria-checked", view?.mode === mode);
      one.tabIndex = view?.mode === mode || (!view && mode === "continue") ? 0 : -1;
    }
  });
}

/** Arrow keys within a group of choices, as everywhere. */
export function arrows(group) {
  group.addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const all = [...group.querySelectorAll("[role=radio], [role=tab]")], at = all.indexOf(document.activeElement);
    if (!by || at < 0) return;
    event.preventDefault();
    event.stopPropagation();
    all[(at + by + all.length) % all.length].focus();
  });
}

function sounding() {
  const clicks = button("Click", metronome, { key: key("C"), kind: "quiet", title: "Metronome" });
  const sound = button("Sound", listen, { kind: "quiet", title: "Whether the assistant sounds on this page; with a DAW, the DAW plays it" });
  const look = () => { mark(clicks, "aria-pressed", clicking()); mark(sound, "aria-pressed", hears()); };
  on("view metronome hears", look);
  const loud = h("input", { type: "range", min: "0", max: "1", step: "0.01", value: String(volume.value), "aria-label": "Volume of this page" });
  loud.addEventListener("input", () => setVolume(Number(loud.value)));
  const theme = button("Light", () => { setTheme(isDark() ? "light" : "dark"); name(); }, { kind: "quiet", title: "Light or dark" });
  const name = () => say(theme.querySelector(".label"), isDark() ? "Light" : "Dark");
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", name);
  name();
  $("sounding").append(clicks, sound, h("label", { class: "volume" }, h("span", {}, "Volume"), loud), theme);
  const said = (name) => ({ on: true, off: false })[kept.get(name)] ?? null;
  set("metronome", said("click"));
  set("hears", said("hears"));
  on("metronome", (is) => kept.set("click", is ? "on" : "off"));
  on("hears", (is) => kept.set("hears", is ? "on" : "off"));
}

function row() {
  const toggle = (label, does, how, isOn) => {
    const made = button(label, does, how);
    on("view", (view) => mark(made, "aria-pressed", Boolean(view && isOn(view))));
    return made;
  };
  const parts = select("Accept one part only", [["", "One part…"]], (value) => { if (value !== "") accept({ part: Number(value) }); parts.value = ""; });
  on("view", (view) => {
    const bars = view?.plan?.suggestion.candidates[view.plan.index]?.bars ?? [];
    const found = [...new Set(bars.flatMap((bar) => bar.notes.map((note) => note[1])))].sort((a, b) => a - b), mine = found.join();
    if (parts.dataset.parts === mine || document.activeElement === parts) return;
    parts.dataset.parts = mine;
    parts.replaceChildren(h("option", { value: "" }, "One part…"), ...found.map((part) => h("option", { value: String(part) }, `Only ${state.hello?.parts[part] ?? part}`)));
  });
  const yes = button("Accept", () => accept(), { key: key("Enter"), kind: "primary", id: "accept" });
  const first = button("First bar", () => accept({ bars: 1 }), { key: key("⇧Enter", "Shift+Enter"), title: "Accept the first bar only" });
  const now = button("Suggest now", () => act("suggest_now"), { title: "Make a suggestion for what follows, though the clock stands", id: "suggest-now" });
  const fill = button("Fill the picked bars", fillPicked, { id: "fill", kind: "accent" });
  const clear = button("×", () => set("bars", null), { kind: "quiet", title: "Let the picked bars go" });
  const no = button("Reject", reject, { key: key("⌫", "Backspace") }), needs = [yes, first, parts];
  on("view bars", () => {
    const view = state.view;
    const chords = chordsAlone(view), again = answersAgain(view);
    for (const one of needs) one.disabled = chords || again ? one !== yes : !view?.plan;
    show(now, Boolean(view && !view.running && view.heard.some((bar) => bar.notes.length)));
    show(fill, Boolean(state.bars));
    if (state.bars) say(fill.querySelector(".label"), `Fill ${barsNamed(...state.bars) ?? "the bars you picked"}`);
    show(clear, Boolean(state.bars));
    for (const [one, is, word, usual] of [[yes, view?.chords_on === true, "on", again ? "Go on" : view?.plan?.armed ? "Coming next" : "Accept"], [no, view?.chords_on === false, "off", "Reject"]]) {
      say(one.querySelector(".label"), !chords ? usual : is ? `Chords are ${word}` : `Turn chords ${word}`);
      one.classList.toggle("is", chords && is);
    }
  });
  $("actions").append(
    h("span", { class: "cluster" }, yes, first, parts),
    h("span", { class: "cluster" }, button("‹", () => step(-1), { key: key("←", "ArrowLeft"), title: "Previous candidate" }), button("›", () => step(1), { key: key("→", "ArrowRight"), title: "Next candidate" }),
      toggle("Listen", audition, { key: key("V"), title: "Hear it without accepting" }, (view) => view.auditioning)),
    h("span", { class: "cluster" }, no, button("Undo", undo, { key: key("Ctrl Z", "Control+Z") }),
      toggle("Hold", hold, { key: key("B"), title: "Keep this suggestion; make no new ones" }, (view) => view.plan?.held), button("Edit", toggleEdit, { key: key("I"), id: "edit" })),
    h("span", { class: "cluster" }, toggle("Mute", mute, { key: key("M"), title: "Silence the assistant; it goes on in time" }, (view) => view.muted),
      button("Panic", panic, { key: key("Esc", "Escape"), title: "Silence everything now", kind: "danger" })),
    h("span", { class: "cluster" }, now, fill, clear, button("Export", () => set("open", "export"), { title: "Save as sound, MIDI, score or picture" })));
}

export function startControls() {
  const start = $("start");
  start.addEventListener("click", (event) => { if (event.detail > 0) start.blur(); startStop(); });
  start.append(h("kbd", {}, "Space"));
  on("view", (view) => {
    const going = Boolean(view?.running);
    say(start.firstChild, going ? "Stop " : "Start ");
    start.classList.toggle("going", going);
    led(start, going ? "stop it" : "start it");
  });
  tempo();
  modes();
  sounding();
  row();
  const back = button("Follow", follow, { key: key("0"), title: "Back to where the music is" });
  $("roll-tools").append(back, button("−", () => zoomBy(0.8), { title: "Show more bars" }), button("+", () => zoomBy(1.25), { title: "Show fewer bars" }), button("Keys", help, { key: key("?", "Shift+Slash"), title: "All keys at a glance" }));
  on("follow", (is) => show(back, !is));
  show(back, false);
  addEventListener("keydown", pressed);
  let slid = null; // a slider that was moved with the mouse gives the focus back, so that Space goes on to act on the music
  addEventListener("pointerdown", ({ target }) => { slid = target instanceof Element ? target.closest("input[type=range]") : null; });
  for (const type of ["pointerup", "pointercancel"]) addEventListener(type, () => { slid?.blur(); slid = null; });
}
