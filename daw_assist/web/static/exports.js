// Files: a click saves, and in Chromium a chip can be dragged out of the window into a DAW or a folder.

import { on } from "./state.js";
import { h, show } from "./dom.js";
import { toast } from "./acts.js";
import { withToken } from "./link.js";
import { take } from "./drop.js";

const KINDS = {
  mid: ["MIDI", "audio/midi"], wav: ["WAV", "audio/wav"], mp3: ["MP3", "audio/mpeg"], musicxml: ["Score", "application/vnd.recordare.musicxml+xml"], png: ["Picture", "image/png"],
};
const nameOf = (what, ext) => `daw-assist ${what.replace(/[^\w-]/g, "")}.${ext}`;

async function save(what, ext, link) {
  link.setAttribute("aria-busy", "true");
  if (ext === "wav" || ext === "mp3") toast("The sound is being made: a few seconds…");
  try {
    const answer = await fetch(withToken(`/export/${encodeURIComponent(what)}.${ext}`));
    if (!answer.ok) throw new Error((await answer.text()).slice(0, 300) || "it could not be made");
    const url = URL.createObjectURL(await answer.blob());
    const made = h("a", { href: url, download: nameOf(what, ext) });
    document.body.append(made);
    made.click();
    made.remove();
    setTimeout(() => URL.revokeObjectURL(url), 20000);
    toast(`Saved: ${nameOf(what, ext)}`);
  } catch (fault) { toast(`Not saved: ${fault.message}`); }
  link.removeAttribute("aria-busy");
}

export function exportLinks(what, kinds = Object.keys(KINDS)) {
  return kinds.map((ext) => {
    const [label, mime] = KINDS[ext];
    const link = h("a", { class: "file", href: "#", draggable: "true", title: `Save as .${ext}, or drag it out`, role: "button" }, h("b", {}, label), h("small", {}, `.${ext}`));
    link.addEventListener("click", (event) => { event.preventDefault(); if (event.detail > 0) link.blur(); save(what, ext, link); });
    link.addEventListener("keydown", (event) => { if (event.code === "Space") { event.preventDefault(); save(what, ext, link); } });
    link.addEventListener("dragstart", (event) => {
      const url = new URL(withToken(`/export/${encodeURIComponent(what)}.${ext}`), location.href).href;
      event.dataTransfer.setData("DownloadURL", `${mime}:${nameOf(what, ext)}:${url}`);
      event.dataTransfer.effectAllowed = "copy";
    });
    return link;
  });
}

export function exportsPanel() {
  const song = h("div", { class: "files" }, ...exportLinks("song")), one = h("div", { class: "files" }, ...exportLinks("suggestion"));
  const none = h("p", { class: "hint" }, "Nothing to export yet: play a few bars first.");
  const oneBox = h("section", {}, h("h3", {}, "The suggestion shown"), one), songBox = h("section", {}, h("h3", {}, "All of it: what was played, then the suggestion"), song);
  on("view", (view) => {
    const some = Boolean(view && (view.plan || view.number > view.heard.length || view.heard.some((bar) => bar.notes.length)));
    show(none, !some);
    show(songBox, some);
    show(oneBox, Boolean(view?.plan));
  });
  return h("div", { class: "panel-body" }, none, songBox, oneBox,
    h("p", { class: "hint" }, "Click to save. In Chrome and Edge you can also drag a file from here into the DAW."), h("h3", {}, "Bring music in"), importer());
}

function importer() {
  const input = h("input", { type: "file", accept: ".mid,.midi,.wav,.flac,.mp3,.ogg,.aiff,.aif", class: "file-input", "aria-label": "Open a .mid file or a recording" });
  input.addEventListener("change", () => { if (input.files[0]) take(input.files[0]); input.value = ""; });
  return h("div", {}, input, h("p", { class: "hint" }, "Or drop a .mid file or a recording anywhere on the page: it becomes what the suggestion follows."));
}
