"""How fast the companion page is, in a headless Chromium before a real live process: a line in a log.

    python scripts/bench/page.py --out benchmarks/results/page.jsonl --minutes 30

usable              from opening to the first view
key to pixel        from a key's press (its event in the page) to the frame after it was drawn
frames              from one frame to the next while the song runs, 2,000 notes shown
event to pixel      from a note that comes in at the live process (over the server) to the frame in which it is drawn
steer to candidates from a moved setting to the candidates made with it

With `--minutes` the page stays open so long, the clock running, and is looked at once a minute: heap of the page, memory of its
server, and frames.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from daw_assist.music.bars import Bar
from daw_assist.music.metre import Metre
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import Ticks
from daw_assist.server.client import Client
from models_onnx.record import append, provenance

STATE = "const {state} = await import('/static/state.js');"
FRAMES = """async (count) => {
  const times = [];
  await new Promise((done) => {
    let last = performance.now();
    const next = () => {
      const now = performance.now();
      times.push(now - last);
      last = now;
      times.length < count ? requestAnimationFrame(next) : done();
    };
    requestAnimationFrame(next);
  });
  return times; }"""
KEYS = """async (count) => {
  const times = [];
  for (let i = 0; i < count; i++) {
    const from = performance.now();
    window.dispatchEvent(new KeyboardEvent("keydown", {code: "KeyA", key: "a", bubbles: true}));
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    times.push(performance.now() - from);
    window.dispatchEvent(new KeyboardEvent("keyup", {code: "KeyA", key: "a", bubbles: true}));
    await new Promise((done) => setTimeout(done, 60));
  }
  return times; }"""
SEEN = f"""async () => {{ {STATE}
  window.seen = {{}};
  const {{on}} = await import('/static/state.js');
  on("view", (view) => {{
    for (const [, , pitch] of view?.open?.notes ?? []) {{
      if (pitch in window.seen) continue;
      window.seen[pitch] = null;
      requestAnimationFrame(() => requestAnimationFrame(() => {{ window.seen[pitch] = Date.now(); }}));
    }}
  }});
}}"""


def quantiles(values: list[float]) -> dict[str, float]:
    """p50, p95, p99 and the largest, milliseconds."""
    ordered = sorted(values)
    return {
        name: round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 2)
        for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1.0))
    }


def memory_mb(pid: int) -> float:
    """Resident now."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) / 1024


def full_bars(count: int, notes: int) -> tuple[Bar, ...]:
    """`count` bars with `notes` notes in all."""
    chance = random.Random(1)
    each = notes // count
    return tuple(
        Bar(Metre(), tuple(sorted({
            Note(Ticks(3 * (i % 32)), Part.KEYS, 36 + (i * 7) % 60, Ticks(chance.choice((3, 6, 12))), chance.randint(40, 110))
            for i in range(each)
        })))
        for _ in range(count)
    )  # fmt: skip


