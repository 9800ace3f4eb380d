// The WebSocket: messages in, questions out, and a new try when it breaks.

import { set } from "./state.js";
import { visit } from "./dom.js";

const WAIT_MS = 20000, LONGEST_PAUSE_MS = 10000, MOST_OPEN = 200;
const heard = new Map();
const open = new Map();
let socket = null, count = 0, pause = 250, greeted = false;

export function takeToken() {
  const found = /(?:^#|&)token=([^&]+)/.exec(location.hash);
  if (found) {
    visit.set("token", decodeURIComponent(found[1]));
    history.replaceState(null, "", location.pathname);
  }
  return visit.get("token");
}

export const token = () => visit.get("token") ?? "";
export const withToken = (path) => `${path}?token=${encodeURIComponent(token())}`;

/** Call `tell` with each message of this type. */
export function hear(type, tell) { heard.set(type, tell); }

export function connect() {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  socket = new WebSocket(`${scheme}://${location.host}${withToken("/ws")}`);
  greeted = false;
  socket.addEventListener("message", (event) => take(event.data));
  socket.addEventListener("close", ({ reason }) => {
    set("linked", false);
    for (const { fail, timer } of open.values()) { clearTimeout(timer); fail(new Error("the connection was lost")); }
    open.clear();
    if (reason) set("gone", { what: "page", line: `daw-assist let this page go: ${reason}` });
    else if (!greeted) set("gone", { what: "page", line: "daw-assist does not answer: is it still running? If it was started anew, open the new address." });
    setTimeout(connect, pause);
    pause = Math.min(LONGEST_PAUSE_MS, pause * 2);
  });
}

function take(text) {
  let message;
  try { message = JSON.parse(text); } catch { return; }
  if (message.type === "answer") return settle(message);
  if (message.type === "hello") { greeted = true; pause = 250; set("linked", true); }
  const tell = heard.get(message.type);
  if (tell) tell(message);
}

function settle({ id, ok, value, error }) {
  const asked = open.get(id);
  if (!asked) return;
  open.delete(id);
  clearTimeout(asked.timer);
  if (ok) asked.done(value);
  else asked.fail(new Error((error && error.message) || "that was refused"));
}

/** Ask for something: a promise of its answer, broken with an Error whose message is one line for people. */
export function ask(name, fields = {}) {
  return new Promise((done, fail) => {
    if (!socket || socket.readyState !== WebSocket.OPEN) return fail(new Error("not connected: wait a moment"));
    if (open.size >= MOST_OPEN) return fail(new Error("too much is asked at once"));
    const id = ++count;
    const timer = setTimeout(() => { open.delete(id); fail(new Error("no answer came")); }, WAIT_MS);
    open.set(id, { done, fail, timer });
    socket.send(JSON.stringify({ type: "ask", id, name, fields }));
  });
}
