// The start: what the page is made of, and where what the server says goes.

import { set, state } from "./state.js";
import { connect, hear, takeToken, token } from "./link.js";
import { startTheme } from "./colours.js";
import { startRoll } from "./roll.js";
import { startKeys } from "./keys.js";
import { startPiano } from "./piano.js";
import { startSound } from "./sound.js";
import { startMetronome } from "./metronome.js";
import { startControls } from "./controls.js";
import { startEdit } from "./edit.js";
import { startEditMouse } from "./editmouse.js";
import { startCards } from "./cards.js";
import { startDrop } from "./drop.js";
import { startStatus, statusPanel } from "./status.js";
import { startGuide } from "./guide.js";
import { startTabs } from "./tabs.js";
import { steeringPanel } from "./steering.js";
import { historyPanel } from "./history.js";
import { exportsPanel } from "./exports.js";
import { handsPanel } from "./hands.js";

startTheme();
if (takeToken()) connect();
startStatus();
startControls();
startEdit();
startEditMouse();
startTabs([["steer", "Steer", steeringPanel], ["export", "Export", exportsPanel], ["history", "History", historyPanel], ["hands", "Pedals", handsPanel], ["status", "Status", statusPanel]]);
startCards();
startKeys();
startPiano();
startSound();
startMetronome();
startGuide();
startDrop();
startRoll();

hear("hello", (message) => { set("hello", message); if (state.gone?.what === "page") set("gone", null); });
hear("view", (message) => { whole = message.view; set("view", message.view); if (state.gone?.what === "live") set("gone", null); });
/** A moment is what is otherwise than in the view that was told whole last. */
let whole = null;
const later = (bars, closed) => (closed.length ? [...bars, ...closed].slice(-state.hello.most_heard) : bars);
hear("moment", ({ moment: { of, ours, closed, closed_ours: closedOurs, ...now } }) => {
  if (whole?.whole === of) set("view", { ...whole, ...now, heard: later(whole.heard, closed), ours: [...later(whole.ours.slice(0, -1), closedOurs), ours] });
  if (state.gone?.what === "live") set("gone", null);
});
hear("status", (message) => { set("status", message.status); if (state.gone?.what === "server") set("gone", null); });
hear("figures", (message) => set("figures", message));
let fault = null;
hear("history", (message) => {
  set("history", message.items);
  if (message.fault && message.fault !== fault) set("toast", message.fault);
  fault = message.fault ?? null;
});
hear("presets", (message) => set("presets", message.items));
hear("gone", (message) => set("gone", message));

if (!token()) set("gone", { what: "token", line: "Open this page by the whole address that daw-assist printed: it ends in #token=…" });
