// The layers that stand still: lanes, lines and notes, painted once on a canvas beside the screen and moved as a whole.

import { state } from "./state.js";
import { barLines, lineOf, planLine, songBar, beatOf } from "./timeline.js";
import { camera, GUTTER, RULER, yOf, heightOf, fit, visibleTicks } from "./camera.js";
import { ink, partInk } from "./colours.js";
import { digest, isBlack, nameOf } from "./plan.js";

const canvas = document.createElement("canvas");
const keys = document.createElement("canvas");
export const strip = { canvas, keys, from: 0, to: 0, notes: 0, paints: 0 };

/** Everything that is to be seen: [line, notes, style] with style heard, ours, next, ghost, or faint where something else will play. */
function layers() {
  const view = state.view, found = [];
  if (!view) return found;
  const plan = view.plan, old = plan?.in_place ? [plan.number, plan.number + (plan.suggestion.candidates[plan.index]?.bars.length ?? 0)] : [0, 0];
  for (const [number, line] of barLines()) {
    const at = number - (view.number - view.heard.length), replaced = number >= old[0] && number < old[1];
    if (at < view.heard.length) found.push([line, view.heard[at].notes, replaced ? "faint" : "heard"]);
    const ours = view.ours[view.ours.length - view.heard.length - 1 + at];
    if (ours && number < view.number) found.push([line, ours.notes, replaced ? "faint" : "ours"]);
  }
  if (view.playing) {
    let line = lineOf(view.playing.number);
    view.playing.bars.forEach((bar, i) => {
      if (view.playing.number + i >= view.number) found.push([line, bar.notes, "next"]);
      line += bar.length;
    });
  }
  if (view.plan && !state.draft) {
    let line = planLine();
    const candidate = view.plan.suggestion.candidates[view.plan.index];
    const taken = view.playing ? view.playing.bars.reduce((sum, bar) => sum + bar.length, lineOf(view.playing.number)) : -Infinity;
    const plays = !view.plan.in_place && view.playing && candidate && digest(candidate.bars) === digest(view.playing.bars);
    for (const bar of candidate && !plays ? candidate.bars : []) {
      found.push([line, bar.notes, view.plan.armed ? "next" : line < taken && !view.plan.in_place ? "faint" : "ghost"]);
      line += bar.length;
    }
  }
  return found;
}

function ranges(found, extra) {
  let low = 128, high = -1;
  const drums = new Set();
  const take = (part, pitch) => {
    if (part === 10) drums.add(pitch);
    else { low = Math.min(low, pitch); high = Math.max(high, pitch); }
  };
  for (const [, notes] of found) for (const note of notes) take(note[1], note[2]);
  for (const [part, pitch] of extra) take(part, pitch);
  return { low, high, drums };
}

/** Paint the strip for what is visible and as much again; `extra`: [part, pitch] that must be in sight. */
export function paint(ratio, extra) {
  const found = layers();
  fit(ranges(found, extra));
  const span = visibleTicks();
  strip.from = camera.from - span * 0.1;
  strip.to = camera.from + span * 1.5;
  const width = Math.ceil((strip.to - strip.from) * camera.ppt), height = camera.height;
  resize(canvas, width * ratio, height * ratio);
  const pen = canvas.getContext("2d", { alpha: false });
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.fillStyle = ink.panel;
  pen.fillRect(0, 0, width, height);
  const x = (tick) => (tick - strip.from) * camera.ppt;
  lanes(pen, width);
  grid(pen, x);
  strip.notes = 0;
  for (const [line, notes, style] of found) {
    for (const [onset, part, pitch, length, velocity] of notes) {
      const tick = line + onset;
      if (tick + length < strip.from || tick > strip.to) continue;
      drawNote(pen, x(tick), part, pitch, length * camera.ppt, velocity, style);
      strip.notes += 1;
    }
  }
  paintKeys(ratio);
  strip.paints += 1;
}

function lanes(pen, width) {
  pen.fillStyle = ink.lane;
  for (let pitch = camera.low; pitch <= camera.high; pitch++) {
    if (isBlack(pitch)) pen.fillRect(0, yOf(5, pitch), width, camera.row);
  }
  if (camera.drums.length) pen.fillRect(0, camera.drumTop - 3, width, camera.height - camera.drumTop + 3);
  pen.fillStyle = ink.line;
  for (let pitch = camera.low; pitch <= camera.high; pitch++) {
    if (pitch % 12 === 0) pen.fillRect(0, Math.round(yOf(5, pitch) + camera.row) - 0.5, width, 1);
  }
  if (camera.drums.length) pen.fillRect(0, camera.drumTop - 3, width, 1);
}

