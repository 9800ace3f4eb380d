// The panels at the side: one is open at a time.

import { on, set } from "./state.js";
import { $, h, kept } from "./dom.js";
import { arrows } from "./controls.js";

export function startTabs(panels) {
  const made = panels.map(([name, label, build]) => {
    const panel = h("section", { id: `panel-${name}`, role: "tabpanel", "aria-labelledby": `tab-${name}`, tabindex: "-1" }, build());
    const tab = h("button", { type: "button", id: `tab-${name}`, role: "tab", "aria-controls": `panel-${name}` }, label);
    tab.addEventListener("click", (event) => { if (event.detail > 0) tab.blur(); open(name); });
    tab.addEventListener("focus", () => { if (tab.matches(":focus-visible")) open(name); });
    return { name, panel, tab };
  });
  const open = (name) => {
    for (const one of made) {
      const is = one.name === name;
      one.panel.hidden = !is;
      one.tab.setAttribute("aria-selected", String(is));
      one.tab.tabIndex = is ? 0 : -1;
    }
    kept.set("tab", name);
    set("tab", name);
  };
  $("tabs").append(...made.map((one) => one.tab));
  $("panels").append(...made.map((one) => one.panel));
  arrows($("tabs"));
  on("open", (name) => { open(name); made.find((one) => one.name === name).panel.scrollIntoView({ block: "nearest" }); });
  const last = kept.get("tab");
  open(panels.some(([name]) => name === last) ? last : panels[0][0]);
}
