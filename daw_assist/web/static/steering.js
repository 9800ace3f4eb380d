// What the composer asks for: each slider or choice is sent as soon as it rests; "as it comes" leaves it to the model.

import { state, on } from "./state.js";
import { h, button, select, say, show, mark } from "./dom.js";
import { steer, act, toast } from "./acts.js";

const REST_MS = 120;
const SLIDERS = [
  ["bars", "Bars ahead", 1, false, (v) => (v === 1 ? "1 bar" : `${v} bars`)],
  ["temperature", "Daring", 0.05, false, (v) => Number(v).toFixed(2)],
  ["density", "Density", 1, true, word("empty", "sparse", "light", "walking", "moving", "busy", "dense", "torrent")],
  ["register", "Register", 1, true, word("lowest", "low", "lowish", "middle", "middle +", "highish", "high", "highest")],
  ["polyphony", "Voices", 1, true, word("none", "single line", "two at times", "two", "three", "four", "five", "many")],
  ["syncopation", "Syncopation", 1, true, word("on the beat", "hardly", "a little", "some", "clear", "much", "strong", "all off")],
  ["loudness", "Loudness", 1, true, word("ppp", "pp", "p", "mp", "mf", "f", "ff", "fff")],
  ["similarity", "Likeness", 0.05, true, (v) => (v < 0.35 ? "away from it" : v < 0.65 ? "somewhat" : v < 0.9 ? "close" : "its motifs")],
  ["candidates", "Candidates", 1, false, (v) => String(v)],
];
const CHORDS = [
  ["rhythm", "Chords change", [["half", "twice a bar"], ["beat", "every beat"], ["bar", "once a bar"]]],
  ["complexity", "Chords", [["sevenths", "sevenths"], ["triads", "triads"], ["extensions", "extended"]]],
  ["pattern", "Played as", [["block", "blocks"], ["arpeggio", "arpeggio"], ["comping", "comping"], ["bass+chord", "bass and chord"]]],
];
const SYNCS = {
  auto: "whoever runs (DAW first)", clock: "MIDI clock of the DAW", jack: "JACK transport", link: "Ableton Link", internal: "its own clock",
};
const OPENING_MS = 8000;
const FALLBACK = { bars: [1, 16], temperature: [0.1, 2], similarity: [0, 1], candidates: [1, 8] };

function word(...words) { return (value) => words[value] ?? String(value); }

let waiting = {}, timer = 0;
const touched = new Map();

/** Many small moves become one wish. */
function wish(name, value) {
  touched.set(name, performance.now());
  if (value === null) { waiting.clear = [...(waiting.clear ?? []), name]; delete waiting[name]; }
  else { waiting[name] = value; waiting.clear = (waiting.clear ?? []).filter((one) => one !== name); }
  clearTimeout(timer);
  timer = setTimeout(() => { const sent = waiting; waiting = {}; if (sent.clear && !sent.clear.length) delete sent.clear; steer(sent); }, REST_MS);
}
/** What was just moved here is not moved back by an older view. */
const resting = (name) => performance.now() - (touched.get(name) ?? -1e9) > 900;

function slider([name, label, step, free, words]) {
  const id = `steer-${name}`, value = h("output", { for: id }, "as it comes"), input = h("input", { type: "range", id, step: String(step) });
  const off = free ? button("×", () => { wish(name, null); put(null); }, { kind: "clear", title: `${label}: as it comes` }) : null;
  if (off) off.setAttribute("aria-label", `${label}: leave it to the model`);
  const put = (given) => {
    const unsaid = given === null || given === undefined;
    const text = unsaid ? "as it comes" : words(given);
    input.classList.toggle("unsaid", unsaid);
    if (off) off.disabled = unsaid;
    say(value, text);
    mark(input, "aria-valuetext", text);
    const at = unsaid ? String((Number(input.min) + Number(input.max)) / 2) : String(given);
    if (input.value !== at) input.value = at;
  };
  on("hello", (hello) => { const [low, high] = hello?.ranges?.[name] ?? FALLBACK[name] ?? [0, 7]; input.min = low; input.max = high; put(state.view?.settings?.[name]); });
  input.addEventListener("input", () => { const given = Number(input.value); wish(name, given); put(given); });
  input.addEventListener("click", () => { if (input.classList.contains("unsaid")) { wish(name, Number(input.value)); put(Number(input.value)); } });
  on("view", (view) => { if (view && resting(name)) put(view.settings[name]); });
  return h("div", { class: "slider" }, h("label", { for: id }, label), value, input, off ?? h("span", {}));
}

function choice(name, label, none) {
  const made = select(label, [["", none]], (value) => wish(name, value || null));
  const options = (words) => made.replaceChildren(h("option", { value: "" }, none), ...words.map((one) => h("option", { value: one }, one)));
  on("hello", (hello) => { if (hello) options(name === "style" ? hello.styles : hello.keys); });
  on("view", (view) => {
    const value = view?.settings[name] ?? "";
    if (!view || !resting(name) || document.activeElement === made) return;
    if (value && ![...made.options].some((option) => option.value === value)) made.append(h("option", { value }, value));
    if (made.value !== value) made.value = value;
  });
  return h("label", { class: "pick" }, h("span", {}, label), made);
}

