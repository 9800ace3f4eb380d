// What to do next, in one line, and on the empty roll at length.

import { state, on } from "./state.js";
import { $, h, say, show } from "./dom.js";
import { startStop, chordsAlone, elsewhere } from "./acts.js";
import { placeOf, nowTick, beatOf, songBar, barsNamed } from "./timeline.js";

let accepted = false;

function line() {
  const { view, hello } = state;
  if (!hello || !view) return "Connecting…";
  if (state.editing) return "Double-click adds or deletes. Drag moves, the right end lengthens, Alt-drag: velocity. , and . step, arrows move. Esc ends.";
  if (view.learning) return "Press the pedal, pad or key of your MIDI keyboard that is to do it.";
  const { plan, running } = view, heard = view.heard.some((bar) => bar.notes.length), played = heard || view.open?.notes.length;
  const not = elsewhere("start it"), start = not ?? "Press Start";
  if (chordsAlone(view)) return view.chords_on === false ? "The chords are off: Enter turns them on." : `${running ? "" : `${start}. `}${view.mode === "accompany" ? "Chords, bass and drums" : "Chords"} sound under what you play; Backspace turns them off.`;
  const outlined = plan?.in_place && !plan.armed ? `Outlined over ${replaced(plan)}: Enter puts it in place of those bars, ← → show others.` : null;
  if (view.mode === "trade") return turn(view, start, outlined);
  if (view.playing) { accepted = true; return "It plays. Play along, or press Esc to stop it. Export saves all of it."; }
  if (plan?.armed && running) { accepted = true; return "Accepted: it begins at the next bar line."; }
  if (outlined) return outlined;
  if (plan?.held && !plan.armed) return "Held: no new suggestions until B or Enter.";
  if (view.mode === "fill" && view.source === "internal" && !plan?.armed) return refill(heard, running, start);
  if (plan && !running) return plan.armed ? `Accepted. ${start} to hear it.` : `Outlined: a suggestion. Enter accepts it, V lets you listen. ${not ?? "Start goes on"}.`;
  if (plan) return accepted ? "Enter lets it go on. Export saves it as sound, MIDI or score." : "Outlined: a suggestion. Enter lets it go on, ← → show others, V to listen first.";
  if (!running) return played ? `${start} to go on${heard ? ", or Suggest now" : ""}.` : not ? `${not}.` : "";
  return played ? "Listening… a suggestion comes before the next bar line." : "Play a few bars on the letter keys A S D F…: a suggestion comes after the first.";
}

/** Whose turn it is in trade. */
function turn({ playing, plan, paused, running, number, settings }, start, outlined) {
  const own = settings.bars === 1 ? "1 bar" : `${settings.bars} bars`;
  if (playing) {
    const count = playing.bars.length, at = Math.min(count, number - playing.number + 1);
    return at > 0 ? `It answers: bar ${at} of ${count}.` : "It answers from the next bar line.";
  }
  if (outlined) return outlined;
  if (paused) return `It has stopped answering: Enter lets it go on.${running ? "" : ` ${start}.`}`;
  if (plan?.held) return "Held: no new suggestions until B.";
  return running ? `Your turn: play ${own}; it answers by itself.` : `${start}, then play ${own}; it answers by itself.`;
}

/** Fill by our own clock: no pass comes again, so bars are picked. */
function refill(heard, running, start) {
  if (!heard) return `${running ? "Play" : `${start}, then play`} a few bars; then drag along their numbers to pick some, and press Fill bars.`;
  const picked = state.bars && (barsNamed(...state.bars) ?? "the bars you picked");
  return picked ? `Press Fill ${picked}: then choose what is to stand there.` : "Pick bars: drag along the numbers above the notes, then press Fill bars.";
}

function replaced({ number, index, suggestion }) {
  const last = number + (suggestion.candidates[index]?.bars.length ?? 1) - 1;
  return barsNamed(number, last) ?? (state.bars?.[0] === number ? "the bars you picked" : "bars from before");
}

function empty() {
  const go = h("button", { type: "button", class: "primary big" }, "Start");
  go.addEventListener("click", (event) => { if (event.detail > 0) go.blur(); startStop(); });
  const first = h("li", {}), usual = ["Press ", h("b", {}, "Start"), ": a click gives the beat."];
  const card = h("div", {}, h("h2", {}, "Play something, and it goes on from there"),
    h("ol", {}, first,
      h("li", {}, "Play a few bars on the letter keys ", h("kbd", {}, "A"), " ", h("kbd", {}, "S"), " ", h("kbd", {}, "D"), " ", h("kbd", {}, "F"), " … (black keys ", h("kbd", {}, "W"), " ", h("kbd", {}, "E"), " …), the keys below, or a MIDI keyboard."),
      h("li", {}, "Then press ", h("kbd", {}, "Enter"), " to let it go on."), h("li", {}, "Open ", h("b", {}, "Export"), " to save it as sound.")),
    go, h("p", { class: "hint" }, "Using a DAW? Press play there. Or drop a .mid file here."));
  on("view", () => {
    const not = elsewhere("start it");
    go.disabled = Boolean(not);
    if (first.dataset.not !== String(not)) { first.dataset.not = String(not); first.replaceChildren(...(not ? [`${not}.`] : usual)); }
  });
  $("empty").append(card);
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
  on("view hello editing bars", () => {
    say($("guide"), line());
    chord(state.view);
    const view = state.view;
    show($("empty"), Boolean(view && !view.running && !view.plan && !view.playing && ![...view.heard, view.open].some((bar) => bar?.notes.length)));
  });
  on("view", speak);
  setInterval(beats, 50);
}
