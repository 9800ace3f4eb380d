// How it goes, in a musician's words: at the foot in short, in the panel at length; errors and what is away.

import { state, on, set } from "./state.js";
import { $, h, say, show, mark } from "./dom.js";

const SOURCES = { internal: "its own clock", "midi clock": "the DAW (MIDI clock)", jack: "JACK transport", link: "Ableton Link" };
const TOAST_MS = 6000;
const whole = (value) => (Number.isFinite(value) ? Math.round(value) : null);

function sync(view) {
  const name = SOURCES[view.source] ?? view.source ?? "no clock yet";
  return view.running ? `In time with ${name}` : `Stopped; follows ${name}`;
}

function quality(view) {
  const given = view.quality;
  if (given === null || given === undefined) return view.reason || "";
  if (typeof given !== "object") return String(given);
  const said = [];
  if (Number.isFinite(given.jitter_ms)) said.push(given.jitter_ms < 1 ? "steady" : given.jitter_ms < 4 ? "a little uneven" : `uneven by ${given.jitter_ms.toFixed(1)} ms`);
  if (given.lost_pulses) said.push(`${given.lost_pulses} pulses were lost and made good`);
  return said.join(", ") || view.reason || "";
}

function engine(status) {
  const { state: is, restarts, reason } = status.engine;
  if (is === "ready") return restarts ? `Ready (was restarted ${restarts} time${restarts === 1 ? "" : "s"})` : "Ready";
  if (is === "starting") return "Waking up: suggestions come in a few seconds";
  return `Away: ${reason || "it is being restarted"}. What plays goes on.`;
}

function rows() {
  const { status, view } = state, live = status?.live ?? {}, found = [];
  if (view) found.push(["In sync", sync(view)], ["Sync quality", quality(view) || "–"]);
  if (status) {
    found.push(["Assistant", engine(status)], ["Runs on", [status.engine.provider, status.engine.model].filter(Boolean).join(", ") || "–"]);
    if (Number.isFinite(live.hit_rate)) found.push(["Ready in time", `${Math.round(live.hit_rate * 100)} % of the time`]);
    const room = view ? (60 / view.bpm) * ((view.open?.length ?? 96) / 24) * 1000 : null;
    if (Number.isFinite(live.draft_ms) && live.draft_ms > 0 && room) found.push(["Thinking time", `${whole(live.draft_ms)} ms of the ${whole(room * 0.4)} ms there are before the bar line`]);
    if (Number.isFinite(live.late_dropped)) found.push(["Late notes", live.late_dropped ? `${live.late_dropped}: close other programs, or ask for fewer bars` : "none"]);
    if (live.trigger_ms > 0) found.push(["From accept to first note", `${whole(live.trigger_ms)} ms`]);
    if (live.port && !/page/i.test(String(live.port))) found.push(["MIDI port", String(live.port)]);
    const lost = (live.inbox_dropped ?? 0) + (live.lost ?? 0);
    if (lost) found.push(["Notes lost", String(lost)]);
  }
  const from = view?.plan?.suggestion.provenance;
  if (from) found.push(["This suggestion", `${from.model}, heard ${from.heard_bars} bars, seed ${view.plan.suggestion.candidates[view.plan.index]?.seed}`]);
  if (state.hello) found.push(["Version", String(state.hello.version)]);
  return found;
}

export function statusPanel() {
  const list = h("dl", { class: "status" });
  const look = () => {
    if (list.offsetParent === null && list.childElementCount) return;
    const found = rows();
    while (list.childElementCount > found.length * 2) list.lastElementChild.remove();
    while (list.childElementCount < found.length * 2) list.append(h("dt"), h("dd"));
    found.forEach(([name, text], i) => { say(list.children[2 * i], name); say(list.children[2 * i + 1], text); });
  };
  on("status tab hello", look);
  return h("div", { class: "panel-body" }, list);
}

function foot() {
  const dot = h("i", { class: "dot", "aria-hidden": "true" }), engineSaid = h("span", { class: "engine" }), syncSaid = h("span", {}), ready = h("span", {}), late = h("span", {}), told = h("span", { class: "told" });
  $("foot").append(h("span", { class: "pair" }, dot, engineSaid), syncSaid, ready, late, told);
  on("status view linked", () => {
    const { status, view } = state, live = status?.live ?? {};
    const is = status?.engine.state;
    mark(dot, "data-state", !state.linked || !is ? "away" : is === "ready" ? "ready" : "waking");
    say(engineSaid, !status || !state.linked ? "Connecting…" : is === "ready" ? `Assistant ready · ${status.engine.provider ?? ""}` : engine(status));
    say(syncSaid, view ? sync(view) : "");
    say(ready, Number.isFinite(live.hit_rate) ? `Ready in time ${Math.round(live.hit_rate * 100)} %` : "");
    say(late, live.late_dropped ? `Late notes ${live.late_dropped}` : Number.isFinite(live.late_dropped) ? "No late notes" : "");
    say(told, view?.told ?? "");
  });
}

export function startStatus() {
  foot();
  let timer = 0;
  on("toast", (line) => {
    const box = $("toast");
    box.textContent = line;
    show(box, true);
    clearTimeout(timer);
    timer = setTimeout(() => show(box, false), TOAST_MS);
  });
  $("toast").addEventListener("click", () => show($("toast"), false));
  on("gone", (gone) => { say($("banner"), gone ? gone.line : ""); show($("banner"), Boolean(gone)); });
  on("linked", (linked) => { if (linked && state.gone?.what === "page") set("gone", null); });
}
