// Editing the candidate that is shown, before it is accepted: the notes, what is sent, and the keys. editmouse.js has the mouse.

import { state, on, set } from "./state.js";
import { $, h, button, show, say, mark, select } from "./dom.js";
import { act, before, toast } from "./acts.js";
import { ask } from "./link.js";
import { candidates, shown, flatten, intoBars, digest, planKey, noteKey, nameOf } from "./plan.js";
import { camera } from "./camera.js";
import { planLine } from "./timeline.js";
import { redraw, repaint } from "./roll.js";
import { preview } from "./sound.js";

const GRIDS = [[6, "16ths"], [12, "8ths"], [24, "quarters"], [8, "8th triplets"], [3, "32nds"], [1, "free"]];
const SEND_MS = 160, OWN_MS = 3000;
let grid = 6, addPart = 5, timer = 0, waiting = 0, own = 0, swap = 0, seen = null, sending = Promise.resolve(), partChoice, velocity, lockButton;
const locks = new Set();

/** Whether the mouse holds a note: then what the server says waits. */
export const grip = { held: false };
export const step = () => grid;
export const draft = () => state.draft;
export const chosen = () => (draft() ? draft().notes.filter((note) => note.picked) : []);
export const snap = (tick) => Math.round(tick / grid) * grid;
export const origin = () => planLine();

export async function toggleEdit() {
  if (state.editing) return leave();
  const plan = state.view?.plan;
  if (!plan) return toast("There is no suggestion to edit yet: play a few bars first.");
  if (!plan.held && !plan.armed) await act("hold");
  camera.follow = true;
  set("editing", true);
  take(shown());
  $("roll").focus();
}

export function leave() { flush(); set("editing", false); set("draft", null); }

/** Take a candidate from the server, with what was locked. */
function take(index) {
  const made = candidates()[index];
  if (!made) return leave();
  const notes = flatten(made.bars);
  const picked = new Set(chosen().map(noteKey));
  for (const note of notes) { note.locked = locks.has(noteKey(note)); note.picked = picked.has(noteKey(note)); }
  const parts = [...new Set(notes.map((note) => note.part))].sort((a, b) => a - b);
  if (parts.length && !parts.includes(addPart)) addPart = parts[0];
  partChoice.replaceChildren(...(state.hello?.parts ?? []).map((name, part) => h("option", { value: String(part) }, name)));
  partChoice.value = String(addPart);
  swap = 0;
  seen = shown();
  set("draft", { key: planKey(state.view.plan), index, bars: made.bars, notes });
  tell();
}

/** What is edited stays what it was begun with, whatever other pages show, until another is chosen here. */
function look(view) {
  if (!state.editing) return;
  if (!view?.plan || (view.plan.armed && !timer && !waiting)) return leave();
  if (timer || waiting || grip.held) return;
  if (!draft()) return take(shown());
  const { index, bars } = draft(), key = planKey(view.plan), there = candidates()[index]?.bars;
  if (performance.now() < swap && shown() !== index) return take(shown());
  if (there && digest(there) === digest(bars)) {
    draft().key = key;
    if (shown() !== index && seen !== shown()) toast(`Another page shows ${letter(shown())} now; you go on editing ${letter(index)}.`);
    seen = shown();
    return;
  }
  const same = key === draft().key || performance.now() < own;
  if (!same) locks.clear();
  take(same && there ? index : shown());
}
on("view", look);
const letter = (index) => String.fromCharCode(65 + index);

// What changed goes to the server a moment later: as one thing that undo takes back.

export function changed() {
  locks.clear();
  clearTimeout(timer);
  timer = setTimeout(flush, SEND_MS);
  tell();
  redraw();
}

/** Send at once what waits to be sent; done when all that was sent has been answered. */
export function flush() {
  if (!timer) return sending;
  clearTimeout(timer);
  timer = 0;
  if (!draft()) return sending;
  const bars = settled(), all = candidates().map((one) => one.bars), index = Math.min(draft().index, all.length - 1);
  for (const note of draft().notes) if (note.locked) locks.add(noteKey(note));
  if (index < 0) return sending;
  all[index] = bars;
  waiting += 1;
  sending = sending.then(async () => {
    own = performance.now() + OWN_MS;
    try { await ask("place", { candidates: all, index }); } catch (fault) { toast(fault.message); }
    waiting -= 1;
  });
  return sending;
}

/** The bars as they are edited now. */
function settled() {
  draft().bars = intoBars(draft().notes, draft().bars);
  return draft().bars;
}

export async function regenerate() {
  if (!draft()) return toast("Edit first, lock what is to stay, then make the rest anew.");
  await flush();
  if (!draft()) return;
  const bars = settled(), keep = draft().notes.filter((note) => note.locked).map((note) => [note.bar, note.onset, note.part, note.pitch]);
  for (const note of draft().notes) if (note.locked) locks.add(noteKey(note));
  waiting += 1;
  const made = await act("regenerate", { keep, bars });
  waiting -= 1;
  if (made) swap = own = performance.now() + OWN_MS;
  look(state.view);
}

/** Where this page edits one candidate and another is shown, the edited one is meant. */
async function settle() {
  await flush();
  if (draft() && draft().index !== shown() && candidates().length > draft().index) await act("choose", { index: draft().index });
}

function lock() {
  const picked = chosen();
  if (!picked.length) return toast("Choose notes first: click them, or drag a frame around them.");
  const to = !picked.every((note) => note.locked);
  for (const note of picked) { note.locked = to; if (to) locks.add(noteKey(note)); else locks.delete(noteKey(note)); }
  tell();
  redraw();
}

