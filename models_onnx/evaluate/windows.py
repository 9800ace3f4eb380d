"""A long piece under a model of short context: overlapping windows, each id scored exactly once.

A window looks like what the model was trained on and what the engine sends: the header, then whole bars, the metre said
in the first of them whether or not the piece says it there. Only ids of the piece are scored, never what was put in.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

import numpy as np

from models_onnx.evaluate.pieces import EncodedPiece
from models_onnx.evaluate.token_model import Nats, TokenModel


@dataclass(frozen=True, slots=True)
class Window:
    """`ids[at : at + count]` are `piece.ids[first : first + count]`; the ids before `at` are context only."""

    ids: list[int]
    at: int
    first: int
    count: int


def windows(piece: EncodedPiece, context: int, least_past: int) -> list[Window]:
    """Cover `piece.ids[header:]`; after the first window each scored id sees at least `least_past` ids of the piece.

    A window begins with the last bar that leaves so much; if the bars are too long for that (under an eighth of the
    window would be new), in the middle of a bar.
    """
    ids = piece.ids.tolist()
    header = ids[: piece.header]
    room = context - piece.header
    least_past = min(least_past, room // 2)
    found: list[Window] = []
    first = piece.header
    while first < len(ids):
        opening: list[int] = []
        begin = piece.header
        if found:
            bar = bisect_right(piece.bar_starts, first - least_past) - 1
            begin = piece.bar_starts[bar]
            metre = list(piece.metres[bar])
            said = ids[begin + 1 : begin + 1 + len(metre)] == metre
            opening = [ids[begin], *([] if said else metre)]
            if room - (first - begin) - len(opening) < room // 8:
                begin, opening = first - least_past, []
        body = opening + ids[begin + bool(opening) :]
        past = first - begin + max(0, len(opening) - 1)
        count = min(room - past, len(ids) - first)
        found.append(Window(header + body[: past + count], len(header) + past, first, count))
        first += count
    return found


def nats_of_piece(model: TokenModel, piece: EncodedPiece, least_past: int) -> Nats:
    """Nats of each of `piece.ids`, 0 for the header."""
    result = np.zeros(len(piece.ids))
    for window in windows(piece, model.context, least_past):
        nats = model.nats(window.ids, window.at, piece.ids[: window.first].tolist())
        result[window.first : window.first + window.count] = nats[window.at : window.at + window.count]
    return result
