"""The four-voice model in ONNX Runtime: several candidates of one piece go on in step, a 16th at a time.

    run = session.begin(given, struck, phases, rows)
    for each step:
        run.step()                                     # the trunk reads what stood at the step before
        for voice in ORDER, if it is not given:
            logits, again = run.cell(voice, now)       # `now` holds what is decided in this step
        run.close(now, now_struck)                     # becomes the history of the next step

A row depends on its own cells alone. Long pieces: the reader of the given voices reads windows that overlap by half and
each step takes what is said of it where it is farthest from an edge; the trunk's cache is read anew from its last steps
when it is full.

Threads: one. Errors: `ModelError` for graphs that do not fit their manifest.
"""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime as ort

from models_onnx import voices_rows
from models_onnx.harmony_files import HarmonyManifest, find_harmony, open_graphs
from models_onnx.manifest import ModelError
from models_onnx.voices_rows import NO_MOTION, Ids
from models_onnx.voices_spec import MAX_RUN, PITCHES, SYMBOLS, UNKNOWN, VOICES, VoicesSpec

Floats = np.ndarray[Any, np.dtype[np.float32]]
MAX_ROWS: Final = 16
MAX_STEPS: Final = 1_000_000
AFTER_END: Final = 64
"""Steps behind the end that are shown to the reader, at least."""
_GRAPHS = ("look", "step", *(f"cell{voice}" for voice in range(VOICES)))


