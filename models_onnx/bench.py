"""How fast the model runs here: ours against PyTorch eager and a naive export of the same weights, and against the machine.

    python -m models_onnx.bench --variant int8|fp32|eager|naive --threads N     one variant, JSON on stdout

`compare` runs every variant in a process of its own (so that memory and start-up are its own), one after another, and
measures what this machine reads and multiplies in the same run (`bounds`): each figure of ours stands beside the least
that it could be, with the weights in main memory and in a cache.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from models_onnx import bounds, record
from models_onnx import manifest as models
from models_onnx.bounds import timed
from models_onnx.spec import ModelSpec

CONTEXTS = (256, 1024)
STEPS = 300
PREFILL = 512
CHUNK = 32
"""Tokens that the engine reads at once (`daw_assist.engine.generate.PREFILL_CHUNK`)."""
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
    """An installed model in `DecoderSession`, used as the engine uses it."""

    def __init__(self, name: str, threads: int, provider: str) -> None:
        from models_onnx.session import DecoderSession

        self.session = DecoderSession.open(models.find(name), provider, threads, threads)

    def prefill(self, ids: Sequence[int]) -> Logits:
        self.session.rewind(0)
        for start in range(0, len(ids) - 1, CHUNK):
            self.session.read(ids[start : min(start + CHUNK, len(ids) - 1)])
        logits: Logits = self.session.append(ids[-1:])[-1]
        return logits

    def step(self, token: int) -> Logits:
        return self.session.step(token)

    def back(self, length: int) -> None:
        self.session.rewind(length)

    def candidates_ms(self, prompt: Sequence[int]) -> dict[str, dict[str, float]]:
        """By how many rows go on from the prompt in step: a token for each of them."""
        found = {}
        for count in range(1, self.session.width + 1):
            self.prefill(prompt)
            rows = self.session.fork()
            for _ in range(count):
                rows.enter()
            timed(lambda r=rows, n=count: r.step([3] * n), 10)  # type: ignore[misc]
            found[str(count)] = percentiles(timed(lambda r=rows, n=count: r.step([3] * n), 100))  # type: ignore[misc]
        return found


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
    p50, p95, p99 = np.percentile(ms, (50, 95, 99)).tolist()
    return {"p50": round(p50, 4), "p95": round(p95, 4), "p99": round(p99, 4), "max": round(float(ms.max()), 4)}


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
    if isinstance(subject, Ours):
        told["candidates_ms"] = subject.candidates_ms(ids[: CONTEXTS[0]])
    told["tokens_per_s"] = round(1e3 / told["token_ms"]["256"]["p50"])
    told["peak_mb"] = round(record.peak_memory_mb(), 1)
    return told


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
    told["machine_at_best"] = at_best(sorted({threads for _, threads in variants}))
    for ours in found:
        if "skipped" not in ours and ours["variant"] in ("int8", "fp32", "fp16"):
            ours["bound"] = bound_of(
                ours, models.read(models.find(f"{base}-{ours['variant']}")).spec, told["machine_at_best"]
            )
    told["faster_than_eager"] = _ratios(found, ("int8", "fp32", "fp16"))
    told["faster_than_eager_same_fp32"] = _ratios(found, ("fp32",))
    return told


def at_best(threads: Sequence[int]) -> dict[str, Any]:
    """What the machine does by numbers of threads, and the fixed cost of a layer; without the package onnx only the first."""
    told: dict[str, Any] = {"memory_gb_s": {str(n): bounds.bandwidth_gb_s(512, n) for n in threads}}
    told["cache_gb_s"] = {str(n): bounds.bandwidth_gb_s(4, n) for n in threads}
    try:
        told["product_gflop_s"] = {str(n): bounds.multiply_gflop_s(*bounds.product(1024, n)) for n in threads}
        told["fixed"] = bounds.layer_us()
    except (ImportError, models.ModelError) as error:
        told["skipped"] = str(error)
    return told


def bound_of(figures: dict[str, Any], spec: ModelSpec, best: dict[str, Any]) -> dict[str, Any]:
    """Of one variant: the least milliseconds of a token (bytes over bandwidth) and of a prompt, and how far above it is."""
    threads, told = str(figures["threads"]), {}
    for context in CONTEXTS:
        read = bounds.token_bytes(spec, figures["variant"], context)
        took = figures["token_ms"][str(context)]["p50"]
        told[f"token_{context}"] = {"megabytes": round(read / 1e6, 2)} | {
            where: {"ms": round(read / 1e6 / best[f"{where}_gb_s"][threads], 4),
                    "times": round(took / (read / 1e6 / best[f"{where}_gb_s"][threads]), 2)}
            for where in ("memory", "cache")
        }  # fmt: skip
    if "product_gflop_s" in best:
        least = bounds.prompt_operations(spec, PREFILL) / 1e6 / best["product_gflop_s"][threads]
        told["prefill_512"] = {"ms": round(least, 2), "times": round(figures["prefill_512_ms"]["p50"] / least, 2)}
    return told


def large(steps: int = 60) -> dict[str, Any]:
    """A model that fits no cache (76 M random weights: 92 MB in 8 bits, 304 MB in fp32): its token against bytes over bandwidth."""
    spec = ModelSpec(640, 768, 12, 12, 4, 1024)
    found: dict[str, Any] = {"parameters": spec.parameters, "weights": "random"}
    for precision in ("int8", "fp32"):
        read = bounds.token_bytes(spec, precision, CONTEXTS[0])
        found[precision] = {"megabytes": round(read / 1e6, 1), "by_threads": {}}
        for threads in (1, 2):
            ms = percentiles(bounds.step_s(bounds.random_session(spec, precision, threads), CONTEXTS[0], steps))
            bandwidth = bounds.bandwidth_gb_s(read / 1e6, threads)
            bound = read / 1e6 / bandwidth
            found[precision]["by_threads"][str(threads)] = {
                "token_ms": ms, "gb_s": bandwidth, "bound_ms": round(bound, 3), "times": round(ms["p50"] / bound, 2),
            }  # fmt: skip
    return found


PLAN = [("int8", 1), ("int8", 2), ("fp32", 1), ("fp32", 2), ("eager", 1), ("eager", 2), ("naive", 1), ("naive", 2)]


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


def run(model: str, provider: str, with_large: bool = False) -> dict[str, Any]:
    """The whole comparison, shown as it is found; the object for the log."""
    models.read(models.find(model))
    told = {"benchmark": "engine", **record.provenance(), **compare(model, provider, PLAN)}
    if with_large:
        told["large"] = large()
    show(told)
    return told


def show(told: dict[str, Any]) -> None:
    """For people, on stderr."""
    for v in told["variants"]:
        head = f"{v['variant']:6} {v['threads']} threads"
        if "skipped" in v:
            print(f"{head}: skipped, {v['skipped']}", file=sys.stderr)
            continue
        tokens = ", ".join(f"{c}: {t['p50']:.3f}/{t['p95']:.3f}/{t['p99']:.3f}" for c, t in v["token_ms"].items())
        prefill = v["prefill_512_ms"]["p50"]
        print(f"{head}: token ms p50/p95/p99 at {tokens}; prefill 512 {prefill:.1f} ms; "
              f"{v['tokens_per_s']} tokens/s; {v['peak_mb']:.0f} MB; start {v['start_ms']:.0f} ms",
              file=sys.stderr)  # fmt: skip
        if "bound" in v:
            print(f"{'':17} times the bound, in memory / in the cache: "
                  + ", ".join(f"{c}: {v['bound'][f'token_{c}']['memory']['times']} / {v['bound'][f'token_{c}']['cache']['times']}"
                              for c in CONTEXTS)
                  + f"; prefill {v['bound'].get('prefill_512', {}).get('times', 'not measured')}", file=sys.stderr)  # fmt: skip
            rows = ", ".join(f"{n}: {t['p50']:.3f}" for n, t in v["candidates_ms"].items())
            print(f"{'':17} a token for each of so many candidates, ms: {rows}", file=sys.stderr)
    same = told["faster_than_eager_same_fp32"]
    print(f"faster than eager: {told['faster_than_eager']}, in fp32 too: {same}", file=sys.stderr)
    print(f"this machine at best: {told['machine_at_best']}", file=sys.stderr)
    if "large" in told:
        print(f"a model that fits no cache: {told['large']}", file=sys.stderr)


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
