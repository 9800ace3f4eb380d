// The document, in few words. Text is always set as text, never as markup: names come from files.

export const $ = (id) => document.getElementById(id);

/** An element: h("button", {class: "big", onclick: f, "aria-label": "…"}, "text", child…). */
export function h(tag, given = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name in made && typeof value !== "string") made[name] = value;
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** Set the text only where it differs: no layout work for what stays. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function show(node, shown) {
  if (node.hidden === shown) node.hidden = !shown;
}

export function mark(node, name, value) {
  const text = String(value);
  if (node.getAttribute(name) !== text) node.setAttribute(name, text);
}

/** A button with its key: the click of a mouse gives the focus back, so that Enter and Space go on to act on the music. */
export function button(label, act, { key, title, kind, id } = {}) {
  const named = /\p{L}/u.test(label) ? undefined : title; // a sign is no name
  const made = h("button", { type: "button", class: kind, id, title, "aria-label": named, "aria-keyshortcuts": key && key.aria },
    h("span", { class: "label" }, label), key ? h("kbd", {}, key.shown) : null);
  made.addEventListener("click", (event) => {
    if (event.detail > 0) made.blur();
    act(event);
  });
  return made;
}

/** A choice among words. */
export function select(label, options, onchange) {
  const made = h("select", { "aria-label": label },
    ...options.map(([value, text]) => h("option", { value }, text)));
  made.addEventListener("change", () => { onchange(made.value); made.blur(); });
  return made;
}

/** Whether a key press is meant for this element and not for the music. */
export function isTyping(target) {
  if (!(target instanceof Element)) return false;
  if (target.matches("textarea, select, [contenteditable]")) return true;
  return target.matches("input") && !["range", "checkbox", "radio", "button"].includes(target.type);
}

const stored = (area) => ({
  get(name) { try { return area().getItem(`daw-assist.${name}`); } catch { return null; } },
  set(name, value) { try { area().setItem(`daw-assist.${name}`, value); } catch { /* private window: for this visit only */ } },
});
export const kept = stored(() => localStorage);
export const visit = stored(() => sessionStorage);
