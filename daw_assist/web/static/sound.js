// Sound in the browser: samples of the server (every third pitch), own keys at once, what the assistant sends as it comes.

import { state, on, set } from "./state.js";
import { hear, withToken } from "./link.js";
import { kept } from "./dom.js";
import { flatten, planKey } from "./plan.js";

const STEP = 3, MOST_VOICES = 64, MOST_SAMPLES = 100, MOST_PREPARED = 40, PREPARE_MS = 40, RELEASE_S = 0.12, LONGEST_S = 60, DRUMS = 10, AUDITION = 15;
let context = null, out = null, decoder = null;
const samples = new Map();
const voices = new Map();
export const volume = { value: Number(kept.get("volume") ?? 0.8) };

/** From the first gesture on there is sound: browsers want it so. */
export function wake() {
  if (!context) {
    context = new AudioContext({ latencyHint: "interactive" });
    const limit = context.createDynamicsCompressor();
    limit.threshold.value = -10;
    limit.ratio.value = 8;
    out = context.createGain();
    out.gain.value = volume.value ** 2;
    out.connect(limit).connect(context.destination);
  }
  if (context.state !== "running") context.resume().then(() => set("sound", true), () => {});
  else if (!state.sound) set("sound", true);
  return context;
}

export const audio = () => (context && context.state === "running" ? context : null);
export const output = () => out;

export function setVolume(value) {
  volume.value = value;
  kept.set("volume", String(value));
  if (out) out.gain.setTargetAtTime(value ** 2, context.currentTime, 0.02);
}

const programOf = (part) => (part === DRUMS ? 128 : state.hello?.programs[part] ?? 0);

// Samples end after 2.5 s. Of what sounds as long as it is blown or bowed the last part goes round, joined where the wave is alike
// and faded over there; what is struck or plucked may end.

const SUSTAINS = (program) => (program >= 16 && program <= 23) || (program >= 40 && program <= 44) || (program >= 48 && program <= 54) || (program >= 56 && program <= 97)
  || (program >= 99 && program <= 103) || (program >= 109 && program <= 111);
const LOOP_FROM_S = 0.9, LOOP_TO_S = 1.72, SEARCH_S = 0.03, LIKE = 600, FADE_S = 0.15;

/** [start, end] in seconds of the part that goes round; the buffer is changed so that its end leads to its start. */
function sustain(buffer) {
  const rate = buffer.sampleRate, data = buffer.getChannelData(0), start = Math.round(LOOP_FROM_S * rate), last = Math.round(LOOP_TO_S * rate), fade = Math.round(FADE_S * rate);
  if (data.length < last) return null;
  let end = last, best = -Infinity, first = 1e-9;
  for (let i = 1; i <= LIKE; i++) first += data[start - i] ** 2;
  for (let at = last - Math.round(SEARCH_S * rate); at <= last; at++) {
    let alike = 0, strength = 1e-9;
    for (let i = 1; i <= LIKE; i++) { alike += data[at - i] * data[start - i]; strength += data[at - i] ** 2; }
    const now = alike / Math.sqrt(strength * first);
    if (now > best) { best = now; end = at; }
  }
  for (let i = 0; i < fade; i++) {
    // What is less alike adds up to less: so that the middle is as loud as the ends.
    const share = (i + 1) / fade, loud = Math.sqrt(share ** 2 + (1 - share) ** 2 + 2 * share * (1 - share) * Math.max(0, best));
    data[end - fade + i] = (data[end - fade + i] * (1 - share) + data[start - fade + i] * share) / loud;
  }
  return [start / rate, end / rate];
}

function sampleFor(part, pitch) {
  const program = programOf(part);
  const root = part === DRUMS ? pitch : Math.max(0, Math.min(126, Math.round(pitch / STEP) * STEP));
  const name = `${program}/${root}`;
  let found = samples.get(name);
  if (found) samples.delete(name);
  samples.set(name, found ?? { buffer: null, root, loop: null, lasts: SUSTAINS(program) });
  if (!found) {
    found = samples.get(name);
    if (samples.size > MOST_SAMPLES) samples.delete(samples.keys().next().value);
    fetch(withToken(`/sound/${name}.wav`))
      .then((answer) => { if (!answer.ok) throw new Error(answer.statusText); return answer.arrayBuffer(); })
      .then((bytes) => { decoder ??= new OfflineAudioContext(1, 1, 44100); return decoder.decodeAudioData(bytes); })
      .then((buffer) => { found.loop = SUSTAINS(program) ? sustain(buffer) : null; found.buffer = buffer; }, () => { setTimeout(() => { if (samples.get(name) === found) samples.delete(name); }, 3000); });
  }
  return found;
}

