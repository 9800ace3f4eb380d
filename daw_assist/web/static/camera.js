// What part of the music the roll shows, and where on the canvas a note lies.

import { state } from "./state.js";
import { nowTick, planLine } from "./timeline.js";
import { kept } from "./dom.js";

const DRUMS = 10, PLACE_OF_NOW = 0.36, LEAST_SPAN = 30, MOST_DRUM_ROWS = 14;
export const GUTTER = 44, RULER = 22;
export const camera = {
  width: 300, height: 200, from: 0, ppt: 1.2, follow: true,
  low: 48, high: 84, row: 8, drums: [], drumTop: 200, drumRow: 9,
};

/** Until the composer zooms: eight bars fit. */
export function widen(width, height) {
  Object.assign(camera, { width, height });
  camera.ppt = Number(kept.get("zoom")) || Math.max(0.5, (width - GUTTER) / 790);
}

export const xOf = (tick) => GUTTER + (tick - camera.from) * camera.ppt;
export const tickOf = (x) => camera.from + (x - GUTTER) / camera.ppt;
export const visibleTicks = () => (camera.width - GUTTER) / camera.ppt;

export function yOf(part, pitch) {
  if (part === DRUMS) {
    const at = camera.drums.indexOf(pitch);
    return camera.drumTop + (at < 0 ? camera.drums.length - 1 : at) * camera.drumRow;
  }
  return RULER + (camera.high - pitch) * camera.row;
}
export const heightOf = (part) => (part === DRUMS ? camera.drumRow : camera.row);

/** [part or null, pitch] under a height of the canvas. */
export function pitchAt(y) {
  if (camera.drums.length && y >= camera.drumTop) {
    const at = Math.min(camera.drums.length - 1, Math.floor((y - camera.drumTop) / camera.drumRow));
    return [DRUMS, camera.drums[at]];
  }
  return [null, Math.max(0, Math.min(127, camera.high - Math.floor((y - RULER) / camera.row)))];
}

/** Look where the music is; in editing the suggestion stands still. */
export function aim() {
  const plan = state.view && state.view.plan;
  if (!camera.follow) return;
  if (state.editing && plan) camera.from = planLine() - visibleTicks() * 0.12;
  else {
    camera.from = nowTick() - visibleTicks() * PLACE_OF_NOW;
    if (plan?.in_place && !state.view.running) camera.from = Math.min(camera.from, planLine() - visibleTicks() * 0.12);
  }
}

/** Fit the rows to the notes: `ranges` is {low, high, drums: Set}. True if something moved. */
export function fit({ low, high, drums }) {
  let bottom = Math.min(low - 2, 128), top = Math.max(high + 2, -1);
  if (bottom > top) { bottom = 48; top = 79; }
  bottom = Math.floor(bottom / 6) * 6;
  top = Math.ceil((top + 1) / 6) * 6 - 1;
  while (top - bottom + 1 < LEAST_SPAN) { top += 6; if (top - bottom + 1 < LEAST_SPAN) bottom -= 6; }
  bottom = Math.max(0, bottom); top = Math.min(127, top);
  const rows = [...drums].sort((a, b) => b - a).slice(0, MOST_DRUM_ROWS);
  const drumRow = rows.length ? Math.max(5, Math.min(11, (camera.height * 0.3) / rows.length)) : 0;
  const drumTop = Math.floor(camera.height - rows.length * drumRow - (rows.length ? 2 : 0));
  const row = (drumTop - RULER - (rows.length ? 4 : 0)) / (top - bottom + 1);
  const moved = bottom !== camera.low || top !== camera.high || row !== camera.row || rows.join() !== camera.drums.join();
  Object.assign(camera, { low: bottom, high: top, row, drums: rows, drumTop, drumRow });
  return moved;
}

export function zoom(by, x = camera.width / 2) {
  const tick = tickOf(x);
  camera.ppt = Math.max(0.12, Math.min(8, camera.ppt * by));
  camera.from = tick - (x - GUTTER) / camera.ppt;
  kept.set("zoom", String(camera.ppt));
}
export function pan(ticks) { camera.follow = false; camera.from += ticks; }
