// The piano roll: it moves with the transport; each frame the strip is laid down, and on it what moves.

import { state, on, set } from "./state.js";
import { $ } from "./dom.js";
import { baseLine, nowTick, placeOf } from "./timeline.js";
import { camera, GUTTER, RULER, xOf, yOf, tickOf, aim, widen, zoom, pan, visibleTicks } from "./camera.js";
import { strip, paint, drawNote } from "./strip.js";
import { ink, onTheme } from "./colours.js";
import { digest, planKey } from "./plan.js";
import { played, held } from "./keys.js";

const canvas = $("roll");
const pen = canvas.getContext("2d", { alpha: false });
let ratio = 1, stale = true, dirty = true, mark = "", overlay = () => {}, extra = () => [];
export const frames = { count: 0, draw_ms: new Float32Array(600) };

export const redraw = () => { dirty = true; };
export const repaint = () => { stale = dirty = true; };
/** What editing draws over the notes, and which [part, pitch] it needs in sight. */
export function setOverlay(draw, needs) { overlay = draw; extra = needs; }

let lastNumber = 0;
function look(view) {
  dirty = true;
  if (!view) return;
  const jump = view.number - lastNumber;
  lastNumber = view.number;
  if (state.bars && (jump < 0 || jump > 1 || state.bars[0] < view.number - view.heard.length)) set("bars", null);
  const plan = view.plan;
  const bars = plan ? plan.suggestion.candidates[plan.index]?.bars : null;
  const now = [view.number, baseLine(), digest(view.heard), digest(view.ours.slice(0, -1)), plan ? plan.number : "", plan ? `${plan.armed} ${plan.in_place}` : "", planKey(plan), digest(bars),
    view.playing ? view.playing.number : "", digest(view.playing?.bars), view.open?.metre, view.bar].join("|");
  if (now !== mark) { mark = now; stale = true; }
}

function outOfSight() {
  const right = camera.from + visibleTicks();
  if (camera.from < strip.from || right > strip.to) return true;
  for (const note of held.values()) if (note.pitch < camera.low || note.pitch > camera.high) return true;
  return false;
}

function frame() {
  requestAnimationFrame(frame);
  const moving = (state.view && state.view.running) || held.size || played.length;
  if (!moving && !dirty && !stale) return;
  const began = performance.now();
  aim();
  if (stale || outOfSight()) {
    paint(ratio, [...extra(), ...[...held.values()].map((note) => [5, note.pitch])]);
    stale = false;
  }
  dirty = false;
  draw();
  frames.draw_ms[frames.count++ % frames.draw_ms.length] = performance.now() - began;
}

function draw() {
  const { width, height } = camera;
  pen.setTransform(1, 0, 0, 1, 0, 0);
  const shift = Math.round((camera.from - strip.from) * camera.ppt * ratio);
  const left = GUTTER * ratio, wide = Math.min(canvas.width - left, strip.canvas.width - shift);
  pen.drawImage(strip.canvas, shift, 0, wide, canvas.height, left, 0, wide, canvas.height);
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.save();
  pen.beginPath();
  pen.rect(GUTTER, 0, width - GUTTER, height);
  pen.clip();
  const view = state.view, now = nowTick();
  if (view) {
    running(view, now);
    overlay(pen);
    const x = xOf(now);
    pen.fillStyle = ink.now;
    pen.fillRect(Math.round(x) - 1, 0, 2, height);
  }
  pen.restore();
  pen.drawImage(strip.keys, 0, 0, GUTTER, height);
  pen.fillStyle = ink.accent;
  for (const note of held.values()) pen.fillRect(0, yOf(5, note.pitch), GUTTER * 0.55, camera.row);
}

function running(view, now) {
  const base = baseLine(), ours = view.ours[view.ours.length - 1];
  for (const [notes, style] of [[view.open ? view.open.notes : [], "heard"], [ours ? ours.notes : [], "ours"]]) {
    for (const [onset, part, pitch, length, velocity] of notes) {
      drawNote(pen, xOf(base + onset), part, pitch, length * camera.ppt, velocity, style);
    }
  }
  for (let i = played.length - 1; i >= 0; i--) {
    const note = played[i];
    if (note.end !== null && (note.end < base || (!view.running && performance.now() - note.ended > 600))) { played.splice(i, 1); continue; }
    const end = note.end === null ? Math.max(now, note.start + 2) : note.end;
    drawNote(pen, xOf(note.start), note.drum ? 10 : 5, note.pitch, (end - note.start) * camera.ppt, 110, "heard");
  }
}

// By mouse and finger: wheel and drag move the view, the ruler picks bars.

function pick(from, to) {
  const view = state.view, first = view.number - view.heard.length;
  const inside = (number) => Math.max(first, Math.min(view.number - 1, number));
  if (view.heard.length) set("bars", [inside(Math.min(from, to)), inside(Math.max(from, to))]);
}

let drag = null;
canvas.addEventListener("pointerdown", (event) => {
  if (!state.view || event.button > 0) return;
  if (event.offsetY < RULER) drag = { kind: "bars", from: placeOf(tickOf(event.offsetX))[0] };
  else if (!state.editing) drag = { kind: "pan", x: event.offsetX, moved: 0 };
  else return;
  canvas.setPointerCapture(event.pointerId);
  if (drag.kind === "bars") pick(drag.from, drag.from);
});
canvas.addEventListener("pointermove", (event) => {
  if (!drag) return;
  if (drag.kind === "bars") return pick(drag.from, placeOf(tickOf(event.offsetX))[0]);
  const by = event.offsetX - drag.x;
  drag.moved += Math.abs(by);
  drag.x = event.offsetX;
  if (drag.moved > 6) pan(-by / camera.ppt);
  repaintIfAway();
});
for (const type of ["pointerup", "pointercancel"]) canvas.addEventListener(type, () => { drag = null; });
canvas.addEventListener("wheel", (event) => {
  event.preventDefault();
  if (event.ctrlKey || event.metaKey || event.altKey) { zoom(Math.exp(-event.deltaY / 300), event.offsetX); stale = true; }
  else pan((event.deltaX + event.deltaY) / camera.ppt);
  repaintIfAway();
}, { passive: false });

export function repaintIfAway() { dirty = true; if (state.follow !== camera.follow) set("follow", camera.follow); }
export function follow() { camera.follow = true; repaint(); repaintIfAway(); }
export function zoomBy(by) { zoom(by, camera.follow ? GUTTER + (camera.width - GUTTER) * 0.36 : undefined); repaint(); }

export function startRoll() {
  new ResizeObserver(([entry]) => {
    ratio = Math.min(2, devicePixelRatio || 1);
    widen(Math.max(120, Math.floor(entry.contentRect.width)), Math.max(100, Math.floor(entry.contentRect.height)));
    canvas.width = Math.ceil(camera.width * ratio);
    canvas.height = Math.ceil(camera.height * ratio);
    repaint();
  }).observe($("roll-box"));
  onTheme(repaint);
  on("view", look);
  on("draft editing bars", repaint);
  requestAnimationFrame(frame);
}
