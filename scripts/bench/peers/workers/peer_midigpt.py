"""MIDI-GPT: bars are made after bars by a GPT-2 with a grammar; `InferenceEngine.session(...).run()` is its own way.

The size of its small model (6 layers of 512) with random weights and the vocabulary of its `yellow` models without attributes,
which would cost it more tokens; the window is 12 bars, so that eight are read and four made in one step (one bar a step, its
default, reads the prompt four times). Retries and the checks that lead to them are off. Random weights end a bar by
chance only, so its own hard limit of notes a bar sets how many there are; of some seeds, the one that makes as many
notes as ours with the fewest tokens is taken. It has no way to hear a note before its bar is over: there is no job B.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from pathlib import Path
from typing import Any

import torch
from midigpt import Bar, Score, Track, _core
from midigpt._types import Note
from midigpt.attributes.base import AttributeAnalyzer
from midigpt.inference import GenerationRequest, InferenceConfig, InferenceEngine, TrackPrompt
from midigpt.inference.model import GPT2Config, GPT2LMHeadModel
from midigpt.tokenizer.tokenizer import Tokenizer

sys.path.append(str(Path(__file__).resolve().parents[4]))

from scripts.bench.peers.worker import Options, Work, read_tune, serve, versions

DOMAINS = {
    "PieceStart": 2, "Track": 2, "TrackEnd": 1, "Bar": 1, "BarEnd": 1, "TimeSig": 36, "Instrument": 109, "NumBars": 4,
    "NoteOnset": 128, "NoteDuration": 96, "TimeAbsolutePos": 192, "VelocityLevel": 32,
}  # fmt: skip
METRES = [
    *("1/2", "1/4", "1/8", "1/16", "2/1", "2/2", "2/4", "2/8", "3/1", "3/2", "3/4", "3/8", "4/2", "4/4", "4/8", "5/4"),
    *("5/8", "6/2", "6/4", "6/8", "7/4", "7/8", "8/4", "8/8", "9/4", "9/8", "9/16", "10/4", "10/8", "11/8", "12/4"),
    *("12/8", "13/16", "15/16", "16/4", "17/16"),
]
RESOLUTION, CONTEXT, SEEDS = 12, 2048, 8


class Bars:
    """Job A over one engine."""

    def __init__(self, options: Options) -> None:
        logging.disable(logging.WARNING)
        torch.set_num_threads(options.threads)
        torch.manual_seed(0)
        told = json.loads(_core.EncoderConfig().to_json()) | {
            "num_bars_map": [4, 8, 12, 16], "resolution": RESOLUTION, "time_signatures": METRES,
            "token_domains": [{"type": name, "domain_size": size} for name, size in DOMAINS.items()],
        }  # fmt: skip
        config = _core.EncoderConfig.from_json(json.dumps(told))
        analyzer = AttributeAnalyzer.from_config(config)
        tokenizer = Tokenizer(config, analyzer)
        self._net = GPT2LMHeadModel(GPT2Config(vocab_size=tokenizer.vocab_size(), n_positions=CONTEXT)).eval()
        self._engine = InferenceEngine(self._net, tokenizer, analyzer)
        self._engine.warmup()
        _, self._tune = read_tune(options.tune)
        self._seed: int | None = None
        self._tokens = 0
        self.hello: dict[str, Any] = {
            "versions": versions("midigpt", "torch"),
            "weights": "random, the size of its small model (its weights are elsewhere and for research only)",
            "parameters": sum(p.numel() for p in self._net.parameters()),
            "path": "8 bars read and 4 made in one step, one attempt, no checks",
            "work": "its limit of notes a bar makes it end with as many notes as ours; of its seeds the one of fewest tokens",
            "no_b": "nothing in its interface takes a note before the bar is over",
        }

    def _score(self) -> Score:
        scale = 480 // self._tune["ticks_per_quarter"]
        top, bottom = self._tune["metre"]
        metre = {"ts_numerator": top, "ts_denominator": bottom, "beat_length": 4.0 * top / bottom}
        bars = [
            Bar(
                [Note(pitch, velocity, onset * scale, length * scale) for onset, pitch, length, velocity in bar],
                **metre,
            )
            for bar in self._tune["bars"][: self._tune["prompt_bars"]]
        ]
        bars += [Bar(**metre) for _ in range(self._tune["new_bars"])]
        return Score(tracks=[Track(bars=bars)], resolution=480)

    def _run(self, seed: int, notes: int) -> dict[str, Any]:
        first, count = self._tune["prompt_bars"], self._tune["new_bars"]
        score = self._score()
        start = time.perf_counter()
        prompt = TrackPrompt(id=0, bars=list(range(first, first + count)), autoregressive=True)
        config = InferenceConfig(
            seed=seed, model_dim=first + count, bars_per_step=count, max_attempts=1, novelty_check=False,
            silence_check=False, mask_mode="attention", density_hard_limit=max(1, round(notes / count)),
        )  # fmt: skip
        made = self._engine.session(score, GenerationRequest(tracks=[prompt], config=config)).run()
        spent = time.perf_counter() - start
        new = [len(bar.notes) for bar in made.tracks[0].bars[first:]]
        return {"seconds": spent, "notes": sum(new), "tokens": self._tokens}

    def _choose(self, notes: int) -> int:
        """The seed; the number of its tokens is kept."""
        steps = 0

        def count(*_: object) -> None:
            nonlocal steps
            steps += 1

        hook, found = self._net.register_forward_hook(count), []
        for seed in range(SEEDS):
            steps = 0
            made = self._run(seed, notes)
            found.append((abs(made["notes"] - notes), steps, seed))
        hook.remove()
        _, self._tokens, seed = min(found)
        return seed

    def calibrate(self, work: Work) -> Work:
        self._seed = self._choose(work["notes"])
        return {}

    def eight_bars(self, work: Work) -> dict[str, Any]:
        if self._seed is None:
            self._seed = self._choose(work["notes"])
        return self._run(self._seed, work["notes"])

    def next_notes(self, work: Work, count: int) -> None:
        return None


if __name__ == "__main__":
    serve(Bars)
