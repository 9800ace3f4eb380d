// Colours of the canvas, read from the style sheet once and again when the theme changes.

import { kept } from "./dom.js";

const NAMES = ["panel", "ink", "muted", "line", "lane", "accent", "select", "now", "bar"];
export const ink = { parts: [] };
const tellers = new Set();

function read() {
  const style = getComputedStyle(document.documentElement);
  for (const name of NAMES) ink[name] = style.getPropertyValue(`--${name}`).trim();
  ink.parts = Array.from({ length: 11 }, (_, i) => style.getPropertyValue(`--part-${i}`).trim());
  for (const tell of tellers) tell();
}

export function onTheme(tell) { tellers.add(tell); }
export const partInk = (part) => ink.parts[part] || ink.accent;

/** "light", "dark" or null for what the system says. */
export function setTheme(name) {
  if (name) document.documentElement.dataset.theme = name;
  else delete document.documentElement.dataset.theme;
  kept.set("theme", name ?? "");
  read();
}

export const isDark = () => {
  const said = document.documentElement.dataset.theme;
  return said ? said === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
};

export function startTheme() {
  const said = kept.get("theme");
  if (said === "dark" || said === "light") document.documentElement.dataset.theme = said;
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", read);
  read();
}
