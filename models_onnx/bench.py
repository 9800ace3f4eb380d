"""How fast the model runs here: ours against PyTorch eager and a naive export of the same weights, and against memory.

    python -m models_onnx.bench --variant int8|fp32|eager|naive --threads N     one variant, JSON on stdout

`compare` runs every variant in a process of its own (so that memory and start-up are its own), one after another, and
measures the read bandwidth of this machine in the same run. The bound of a token is bytes of weights over bandwidth: of
main memory, and of a block of the model's size, which may sit in the cache.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from models_onnx import manifest as models
from models_onnx.record import append, provenance

CONTEXTS = (256, 1024)
STEPS = 300
PREFILL = 512
Logits = np.ndarray[Any, Any]


class Subject(Protocol):
    """What is measured: a sequence that is read at once, then token by token."""

    def prefill(self, ids: Sequence[int]) -> Logits:
        """Start anew with `ids`; logits of the last."""

    def step(self, token: int) -> Logits:
        """One more token."""

    def back(self, length: int) -> None:
        """Forget what lies beyond `length`."""


class Ours:
    """An installed model in `DecoderSession`."""

    def __init__(self, name: str, threads: int, provider: str) -> None:
        from models_onnx.session import DecoderSession

        folder = models.find(name)
        told = models.read(folder)
        self._session = DecoderSession(told, models.graph_bytes(folder, told), provider, threads)
        self.provider = self._session.provider

    def prefill(self, ids: Sequence[int]) -> Logits:
        self._session.rewind(0)
        for start in range(0, len(ids), 128):
            logits: Logits = self._session.append(ids[start : start + 128])[-1]
        return logits

    def step(self, token: int) -> Logits:
        return self._session.step(token)

    def back(self, length: int) -> None:
        self._session.rewind(length)


def build_subject(variant: str, model: str, threads: int, provider: str) -> Subject:
    """`variant`: int8, fp32 (ours), eager (torch, preallocated cache), naive (torch.onnx.export, concatenated cache)."""
    base = model.rsplit("-", 1)[0]
    if variant in ("int8", "fp32", "fp16"):
        return Ours(f"{base}-{variant}", threads, provider)
    from models_onnx.train.rivals import Eager, Naive  # torch: only with the train extra

    return Eager(f"{base}-fp32", threads) if variant == "eager" else Naive(f"{base}-fp32", threads)


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """p50, p95, p99, max in milliseconds."""
    ms = np.array(seconds) * 1e3
    p50, p95, p99 = np.percentile(ms, (50, 95, 99))
    return {"p50": round(p50, 4), "p95": round(p95, 4), "p99": round(p99, 4), "max": round(float(ms.max()), 4)}


def timed(act: Callable[[], object], count: int) -> list[float]:
    """Seconds of each of `count` calls."""
    spent = []
    for _ in range(count):
        start = time.perf_counter()
        act()
        spent.append(time.perf_counter() - start)
    return spent


def measure(variant: str, model: str, threads: int, provider: str) -> dict[str, Any]:
    """Everything about one variant in this process."""
    start = time.perf_counter()
    subject = build_subject(variant, model, threads, provider)
    subject.prefill([1, 3])
    start_ms = (time.perf_counter() - start) * 1e3
    ids = np.random.default_rng(0).integers(3, 580, max(CONTEXTS)).tolist()
    told: dict[str, Any] = {"variant": variant, "threads": threads, "start_ms": round(start_ms, 1), "token_ms": {}}
    for context in CONTEXTS:
        subject.prefill(ids[: context - 2])

        def one(length: int = context - 2) -> None:
            subject.step(ids[length])
            subject.back(length)

        timed(one, 20)
        told["token_ms"][str(context)] = percentiles(timed(one, STEPS))
    told["prefill_512_ms"] = percentiles(timed(lambda: subject.prefill(ids[:PREFILL]), 15))
    told["tokens_per_s"] = round(1e3 / told["token_ms"]["256"]["p50"])
    told["peak_rss_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)
    return told


def bandwidth_gb_s(megabytes: float) -> float:
    """Best read bandwidth of one core over a block of that size, 10^9 bytes a second (NumPy sum of 64-bit integers)."""
    block = np.ones(int(megabytes * 1e6 / 8), np.int64)
    rounds = max(1, int(200 / megabytes))
    best = min(sum(timed(block.sum, rounds)) for _ in range(7))
    return round(block.nbytes * rounds / best / 1e9, 2)


def compare(model: str, provider: str, variants: Sequence[tuple[str, int]]) -> dict[str, Any]:
    """Each variant in its own process; one that cannot run here says why."""
    base = model.rsplit("-", 1)[0]
    found: list[dict[str, Any]] = []
    for variant, threads in variants:
        command = [
            sys.executable, "-m", "models_onnx.bench",
            "--variant", variant, "--threads", str(threads), "--model", model, "--provider", provider,
        ]  # fmt: skip
        environment = dict(os.environ, OMP_NUM_THREADS=str(threads), MKL_NUM_THREADS=str(threads))
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        lines = done.stdout.strip().splitlines()
        if done.returncode or not lines:
            reason = (done.stderr.strip().splitlines() or ["no output"])[-1]
            found.append({"variant": variant, "threads": threads, "skipped": reason})
        else:
            found.append(json.loads(lines[-1]))
    told: dict[str, Any] = {"model": model, "provider": provider, "variants": found}
    told["bandwidth_gb_s"] = {"memory": bandwidth_gb_s(512)}
    for precision in ("int8", "fp32"):
        size = (models.find(f"{base}-{precision}") / "model.onnx").stat().st_size / 1e6
        near = bandwidth_gb_s(size)
        told["bandwidth_gb_s"][precision] = near
        told[f"bound_ms_{precision}"] = {
            "megabytes": round(size, 1), "from_memory": round(size / told["bandwidth_gb_s"]["memory"], 4),
            "from_cache": round(size / near, 4),
        }  # fmt: skip
    told["faster_than_eager"] = _ratios(found, ("int8", "fp32", "fp16"))
    told["faster_than_eager_same_fp32"] = _ratios(found, ("fp32",))
    return told


def _ratios(found: Sequence[dict[str, Any]], precisions: Sequence[str]) -> dict[str, float]:
    """Best p50 of eager (fp32) over the best p50 of ours in these precisions, by context, and for the prefill."""
    done = [v for v in found if "skipped" not in v]
    eager = [v for v in done if v["variant"] == "eager"]
    ours = [v for v in done if v["variant"] in precisions]
    if not eager or not ours:
        return {}
    ratios = {
        f"token_{context}": min(v["token_ms"][str(context)]["p50"] for v in eager)
        / min(v["token_ms"][str(context)]["p50"] for v in ours)
        for context in CONTEXTS
    }
    ratios["prefill_512"] = min(v["prefill_512_ms"]["p50"] for v in eager) / min(
        v["prefill_512_ms"]["p50"] for v in ours
    )
    return {name: round(ratio, 2) for name, ratio in ratios.items()}


def run(model: str, provider: str, as_json: bool, out: Path | None) -> int:
    """The whole comparison: a table, and with `as_json` the object last on stdout; `out` gets a line."""
    plan = [("int8", 1), ("int8", 2), ("fp32", 1), ("fp32", 2), ("eager", 1), ("eager", 2), ("naive", 1), ("naive", 2)]
    models.read(models.find(model))
    told = {"benchmark": "engine", **provenance(), **compare(model, provider, plan)}
    for v in told["variants"]:
        head = f"{v['variant']:6} {v['threads']} threads"
        if "skipped" in v:
            print(f"{head}: skipped, {v['skipped']}", file=sys.stderr)
            continue
        tokens = ", ".join(f"{c}: {t['p50']:.3f}/{t['p95']:.3f}/{t['p99']:.3f}" for c, t in v["token_ms"].items())
        prefill = v["prefill_512_ms"]["p50"]
        print(f"{head}: token ms p50/p95/p99 at {tokens}; prefill 512 {prefill:.1f} ms; "
              f"{v['tokens_per_s']} tokens/s; {v['peak_rss_mb']:.0f} MB; start {v['start_ms']:.0f} ms",
              file=sys.stderr)  # fmt: skip
    same = told["faster_than_eager_same_fp32"]
    print(f"faster than eager: {told['faster_than_eager']}, in fp32 too: {same}", file=sys.stderr)
    print(f"bound: {told['bound_ms_int8']}", file=sys.stderr)
    if out is not None:
        append(out, told)
    if as_json:
        print(json.dumps(told))
    return 0


def main() -> None:
    """One variant, for `compare`."""
    parser = argparse.ArgumentParser(description="measure one variant")
    parser.add_argument("--variant", required=True, choices=("int8", "fp32", "fp16", "eager", "naive"))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--model", default=models.DEFAULT_MODEL)
    parser.add_argument("--provider", default="cpu")
    args = parser.parse_args()
    print(json.dumps(measure(args.variant, args.model, args.threads, args.provider)))


if __name__ == "__main__":
    main()