function parts() {
  const box = h("div", { class: "chips", role: "group", "aria-label": "Parts that may play" }), made = new Map();
  let mine = null;
  const look = () => { for (const [name, chip] of made) mark(chip, "aria-pressed", Boolean(mine?.includes(name))); say(note, mine ? "" : "those you play"); };
  const note = h("small", {});
  on("hello", (hello) => {
    if (!hello) return;
    made.clear();
    hello.parts.forEach((name, part) => {
      const chip = button(name, () => {
        mine = mine?.includes(name) ? mine.filter((one) => one !== name) : [...(mine ?? []), name];
        if (!mine.length) mine = null;
        wish("parts", mine);
        look();
      }, { kind: "chip" });
      chip.style.setProperty("--dot", `var(--part-${part})`);
      made.set(name, chip);
    });
    box.replaceChildren(...made.values());
    look();
  });
  on("view", (view) => { if (view && resting("parts")) { mine = view.settings.parts ?? null; look(); } });
  return h("div", { class: "field" }, h("h3", {}, "Parts that may play ", note), box);
}

function seed() {
  const number = h("input", { type: "number", min: "0", max: "2147483647", step: "1", "aria-label": "Seed", inputmode: "numeric" });
  number.addEventListener("change", () => { const value = Number(number.value); if (Number.isInteger(value) && value >= 0) steer({ seed: value }); number.blur(); });
  const lock = button("Lock", () => steer({ seed_locked: !state.view?.seed_locked }), { title: "The same seed each time: the same context gives the same notes" });
  on("view", (view) => {
    if (!view) return;
    mark(lock, "aria-pressed", Boolean(view.seed_locked));
    const now = String(view.seed_locked ? view.settings.seed : view.plan?.suggestion.candidates[view.plan.index]?.seed ?? view.settings.seed);
    if (document.activeElement !== number && number.value !== now) number.value = now;
  });
  return h("div", { class: "pick seed" }, h("span", {}, "Seed"), h("span", { class: "pair" }, number, lock));
}

/** Only with a MIDI port is there somewhere to pass it on to. */
function thru() {
  const made = button("Pass what I play on (thru)", () => steer({ thru: !state.view?.thru }), { title: "What you play also goes out of the MIDI port, beside what the assistant plays" });
  on("view status", () => { mark(made, "aria-pressed", Boolean(state.view?.thru)); show(made, Boolean(state.status?.live) && state.status.live.port !== "the page"); });
  return made;
}

/** Who leads: opened aside, so the choice stands here while it is waited for, and what went wrong is said. */
function sync() {
  let wished = null, before = null, at = 0;
  const made = select("In time with", [], (name) => { wished = name; before = state.view?.told ?? null; at = performance.now(); steer({ sync: name }); });
  const why = h("small", {});
  on("view", (view) => {
    if (!view) return;
    if (made.dataset.of !== String(view.syncs)) {
      made.dataset.of = String(view.syncs);
      made.replaceChildren(...view.syncs.map((name) => h("option", { value: name }, SYNCS[name] ?? name)));
    }
    if (wished && view.told && view.told !== before) { toast(view.told); wished = null; }
    before = view.told;
    if (view.sync === wished) wished = null;
    if (wished && performance.now() - at > OPENING_MS) { toast(view.told ?? `It cannot be ${SYNCS[wished]}: nothing came of it.`); wished = null; }
    if (!wished && document.activeElement !== made && made.value !== view.sync) made.value = view.sync;
    say(why, view.running ? "" : view.reason);
  });
  return h("div", { class: "field" }, h("h3", {}, "In time with ", why), h("div", { class: "pair" }, made), h("div", { class: "pair" }, thru()));
}

function presets() {
  const list = select("Preset", [["", "Choose…"]], (name) => { if (name) act("load_preset", { name }); });
  const name = h("input", { type: "text", maxlength: "60", placeholder: "Name", "aria-label": "Name of the preset", autocomplete: "off" });
  const save = async () => {
    const called = name.value.trim() || list.value;
    if (!called) return toast("Give the preset a name first.");
    const wanted = Object.fromEntries(Object.entries(state.view?.settings ?? {}).filter(([key, value]) => value !== null && !["seed", "bpm"].includes(key)));
    if (await act("save_preset", { name: called, steer: { ...wanted, mode: state.view?.mode } })) { name.value = ""; toast(`Saved as ${called}.`); }
  };
  name.addEventListener("keydown", (event) => { if (event.key === "Enter") save(); });
  const again = button("Load", () => { if (list.value) act("load_preset", { name: list.value }); else toast("Choose a preset first."); }, { kind: "quiet" });
  const gone = button("Delete", () => { if (list.value) act("delete_preset", { name: list.value }); else toast("Choose a preset first."); }, { kind: "quiet" });
  on("presets", (items) => { const had = list.value; list.replaceChildren(h("option", { value: "" }, Object.keys(items).length ? "Choose…" : "None saved yet"), ...Object.keys(items).sort().map((one) => h("option", { value: one }, one))); list.value = items[had] ? had : ""; });
  return h("div", { class: "field" }, h("h3", {}, "Presets"), h("div", { class: "pair" }, list), h("div", { class: "pair" }, again, gone), h("div", { class: "pair" }, name, button("Save", save)));
}

export function steeringPanel() {
  const chords = h("div", { class: "picks" }, ...CHORDS.map(([name, label, options]) => h("label", { class: "pick" }, h("span", {}, label), select(label, options, (value) => steer({ [name]: value })))));
  on("view", (view) => show(chords, ["harmonize", "accompany"].includes(view?.mode)));
  return h("div", { class: "panel-body" },
    h("div", { class: "picks" }, choice("style", "Style", "as it comes"), choice("key", "Key", "any note")), chords,
    h("div", { class: "sliders" }, ...SLIDERS.map(slider)), parts(), h("div", { class: "picks" }, seed()), sync(), presets());
}
