"""The engine process: owns the model and its cache, answers one request at a time, stops for a newer one.

    python -m daw_assist.engine.worker --connect ENDPOINT --model NAME [--provider auto|cuda|cpu] [--threads N]

Threads: one. It polls its socket between tokens: a newer epoch of the same client, or a Cancel, ends what is under way.
It ends itself when its parent is gone (the line tells).
"""

from __future__ import annotations

import argparse
import logging
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from daw_assist.engine.chord_ahead import harmonize_ahead
from daw_assist.engine.generate import PREFILL_CHUNK, Stale
from daw_assist.engine.link import WorkerLink
from daw_assist.engine.messages import (
    Cancel,
    Draft,
    Drafted,
    Failed,
    Fill,
    Harmonize,
    Harmonized,
    NoteMade,
    Ready,
    Shutdown,
    Warm,
    Warmed,
)  # fmt: skip
from daw_assist.errors import DawAssistError, ModelError
from daw_assist.music.notes import Note
from daw_assist.pipeline import fill, read_ahead, suggest
from daw_assist.suggest.suggestion import Suggestion
from daw_assist.tokens.vocab import BAR, BOS, vocab_hash
from models_onnx import manifest as models
from models_onnx.calibration import threads_for
from models_onnx.session import Branches, ContextFull, DecoderSession

if TYPE_CHECKING:
    from daw_assist.harmonize import LoadedChords
    from daw_assist.music.chords import ChordSpan

log = logging.getLogger(__name__)
_WARM_STEPS = 24
_WAIT_S = 1.0
_CLIENTS = 256
"""Of whom it is remembered what they asked last."""


class LoadedModel:
    """A `pipeline.Model` over an ONNX session, warmed up. `threads` of ONNX Runtime, 0: as many as are best here.

    Threads: one.
    """

    def __init__(self, name: str, provider: str = "auto", threads: int = 0) -> None:
        try:
            folder = models.find(name)
            told = models.read(folder)
            if told.vocab_sha256 != vocab_hash():
                raise ModelError(
                    f"model {told.name} was trained on another vocabulary: export or install one of this version"
                )
            found = threads_for(folder, provider, threads)
            self._session = DecoderSession.open(folder, provider, found.step, found.read)
        except models.ModelError as error:
            raise ModelError(str(error)) from error
        self.name, self.sha256 = told.name, told.sha256
        self.provider = self._session.provider
        self.width, self.trust = self._session.width, told.echo
        self.context_tokens = told.spec.context
        self.parameters = told.parameters
        self.token_ms = self._warm_up()

    @property
    def ids(self) -> list[int]:
        return self._session.ids

    def turn_to(self, owner: bytes) -> None:
        """The cache of that client, as it left it, if it is still held."""
        self._session.turn_to(owner)

    def rewind(self, length: int) -> None:
        self._session.rewind(length)

    def append(self, ids: Sequence[int]) -> np.ndarray[Any, Any]:
        return self._session.append(ids)

    def read(self, ids: Sequence[int]) -> None:
        self._session.read(ids)

    def fork(self) -> Branches:
        return self._session.fork()

    def _warm_up(self) -> float:
        """Run every shape once, for each number of rows too; median milliseconds of a token."""
        times = []
        for size in (1, 2, PREFILL_CHUNK):
            self.append([BOS] + [BAR] * (size - 1))
            self.read([BAR] * size)
        rows = self.fork()
        for count in range(1, self.width + 1):
            rows.enter()
            rows.step([BAR] * count)
        for _ in range(_WARM_STEPS):
            start = time.perf_counter()
            self._session.step(BAR)
            times.append((time.perf_counter() - start) * 1e3)
        self.rewind(0)
        return round(statistics.median(times), 4)