def main() -> int:
    """Measure; print and append."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=0)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="daw-") as folder, sync_playwright() as playwright:
        endpoint = f"ipc://{folder}/run"
        environment = {**os.environ, "XDG_DATA_HOME": f"{folder}/data", "XDG_CONFIG_HOME": f"{folder}/config"}
        live = subprocess.Popen(
            [sys.executable, "-m", "daw_assist", "live", "--web", "--no-midi", "--endpoint", endpoint],
            stderr=subprocess.PIPE, text=True, env=environment,
        )  # fmt: skip
        try:
            assert live.stderr is not None
            url = next(found[1] for line in live.stderr if (found := re.search(r"the page: (\S+)", line)))
            told = measured(playwright, url, endpoint, live.pid, args.minutes)
        finally:
            live.send_signal(signal.SIGINT)
            live.wait(20)
    line = {"benchmark": "page", **provenance(), **told}
    print(json.dumps(line))
    if args.out is not None:
        append(args.out, line)
    return 0


def measured(playwright: Any, url: str, endpoint: str, live_pid: int, minutes: float) -> dict[str, Any]:
    """All figures."""
    browser = playwright.chromium.launch(
        executable_path=shutil.which("chromium"), args=["--no-sandbox", "--enable-precise-memory-info"]
    )
    opened = []
    for _ in range(7):
        context = browser.new_context(viewport={"width": 1280, "height": 800})
        page = context.new_page()
        began = time.perf_counter()
        page.goto(url)
        page.wait_for_function(
            f"async () => {{ {STATE} return state.view !== null && state.hello !== null; }}", polling=10
        )
        opened.append(1000 * (time.perf_counter() - began))
        context.close()
    page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    page.goto(url)
    page.wait_for_function(f"async () => {{ {STATE} return state.view !== null; }}")
    with Client(endpoint) as client:
        client.request("hear", bars=full_bars(32, 2_000))
        client.request("clock")
        page.wait_for_function(f"async () => {{ {STATE} return state.view.running; }}")
        page.wait_for_timeout(1_000)
        told: dict[str, Any] = {
            "usable_ms": quantiles(opened), "key_to_pixel_ms": quantiles(page.evaluate(KEYS, 60)),
            "frame_ms_2000_notes": quantiles(page.evaluate(FRAMES, 600)), "event_to_pixel_ms": events(page, client),
            "steer_to_candidates_ms": steered(page, client),
        }  # fmt: skip
        (web,) = (
            int(pid) for pid in children(live_pid) if "daw_assist.web" in Path(f"/proc/{pid}/cmdline").read_text()
        )
        told["soak"] = [looked_at(page, client, web, live_pid) for _ in range(round(minutes))]
    browser.close()
    if told["soak"]:
        quarter = max(1, len(told["soak"]) // 4)
        for name in ("heap_mb", "web_mb", "live_mb", "frame_p95_ms"):
            values = [one[name] for one in told["soak"]]
            told[f"{name}_first_last"] = [
                round(statistics.mean(values[:quarter]), 2),
                round(statistics.mean(values[-quarter:]), 2),
            ]
    return told


def events(page: Any, client: Client) -> dict[str, float]:
    """A note comes in at the live process; when is it in the picture."""
    page.evaluate(SEEN)
    sent = {}
    for pitch in range(20, 120):
        sent[pitch] = time.time() * 1000
        client.request("play", messages=(bytes((0x90, pitch, 90)),))
        time.sleep(0.18)  # the page is left alone meanwhile: looking at it would hold it up
        client.request("play", messages=(bytes((0x80, pitch, 0)),))
        time.sleep(random.uniform(0.02, 0.08))
    seen = {int(pitch): at for pitch, at in page.evaluate("window.seen").items() if at is not None}
    took = [at - sent[pitch] for pitch, at in seen.items() if pitch in sent]
    return quantiles(took) | {"of": len(took)}


STEER = f"""async (density) => {{ {STATE}
  const {{ask}} = await import('/static/link.js');
  const {{on}} = await import('/static/state.js');
  const from = performance.now();
  return await new Promise((done) => {{
    let open = true;
    const settle = (value) => {{ if (open) {{ open = false; done(value); }} }};
    on("view", (view) => {{
      if (view?.plan?.suggestion.provenance.settings.density === density) settle(performance.now() - from);
    }});
    setTimeout(() => settle(null), 5000);
    ask("steer", {{settings: {{density}}}});
  }});
}}"""


def steered(page: Any, client: Client) -> dict[str, float]:
    """A setting is moved in the first half of a bar; when are the new candidates there."""
    found = []
    for i in range(24):
        client.request("play", messages=(bytes((0x90, 60 + i % 12, 90)),))
        page.wait_for_function(f"async () => {{ {STATE} return state.view.now < 40; }}", polling=20)
        took = page.evaluate(STEER, 2 + i % 5)
        client.request("play", messages=(bytes((0x80, 60 + i % 12, 0)),))
        page.wait_for_timeout(700)
        if took is not None:
            found.append(took)
    return quantiles(found) | {"of": len(found)}


def looked_at(page: Any, client: Client, web: int, live: int) -> dict[str, float]:
    """One minute of playing now and then, then a look."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        pitch = random.choice((60, 62, 64, 65, 67))
        client.request("play", messages=(bytes((0x90, pitch, 80)),))
        time.sleep(0.25)
        client.request("play", messages=(bytes((0x80, pitch, 0)),))
        page.wait_for_timeout(250)
    heap = page.evaluate("performance.memory.usedJSHeapSize") / 1e6
    frames = quantiles(page.evaluate(FRAMES, 300))
    return {
        "heap_mb": round(heap, 2), "web_mb": round(memory_mb(web), 1), "live_mb": round(memory_mb(live), 1),
        "frame_p95_ms": frames["p95"], "frame_max_ms": frames["max"],
    }  # fmt: skip


def children(pid: int) -> list[str]:
    """Of all its threads."""
    return [child for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()]


if __name__ == "__main__":
    sys.exit(main())