class VoicesSession:
    """A model of kind "voices"; `begin` as often as wanted, one run at a time."""

    def __init__(self, folder: Path, manifest: HarmonyManifest, provider: str = "cpu", threads: int = 0) -> None:
        self.manifest = manifest
        told = dict(manifest.spec)
        try:
            self.context, self.window = told.pop("context"), told.pop("window")
            self.reads_bars = bool(told.pop("reads_bars"))
            self.spec = VoicesSpec(**told)
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"model {manifest.name}: its manifest has no spec of the four voices: {error}") from error
        if not 2 <= 2 * self.window <= self.context <= 1 << 16:
            raise ModelError(
                f"model {manifest.name}: a window of {self.window} and a cache of {self.context} do not fit"
            )
        missing = [graph for graph in _GRAPHS if graph not in manifest.graphs]
        if missing:
            raise ModelError(f"model {manifest.name}: its manifest names no graph {missing[0]!r}: export it again")
        self.graphs = open_graphs(folder, manifest, provider, threads)
        self._check()

    @classmethod
    def open(cls, name: str, provider: str = "cpu", threads: int = 0) -> VoicesSession:
        """A model given by name or folder."""
        return cls(*find_harmony(name, "voices"), provider, threads)

    def _check(self) -> None:
        spec = self.spec
        wanted = {
            "look": ({"rows": ["batch", "steps", voices_rows.LOOK_SLOTS, 4]}, ["batch", "steps", spec.look_width]),
            "step": ({"rows": ["batch", "steps", voices_rows.STEP_SLOTS, 4],
                      "key_0": ["batch", spec.width // spec.head_dim, self.context, spec.head_dim]},
                     ["batch", "steps", spec.width]),
            **{f"cell{v}": ({"rows": ["batch", voices_rows.CELL_SLOTS], "trunk": ["batch", spec.width]},
                            ["batch", SYMBOLS]) for v in range(VOICES)},
        }  # fmt: skip
        for name, (inputs, output) in wanted.items():
            graph = self.graphs[name]
            there = {value.name: value.shape for value in graph.get_inputs()}
            if not inputs.items() <= there.items() or graph.get_outputs()[0].shape != output:
                raise ModelError(
                    f"model {self.manifest.name}: {name}.onnx is of another shape than its manifest says: export it again"
                )

    def begin(self, given: Ids, struck: Ids, phases: Ids, rows: int = 1, ends: bool = True) -> VoicesRun:
        """`given` (steps, 4) symbols, `UNKNOWN` where not given; `struck` 0 unknown, 1 held, 2 struck; `phases` as in
        `voices_spec.PHASES`. A model that does not read bars wants phases counted from the first step, and strikes of 0.
        `ends`: the last step is the end of the piece, which the reader of the given voices is told.
        """
        if not 1 <= rows <= MAX_ROWS or not len(given) <= MAX_STEPS:
            raise ValueError(f"{rows} rows of {len(given)} steps: rows are 1..{MAX_ROWS}, steps at most {MAX_STEPS}")
        behind = max(AFTER_END, self.window - len(given)) if ends else 0
        return VoicesRun(self, self._look(given, struck, phases, behind), phases, rows)

    def _look(self, given: Ids, struck: Ids, phases: Ids, behind: int = 0) -> Floats:
        """(steps, look_width); the last `behind` of them lie behind the end."""
        # A training window that is longer than its piece is filled with zeros: this is how an end looks.
        given, struck, phases = (np.pad(array, ((0, behind), (0, 0))) for array in (given, struck, phases))
        steps, window = len(given), self.window
        ids = voices_rows.look_rows(given, struck, phases)
        graph = self.graphs["look"]
        if steps <= window:
            whole: Floats = graph.run(["looked"], {"rows": ids[None]})[0][0]
            return whole
        starts = [*range(0, steps - window, window // 2), steps - window]
        looked = np.empty((steps, self.spec.look_width), np.float32)
        until = 0
        for n, start in enumerate(starts):
            part = graph.run(["looked"], {"rows": ids[None, start : start + window]})[0][0]
            # Up to half-way between the middles of this window and the next.
            end = steps if n + 1 == len(starts) else (start + starts[n + 1] + window) // 2
            looked[until:end] = part[until - start : end - start]
            until = end
        return looked


class VoicesRun:
    """Rows that go through one piece in step. Threads: one."""

    def __init__(self, session: VoicesSession, looked: Floats, phases: Ids, rows: int) -> None:
        self._session, self._looked, self._phases, self.rows = session, looked, phases, rows
        spec = session.spec
        self.at = -1
        """Step that is being decided."""
        self._before = np.full((rows, VOICES), UNKNOWN, np.int64)
        self._held = np.zeros((rows, VOICES), np.int64)
        self._struck = np.zeros((rows, VOICES), np.int64)
        self._motion = np.full((rows, VOICES), NO_MOTION, np.int64)
        shape = (rows, spec.width // spec.head_dim, session.context, spec.head_dim)
        names = [f"{what}_{i}" for i in range(spec.layers) for what in ("key", "value")]
        # The arrays stay here: what is bound is a view of them.
        self._arrays = [np.zeros(shape, np.float32) for _ in names]
        self._caches = dict(zip(names, map(ort.OrtValue.ortvalue_from_numpy, self._arrays), strict=True))
        self._past, self._total = np.zeros(rows, np.int32), np.zeros((), np.int32)
        self._fixed = {
            n: ort.OrtValue.ortvalue_from_numpy(a) for n, a in (("past", self._past), ("total", self._total))
        }
        self._length = 0
        self._read: deque[tuple[Ids, Floats]] = deque(maxlen=session.window - 1)
        self._rows = np.zeros((rows, 1, voices_rows.STEP_SLOTS, 4), np.int64)
        self._seen = np.zeros((rows, 1, spec.look_width), np.float32)
        self._trunk = np.zeros((rows, 1, spec.width), np.float32)
        self._bound = self._binding(self._rows, self._seen, self._trunk)

    def _binding(self, rows: Ids, looked: Floats, trunk: Floats) -> ort.IOBinding:
        binding = self._session.graphs["step"].io_binding()
        for name, array in (("rows", rows), ("looked", looked)):
            binding.bind_ortvalue_input(name, ort.OrtValue.ortvalue_from_numpy(array))
        for name, value in self._fixed.items():
            binding.bind_ortvalue_input(name, value)
        for name, cache in self._caches.items():
            binding.bind_ortvalue_input(name, cache)
            binding.bind_ortvalue_output("new_" + name, cache)
        binding.bind_ortvalue_output("trunk", ort.OrtValue.ortvalue_from_numpy(trunk))
        return binding

    def step(self) -> None:
        """Read what stood at the step before; IndexError behind the last step."""
        self.at += 1
        if self._length == self._session.context:
            self._read_anew()
        self._rows[:, 0] = voices_rows.step_rows(
            self._before, self._held, self._struck, self._motion, self._phases[self.at]
        )
        self._seen[:, 0] = self._looked[self.at]
        self._read.append((self._rows.copy(), self._seen[:1].copy()))
        self._run(self._bound, 1)

    def _run(self, binding: ort.IOBinding, steps: int) -> None:
        self._length += steps
        self._past[:] = self._length - 1
        self._total[...] = self._length
        self._session.graphs["step"].run_with_iobinding(binding)

    def _read_anew(self) -> None:
        rows = np.concatenate([rows for rows, _ in self._read], 1)
        looked = np.repeat(np.concatenate([seen for _, seen in self._read], 1), self.rows, 0)
        self._length = 0
        unread = np.empty((*looked.shape[:2], self._session.spec.width), np.float32)
        self._run(self._binding(rows, looked, unread), rows.shape[1])

    def cell(self, voice: int, now: Ids) -> tuple[Floats, Floats]:
        """Logits (rows, SYMBOLS) of a voice at this step, and (rows,) of its being struck again if it keeps its pitch.

        `now` (rows, 4): the cells decided or given in this step, `UNKNOWN` elsewhere.
        """
        phases = voices_rows.phase_rows(self._phases[self.at])
        inputs = {
            "trunk": self._trunk[:, 0],
            "looked": self._seen[:, 0],
            "rows": voices_rows.cell_rows(voice, self._before, self._held, now),
            "phases": np.broadcast_to(phases, (self.rows, 4)).copy(),
            "keys": voices_rows.cell_keys(voice, self._before, now),
        }
        logits, again = self._session.graphs[f"cell{voice}"].run(["logits", "again"], inputs)
        return logits, again[:, 0]

    def close(self, now: Ids, struck: Ids) -> None:
        """End the step: `now` (rows, 4) its cells, all decided; `struck` (rows, 4) 0 unknown, 1 held, 2 struck."""
        last, moved = self._before, now != self._before
        self._held = np.where(moved, 1, np.minimum(self._held + 1, MAX_RUN))
        pitched = moved & (now < PITCHES) & (last < PITCHES)
        self._motion = np.where(pitched, np.clip(now - last, -13, 13) + NO_MOTION, self._motion)
        self._before, self._struck = now.copy(), struck.copy()
