// A tiny store: one object, and who wants to know of which of its fields.

const values = {
  hello: null, view: null, status: null, figures: null, history: [], presets: {}, gone: null, linked: false,
  draft: null, editing: false, selection: null, bars: null, follow: true, metronome: null, hears: null, sound: false, tab: null,
};
const listeners = new Map();

export const state = values;

export function on(names, tell) {
  for (const name of names.split(" ")) {
    if (!listeners.has(name)) listeners.set(name, new Set());
    listeners.get(name).add(tell);
  }
}

export function set(name, value) {
  values[name] = value;
  for (const tell of listeners.get(name) ?? []) {
    try { tell(value); } catch (fault) { console.error(fault); }
  }
}