class Chords:
    """The chord model, loaded when it is first asked for, so that a worker without one serves the rest. Threads: one."""

    def __init__(self, name: str, provider: str = "auto", threads: int = 0) -> None:
        self._open = (name, provider, threads)
        self._loaded: LoadedChords | None = None

    def answer(self, request: Harmonize, should_stop: Callable[[], bool] = lambda: False) -> Harmonized:
        """Errors: `ModelError` where the model is missing or not one of ours, `UsageError` for a style it does not know."""
        # Here, because a worker that is never asked for chords starts sooner without them.
        from daw_assist.engine.chord_choice import choose_chords
        from daw_assist.harmonize import LoadedChords

        if self._loaded is None:
            self._loaded = LoadedChords.open(*self._open)
        model = self._loaded

        def choose(asked: Harmonize) -> tuple[tuple[ChordSpan, ...], float]:
            live = asked.heard_until is not None
            choice = choose_chords(
                asked.bars, asked.settings, model.model, given=asked.given, live=live,
                heard_until=asked.heard_until, seed=asked.settings.seed, should_stop=should_stop,
            )  # fmt: skip
            return choice.spans, choice.nats

        return Harmonized(request.ticket, harmonize_ahead(request, choose, model.name))


Asker = tuple[bytes, bool]
"""A client, and whether it asks for chords: an accompaniment wants both at a time, each with its own count of epochs."""


def _asker(message: Draft | Fill | Warm | Harmonize) -> Asker:
    return message.client, isinstance(message, Harmonize)


