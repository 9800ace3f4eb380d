"""Our own engine, and our own weights run by PyTorch or a plain ONNX export, all through `daw_assist.pipeline`.

Variants: `small-int8`, `small-fp32` as they ship; `eager`, `compile`, `naive` are the weights of small-fp32 in another
engine under the same grammar, echo and sampler. `bare-int8` is the session of small-int8 alone, with as many tokens and
the sampler, but neither grammar nor echo: what genai is to be set beside. A rival reads the prompt in one run, which is
its fastest; ours reads it 32 tokens at a time, as in the product, where a newer request may come between.

In job B the open bar is read anew each time, as the product does it: up to two dozen tokens and not only the new note's.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

sys.path.append(str(Path(__file__).resolve().parents[4]))

from daw_assist.engine.generate import Frame, Plan, Rows, Stale, continue_from, prefill
from daw_assist.engine.sampling import sample
from daw_assist.engine.worker import LoadedModel
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.pipeline import Model, suggest
from daw_assist.prompt import encode_prompt
from daw_assist.suggest.suggestion import Settings
from daw_assist.tokens.decode import BarDecoder
from daw_assist.tokens.encode import encode_bars, encode_events
from daw_assist.tokens.vocab import BOS
from models_onnx import manifest as models
from models_onnx.session import DecoderSession
from scripts.bench.peers.tune import NEW_BARS, PROMPT_BARS, bars
from scripts.bench.peers.worker import Options, Peer, Work, serve, versions

Logits = np.ndarray[Any, Any]
SEEDS = 24
"""Tried to find a run of usual length."""
MANY = 16
"""More ids than this go through the graph that reads and gives no logits."""
PATHS = {
    "small-int8": "as it ships: 8-bit weights, ONNX Runtime, cache written in place",
    "small-fp32": "as it ships: ONNX Runtime, cache written in place",
    "eager": "PyTorch eager, preallocated cache, prompt in one run",
    "compile": "torch.compile of the step: max-autotune, static shapes, frozen weights; prompt eager, in one run",
    "naive": "torch.onnx.export, cache grown by concatenation, NumPy in and out, prompt in one run",
}


class Engine(Protocol):
    """A rival: reads ids behind those it holds and forgets from the end."""

    def read(self, ids: Sequence[int]) -> Logits:
        """Logits (vocab,) after the last."""

    def back(self, length: int) -> None:
        """Hold only the first `length`."""


class RivalModel:
    """A `pipeline.Model` over an engine of a single row. Threads: one."""

    def __init__(self, engine: Engine, name: str, base: str) -> None:
        told = models.read(models.find(base))
        self._engine = engine
        self.name, self.sha256, self.provider = name, told.sha256, "cpu"
        self.width, self.trust, self.context_tokens = 1, told.echo, told.spec.context
        self.parameters = told.parameters
        self.ids: list[int] = []

    def rewind(self, length: int) -> None:
        del self.ids[length:]
        self._engine.back(length)

    def append(self, ids: Sequence[int]) -> Logits:
        logits: Logits = self._engine.read(ids)[None]  # (1, vocab): only the last place is ever asked for
        self.ids += ids
        return logits

    def read(self, ids: Sequence[int]) -> None:
        self.append(ids)

    def fork(self) -> Rows:
        return _OneRow(self)


class _OneRow:
    """The sequence itself as the only row; `rewind` afterwards takes back what it was given."""

    def __init__(self, model: RivalModel) -> None:
        self._model = model

    def step(self, tokens: Sequence[int], staying: Collection[int] = ()) -> Logits:
        return self._model.append(tokens)

    def enter(self, back: int = 0) -> None:
        assert not back

    def leave(self, row: int) -> None:
        assert row == 0


def open_model(variant: str, threads: int) -> Model:
    """One of `PATHS`; the rivals need the train extra."""
    if variant in ("small-int8", "small-fp32"):
        return LoadedModel(variant, "cpu", threads)
    from scripts.bench.peers.workers import rivals

    return RivalModel(rivals.build(variant, "small-fp32", threads), variant, "small-fp32")


class Ours:
    """Both jobs over a `Model`."""

    def __init__(self, options: Options) -> None:
        self._model = open_model(options.variant, options.threads)
        self._is_rival = isinstance(self._model, RivalModel)
        self._prompt, self._ninth = bars()[:PROMPT_BARS], bars()[PROMPT_BARS]
        self._ids = encode_prompt(self._prompt, self._settings(0), self._model.context_tokens, PROMPT_BARS).ids
        self._seed = 0
        for seed in range(3):
            self._once(seed)
        self.hello = {
            "versions": versions("onnxruntime-gpu", "onnxruntime", *(("torch",) if self._is_rival else ())),
            "weights": "trained" if not self._is_rival else "trained: those of small-fp32",
            "parameters": getattr(self._model, "parameters", None),
            "path": PATHS[options.variant],
            "work": "4 bars by pipeline.suggest, 1 candidate, of a seed that makes a run of usual length",
        }

    def _settings(self, seed: int) -> Settings:
        return Settings(bars=NEW_BARS, candidates=1, seed=seed)

    def _once(self, seed: int) -> dict[str, Any]:
        self._model.rewind(0)
        start = time.perf_counter()
        if self._is_rival:
            self._model.append(self._ids)
        made = suggest(self._prompt, self._settings(seed), self._model)
        spent = time.perf_counter() - start
        new = made.candidates[0].bars
        # As many as it would say; a bar closed by force or a note said twice makes it inexact by a token or two.
        tokens = len(encode_bars(new, self._prompt[-1].metre))
        return {"seconds": spent, "notes": sum(len(bar.notes) for bar in new), "tokens": tokens}

    def calibrate(self, work: Work) -> Work:
        """Without `notes`, the median of some seeds; the seed that comes nearest to it in notes, then in tokens."""
        runs = [self._once(seed) for seed in range(SEEDS)]
        notes = work.get("notes", int(np.median([run["notes"] for run in runs])))
        tokens = work.get("new_tokens", int(np.median([run["tokens"] for run in runs])))
        best = min(range(SEEDS), key=lambda s: (abs(runs[s]["notes"] - notes), abs(runs[s]["tokens"] - tokens)))
        steps = [self._next_note(k) for k in range(1, len(self._ninth.notes))]
        return {
            "seed": best, "notes": runs[best]["notes"], "new_tokens": runs[best]["tokens"],
            "prompt_notes": sum(len(bar.notes) for bar in self._prompt), "prompt_tokens": len(self._ids),
            "note_in_tokens": [new for _, new, _ in steps], "note_out_tokens": [made for _, _, made in steps],
        }  # fmt: skip

    def eight_bars(self, work: Work) -> dict[str, Any]:
        return self._once(work["seed"])

    def next_notes(self, work: Work, count: int) -> list[float]:
        prefill(self._model, self._ids)
        last = len(self._ninth.notes) - 1
        return [self._next_note(1 + index % last)[0] for index in range(count)]

    def _next_note(self, heard: int) -> tuple[float, int, int]:
        """Seconds from the `heard`th note of the ninth bar to the next one; ids of that note, and of what was made."""
        prefill(self._model, self._ids)
        notes, metre = tuple(sorted(self._ninth.notes)), self._ninth.metre
        before = len(encode_events(replace(self._ninth, notes=notes[: heard - 1])))
        listener, made, done = BarDecoder(metre), 0, False

        def on_token(candidate: int, token: int) -> None:
            nonlocal made, done
            made += 1
            done = done or isinstance(listener.feed(token), Note)

        start = time.perf_counter()
        begun = tuple(encode_events(replace(self._ninth, notes=notes[:heard])))
        frames = (Frame(metre),) * NEW_BARS
        room = self._model.context_tokens - len(self._ids)
        plan = Plan(frames, 0.95, 0.97, parts=frozenset({Part.KEYS}), room=room, begun=begun)
        for token in (*frames[0].opening, *begun):
            listener.feed(token)
        # `is_stale` is asked before each step: there the work ends once the note is there.
        with contextlib.suppress(Stale):
            continue_from(self._model, plan, [np.random.default_rng(heard)], on_token, lambda: done)
        return time.perf_counter() - start, len(begun) - before, made


class Bare:
    """Both jobs as so many tokens read and made, by the session alone. Threads: one."""

    def __init__(self, options: Options) -> None:
        folder = models.find("small-" + options.variant.removeprefix("bare-"))
        told = models.read(folder)
        self._session = DecoderSession.open(folder, "cpu", options.threads, options.threads)
        self._all = np.ones(told.spec.vocab_size, bool)
        self._rng = np.random.default_rng(0)
        for _ in range(3):
            self._run([BOS] * 200, 40)
            self._session.rewind(0)
        self.hello = {
            "versions": versions("onnxruntime-gpu", "onnxruntime"),
            "weights": "trained",
            "parameters": told.parameters,
            "path": "our session without pipeline, grammar and echo; prompt in one run",
            "work": "as many tokens read and made as ours; sampled from the whole vocabulary",
        }

    def _run(self, ids: Sequence[int], made: int) -> float:
        start = time.perf_counter()
        if len(ids) > MANY:
            self._session.read(ids[:-1])
            ids = ids[-1:]
        logits = self._session.append(ids)[-1]
        for index in range(made):
            token, _ = sample(logits, self._all, 0.95, 0.97, float(self._rng.random()))
            if index + 1 < made:
                logits = self._session.step(token)
        return time.perf_counter() - start

    def calibrate(self, work: Work) -> Work:
        return {}

    def eight_bars(self, work: Work) -> dict[str, Any]:
        self._session.rewind(0)
        spent = self._run([BOS] * work["prompt_tokens"], work["new_tokens"])
        return {"seconds": spent, "notes": work["notes"], "tokens": work["new_tokens"]}

    def next_notes(self, work: Work, count: int) -> list[float]:
        self._session.rewind(0)
        held, spent = [BOS] * work["prompt_tokens"], []
        self._session.append(held)
        for index in range(count):
            read, made = (work[key][index % len(work[key])] for key in ("note_in_tokens", "note_out_tokens"))
            spent.append(self._run([BOS] * read, made))
            self._session.rewind(len(held))
        return spent


def build(options: Options) -> Peer:
    """By the variant."""
    return Bare(options) if options.variant.startswith("bare-") else Ours(options)


if __name__ == "__main__":
    serve(build)
