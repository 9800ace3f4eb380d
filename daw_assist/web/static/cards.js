// The candidates side by side: a small picture of each and its figures.

import { state, on } from "./state.js";
import { $, h, say, show, mark } from "./dom.js";
import { choose } from "./acts.js";
import { candidates, shown, flatten, lengthOf, planKey, digest } from "./plan.js";
import { partInk, ink, onTheme } from "./colours.js";
import { arrows } from "./controls.js";

const HEIGHT = 54;
let cards = [], drawn = [];
const percent = (value) => `${Math.round(value * 100)} %`;

function make(index) {
  const canvas = h("canvas", { height: HEIGHT, "aria-hidden": "true" });
  const figure = (name, title) => h("span", { title }, h("b", {}, "–"), ` ${name}`);
  const card = h("button", { type: "button", role: "radio", class: "card" },
    h("span", { class: "card-head" }, h("b", {}, String.fromCharCode(65 + index)), h("em", {})), canvas,
    h("span", { class: "figures" }, figure("surprise", "How much each note surprised the model: lower is likelier"), figure("a beat", "Notes a beat: how dense it is"),
      figure("in key", "Share of notes in the key that was heard"), figure("known", "Share of it, in any key, that stands in the music the model learned from")));
  card.addEventListener("click", (event) => { if (event.detail > 0) card.blur(); choose(index); });
  return { card, canvas, head: card.querySelector("em"), figures: [...card.querySelectorAll(".figures b")] };
}

function picture(canvas, bars) {
  const ratio = Math.min(2, devicePixelRatio || 1), width = canvas.clientWidth || 200;
  canvas.width = width * ratio;
  canvas.height = HEIGHT * ratio;
  const pen = canvas.getContext("2d"), notes = flatten(bars), total = lengthOf(bars) || 1;
  pen.scale(ratio, ratio);
  let line = 0;
  pen.fillStyle = ink.line;
  for (const bar of bars) { if (line) pen.fillRect(Math.round((line / total) * width), 0, 1, HEIGHT); line += bar.length; }
  const tuned = notes.filter((note) => note.part !== 10), drums = [...new Set(notes.filter((note) => note.part === 10).map((note) => note.pitch))].sort((a, b) => b - a);
  const floor = drums.length ? HEIGHT - Math.min(14, drums.length * 3) - 2 : HEIGHT;
  const low = Math.min(...tuned.map((note) => note.pitch)) - 1, high = Math.max(...tuned.map((note) => note.pitch)) + 1;
  const row = Math.min(5, floor / Math.max(12, high - low + 1)), top = (floor - row * (high - low + 1)) / 2;
  for (const note of notes) {
    const y = note.part === 10 ? floor + 2 + (drums.indexOf(note.pitch) * (HEIGHT - floor - 2)) / drums.length : top + (high - note.pitch) * row;
    pen.fillStyle = partInk(note.part);
    pen.globalAlpha = 0.4 + (0.6 * note.velocity) / 127;
    pen.fillRect((note.at / total) * width, y, Math.max(1.5, (note.length / total) * width - 0.7), Math.max(1.6, row - 0.5));
  }
}

function look() {
  const all = candidates(), box = $("cards");
  show(box, all.length > 0);
  if (cards.length !== all.length) {
    cards = all.map((_, index) => make(index));
    drawn = [];
    box.replaceChildren(...cards.map((one) => one.card));
  }
  const key = planKey(state.view?.plan), edited = state.view?.plan?.edited;
  all.forEach((made, index) => {
    const { card, canvas, head, figures } = cards[index], now = `${key} ${digest(made.bars)} ${canvas.clientWidth}`;
    const on = index === shown();
    mark(card, "aria-checked", on);
    card.tabIndex = on ? 0 : -1;
    say(head, on && edited ? "edited" : made.faults?.[0] ?? (index === 0 ? "best rated" : ""));
    if (drawn[index] !== now) { drawn[index] = now; picture(canvas, made.bars); card.setAttribute("aria-label", `Candidate ${String.fromCharCode(65 + index)}, ${flatten(made.bars).length} notes`); }
    say(figures[0], made.nats_per_note > 0 ? made.nats_per_note.toFixed(2) : "–");
    const plan = state.view.plan, more = !plan.id || state.figures?.id === plan.id ? state.figures?.candidates[index] : null;
    say(figures[1], more ? more.density.toFixed(1) : "–");
    say(figures[2], more && more.key_fit !== null && more.key_fit !== undefined ? percent(more.key_fit) : "–");
    const like = more?.resemblance;
    say(figures[3], like ? percent(like.share) : "–");
    if (like) mark(figures[3].parentElement, "title", `${percent(like.share)} of it stands in the music the model learned from (longest passage ${like.longest} notes); people: ${percent(like.human)}`);
  });
}

export function startCards() {
  arrows($("cards"));
  on("view figures", look);
  const again = () => { drawn = []; look(); };
  onTheme(again);
  new ResizeObserver(again).observe($("cards"));
}
