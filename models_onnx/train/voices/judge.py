"""What a four-voice network says of each cell of a piece, for `models_onnx.evaluate.jsb`; here, because it needs torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from models_onnx import voices_checkpoint
from models_onnx.evaluate.jsb import TRANSPOSITIONS, Grid, LogProbs, narrowed, pooled
from models_onnx.train.voices.data import Read, piece_of
from models_onnx.train.voices.loop import nats
from models_onnx.train.voices.network import VoicesNetwork
from models_onnx.voices_spec import VOICES


def load_network(path: Path) -> VoicesNetwork:
    """A checkpoint (.pt or .npz, as `voices_checkpoint.load` reads them), ready to be asked; on the CPU."""
    spec, weights, _ = voices_checkpoint.load(path)
    network = VoicesNetwork(spec)
    network.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
    return network.eval()


def log_probs(
    network: VoicesNetwork, pitches: Grid, shifts: Sequence[int] = (0,), given: Sequence[int] = (0,) * VOICES
) -> list[LogProbs]:
    """Of a whole chorale, (steps, 4, 47) for each shift: asked about the piece moved by so many semitones, moved back.

    `given`: 1 for voices that are known in whole beforehand, the others are asked for; cells of given voices say nothing.
    """
    read = Read.of(piece_of(pitches))
    which = np.array(given, np.int64)
    return [narrowed(nats(network, read, shift, which), shift) for shift in shifts]


def each_pooled(
    network: VoicesNetwork,
    pieces: Iterable[Grid],
    pools: Sequence[str],
    shifts: Sequence[int] = TRANSPOSITIONS,
    given: Sequence[int] = (0,) * VOICES,
) -> Iterator[dict[str, LogProbs]]:
    """Piece by piece: `single`, in the key it stands in, and the mean over `shifts` for each of `pools`."""
    for piece in pieces:
        by_shift = dict(zip(shifts, log_probs(network, piece, shifts, given), strict=True))
        single = by_shift[0] if 0 in by_shift else log_probs(network, piece, (0,), given)[0]
        yield {"single": single, **{kind: pooled(list(by_shift.values()), kind) for kind in pools}}
