// Where in the music we are: ticks on one long line, from what the server last said and the computer's clock.

import { state, on } from "./state.js";

const TICKS = 24, MOST_AHEAD_S = 3;
let last = null, base = 0;

// The clock of what `view.at` counts, as seen from here: performance.now() less it, at the arrival that took least. Neither a step
// of this computer's wall clock nor another one's can move the music.

const KEPT = 20, JUMP_S = 0.25, PLAUSIBLE_S = 20;
let arrivals = [], guessed = false, stored = true;
const here = () => performance.now() / 1000;

/** A view came. The first of a connection may be an old one, so it says nothing but where the wall clock puts it. */
function arrived(at) {
  const now = here(), late = now - at;
  if (stored) {
    stored = false;
    if (arrivals.length) return;
    const said = -performance.timeOrigin / 1000;
    guessed = late >= said && late - said < PLAUSIBLE_S;
    arrivals = [guessed ? said : late];
    return;
  }
  if (guessed || Math.abs(late - Math.min(...arrivals)) > JUMP_S) arrivals = [];
  guessed = false;
  arrivals.push(late);
  if (arrivals.length > KEPT) arrivals.shift();
}

/** Seconds since the view was taken. */
const since = (view) => here() - Math.min(...arrivals) - view.at;
const lengthOf = (bar) => (bar && bar.length) || 4 * TICKS;
const metreLength = () => lengthOf(state.view && state.view.open);

/** Take a new view: `base` is the line of the running bar on the long line. */
export function advance(view) {
  if (last) {
    const steps = view.number - last.number;
    if (steps < 0 || steps > view.heard.length) base = 0;
    else for (let i = view.heard.length - steps; i < view.heard.length; i++) base += lengthOf(view.heard[i]);
  }
  last = view;
}
on("linked", (linked) => { if (linked) stored = true; });
on("view", (view) => { if (view) { arrived(view.at); advance(view); } });

export const baseLine = () => base;

/** The tick that sounds now, on the long line. */
export function nowTick() {
  const view = state.view;
  if (!view) return 0;
  const ahead = view.running ? Math.min(MOST_AHEAD_S, Math.max(-1, since(view))) : 0;
  return base + (view.now || 0) + ahead * (view.bpm / 60) * TICKS;
}

/** The long-line tick of the line of bar `number`, in the server's count. */
export function lineOf(number) {
  const view = state.view;
  let line = base;
  if (number > view.number) return line + metreLength() * (number - view.number);
  for (let n = view.number - 1; n >= number; n--) line -= lengthOf(view.heard[view.heard.length - (view.number - n)]);
  return line;
}

/** Where the suggestion would begin: in place of bars that were heard, or after them; one whose bar has gone by would begin at the next line. */
export function planLine() {
  const { plan, number, running, now } = state.view;
  if (plan.in_place) return lineOf(plan.number);
  return lineOf(Math.max(plan.number, running || now > 0 ? number + 1 : number));
}

/** [number, line, length] of the bars from the oldest heard to the end of what is planned. */
export function barLines() {
  const view = state.view, found = [];
  if (!view) return found;
  const first = view.number - view.heard.length;
  let line = lineOf(first);
  view.heard.forEach((bar, i) => { found.push([first + i, line, lengthOf(bar)]); line += lengthOf(bar); });
  found.push([view.number, line, metreLength()]);
  return found;
}

/** Which bar the long-line tick lies in: [number, tick in it]. */
export function placeOf(tick) {
  const lines = barLines();
  if (!lines.length) return [0, 0];
  for (const [number, line, length] of lines) if (tick < line + length) return [number, tick - line];
  const [number, line, length] = lines[lines.length - 1];
  const more = Math.floor((tick - line) / length);
  return [number + more, tick - line - more * length];
}

/** As musicians count: bar of the song from 1. */
export const songBar = (number) => {
  const view = state.view;
  const bar = view.bar === null || view.bar === undefined ? view.number : view.bar;
  return bar + (number - view.number) + 1;
};

/** "bar 3", "bars 3–4"; null where one is from before the song's count began anew. */
export function barsNamed(first, last) {
  const [from, to] = [songBar(first), songBar(last)];
  if (from < 1) return null;
  return to > from ? `bars ${from}–${to}` : `bar ${from}`;
}

/** Ticks of a felt beat of a metre like "6/8". */
export function beatOf(metre) {
  const [over, under] = String(metre || "4/4").split("/").map(Number);
  const unit = (4 * TICKS) / (under || 4);
  return under >= 8 && over % 3 === 0 && over > 3 ? unit * 3 : unit;
}
export const ticksToSeconds = (ticks) => (ticks / TICKS) * (60 / ((state.view && state.view.bpm) || 120));
