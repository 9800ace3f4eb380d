"""The model as it ships: its probabilities mixed with what the piece so far lets expect, as in generation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from daw_assist.engine.echo import Echo
from daw_assist.engine.sampling import Logits, probabilities
from daw_assist.tokens.vocab import VOCAB_SIZE
from models_onnx.evaluate.blend import Probabilities, learn_weights
from models_onnx.evaluate.contexts import Ints
from models_onnx.evaluate.pieces import EncodedPiece
from models_onnx.evaluate.token_model import InstalledModel, Nats
from models_onnx.evaluate.windows import Window, windows

ALL = np.arange(VOCAB_SIZE)


def nats_with_echo(logits: Logits, ids: list[int], echo: Echo, first: int = 1) -> Nats:
    """-ln p(ids[i] | ids[:i]) from `first` on, 0 before; `logits` (len(ids), vocab). Nothing is masked.

    The `echo` has heard what stands before ids[first], and has heard all of it afterwards.
    """
    nats = np.zeros(len(ids))
    for place, token in enumerate(ids[first:], first):
        p = probabilities(logits[place - 1], ALL, echo)
        nats[place] = -np.log(p[token] / p.sum())
        echo.append(token)
    return nats


@dataclass(frozen=True, slots=True)
class Expected:
    """At some places: what the model gave to the id that came, what the echo gave to it, and the orders it had met."""

    model: Probabilities
    echo: Probabilities
    matched: Ints

    def nats(self, trust: tuple[float, ...]) -> float:
        """Mean of a place under the mixture."""
        weight = np.array(trust)[self.matched]
        return float(-np.log(weight * self.echo + (1 - weight) * self.model).mean())


@dataclass(frozen=True, slots=True)
class Given:
    """A window of a piece, and what the model alone gave to each of its ids (0..1; 1 for the first)."""

    piece: EncodedPiece
    window: Window
    p: Probabilities


def read_by(model: InstalledModel, pieces: Iterable[EncodedPiece]) -> list[Given]:
    """Every window of every piece, as the model sees them; the echo of any order is then cheap beside it."""
    found = []
    for piece in pieces:
        for window in windows(piece, model.context, model.context // 2):
            nats = InstalledModel.nats(model, window.ids[: window.at + window.count])
            found.append(Given(piece, window, np.exp(-nats)))
    return found


def expected_of(read: Iterable[Given], order: int) -> Expected:
    """At every scored place of what was read."""
    rows: list[tuple[float, float, int]] = []
    for given in read:
        window = given.window
        echo = Echo([0.0] * (order + 2), given.piece.ids[: window.first].tolist())
        for place in range(window.at, window.at + window.count):
            p, matched = echo.expected()
            rows.append((float(given.p[place]), float(p[window.ids[place]]), matched))
            echo.append(window.ids[place])
    model_p, echo_p, met = zip(*rows, strict=True)
    return Expected(np.array(model_p), np.array(echo_p), np.array(met, np.int32))


def learn_trust(expected: Expected, order: int) -> tuple[float, ...]:
    """The weight of the echo for 0..order + 1 orders met, by expectation-maximisation; nothing met, nothing trusted."""
    weights = learn_weights(expected.echo, expected.model, expected.matched, order + 2)
    return (0.0, *(round(weight, 4) for weight in weights.tolist()[1:]))


class EchoModel(InstalledModel):
    """A `TokenModel`: an installed model with the echo of its manifest. Threads: one."""

    def nats(self, ids: list[int], first: int = 1, past: Sequence[int] | None = None) -> Nats:
        trust = self.manifest.echo
        if not trust:
            return super().nats(ids)
        self._session.rewind(0)
        echo = Echo(trust, ids[:first] if past is None else past)
        return nats_with_echo(self._session.append(ids), ids, echo, first)