/** Fetch what is likely to sound soon, one after the other; a newer wish takes the place of an older. */
let wanted = 0;
async function prepare(notes) {
  const mine = ++wanted;
  for (const [part, pitch] of notes.slice(0, MOST_PREPARED)) {
    sampleFor(part, pitch);
    await new Promise((done) => setTimeout(done, PREPARE_MS));
    if (mine !== wanted) return;
  }
}
const FIRST = [60, 66, 72, 63, 69, 75, 57, 54].map((pitch) => [5, pitch]);

let prepared = "";
function foresee(view) {
  const plan = view?.plan, key = plan ? `${planKey(plan)} ${plan.index}` : "";
  if (!key || key === prepared) return;
  prepared = key;
  const seen = new Map();
  for (const note of flatten(plan.suggestion.candidates[plan.index]?.bars ?? [])) {
    const root = note.part === DRUMS ? note.pitch : Math.round(note.pitch / STEP) * STEP;
    seen.set(`${note.part}/${root}`, [note.part, root]);
  }
  prepare([...seen.values()]);
}

/** Begin a note; `key` is by what it will be released. Without its sample yet, a plain tone stands in. */
export function strike(key, part, pitch, velocity) {
  if (!context) return;
  release(key);
  const sample = sampleFor(part, pitch), gain = context.createGain(), now = context.currentTime;
  let source;
  if (sample.buffer) {
    source = context.createBufferSource();
    source.buffer = sample.buffer;
    if (sample.loop) { source.loop = true; [source.loopStart, source.loopEnd] = sample.loop; }
    source.playbackRate.value = part === DRUMS ? 1 : 2 ** ((pitch - sample.root) / 12);
  } else if (part === DRUMS) return;
  else {
    source = context.createOscillator();
    source.type = "triangle";
    source.frequency.value = 440 * 2 ** ((pitch - 69) / 12);
  }
  const loud = 0.08 + 0.92 * (velocity / 127) ** 1.6;
  gain.gain.value = sample.buffer ? loud : loud * 0.25;
  source.connect(gain).connect(out);
  source.start(now);
  if (sample.loop || sample.lasts && !sample.buffer) source.stop(now + LONGEST_S);
  else if (!sample.buffer) source.stop(now + 2.5);
  const voice = { source, gain, part };
  source.onended = () => { gain.disconnect(); if (voices.get(key) === voice) voices.delete(key); };
  voices.set(key, voice);
  if (voices.size > MOST_VOICES) release(voices.keys().next().value);
}

export function release(key) {
  const voice = voices.get(key);
  if (!voice) return;
  voices.delete(key);
  if (voice.part === DRUMS) return;
  const now = context.currentTime;
  voice.gain.gain.setTargetAtTime(0, now, RELEASE_S / 3);
  voice.source.stop(now + RELEASE_S * 2);
}

export function silence(which = "") { for (const key of [...voices.keys()]) if (key.startsWith(which)) release(key); }

/** A note by itself, to hear what was edited. */
export function preview(part, pitch, velocity) {
  if (!audio()) return;
  strike("preview", part, pitch, velocity);
  setTimeout(() => release("preview"), 350);
}

// What the live process sends to its port is heard here too. A channel does not say which part it is: the notes do.

let looked = null, byPitch = new Map();
function partFor(channel, pitch) {
  if (channel === 9) return DRUMS;
  const view = state.view, source = !view ? null : channel === AUDITION || !view.playing ? view.plan?.suggestion.candidates[view.plan.index]?.bars : view.playing.bars;
  if (source !== looked) {
    looked = source;
    byPitch = new Map(source ? flatten(source).filter((note) => note.part !== DRUMS).map((note) => [note.pitch, note.part]) : []);
  }
  return byPitch.get(pitch) ?? 5;
}

/** Whether what the assistant plays sounds here: unless said otherwise only with our own clock, for a DAW plays it itself. */
export const hears = () => state.hears ?? state.view?.source === "internal";

function sent({ messages }) {
  const heard = audio() && hears(); // what sounds already ends in any case
  for (const [status, pitch, velocity] of messages) {
    const kind = status & 0xF0, channel = status & 0x0F, key = `port ${channel} ${pitch}`;
    if (kind === 0x90 && velocity > 0) {
      if (heard && !voices.has(`own ${pitch}`)) strike(key, partFor(channel, pitch), pitch, velocity);
    } else if (kind === 0x80 || kind === 0x90) release(key);
    else if (kind === 0xB0 && (pitch === 120 || pitch === 123)) silence(`port ${channel} `);
  }
}

export function startSound() {
  hear("sent", sent);
  for (const type of ["pointerdown", "keydown"]) addEventListener(type, wake, { capture: true });
  on("hello", (hello) => { if (hello) prepare(FIRST); });
  on("view", foresee);
  on("gone", (gone) => { if (gone) silence("port"); });
}
