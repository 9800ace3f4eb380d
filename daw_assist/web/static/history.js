// Every suggestion of this session, newest first; each can be brought back.

import { on, state } from "./state.js";
import { h, button } from "./dom.js";
import { act, toast } from "./acts.js";
import { exportLinks } from "./exports.js";

const WORDS = { made: "suggested", accepted: "accepted", rejected: "rejected", edited: "edited" };
const clock = (seconds) => new Date(seconds * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });

function line(item) {
  const { id, time, first_bar: bar, notes, candidates, model, seed, state: how } = item;
  return h("li", { class: `item ${WORDS[how] ? how : ""}` },
    h("div", { class: "item-head" }, h("b", {}, Number(bar) < 0 ? "Over bars from before" : `From bar ${Number(bar) + 1}`), h("span", { class: "tag" }, WORDS[how] ?? String(how)), h("time", {}, clock(time))),
    h("small", {}, `${notes} notes, ${candidates} candidate${candidates === 1 ? "" : "s"} · ${model} · seed ${seed}`),
    h("div", { class: "pair" }, button("Bring back", async () => { if (await act("restore", { id })) toast("It is shown again, and held."); }, { kind: "quiet" }), ...exportLinks(`history-${id}`, ["mid", "wav"])));
}

export function historyPanel() {
  const list = h("ol", { class: "history" }), none = h("p", { class: "hint" }, "Nothing yet. Each suggestion is kept here, also those you reject, and can be brought back.");
  const made = new Map();
  on("history tab", () => {
    if (state.tab !== "history") return;
    const items = state.history;
    none.hidden = items.length > 0;
    const wanted = new Set(items.map((item) => item.id));
    for (const id of made.keys()) if (!wanted.has(id)) made.delete(id);
    const nodes = items.map((item) => {
      const mark = JSON.stringify(item);
      if (made.get(item.id)?.mark !== mark) made.set(item.id, { mark, node: line(item) });
      return made.get(item.id).node;
    });
    if (nodes.length !== list.children.length || nodes.some((node, i) => node !== list.children[i])) list.replaceChildren(...nodes);
  });
  return h("div", { class: "panel-body" }, none, list);
}
