// The suggestion as the page works on it: the candidate shown, as notes on one line, and back into bars.

import { state } from "./state.js";

export const candidates = () => (state.view && state.view.plan ? state.view.plan.suggestion.candidates : []);
export const shown = () => (state.view && state.view.plan ? state.view.plan.index : 0);

/** Notes of bars on one line: {at, part, pitch, length, velocity, bar, onset}. */
export function flatten(bars) {
  const notes = [];
  let line = 0;
  bars.forEach((bar, index) => {
    for (const [onset, part, pitch, length, velocity] of bar.notes) {
      notes.push({ at: line + onset, part, pitch, length, velocity, bar: index, onset });
    }
    line += bar.length;
  });
  return notes;
}

export const lengthOf = (bars) => bars.reduce((sum, bar) => sum + bar.length, 0);

/** The same bars with these notes in them; what lies outside is moved to the nearest place within. */
export function intoBars(notes, bars) {
  const made = bars.map((bar) => ({ length: bar.length, metre: bar.metre, notes: [] }));
  const total = lengthOf(bars);
  for (const note of notes) {
    note.at = Math.max(0, Math.min(total - 1, Math.round(note.at)));
    let index = 0, line = 0;
    while (index < bars.length - 1 && note.at >= line + bars[index].length) line += bars[index++].length;
    note.bar = index;
    note.onset = note.at - line;
    made[index].notes.push([note.onset, note.part, note.pitch, Math.max(1, Math.round(note.length)), note.velocity]);
  }
  for (const bar of made) bar.notes.sort((a, b) => a[0] - b[0] || a[1] - b[1] || a[2] - b[2]);
  return made;
}

/** A number that differs when the notes do. Bars are never changed once they are there, so each is looked through once. */
export function digest(bars, sum = 17) {
  for (const bar of bars ?? []) {
    if (!digests.has(bar)) digests.set(bar, digestOf(bar));
    sum = (Math.imul(sum, 31) + digests.get(bar)) | 0;
  }
  return sum;
}
const digests = new WeakMap();
function digestOf(bar) {
  let sum = bar.length;
  for (const note of bar.notes) for (let i = 0; i < 5; i++) sum = (Math.imul(sum, 31) + note[i]) | 0;
  return sum;
}

export const planKey = (plan) => (plan ? `${plan.suggestion.epoch}/${plan.suggestion.candidates.map((c) => c.seed).join(",")}` : "");
export const noteKey = (note) => `${note.bar},${note.onset},${note.part},${note.pitch}`;

const NAMES = ["C", "C♯", "D", "E♭", "E", "F", "F♯", "G", "A♭", "A", "B♭", "B"];
export const nameOf = (pitch) => `${NAMES[pitch % 12]}${Math.floor(pitch / 12) - 1}`;
export const isBlack = (pitch) => [1, 3, 6, 8, 10].includes(pitch % 12);
