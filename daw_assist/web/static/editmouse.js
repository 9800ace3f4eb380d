// Editing by mouse and finger, and what is drawn over the roll meanwhile.

import { state } from "./state.js";
import { $ } from "./dom.js";
import { toast } from "./acts.js";
import { camera, GUTTER, RULER, xOf, yOf, tickOf, pitchAt, heightOf } from "./camera.js";
import { drawNote } from "./strip.js";
import { ink } from "./colours.js";
import { setOverlay, redraw } from "./roll.js";
import { preview } from "./sound.js";
import { grip, step, draft, chosen, snap, origin, changed, remove, add, tell } from "./edit.js";

const canvas = $("roll"), EDGE_PX = 7;
let drag = null;

function noteAt(x, y) {
  const line = origin();
  for (let i = draft().notes.length - 1; i >= 0; i--) {
    const note = draft().notes[i], left = xOf(line + note.at), top = yOf(note.part, note.pitch);
    if (x >= left - 2 && x <= left + Math.max(8, note.length * camera.ppt) + 2 && y >= top - 1 && y <= top + heightOf(note.part) + 1) return note;
  }
  return null;
}

canvas.addEventListener("pointerdown", (event) => {
  if (!draft() || event.offsetY < RULER || event.offsetX < GUTTER || event.button > 0) return;
  canvas.setPointerCapture(event.pointerId);
  const note = noteAt(event.offsetX, event.offsetY), x = event.offsetX, y = event.offsetY;
  if (!note) { drag = { kind: "frame", x, y, toX: x, toY: y, keep: event.shiftKey }; grip.held = true; return; }
  if (!note.picked && !event.shiftKey) for (const one of chosen()) one.picked = false;
  note.picked = event.shiftKey ? !note.picked : true;
  const right = xOf(origin() + note.at + note.length), wide = note.length * camera.ppt;
  const kind = event.altKey ? "velocity" : wide > 12 && right - x < EDGE_PX ? "length" : "move";
  drag = { kind, x, y, note, moved: false, from: chosen().map((one) => [one, one.at, one.pitch, one.length, one.velocity]) };
  grip.held = true;
  preview(note.part, note.pitch, note.velocity);
  tell();
  redraw();
});

canvas.addEventListener("pointermove", (event) => {
  if (!drag) return hover(event);
  if (!draft()) return;
  const x = event.offsetX, y = event.offsetY;
  if (drag.kind === "frame") { drag.toX = x; drag.toY = y; return redraw(); }
  const ticks = snap((x - drag.x) / camera.ppt), steps = Math.round((drag.y - y) / camera.row);
  if (!drag.moved && Math.hypot(x - drag.x, y - drag.y) < 4) return;
  drag.moved = true;
  const before = drag.note.pitch;
  for (const [note, at, pitch, length, loud] of drag.from) {
    if (drag.kind === "length") note.length = Math.max(Math.min(step(), length), length + ticks);
    else if (drag.kind === "velocity") note.velocity = Math.max(1, Math.min(127, Math.round(loud + drag.y - y)));
    else { note.at = Math.max(0, at + ticks); if (note.part !== 10) note.pitch = Math.max(0, Math.min(127, pitch + steps)); }
  }
  if (drag.note.pitch !== before) preview(drag.note.part, drag.note.pitch, drag.note.velocity);
  redraw();
});

function hover(event) {
  if (!draft()) { if (canvas.style.cursor) canvas.style.cursor = ""; return; }
  const note = noteAt(event.offsetX, event.offsetY);
  const edge = note && note.length * camera.ppt > 12 && xOf(origin() + note.at + note.length) - event.offsetX < EDGE_PX;
  const cursor = edge ? "ew-resize" : note ? "move" : "crosshair";
  if (canvas.style.cursor !== cursor) canvas.style.cursor = cursor;
}

for (const type of ["pointerup", "pointercancel"]) canvas.addEventListener(type, () => {
  if (!drag) return;
  const done = drag;
  drag = null;
  grip.held = false;
  if (!draft()) return; // the suggestion went while it was held
  if (done.kind === "frame") framed(done);
  else if (done.moved) changed();
  redraw();
});

function framed({ x, y, toX, toY, keep }) {
  const [left, right] = [Math.min(x, toX), Math.max(x, toX)], [top, bottom] = [Math.min(y, toY), Math.max(y, toY)], line = origin();
  for (const note of draft().notes) {
    const at = xOf(line + note.at), row = yOf(note.part, note.pitch);
    const inside = at < right && at + note.length * camera.ppt > left && row < bottom && row + heightOf(note.part) > top;
    note.picked = (right - left > 3 && inside) || (keep && note.picked);
  }
  tell();
}

canvas.addEventListener("dblclick", (event) => {
  if (!draft() || event.offsetY < RULER || event.offsetX < GUTTER) return;
  const note = noteAt(event.offsetX, event.offsetY);
  if (note) { for (const one of chosen()) one.picked = false; note.picked = true; return remove(); }
  const at = Math.floor((tickOf(event.offsetX) - origin()) / step()) * step(), total = draft().bars.reduce((sum, bar) => sum + bar.length, 0);
  if (at < 0 || at >= total) return toast("Notes can be added where the suggestion is: under the coloured line.");
  const [part, pitch] = pitchAt(event.offsetY);
  add(at, part, pitch);
});

function overlay(pen) {
  if (!draft() || !state.view?.plan) return;
  const line = origin();
  for (const note of draft().notes) {
    const x = xOf(line + note.at), wide = note.length * camera.ppt;
    if (x > camera.width || x + wide < 0) continue;
    drawNote(pen, x, note.part, note.pitch, wide, note.velocity, "ghost");
    const y = yOf(note.part, note.pitch), tall = heightOf(note.part);
    if (note.locked) { pen.fillStyle = ink.ink; pen.fillRect(x + 2, y + tall / 2 - 1.5, Math.max(3, wide - 5), 2); }
    if (note.picked) { pen.strokeStyle = ink.ink; pen.lineWidth = 2; pen.strokeRect(x - 0.5, y - 0.5, Math.max(4, wide), tall + 0.5); }
  }
  if (drag?.kind === "frame") { pen.strokeStyle = ink.accent; pen.lineWidth = 1; pen.strokeRect(drag.x, drag.y, drag.toX - drag.x, drag.toY - drag.y); }
}

export function startEditMouse() {
  setOverlay(overlay, () => (draft() ? draft().notes.map((note) => [note.part, note.pitch]) : []));
}
