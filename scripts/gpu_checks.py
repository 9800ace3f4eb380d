#!/usr/bin/env python3
"""Everything that is to be known about the engine on a graphics card, in one run: is it right, and how fast is it.

    scripts/gpu_checks.py --pack gpu.tar.xz --wheels DIR              where there is a network
    tar xf gpu.tar.xz && python3 gpu/scripts/gpu_checks.py --out gpu.jsonl    where there is a card
    scripts/gpu_checks.py --provider cpu --quick                      anywhere: the same steps, few of everything

Each step is guarded: one that fails is written down with its error, and the others go on; one that no time is left for, or
that needs what is not here, is "not measured". When --minutes are over, what there is is written, even if a step hangs.
The result is one JSON line (`models_onnx.record`) in --out, and a table on stdout. Exit status 0 if no check failed.

--pack makes one file of under 64 MiB with this source, the two models and the packages of DIR's wheels, of which ONNX
Runtime's (250 MB) is cut down to one kind of card (--arch 90: H100 and H200): device code for others is blanked out.
--install uses the wheels of --wheels instead, as they are, unpacked into a temporary folder.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import lzma
import os
import struct
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
# In a pack the packages lie beside it, and the project is not installed.
sys.path[:0] = [str(ROOT / "site"), str(ROOT)] if (ROOT / "site").is_dir() else [str(ROOT)]

from daw_assist.engine.sampling import sample  # noqa: E402
from daw_assist.examples import greensleeves  # noqa: E402
from daw_assist.tokens.encode import encode_bars, encode_header  # noqa: E402
from daw_assist.tokens.vocab import KIND_OF, Kind  # noqa: E402
from models_onnx import manifest as models  # noqa: E402
from models_onnx.bench import percentiles  # noqa: E402
from models_onnx.bounds import timed  # noqa: E402
from models_onnx.record import append, provenance  # noqa: E402

NOT_MEASURED = "not measured"
MARGIN = 0.15
"""A difference of two logits that half precision may turn round: about 16 it has steps of 1/64, and a few add up."""
GRACE_S = 15.0
"""What a step that began in time may take beyond it."""
Logits = np.ndarray[Any, Any]


class CheckFailed(Exception):
    """A check found something wrong; the text says what."""


@dataclass(slots=True)
class Report:
    """Steps as they are done, until time is up. Threads: `run` one; `steps` is read by the one that gives up."""

    deadline: float
    steps: dict[str, Any] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)

    def run(self, name: str, act: Callable[[], Any]) -> None:
        """Write down what `act` gives, or why it gives nothing."""
        if time.monotonic() > self.deadline:
            self.steps[name] = f"{NOT_MEASURED}: no time was left"
            return
        start = time.perf_counter()
        self.steps[name] = f"{NOT_MEASURED}: it had not ended when time was up"
        try:
            self.steps[name] = act()
        except Exception as error:  # noqa: BLE001 - whatever goes wrong on a strange machine is a result
            lines = str(error).splitlines() or [""]
            self.steps[name] = {"failed": f"{type(error).__name__}: {lines[0][:300]}"}
            self.failed.append(name)
        print(f"{name:28} {time.perf_counter() - start:6.1f} s  {json.dumps(self.steps[name])}", flush=True)


@dataclass(frozen=True, slots=True)
class Counts:
    """How much of everything."""

    contexts: tuple[int, ...] = (256, 1024)
    steps: int = 300
    prefill: int = 512
    prefills: int = 15
    greedy: int = 128
    draws: int = 500
    megabytes: int = 2048
    starts: int = 3


QUICK = Counts((64, 128), 4, 64, 2, 12, 40, 16, 1)


class Bench:
    """The sessions that are compared, opened when first used. `base`-fp16 and -fp32 are the models. Threads: one."""

    def __init__(self, provider: str, base: str, counts: Counts) -> None:
        self.provider, self.base, self.counts = provider, base, counts
        self._open: dict[str, Any] = {}

    def folder(self, precision: str) -> Path:
        return models.find(f"{self.base}-{precision}")

    def session(self, kind: str) -> Any:
        """`reference` (fp32 on the processor), `plain` (`DecoderSession`), `bound`, `captured`, `sampling` on the device."""
        if kind not in self._open:
            self._open[kind] = self._opened(kind)
        session = self._open[kind]
        session.rewind(0)
        return session

    def _opened(self, kind: str) -> Any:
        from models_onnx.device_session import DeviceSession
        from models_onnx.session import DecoderSession

        if kind == "reference":
            return DecoderSession.open(self.folder("fp32"), "cpu")
        if kind == "plain":
            return DecoderSession.open(self.folder("fp16"), self.provider)
        capture, sampling = kind != "bound", kind == "sampling"
        return DeviceSession.open(self.folder("fp16"), self.provider, capture=capture, sampling=sampling)

    @property
    def prompts(self) -> list[list[int]]:
        """The shipped tune, its second half as a song, and its end."""
        bars = greensleeves().bars()
        return [[*encode_header(s), *encode_bars(b)] for b, s in ((bars, None), (bars[8:], "song"), (bars[-3:], None))]

    def greedy(self) -> tuple[list[int], list[int], Logits]:
        """(prompt, what fp32 on the processor makes of it, greedily, and its logits (tokens, vocab)), once."""
        if "greedy" not in self._open:
            reference, prompt = self._opened("reference"), self.prompts[1]
            logits, tokens = [reference.append(prompt)[-1].copy()], list[int]()
            for _ in range(self.counts.greedy):
                tokens.append(int(logits[-1].argmax()))
                logits.append(reference.step(tokens[-1]).copy())
            self._open["greedy"] = prompt, tokens, np.array(logits)
        held: tuple[list[int], list[int], Logits] = self._open["greedy"]
        return held


def compared(found: Logits, expected: Logits) -> dict[str, Any]:
    """Logits (places, vocab). Errors: `CheckFailed` where another token is likeliest by more than `MARGIN`, or none is finite."""
    found, expected = found.astype(np.float64), expected.astype(np.float64)
    if not np.isfinite(found).all():
        raise CheckFailed(f"{np.count_nonzero(~np.isfinite(found))} of {found.size} logits are not finite")
    places, ours, theirs = np.arange(len(found)), found.argmax(1), expected.argmax(1)
    margins = expected[places, theirs] - expected[places, ours]
    if margins.max() > MARGIN:
        place = int(margins.argmax())
        raise CheckFailed(f"place {place}: token {ours[place]}, not {theirs[place]}, likelier by {margins[place]:.3g}")
    gaps = np.abs(found - expected)
    return {
        "places": len(found), "same_token": int((ours == theirs).sum()), "largest_gap": _short(gaps.max()),
        "mean_gap": _short(gaps.mean()), "spread": _short(expected.std()),
    }  # fmt: skip


def check_libraries(provider: str) -> dict[str, Any]:
    """What there is. Errors: `CheckFailed` with the library that is missing."""
    import onnxruntime as ort

    from models_onnx.providers import missing_for_cuda

    told: dict[str, Any] = {"onnxruntime": ort.__version__, "lists": ort.get_available_providers()}
    if provider != "cuda":
        return told
    if missing_for_cuda():
        # PyTorch brings the same libraries, and once it has loaded them the loader finds them by name.
        with contextlib.suppress(ImportError):
            told["from_torch"] = importlib.import_module("torch").__version__
    missing = missing_for_cuda()
    if missing:
        raise CheckFailed(missing)
    query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total,clocks.sm,clocks.mem", "--format=csv,noheader"]
    told["card"] = subprocess.run(query, capture_output=True, text=True, check=True, timeout=30).stdout.strip()
    return told


def check_parity(bench: Bench) -> dict[str, Any]:
    """fp16 on the device against fp32 on the processor, over whole prompts; nats a note of both on the shipped tune."""
    from models_onnx.verify import Sample, nats_of_sample

    told: dict[str, Any] = {}
    for index, prompt in enumerate(bench.prompts):
        ours, theirs = (bench.session(kind).append(prompt) for kind in ("bound", "reference"))
        told[f"prompt_{index}"] = compared(ours, theirs)
        if index == 0:
            notes = sum(KIND_OF[token] in (Kind.PITCH, Kind.DRUM) for token in prompt)
            sample = Sample(tuple(prompt), len(encode_header(None)), notes)
            nats = [float(nats_of_sample(logits, sample).sum()) / notes for logits in (ours, theirs)]
            told["nats_a_note"] = {"fp16": _short(nats[0]), "fp32": _short(nats[1])}
            if abs(nats[0] / nats[1] - 1) > 0.002:
                raise CheckFailed(f"{nats[0]:.5g} nats a note on the device, {nats[1]:.5g} in fp32")
    return told


def check_greedy(bench: Bench) -> dict[str, Any]:
    """Token by token, read again at once, and as one of four rows: all after fp32's greedy continuation."""
    prompt, tokens, expected = bench.greedy()
    told: dict[str, Any] = {}
    for kind in ("bound", "captured"):
        session = bench.session(kind)
        steps = [session.append(prompt)[-1].copy(), *(session.step(token).copy() for token in tokens)]
        told[f"{kind}_step"] = compared(np.array(steps), expected)
    whole = bench.session("bound").append([*prompt, *tokens])
    told["append"] = compared(whole[len(prompt) - 1 :], expected)
    told["free_running"] = _free_running(bench, prompt, tokens)
    return told


