// A .mid file or a recording dropped anywhere becomes the music that is worked on.

import { $, show } from "./dom.js";
import { token } from "./link.js";
import { toast } from "./acts.js";
import { follow } from "./roll.js";

const MOST_MIDI = 12e6, MOST_SOUND = 48e6, MOST_MINUTES = 10, KNOWN = /\.(midi?|wav|flac|mp3|ogg|aiff?)$/i;

function read(file) {
  return new Promise((done, fail) => {
    const reader = new FileReader();
    reader.onload = () => done(String(reader.result).split(",", 2)[1] ?? "");
    reader.onerror = () => fail(new Error("the file could not be read"));
    reader.readAsDataURL(file);
  });
}

export async function take(file) {
  if (!KNOWN.test(file.name)) return toast("That is no .mid file or recording (.wav .flac .mp3 .ogg .aiff).");
  if (/\.midi?$/i.test(file.name)) { if (file.size > MOST_MIDI) return toast("Too long: .mid files up to 12 MB."); }
  else if (file.size > MOST_SOUND) return toast(`Too long: clips up to ${MOST_MINUTES} minutes and 48 MB. Cut out the part that is to be heard, or save it as .flac or .mp3.`);
  toast(`Reading ${file.name}…`);
  try {
    const answer = await fetch("/drop", { method: "POST", headers: { "Content-Type": "application/json", "X-Daw-Assist-Token": token() }, body: JSON.stringify({ name: file.name, data: await read(file) }) });
    if (!answer.ok) throw new Error((await answer.text()).slice(0, 300) || "it was refused");
    const { bars, line } = await answer.json();
    toast(line || `${bars} bars were read.`);
    follow();
  } catch (fault) { toast(`Not read: ${fault.message}`); }
}

export function startDrop() {
  const files = (event) => event.dataTransfer && [...event.dataTransfer.types].includes("Files");
  let depth = 0;
  addEventListener("dragenter", (event) => { if (files(event)) { depth += 1; show($("drop"), true); } });
  addEventListener("dragleave", (event) => { if (files(event) && --depth <= 0) { depth = 0; show($("drop"), false); } });
  addEventListener("dragover", (event) => { if (files(event)) { event.preventDefault(); event.dataTransfer.dropEffect = "copy"; } });
  addEventListener("drop", (event) => {
    event.preventDefault();
    depth = 0;
    show($("drop"), false);
    if (event.dataTransfer.files[0]) take(event.dataTransfer.files[0]);
  });
}
