// What to do next, in one line, and on the empty roll at length.

import { state, on } from "./state.js";
import { $, h, say, show } from "./dom.js";
import { startStop, chordsAlone } from "./acts.js";
import { placeOf, nowTick, beatOf, songBar } from "./timeline.js";

let accepted = false;

function line() {
  const { view, hello } = state;
  if (!hello || !view) return "Connecting…";
  if (state.editing) return "Double-click adds or deletes. Drag moves, the right end lengthens, Alt-drag: velocity. , and . step, arrows move. Esc ends.";
  const played = view.heard.some((bar) => bar.notes.length) || view.open?.notes.length;
  if (view.learning) return "Press the pedal, pad or key of your MIDI keyboard that is to do it.";
  if (chordsAlone(view)) return view.mode === "accompany" ? "Chords, bass and drums sound under what you play: Backspace turns them off, Enter on." : "Chords sound under what you play: Backspace turns them off, Enter on.";
  if (view.playing) { accepted = true; return "It plays. Play along, or press Esc to stop it. Export saves all of it."; }
  if (view.plan?.armed && view.running) { accepted = true; return "Accepted: it begins at the next bar line."; }
  if (view.plan?.in_place && !view.plan.armed) return `Outlined over ${replaced(view.plan)}: Enter puts it in place of those bars, ← → show others.`;
  if (view.plan?.held && !view.plan.armed) return "Held: no new suggestions until B or Enter.";
  if (view.plan && !view.running) return view.plan.armed ? "Accepted: press Start to hear it." : "Outlined: a suggestion. Enter accepts it, V lets you listen; Start goes on.";
  if (view.plan) return accepted ? "Enter lets it go on. Export saves it as sound, MIDI or score." : "Outlined: a suggestion. Enter lets it go on, ← → show others, V to listen first.";
  if (!view.running) return played ? "Press Start to go on, or Suggest now." : "";
  return played ? "Listening… a suggestion comes before the next bar line." : "Play a few bars on the letter keys A S D F…: a suggestion comes after the first.";
}

function replaced({ number, index, suggestion }) {
  const count = suggestion.candidates[index]?.bars.length ?? 1, first = songBar(number);
  return count > 1 ? `bars ${first}–${first + count - 1}` : `bar ${first}`;
}

function empty() {
  const go = h("button", { type: "button", class: "primary big" }, "Start");
  go.addEventListener("click", (event) => { if (event.detail > 0) go.blur(); startStop(); });
  const first = h("div", {}, h("h2", {}, "Play something, and it goes on from there"),
    h("ol", {}, h("li", {}, "Press ", h("b", {}, "Start"), ": a click gives the beat."),
      h("li", {}, "Play a few bars on the letter keys ", h("kbd", {}, "A"), " ", h("kbd", {}, "S"), " ", h("kbd", {}, "D"), " ", h("kbd", {}, "F"), " … (black keys ", h("kbd", {}, "W"), " ", h("kbd", {}, "E"), " …), the keys below, or a MIDI keyboard."),
      h("li", {}, "Then press ", h("kbd", {}, "Enter"), " to let it go on."), h("li", {}, "Open ", h("b", {}, "Export"), " to save it as sound.")),
    go, h("p", { class: "hint" }, "Using a DAW? Press play there. Or drop a .mid file here."));
  $("empty").append(first);
}

function beats() {
  const view = state.view;
  if (!view) return;
  const [number, tick] = placeOf(nowTick()), beat = beatOf(view.open?.metre), count = Math.max(1, Math.round((view.open?.length ?? 96) / beat)), at = Math.min(count - 1, Math.floor(tick / beat));
  say($("where-bar"), view.running || view.number ? `Bar ${Math.max(1, songBar(number))}` : "Bar 1");
  const box = $("where-beats");
  while (box.childElementCount > count) box.lastElementChild.remove();
  while (box.childElementCount < count) box.append(h("i"));
  [...box.children].forEach((one, i) => { const is = view.running && i === at; if (one.classList.contains("on") !== is) one.classList.toggle("on", is); });
}

function chord(view) {
  const is = ["harmonize", "accompany"].includes(view?.mode), name = (is && view.chord) || "", box = $("where-chord");
  $("where").classList.toggle("chords", is);
  show(box, is);
  say(box, name);
  box.classList.toggle("long", name.length > 4);
}

/** For those who hear the page: what is shown now, when it changes. */
let told = "";
function speak() {
  const plan = state.view?.plan, candidate = plan?.suggestion.candidates[plan.index];
  const now = !plan ? "" : `Candidate ${plan.index + 1} of ${plan.suggestion.candidates.length}, ${(candidate?.bars ?? []).reduce((sum, bar) => sum + bar.notes.length, 0)} notes${plan.armed ? ", accepted" : plan.held ? ", held" : ""}`;
  if (now !== told && !state.editing) { told = now; say($("spoken"), now); }
}

function legend() {
  for (const [kind, word] of [["heard", "you"], ["ours", "assistant"], ["ghost", "suggestion"]]) $("legend").append(h("span", { class: kind }, h("i"), word));
}

export function startGuide() {
  empty();
  legend();
  on("view hello editing", () => {
    say($("guide"), line());
    chord(state.view);
    const view = state.view;
    show($("empty"), Boolean(view && !view.running && !view.plan && !view.playing && !view.heard.some((bar) => bar.notes.length)));
  });
  on("view", speak);
  setInterval(beats, 50);
}