export function remove() {
  if (!chosen().length) return;
  draft().notes = draft().notes.filter((note) => !note.picked);
  changed();
}

export function add(at, part, pitch) {
  if (part === null) part = addPart === 10 ? 5 : addPart;
  const note = { at: Math.max(0, at), part, pitch, length: grid > 1 ? Math.max(grid, 6) : 12, velocity: Number(velocity.value) || 90, bar: 0, onset: 0, picked: true };
  for (const one of chosen()) one.picked = false;
  draft().notes.push(note);
  preview(part, pitch, note.velocity);
  changed();
  return note;
}

/** A note after the chosen one, or at the beginning. */
function addNext() {
  const last = chosen()[0];
  add(last ? last.at + last.length : 0, last ? last.part : null, last ? last.pitch : 60);
}

function each(does, sounds) {
  const picked = chosen();
  if (!picked.length) return false;
  picked.forEach(does);
  if (sounds) preview(picked[0].part, picked[0].pitch, picked[0].velocity);
  changed();
  return true;
}
const up = (by) => each((note) => { note.pitch = Math.max(0, Math.min(127, note.pitch + by)); }, true);
const along = (by) => each((note) => { note.at = Math.max(0, note.at + by); });
const longer = (by) => each((note) => { note.length = Math.max(1, note.length + by); });
const louder = (by) => each((note) => { note.velocity = Math.max(1, Math.min(127, note.velocity + by)); }, true);

function next(by) {
  const notes = [...draft().notes].sort((a, b) => a.at - b.at || a.pitch - b.pitch);
  if (!notes.length) return;
  const at = notes.findIndex((note) => note.picked), to = at < 0 ? (by > 0 ? 0 : notes.length - 1) : (at + by + notes.length) % notes.length;
  for (const note of notes) note.picked = false;
  notes[to].picked = true;
  preview(notes[to].part, notes[to].pitch, notes[to].velocity);
  tell();
  redraw();
}

/** Keys of the edit mode; true if it was one. Letters that play stay with the piano. */
export function editKey(event) {
  if (!state.editing || !draft()) return false;
  const some = chosen().length > 0, { code, shiftKey, altKey } = event;
  if (code === "KeyQ") lock();
  else if (code === "KeyR") regenerate();
  else if ((code === "Delete" || code === "Backspace") && some) remove();
  else if (code === "Escape") { if (some) { for (const note of chosen()) note.picked = false; tell(); redraw(); } else leave(); }
  else if (code === "Comma" || code === "Period") next(code === "Comma" ? -1 : 1);
  else if (code === "Insert") addNext();
  else if (code === "ArrowUp" && some) altKey ? louder(8) : up(shiftKey ? 12 : 1);
  else if (code === "ArrowDown" && some) altKey ? louder(-8) : up(shiftKey ? -12 : -1);
  else if (code === "ArrowLeft" && some) shiftKey ? longer(-grid) : along(-grid);
  else if (code === "ArrowRight" && some) shiftKey ? longer(grid) : along(grid);
  else return false;
  return true;
}

export function tell() {
  const picked = chosen(), locked = draft() ? draft().notes.filter((note) => note.locked).length : 0;
  const first = picked[0];
  set("said", !picked.length ? `${draft()?.notes.length ?? 0} notes, ${locked} locked` : picked.length > 1 ? `${picked.length} notes chosen, ${locked} locked`
    : `${first.part === 10 ? `sound ${first.pitch}` : nameOf(first.pitch)}, ${state.hello?.parts[first.part] ?? ""}, velocity ${first.velocity}${first.locked ? ", locked" : ""}`);
  if (first && document.activeElement !== velocity) velocity.value = String(first.velocity);
  mark(lockButton, "aria-pressed", picked.length > 0 && picked.every((note) => note.locked));
}

export function startEdit() {
  velocity = h("input", { type: "range", min: "1", max: "127", value: "90", "aria-label": "Velocity" });
  velocity.addEventListener("input", () => each((note) => { note.velocity = Number(velocity.value); }));
  partChoice = select("Part of new notes", [], (value) => { addPart = Number(value); });
  const grids = select("Grid", GRIDS.map(([ticks, name]) => [String(ticks), name]), (value) => { grid = Number(value); });
  lockButton = button("Lock", lock, { key: { shown: "Q", aria: "q" }, title: "Keep the chosen notes when the rest is made anew" });
  const said = h("output", { class: "said" });
  on("said", (line) => say(said, line));
  $("edit-bar").append(h("span", { class: "cluster" }, lockButton,
    button("Regenerate the rest", regenerate, { key: { shown: "R", aria: "r" }, kind: "accent" }), button("Delete", remove, { key: { shown: "Del", aria: "Delete" } }), button("Add", addNext, { key: { shown: "Ins", aria: "Insert" } })),
    h("span", { class: "cluster" }, h("label", {}, "Grid ", grids), h("label", {}, "New in ", partChoice), h("label", {}, "Velocity ", velocity)),
    said);
  on("editing", (is) => { show($("edit-bar"), is); mark($("edit"), "aria-pressed", is); document.body.classList.toggle("editing", is); repaint(); });
  addEventListener("pagehide", flush);
  before.settle = settle;
  before.choosing = async () => { await flush(); swap = performance.now() + OWN_MS; };
}
