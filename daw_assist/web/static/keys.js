// What the composer plays on this page: letter keys, the keys on the screen, and MIDI keyboards (Web MIDI).
// It sounds and is drawn at once, and is sent on as though it came in at the MIDI port.

import { state, set, on } from "./state.js";
import { ask } from "./link.js";
import { isTyping, kept } from "./dom.js";
import { nowTick } from "./timeline.js";
import { strike, release } from "./sound.js";
import { redraw } from "./roll.js";

/** Physical keys, so that it is the same on every layout: [code, semitones above the C]. */
export const WHITE = [["KeyA", 0], ["KeyS", 2], ["KeyD", 4], ["KeyF", 5], ["KeyG", 7], ["KeyH", 9], ["KeyJ", 11], ["KeyK", 12], ["KeyL", 14], ["Semicolon", 16]];
export const BLACK = [["KeyW", 1], ["KeyE", 3], ["KeyT", 6], ["KeyY", 8], ["KeyU", 10], ["KeyO", 13], ["KeyP", 15]];
const STEPS = new Map([...WHITE, ...BLACK]);
const VELOCITY = 92, MOST_PLAYED = 400;

/** Notes that sound: id -> {pitch, drum, entry}. */
export const held = new Map();
/** Notes played here that the server has not written down yet, on the long line. */
export const played = [];
export const hand = { octave: Number(kept.get("octave")) || 60, drums: false };

/** `device`: the MIDI keyboard it comes from; the page's own keys are no lesson for the hands. */
export function noteOn(id, pitch, velocity = VELOCITY, drum = hand.drums, device = null) {
  if (held.has(id) || pitch < 0 || pitch > 127) return;
  if (!device && state.view?.learning) return set("toast", "Use a pedal, pad or key of your MIDI keyboard.");
  const entry = { pitch, drum, start: nowTick(), end: null, ended: 0 };
  held.set(id, { pitch, drum, entry, device });
  played.push(entry);
  if (played.length > MOST_PLAYED) played.shift();
  strike(`own ${id}`, drum ? 10 : 5, pitch, velocity);
  send([(drum ? 0x99 : 0x90), pitch, velocity]);
  redraw();
  set("held", held.size);
}

export function noteOff(id) {
  const note = held.get(id);
  if (!note) return;
  held.delete(id);
  note.entry.end = nowTick();
  note.entry.ended = performance.now();
  release(`own ${id}`);
  send([(note.drum ? 0x89 : 0x80), note.pitch, 0]);
  redraw();
  set("held", held.size);
}

export function allOff() { for (const id of [...held.keys()]) noteOff(id); }

function send(message) { ask("play", { messages: [message] }).catch(() => { /* the banner says that it is away */ }); }

export function shiftOctave(by) {
  allOff();
  hand.octave = Math.max(12, Math.min(96, hand.octave + 12 * by));
  kept.set("octave", String(hand.octave));
  set("octave", hand.octave);
}

export function setDrums(drums) {
  allOff();
  hand.drums = drums;
  hand.octave = drums ? 36 : 60;
  set("octave", hand.octave);
}

function down(event) {
  if (event.repeat || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
  if (event.code === "KeyZ") return shiftOctave(-1);
  if (event.code === "KeyX") return shiftOctave(1);
  const step = STEPS.get(event.code);
  if (step === undefined || event.shiftKey) return;
  event.preventDefault();
  noteOn(event.code, hand.octave + step);
}

export function startKeys() {
  addEventListener("keydown", down);
  addEventListener("keyup", (event) => noteOff(event.code));
  addEventListener("blur", allOff);
  document.addEventListener("visibilitychange", () => { if (document.hidden) allOff(); });
  on("linked", (linked) => { if (!linked) allOff(); });
  navigator.permissions?.query({ name: "midi" }).then((found) => { if (found.state === "granted") openMidi(); }, () => {});
}

// Web MIDI

let access = null;

/** Ask the browser for MIDI keyboards: what came of it, in words. */
export async function openMidi() {
  if (!navigator.requestMIDIAccess) return tell("This browser has no Web MIDI: use Chrome, Edge or Firefox, or the letter keys.");
  try { access = await navigator.requestMIDIAccess({ sysex: false }); } catch { return tell("The browser did not allow MIDI: allow it in the address bar, or use the letter keys."); }
  access.addEventListener("statechange", wire);
  wire();
}

function tell(line) { set("midi", line); return line; }

function wire() {
  const names = [], there = new Set();
  for (const input of access.inputs.values()) {
    if (/daw-assist/i.test(input.name)) continue;
    input.onmidimessage = (event) => fromMidi(input.id, event.data);
    if (input.state === "connected") { names.push(input.name); there.add(input.id); }
  }
  for (const [id, { device }] of [...held]) if (device && !there.has(device)) noteOff(id);
  tell(names.length ? `Listening to ${names.join(", ")}.` : "No MIDI keyboard is plugged in.");
}

function fromMidi(port, data) {
  if (data.length < 2 || data[0] >= 0xF0) return;
  const kind = data[0] & 0xF0, drum = (data[0] & 0x0F) === 9, id = `${port} ${data[0] & 0x0F} ${data[1]}`;
  if (kind === 0x90 && data[2] > 0) noteOn(id, data[1], data[2], drum, port);
  else if (kind === 0x80 || kind === 0x90) noteOff(id);
  else send([...data]);
}

