"""onnxruntime-genai over our graph (`genai_graph`), its own loop and sampler, which know no grammar and no echo.

Fast as its documentation has it: cache shared between past and present, one generator kept and rewound instead of a new one,
the prompt appended at once. Variants: `small-int8`, `small-fp32`.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import onnxruntime_genai as og

sys.path.append(str(Path(__file__).resolve().parents[4]))

from scripts.bench.peers.worker import Options, Work, serve, versions

LEAST_ID, IDS = 3, 570
"""The prompt's ids; which they are makes no difference to the time."""


class Genai:
    """Both jobs over one generator."""

    def __init__(self, options: Options) -> None:
        folder = options.work / "genai-models" / f"{options.variant}-{options.threads}"
        self._model = og.Model(str(folder))
        told = og.GeneratorParams(self._model)
        told.set_search_options(do_sample=True, temperature=0.95, top_p=0.97, top_k=0, max_length=1024)
        self._generator = og.Generator(self._model, told)
        for _ in range(3):
            self._run(200, 40)
        self.hello: dict[str, Any] = {
            "versions": versions("onnxruntime-genai", "onnxruntime"),
            "weights": f"trained: those of {options.variant}, without the further input columns; not music",
            "path": "shared cache buffer, generator rewound, prompt appended at once",
            "work": "as many tokens read and made as ours; sampled without grammar and echo",
        }

    def _run(self, read: int, made: int) -> float:
        self._generator.rewind_to(0)
        start = time.perf_counter()
        self._generator.append_tokens([LEAST_ID + i % IDS for i in range(read)])
        for _ in range(made):
            self._generator.generate_next_token()
        return time.perf_counter() - start

    def calibrate(self, work: Work) -> Work:
        return {}

    def eight_bars(self, work: Work) -> dict[str, Any]:
        spent = self._run(work["prompt_tokens"], work["new_tokens"])
        return {"seconds": spent, "notes": work["notes"], "tokens": work["new_tokens"]}

    def next_notes(self, work: Work, count: int) -> list[float]:
        held = work["prompt_tokens"]
        self._generator.rewind_to(0)
        self._generator.append_tokens([LEAST_ID + i % IDS for i in range(held)])
        spent = []
        for index in range(count):
            read = work["note_in_tokens"][index % len(work["note_in_tokens"])]
            made = work["note_out_tokens"][index % len(work["note_out_tokens"])]
            start = time.perf_counter()
            self._generator.append_tokens([LEAST_ID + i for i in range(read)])
            for _ in range(made):
                self._generator.generate_next_token()
            spent.append(time.perf_counter() - start)
            self._generator.rewind_to(held)
        return spent


if __name__ == "__main__":
    serve(Genai)