def _free_running(bench: Bench, prompt: Sequence[int], tokens: Sequence[int]) -> str:
    """How far the device's own greedy continuation goes before it chooses otherwise; ties decide, so it is no check."""
    session = bench.session("captured")
    logits = session.append(prompt)[-1]
    for place, token in enumerate(tokens):
        if int(logits.argmax()) != token:
            return f"{place} of {len(tokens)} tokens as in fp32"
        logits = session.step(token)
    return f"all {len(tokens)} tokens as in fp32"


def check_rows(bench: Bench) -> dict[str, Any]:
    """Four rows from one prompt, whose keys and values are copied on the device; the third enters late, the first leaves."""
    prompt, tokens, expected = bench.greedy()
    told: dict[str, Any] = {}
    for kind in ("bound", "captured"):
        session = bench.session(kind)
        session.read(prompt)
        rows, at, found = session.fork(), list[int](), dict[int, Logits]()
        for place in range(len(tokens)):
            if place in (0, 1, 3, 6):
                rows.enter()
                at.append(0)
            if place == 9:
                rows.leave(0)
                at[0] = at[-1]
                at.pop()
            logits = rows.step([tokens[i] for i in at]).copy()
            for row, i in enumerate(at):
                compared(logits[row][None], expected[i + 1][None])
                found[i] = logits[row]
            at = [i + 1 for i in at]
        reached = sorted(found)
        told[kind] = compared(np.array([found[i] for i in reached]), expected[[i + 1 for i in reached]])
    return told