class Worker:
    """The loop over the line to the server. Threads: one."""

    def __init__(self, line: WorkerLink, model: LoadedModel, chords: Chords) -> None:
        self._line, self._model, self._chords = line, model, chords
        self._waiting: list[Draft | Fill | Warm | Harmonize] = []
        self._turns: dict[bytes, int] = {}
        self._turn = 0
        self._newest: dict[Asker, int] = {}
        self._current: Draft | Fill | Warm | Harmonize | None = None
        self._stopping = False

    def run(self) -> None:
        """Serve until told to stop; a parent that is gone counts as being told."""
        while not self._stopping:
            self._read_all(0.0 if self._waiting else _WAIT_S)
            if self._waiting and not self._stopping:
                self._answer(self._take())

    def _take(self) -> Draft | Fill | Warm | Harmonize:
        """The oldest of the client who was answered longest ago, so that one who asks a lot keeps no other waiting; what is
        only read ahead comes after all that somebody waits for.
        """
        chosen = min(self._waiting, key=lambda m: (isinstance(m, Warm), self._turns.get(m.client, 0)))
        self._waiting.remove(chosen)
        if isinstance(chosen, Warm):
            return chosen
        self._turn += 1
        self._turns.pop(chosen.client, None)
        self._turns[chosen.client] = self._turn
        if len(self._turns) > _CLIENTS:
            self._turns.pop(next(iter(self._turns)))
        return chosen

    def _read_all(self, wait_s: float = 0.0) -> None:
        while (message := self._line.receive(wait_s)) is not None:
            wait_s = 0.0
            if isinstance(message, Shutdown):
                self._stopping = True
                return
            if isinstance(message, Cancel):
                for chords in (False, True):
                    self._outdate((message.client, chords), message.epoch + 1)
                continue
            if isinstance(message, Draft | Fill | Harmonize):
                self._outdate(_asker(message), message.epoch)
            else:
                self._forget_warm(message.client)
            self._waiting.append(message)

    def _forget_warm(self, client: bytes) -> None:
        """What it wanted read ahead before and nobody has begun to read: it wants something newer read."""
        for older in [m for m in self._waiting if isinstance(m, Warm) and m.client == client]:
            self._waiting.remove(older)
            self._line.send(Failed(older.ticket, "stale", "something newer is to be read ahead"))

    def _outdate(self, asker: Asker, epoch: int) -> None:
        """Requests of this asker below `epoch` are stale from now on."""
        self._newest[asker] = max(self._newest.pop(asker, epoch), epoch)  # behind the others: who is silent goes first
        stale = [m for m in self._waiting if _asker(m) == asker and m.epoch < epoch]
        for message in stale:
            self._waiting.remove(message)
            self._line.send(Failed(message.ticket, "stale", f"epoch {message.epoch} was overtaken by {epoch}"))
        if len(self._newest) > _CLIENTS:
            self._newest.pop(next(iter(self._newest)))

    def _is_stale(self) -> bool:
        self._read_all()
        current = self._current
        return current is not None and (self._is_overtaken(current) or self._gives_way(current))

    def _is_overtaken(self, request: Draft | Fill | Warm | Harmonize) -> bool:
        return self._stopping or request.epoch < self._newest.get(_asker(request), request.epoch)

    def _gives_way(self, request: Draft | Fill | Warm | Harmonize) -> bool:
        """What is only read ahead, to whatever somebody waits for."""
        return isinstance(request, Warm) and not all(isinstance(m, Warm) for m in self._waiting)

    def _put_off(self, request: Draft | Fill | Warm | Harmonize) -> None:
        """It will go on from what was read so far; unless its client wants something newer read by then."""
        if any(isinstance(m, Warm) and m.client == request.client for m in self._waiting):
            self._line.send(Failed(request.ticket, "stale", "something newer is to be read ahead"))
        else:
            self._waiting.append(request)

    def _answer(self, request: Draft | Fill | Warm | Harmonize) -> None:
        self._current = request
        try:
            if not isinstance(request, Harmonize):
                self._model.turn_to(request.client)
            if isinstance(request, Warm):
                read = read_ahead(request.bars, request.settings, self._model, request.first_bar, self._is_stale)
                self._line.send(Warmed(request.ticket, *read))
            elif isinstance(request, Harmonize):
                self._line.send(self._chords.answer(request, self._is_stale))
            else:
                self._line.send(Drafted(request.ticket, self._draft(request)))
        except Stale:
            if self._gives_way(request) and not self._is_overtaken(request):
                self._put_off(request)
            else:
                self._line.send(Failed(request.ticket, "stale", f"epoch {request.epoch} was overtaken"))
        except ContextFull as error:
            self._line.send(Failed(request.ticket, "bad_request", f"too much at once: {error}"))
        except DawAssistError as error:
            self._line.send(Failed(request.ticket, "bad_request", str(error)))
        except Exception as error:
            log.exception("request %d failed", request.ticket)
            self._line.send(Failed(request.ticket, "internal", f"{type(error).__name__}: {error}"))
        finally:
            self._current = None

    def _draft(self, request: Draft | Fill) -> Suggestion:
        def on_note(candidate: int, bar: int, note: Note) -> None:
            self._line.send(NoteMade(request.ticket, request.epoch, candidate, bar, note))

        if isinstance(request, Fill):
            return fill(
                request.bars,
                request.first,
                request.last,
                request.settings,
                self._model,
                request.epoch,
                on_note,
                self._is_stale,
            )
        return suggest(
            request.bars, request.settings, self._model, request.epoch, request.first_bar, on_note, self._is_stale
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of the process."""
    parser = argparse.ArgumentParser(description="the engine process; started by the server")
    parser.add_argument("--connect", required=True)
    parser.add_argument("--model", default=models.DEFAULT_MODEL)
    parser.add_argument("--chords", default="chords", help="chord model; loaded when chords are first asked for")
    parser.add_argument("--provider", default="auto", choices=("auto", "cuda", "cpu"))
    parser.add_argument("--threads", type=int, default=0)
    args = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="engine: %(message)s")
    start = time.perf_counter()
    try:
        model = LoadedModel(args.model, args.provider, args.threads)
    except ModelError as error:
        print(error, file=sys.stderr)
        return 1
    line = WorkerLink(args.connect)
    spent = round((time.perf_counter() - start) * 1e3, 1)
    line.send(
        Ready(
            os.getpid(),
            model.name,
            model.sha256,
            model.provider,
            model.parameters,
            model.context_tokens,
            spent,
            model.token_ms,
        )
    )
    try:
        Worker(line, model, Chords(args.chords, args.provider, args.threads)).run()
    except KeyboardInterrupt:
        pass
    finally:
        line.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