function grid(pen, x) {
  const lines = barLines(), view = state.view;
  if (!view) return;
  const [lastNumber, lastLine, length] = lines[lines.length - 1];
  for (let i = 1; lastLine + i * length < strip.to && i < 400; i++) lines.push([lastNumber + i, lastLine + i * length, length]);
  const beat = beatOf(view.open && view.open.metre), picked = state.bars;
  const every = [1, 2, 4, 8, 16].find((n) => length * camera.ppt * n > 34) ?? 32;
  pen.font = "11px system-ui, sans-serif";
  pen.textBaseline = "middle";
  for (const [number, line, own] of lines) {
    if (line + own < strip.from || line > strip.to) continue;
    const left = Math.round(x(line));
    if (picked && number >= picked[0] && number <= picked[1]) {
      pen.fillStyle = ink.select;
      pen.fillRect(left, 0, own * camera.ppt, camera.height);
    }
    pen.fillStyle = ink.line;
    if (beat * camera.ppt > 9) for (let t = beat; t < own; t += beat) pen.fillRect(Math.round(x(line + t)), RULER, 1, camera.height);
    pen.fillStyle = ink.bar;
    pen.fillRect(left, 0, 1, camera.height);
    const count = songBar(number);
    if ((count - 1) % every === 0 && count > 0) {
      pen.fillStyle = ink.muted;
      pen.fillText(String(count), left + 5, RULER / 2);
    }
  }
  pen.fillStyle = ink.bar;
  pen.fillRect(0, RULER - 1, canvas.width, 1);
  if (view.plan) {
    const bars = view.plan.suggestion.candidates[view.plan.index]?.bars ?? [];
    pen.fillStyle = ink.accent;
    pen.fillRect(x(planLine()), RULER - 3, bars.reduce((sum, bar) => sum + bar.length, 0) * camera.ppt, 3);
  }
}

/** One note: yours are whole and of a stronger tone, the assistant's have a slit along them, ghosts are outlines over a tint. */
export function drawNote(pen, x, part, pitch, width, velocity, style) {
  const y = yOf(part, pitch), tall = Math.max(2, heightOf(part) - 1), wide = Math.max(2.5, width - 1);
  pen.fillStyle = partInk(part);
  if (style === "faint") {
    pen.globalAlpha = 0.22;
    pen.fillRect(x, y, wide, tall);
    pen.globalAlpha = 1;
    return;
  }
  if (style === "ghost" || style === "next") {
    pen.globalAlpha = (style === "next" ? 0.45 : tall > 3 ? 0.16 : 0.4) + (0.3 * velocity) / 127;
    pen.fillRect(x, y, wide, tall);
    pen.globalAlpha = 1;
    if (tall > 3) { pen.strokeStyle = partInk(part); pen.lineWidth = 1; pen.strokeRect(x + 0.5, y + 0.5, Math.max(1.5, wide - 1), tall - 1); }
    return;
  }
  const own = style === "heard", loud = 0.55 + (0.45 * velocity) / 127;
  const block = (colour, alpha) => { pen.globalAlpha = alpha; pen.fillStyle = colour; pen.fillRect(x, y, wide, tall); };
  if (!own) block(ink.panel, 1); // chords are among what was heard, too
  block(partInk(part), loud);
  if (own) block(ink.ink, 0.42 * loud);
  pen.globalAlpha = 1;
  if (own) return;
  const slit = Math.max(1, Math.min(4, Math.round(tall * 0.36))), stem = Math.min(2, wide * 0.35); // held together at its left end
  pen.fillStyle = ink.panel;
  pen.fillRect(x + stem, y + (tall - slit) / 2, wide - stem, slit);
}

function paintKeys(ratio) {
  resize(keys, GUTTER * ratio, camera.height * ratio);
  const pen = keys.getContext("2d", { alpha: false });
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.fillStyle = ink.panel;
  pen.fillRect(0, 0, GUTTER, camera.height);
  for (let pitch = camera.low; pitch <= camera.high; pitch++) {
    const y = yOf(5, pitch);
    if (isBlack(pitch)) { pen.fillStyle = ink.muted; pen.fillRect(0, y, GUTTER * 0.55, camera.row); }
    if (pitch % 12 === 0) label(pen, nameOf(pitch), y + camera.row / 2);
  }
  if (camera.drums.length) label(pen, "drums", camera.drumTop + (camera.drums.length * camera.drumRow) / 2);
  pen.fillStyle = ink.bar;
  pen.fillRect(GUTTER - 1, 0, 1, camera.height);
  pen.fillRect(0, RULER - 1, GUTTER, 1);
}

function label(pen, text, y) {
  pen.fillStyle = ink.ink;
  pen.font = "10px system-ui, sans-serif";
  pen.textAlign = "right";
  pen.textBaseline = "middle";
  pen.fillText(text, GUTTER - 5, y);
  pen.textAlign = "left";
}

function resize(made, width, height) {
  if (made.width !== Math.ceil(width) || made.height !== Math.ceil(height)) { made.width = Math.ceil(width); made.height = Math.ceil(height); }
}
