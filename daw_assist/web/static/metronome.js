// A click on each beat while the transport runs, placed ahead on the sound clock so that it does not waver.

import { state } from "./state.js";
import { audio, output } from "./sound.js";
import { nowTick, placeOf, beatOf, ticksToSeconds } from "./timeline.js";

const LOOK_MS = 60, AHEAD_S = 0.14;
let until = null;

function click(context, at, strong) {
  const tone = context.createOscillator(), gain = context.createGain();
  tone.type = "square";
  tone.frequency.value = strong ? 1760 : 1175;
  gain.gain.setValueAtTime(strong ? 0.13 : 0.08, at);
  gain.gain.exponentialRampToValueAtTime(0.0005, at + 0.045);
  tone.connect(gain).connect(output());
  tone.start(at);
  tone.stop(at + 0.05);
  tone.onended = () => gain.disconnect();
}

function look() {
  const view = state.view, context = audio();
  if (!context || !view || !view.running || !clicks()) { until = null; return; }
  const now = nowTick(), beat = beatOf(view.open && view.open.metre);
  const ahead = now + (AHEAD_S * view.bpm * 24) / 60;
  if (until === null || until < now - beat || until > ahead + beat) until = now;
  const [, inBar] = placeOf(until);
  let tick = until - inBar + Math.ceil(inBar / beat - 1e-6) * beat, place = Math.round((tick - (until - inBar)) / beat);
  const length = (view.open && view.open.length) || 96;
  while (tick < ahead) {
    const strong = place * beat >= length - 0.5 || place === 0;
    if (strong && place) place = 0;
    click(context, context.currentTime + Math.max(0, ticksToSeconds(tick - now)), strong);
    tick += beat;
    place += 1;
  }
  until = Math.max(until, ahead);
}

/** Whether it clicks: unless said otherwise only with our own clock, for a DAW has a click of its own. */
export const clicks = () => state.metronome ?? state.view?.source === "internal";

export function startMetronome() { setInterval(look, LOOK_MS); }
