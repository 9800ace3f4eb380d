// What can be done, once: asked for by buttons and keys alike. What is refused is said on the line below.

import { state, set } from "./state.js";
import { ask } from "./link.js";
import { wake, silence, hears } from "./sound.js";
import { clicks } from "./metronome.js";
import { allOff } from "./keys.js";
import { songBar } from "./timeline.js";

/** Ask, and say in one line what went wrong. */
export async function act(name, fields = {}) {
  try { return { value: await ask(name, fields) }; } catch (fault) { toast(fault.message); return null; }
}
export function toast(line) { set("toast", String(line)); }
export const steer = (settings) => act("steer", { settings });

/** Whether accept and reject mean what is played along, and not a suggestion: in accompany the plan is what the drums play next. */
export const chordsAlone = (view) => Boolean(view && (view.mode === "accompany" ? !view.plan?.in_place : view.mode === "harmonize" && !view.plan));
/** Whether accept means that it may answer again: in trade, after it was stopped. */
export const answersAgain = (view) => Boolean(view && view.mode === "trade" && view.paused && !view.plan?.in_place);

const LEADERS = { clock: "The DAW's MIDI clock", "midi clock": "The DAW's MIDI clock", jack: "JACK", link: "Ableton Link" };

/** Who leads, so that Start, Tap and tempo are not ours to give; null where they are. */
export function leader(view = state.view) {
  if (!view) return null;
  if (!["auto", "internal"].includes(view.sync)) return LEADERS[view.sync] ?? "Another clock";
  return view.running && view.source !== "internal" ? LEADERS[view.source] ?? "Another clock" : null;
}
/** Why not, as a line: `what` is to be done there. Null where it can be done here. */
export const elsewhere = (what) => { const who = leader(); return who && `${who} leads: ${what} there`; };

/** What must be done first, so that what is asked is asked of what is seen here: editing sets it. */
export const before = { settle: async () => {}, choosing: async () => {} };

const plan = () => state.view?.plan;
const needsPlan = (name, fields) => (plan() ? act(name, fields) : toast("There is no suggestion yet: play a few bars first."));

export async function startStop() {
  wake();
  const not = elsewhere(state.view?.running ? "stop it" : "start it");
  if (not) return toast(`${not}.`);
  await act("clock");
}

export async function accept(fields = {}) {
  await before.settle();
  if (chordsAlone(state.view) || answersAgain(state.view)) return act("accept");
  return needsPlan("accept", fields);
}
export async function step(by) { await before.choosing(); return needsPlan(by > 0 ? "next" : "previous"); }
export async function choose(index) { await before.choosing(); return act("choose", { index }); }
export const reject = () => act("reject");
export async function audition() { wake(); await before.settle(); return needsPlan("audition"); }
export const hold = () => needsPlan("hold");
export const undo = () => act("undo");
export const mute = () => act("mute");
export function tap() {
  const not = elsewhere("tap the tempo");
  return not ? toast(`${not}.`) : act("tap");
}
export function panic() { allOff(); silence(); return act("panic"); }
export const metronome = () => set("metronome", !clicks());
export function listen() { if (hears()) silence("port"); set("hears", !hears()); }

/** Fill the picked bars anew. */
export function fillPicked() {
  if (!state.bars) return toast("Pick bars first: drag along the numbers above the notes.");
  return act("fill_between", { first: state.bars[0], last: state.bars[1] });
}

export function setMode(mode) {
  if (mode !== "fill") return steer({ mode });
  const own = state.view?.source === "internal";
  if (!state.bars) return toast(`Pick the bars to fill first: drag along the numbers above the notes, then ${own ? "press Fill bars" : "choose Fill"}.`);
  if (songBar(state.bars[0]) < 1) return toast("The bars you picked are from before: press Fill under the notes, or pick later ones.");
  return steer({ mode, fill: `${songBar(state.bars[0])}-${songBar(state.bars[1])}` });
}

/** Longer or shorter by a bar at its first end, for keys. */
export function pickBars(by) {
  const view = state.view;
  if (!view || !view.heard.length) return toast("No bars have been heard yet.");
  const last = view.number - 1, oldest = view.number - view.heard.length;
  const [from, to] = state.bars ?? [last + 1, last];
  const next = from + by;
  set("bars", next > to ? null : [Math.max(oldest, next), to]);
}