def check_captured(bench: Bench) -> dict[str, Any]:
    """The recorded steps against the same steps without a recording, up to the end of the context and after going back."""
    bound, captured = bench.session("bound"), bench.session("captured")
    told: dict[str, Any] = {
        "recorded": not captured.no_capture,
        "why_not": captured.no_capture,
        "buckets": captured.buckets,
    }
    context = captured.spec.context
    ids = random_ids(context)
    for length in (1, 5, context // 4 - 4, context // 2 - 4, context - 8, 3):
        for session in (bound, captured):
            session.rewind(0)
            session.read(ids[:length])
        steps = range(length, length + 8)
        sides = [np.array([session.step(ids[i]).copy() for i in steps]) for session in (bound, captured)]
        told[f"from_{length}"] = compared(sides[1], sides[0])["largest_gap"]
    if bench.provider == "cuda" and captured.no_capture:
        raise CheckFailed(f"nothing was recorded: {captured.no_capture}")
    return told


def check_sampling(bench: Bench) -> dict[str, Any]:
    """Tokens drawn in the graph against `sample` from the logits of the same run."""
    session, rng = bench.session("sampling"), np.random.default_rng(7)
    session.read(bench.prompts[2])
    length, same, ties = session.length, 0, 0
    for _ in range(bench.counts.draws):
        mask = rng.random(session.spec.vocab_size) < rng.choice([0.01, 0.2, 1.0])
        mask[rng.integers(len(mask))] = True
        asked = (mask, float(rng.choice([0.3, 0.95, 1.0, 1.6])), float(rng.choice([0.0, 0.5, 0.97, 1.0])), rng.random())
        token, nats = session.draw(int(rng.integers(3, 580)), *asked)
        logits = session.lane(1).logits()[0, 0]
        session.rewind(length)
        wanted, theirs = sample(logits, *asked)
        same += token == wanted
        ties += token != wanted and logits[token] == logits[wanted]
        if not mask[token] or (token == wanted and abs(nats - theirs) > 1e-6):
            raise CheckFailed(f"token {token} of {nats:.6g} nats instead of {wanted} of {theirs:.6g}")
    if same + ties < bench.counts.draws:
        raise CheckFailed(f"{bench.counts.draws - same - ties} of {bench.counts.draws} draws gave another token")
    return {"draws": bench.counts.draws, "same": same, "ties": ties, "recorded": not session.no_capture}


def measure_tokens(bench: Bench, kind: str, host_sampling: bool) -> dict[str, Any]:
    """Milliseconds from a token to the logits of the next, or to the next token where that is drawn; by context."""
    session = bench.session(kind)
    if getattr(session, "no_capture", "") and kind in ("captured", "sampling") and bench.provider == "cuda":
        raise CheckFailed(f"nothing was recorded: {session.no_capture}")
    mask = np.random.default_rng(1).random(session.spec.vocab_size) < 0.4
    ids, told = random_ids(max(bench.counts.contexts)), dict[str, Any]()
    for context in bench.counts.contexts:
        _fill(session, ids[: context - 2])

        def one(length: int = context - 2) -> None:
            if kind == "sampling":
                session.draw(ids[length], mask, 0.95, 0.97, 0.3)
            else:
                logits = session.step(ids[length])
                if host_sampling:
                    sample(logits, mask, 0.95, 0.97, 0.3)
            session.rewind(length)

        timed(one, 1 + bench.counts.steps // 10)
        told[str(context)] = percentiles(timed(one, bench.counts.steps))
    return told


def measure_prefill(bench: Bench) -> dict[str, Any]:
    """Milliseconds for a prompt read from nothing, by how many tokens are read at once."""
    ids, told = random_ids(bench.counts.prefill), dict[str, Any](tokens=bench.counts.prefill)
    for kind in ("plain", "bound"):
        session = bench.session(kind)
        for chunk in (32, 128):
            one = partial(_fill, session, ids, chunk)
            one()
            told[f"{kind}_by_{chunk}"] = percentiles(timed(one, bench.counts.prefills))
    return told


def measure_rows(bench: Bench) -> dict[str, Any]:
    """Milliseconds of a step of 1 to 4 rows, and of giving a row the prompt's keys and values."""
    told: dict[str, Any] = {}
    ids = random_ids(bench.counts.prefill)
    for kind in ("bound", "captured"):
        session = bench.session(kind)
        _fill(session, ids)
        for count in range(1, session.width + 1):
            rows = session.fork()
            for _ in range(count):
                rows.enter()
            one = partial(rows.step, [5] * count, set(range(count)))
            one()
            told[f"{kind}_{count}"] = percentiles(timed(one, bench.counts.steps // 2))["p50"]
    session = bench.session("bound")
    told["copy_a_row"] = percentiles(timed(lambda: session.copy_row(0, 1), bench.counts.steps // 2))["p50"]
    return told


def measure_start(bench: Bench) -> dict[str, Any]:
    """Milliseconds from the import of ONNX Runtime to the first logits, in processes of their own, by capture; the best."""
    code = ("import torch; " if "torch" in sys.modules else "") + (
        "import sys, time; from pathlib import Path; start = time.perf_counter()\n"
        "from models_onnx.device_session import DeviceSession\n"
        "s = DeviceSession.open(Path(sys.argv[1]), sys.argv[2], capture=sys.argv[3] == 'captured'); s.append([1, 3]); s.step(5)\n"
        "print((time.perf_counter() - start) * 1e3)"
    )
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(filter(None, sys.path)))
    told: dict[str, Any] = {}
    for kind in ("bound", "captured"):
        command = [sys.executable, "-c", code, str(bench.folder("fp16")), bench.provider, kind]
        found = []
        for _ in range(bench.counts.starts):
            done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)
            if done.returncode:
                raise CheckFailed((done.stderr.strip().splitlines() or ["no output"])[-1])
            found.append(float(done.stdout.split()[-1]))
        told[kind] = round(min(found), 1)
    return told


def measure_bound(bench: Bench) -> dict[str, Any]:
    """What a token cannot go below: the weights' bytes at the device's copying speed, and a run that does nothing."""
    import onnxruntime as ort

    from models_onnx.device_session import copy_graph
    from models_onnx.providers import options, providers

    told: dict[str, Any] = {}
    some = np.random.default_rng(0).random(1 << 16).astype(np.float16)
    for name, size in (("nothing", 64), ("copy", bench.counts.megabytes * 500_000)):
        graph = copy_graph(["x"], (size,), np.float16)
        session = ort.InferenceSession(graph, options(1), providers=providers(bench.provider == "cuda"))
        buffers = [ort.OrtValue.ortvalue_from_shape_and_type([size], np.float16, bench.provider, 0) for _ in range(2)]
        buffers[0].update_inplace(np.resize(some, size))
        binding = session.io_binding()
        binding.bind_ortvalue_input("x", buffers[0])
        binding.bind_ortvalue_output("to_x", buffers[1])
        one = partial(session.run_with_iobinding, binding)
        one()
        spent = timed(one, 200 if name == "nothing" else 10)
        told[name] = percentiles(spent)["p50"] if name == "nothing" else 4 * size / min(spent) / 1e9
    spec = models.read(bench.folder("fp16")).spec
    per_layer = spec.width * spec.head_dim * 2 * (spec.heads + spec.kv_heads) + 2 * spec.width * spec.hidden
    read = 2 * (spec.layers * per_layer + spec.vocab_size * spec.width)
    return {
        "empty_run_ms": told["nothing"], "copy_gb_s": round(told["copy"], 1), "weights_mb": round(read / 1e6, 2),
        "weights_ms": _short(read / told["copy"] / 1e6),
    }  # fmt: skip


def random_ids(count: int) -> list[int]:
    """Ids that mean nothing, for times."""
    return [int(token) for token in np.random.default_rng(0).integers(3, 580, count)]


def _fill(session: Any, ids: Sequence[int], chunk: int = 128) -> None:
    session.rewind(0)
    for start in range(0, len(ids), chunk):
        session.read(ids[start : start + chunk])


def _short(value: float) -> float:
    return float(f"{value:.4g}")


def steps_of(bench: Bench) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Checks first, by what the next ones rest on; then times, the more wanted first."""
    yield "libraries", lambda: check_libraries(bench.provider)
    for check in (check_parity, check_greedy, check_rows, check_captured, check_sampling):
        yield check.__name__.removeprefix("check_"), partial(check, bench)
    for kind in ("plain", "bound", "captured", "sampling"):
        yield f"token_ms_{kind}", partial(measure_tokens, bench, kind, host_sampling=False)
    yield "token_ms_captured_sample", partial(measure_tokens, bench, "captured", host_sampling=True)
    for measure in (measure_prefill, measure_rows, measure_bound, measure_start):
        yield measure.__name__.removeprefix("measure_") + "_ms", partial(measure, bench)


def run(bench: Bench, minutes: float, out: Path | None) -> int:
    """All steps; how many of them failed."""
    report, end = Report(time.monotonic() + 60 * minutes), threading.Lock()

    def write(ended: str) -> None:
        if end.acquire(blocking=False):
            _write(report, {"provider": bench.provider, "model": bench.base, "ended": ended}, out)

    def give_up() -> None:
        write("in the middle of a step, when time was up")
        os._exit(3)

    timer = threading.Timer(60 * minutes + GRACE_S, give_up)
    timer.daemon = True
    timer.start()
    for name, act in steps_of(bench):
        if "libraries" in report.failed:
            report.steps[name] = f"{NOT_MEASURED}: {bench.provider} cannot be had"
        else:
            report.run(name, act)
    timer.cancel()
    write("in order")
    return len(report.failed)


def _write(report: Report, told: dict[str, Any], out: Path | None) -> None:
    """The table, and the line."""
    steps = dict(report.steps)  # a step may be under way in the other thread
    print("\ntoken ms: context p50/p95/p99")
    for name, found in steps.items():
        if name.startswith("token_ms_"):
            times = found.items() if isinstance(found, dict) and "failed" not in found else ()
            cells = [f"{c}: {t['p50']:.3f}/{t['p95']:.3f}/{t['p99']:.3f}" for c, t in times] or [NOT_MEASURED]
            print(f"{name.removeprefix('token_ms_'):20} " + "  ".join(cells))
    print(f"failed: {', '.join(report.failed) or 'nothing'}; ended {told['ended']}", flush=True)
    if out is not None:
        append(out, {"benchmark": "gpu", **provenance(), **told, "failed": report.failed, "steps": steps})


# Packing and unpacking


LEFT_OUT = (
    "providers_tensorrt", "libonnxruntime.so", "/transformers/", "/quantization/", "/tools/", "/datasets/", "/backend/",
)  # fmt: skip
"""Parts of ONNX Runtime's wheel that nothing here uses."""
_CONTAINER = 0xBA55ED50
"""Begins each collection of device code in a library's section .nv_fatbin."""


def blanked(library: bytes, arch: int) -> bytes:
    """A CUDA library (ELF, 64 bits) with zeros for the device code of other cards than `arch` (90: compute capability 9.0).

    Collections for `arch` alone are blanked too: they are for what only such a card can do (in ONNX Runtime, mixtures of
    experts and weights of 4 bits, as far as their size tells), and no graph of ours has it. The layout stays as it is, and
    the driver takes code by the head of its entry, when a kernel is first launched. That it does was read, not run.
    """
    data = bytearray(library)
    for start, end in _containers(library):
        at, entries = start, list[tuple[int, int, int]]()
        while at < end:
            head, size = struct.unpack_from("<4xIQ", data, at)
            (card,) = struct.unpack_from("<I", data, at + 28)
            entries.append((card, at + head, size))
            at += head + size
        cards = {card for card, _, _ in entries}
        for card, place, size in entries:
            if card != arch or cards == {arch}:
                data[place : place + size] = bytes(size)
    return bytes(data)


def _containers(library: bytes) -> Iterator[tuple[int, int]]:
    """(begin, end) of the entries of each collection; ValueError for a file without any."""
    (table,) = struct.unpack_from("<Q", library, 0x28)
    count, names = struct.unpack_from("<HH", library, 0x3C)
    sections = [struct.unpack_from("<I20xQQ", library, table + 64 * i) for i in range(count)]
    for name, offset, size in sections:
        text = sections[names][1] + name
        if library[text : text + 11] != b".nv_fatbin\0":
            continue
        at = offset
        while at + 16 <= offset + size:
            magic, _, head, length = struct.unpack_from("<IHHQ", library, at)
            if magic != _CONTAINER:
                at += 8
                continue
            yield at + head, at + head + length
            at += head + length
        return
    raise ValueError("the library has no device code (.nv_fatbin)")


def pack(out: Path, wheels: Path, base: str, arch: int) -> int:
    """One .tar.xz with all that a machine with a card needs beside Python, NumPy and CUDA's libraries; its bytes."""
    files = [*ROOT.glob("daw_assist/**/*.py"), *ROOT.glob("models_onnx/**/*.py"), Path(__file__).resolve()]
    for precision in ("fp16", "fp32"):
        files += [ROOT / f"models_onnx/files/{base}-{precision}/{name}" for name in ("manifest.json", "model.onnx")]
    filters = [{"id": lzma.FILTER_X86}, {"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": 1 << 26}]
    with lzma.open(out, "wb", filters=filters) as packed, tarfile.open(fileobj=packed, mode="w") as tar:
        for file in files:
            tar.add(file, Path("gpu") / file.relative_to(ROOT))
        for wheel in sorted(wheels.glob("*.whl")):
            with zipfile.ZipFile(wheel) as held:
                for name in held.namelist():
                    if name.endswith("/") or any(part in name for part in LEFT_OUT):
                        continue
                    data = held.read(name)
                    told = tarfile.TarInfo(f"gpu/site/{name}")
                    if name.endswith("providers_cuda.so"):
                        data = blanked(data, arch)
                    told.size = len(data)
                    tar.addfile(told, BytesIO(data))
    return out.stat().st_size


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--provider", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--model", default="small", help="its -fp16 and -fp32 are compared")
    parser.add_argument("--quick", action="store_true", help="few of everything: does it run at all")
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--out", type=Path, help="the line is added to this file")
    parser.add_argument("--install", action="store_true", help="use the packages of --wheels")
    parser.add_argument("--wheels", type=Path, help="folder of .whl files")
    parser.add_argument("--pack", type=Path, metavar="FILE", help="make the pack instead")
    parser.add_argument("--arch", type=int, default=90, help="the card's compute capability, as 90 for 9.0, for --pack")
    args = parser.parse_args(arguments)
    if args.wheels is None and (args.pack is not None or args.install):
        parser.error("--pack and --install need --wheels")
    if args.pack is not None:
        size = pack(args.pack, args.wheels, args.model, args.arch)
        print(f"{args.pack}: {size / 2**20:.1f} MiB")
        return 0
    bench = Bench(args.provider, args.model, QUICK if args.quick else Counts())
    if not args.install:
        return min(1, run(bench, args.minutes, args.out))
    with tempfile.TemporaryDirectory() as folder:
        # Wheels of plain packages only need unpacking: no pip, no network. Another process, because ONNX Runtime is loaded.
        for wheel in sorted(args.wheels.glob("*.whl")):
            with zipfile.ZipFile(wheel) as held:
                held.extractall(folder)
        told = [word for word in arguments or sys.argv[1:] if word != "--install"]
        environment = dict(os.environ, PYTHONPATH=os.pathsep.join([folder, *filter(None, sys.path)]))
        return subprocess.run([sys.executable, __file__, *told], env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
