"""What an n-gram model may look at: several codings of one token stream, and hashes of growing contexts.

A context never looks past the start of its piece, nor at the token that is to be predicted. Pitches are coded
against a reference known from the past alone, modulo 128, so that each coding is a bijection of the vocabulary at every
place and probabilities stay normalised:

    absolute  the ids as they are
    step      a pitch against the last pitch
    voice     the first pitch at an onset against the first pitch at the last onset of its part, others against the last
    key       a pitch against the key of the last 200 notes (Krumhansl-Kessler profiles; a minor key counts as its
              relative major), that is, every piece moved to C as far as can be known without looking ahead
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from daw_assist.tokens.vocab import FIRST, KIND_OF, VOCAB_SIZE, Kind

Ints = np.ndarray[Any, np.dtype[np.int32]]
Hashes = np.ndarray[Any, np.dtype[np.uint64]]

CODINGS = ("absolute", "step", "voice", "key")
SYMBOL_BITS = 10
BEFORE = (1 << SYMBOL_BITS) - 1
"""Stands for what lies before the start of a piece."""
KEY_MEMORY = 200
"""Notes that the key is estimated from."""

_PITCH, _PART = FIRST[Kind.PITCH], FIRST[Kind.PART]
_MAJOR = (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88)
_MINOR = (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17)
_KINDS = np.array([*KIND_OF] + [Kind.PAD] * (VOCAB_SIZE - len(KIND_OF)), np.int32)


@dataclass(frozen=True, slots=True)
class Stream:
    """Pieces end to end. `place` counts tokens from the start of the piece, `piece` numbers the pieces."""

    ids: Ints
    place: Ints
    piece: Ints

    @classmethod
    def of(cls, pieces: list[Ints]) -> Stream:
        """Join pieces."""
        lengths = np.array([len(p) for p in pieces], np.int64)
        ids = np.concatenate(pieces).astype(np.int32) if pieces else np.zeros(0, np.int32)
        starts = np.repeat(np.cumsum(lengths) - lengths, lengths)
        place = (np.arange(len(ids)) - starts).astype(np.int32)
        return cls(ids, place, np.repeat(np.arange(len(pieces), dtype=np.int32), lengths))

    @property
    def is_pitch(self) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Where a PITCH stands."""
        pitch: np.ndarray[Any, np.dtype[np.bool_]] = (self.ids >= _PITCH) & (self.ids < _PITCH + 128)
        return pitch

    def before(self, values: Ints, distance: int, missing: int) -> Ints:
        """`values` of `distance` tokens ago, `missing` before the start of the piece."""
        moved = np.empty_like(values)
        moved[distance:] = values[:-distance] if distance else values
        moved[:distance] = missing
        moved[self.place < distance] = missing
        return moved

    def last(self, where: np.ndarray[Any, np.dtype[np.bool_]]) -> Ints:
        """Index of the last place before this one, in the same piece, where `where` holds; -1 if there is none."""
        index = np.arange(len(self.ids), dtype=np.int32)
        seen = np.maximum.accumulate(np.where(where, index, -1)) if len(index) else index
        moved = np.empty_like(seen)
        moved[1:], moved[:1] = seen[:-1], -1
        moved[moved < index - self.place] = -1
        return moved

    def last_value(self, where: np.ndarray[Any, np.dtype[np.bool_]], missing: int) -> Ints:
        """The id that stood there, `missing` if none."""
        at = self.last(where)
        value: Ints = np.where(at >= 0, self.ids[at], missing).astype(np.int32)
        return value


def previous_kind(stream: Stream) -> Ints:
    """Kind of the token before."""
    return stream.before(_KINDS[stream.ids], 1, int(Kind.PAD))


def position(stream: Stream) -> Ints:
    """The last POS or BAR: where in the bar we are."""
    kinds = _KINDS[stream.ids]
    return stream.last_value((kinds == Kind.POS) | (kinds == Kind.BAR), BEFORE)


def part(stream: Stream) -> Ints:
    """The last PART since the bar line, or the BAR."""
    kinds = _KINDS[stream.ids]
    return stream.last_value((kinds == Kind.PART) | (kinds == Kind.BAR), BEFORE)


def latest(stream: Stream, kind: Kind) -> Ints:
    """The last id of a kind in the piece."""
    return stream.last_value(_KINDS[stream.ids] == kind, BEFORE)


def reference(stream: Stream, coding: str) -> Ints:
    """What a PITCH at each place would be measured against: a pitch, or for `key` the tonic, -5..6, modulo 128."""
    if coding == "absolute":
        return np.zeros(len(stream.ids), np.int32)
    if coding == "key":
        return keys(stream) % 128
    start = _PITCH + 60
    nearest = stream.last_value(stream.is_pitch, start) - _PITCH
    if coding == "step":
        return nearest
    kinds = _KINDS[stream.ids]
    opens = (kinds == Kind.POS) | (kinds == Kind.PART) | (kinds == Kind.BAR)
    head = stream.last(opens) >= stream.last(stream.is_pitch)  # a pitch here would be the first of its onset and part
    current = stream.last_value(kinds == Kind.PART, _PART)
    result = nearest.copy()
    for one in np.unique(current):
        mine = current == one
        leading = stream.last_value(stream.is_pitch & head & mine, start) - _PITCH
        result[mine & head] = leading[mine & head]
    return result


def keys(stream: Stream) -> Ints:
    """Tonic of the relative major, -5..6, as the last notes before each place suggest it."""
    profiles = np.array([np.roll(_MAJOR, k) for k in range(12)] + [np.roll(_MINOR, k) for k in range(12)])
    profiles = (profiles - profiles.mean(1, keepdims=True)) / profiles.std(1, keepdims=True)
    collection = np.array([*range(12)] + [(k + 3) % 12 for k in range(12)])
    collection = np.where(collection > 6, collection - 12, collection).astype(np.int32)
    pitched = stream.is_pitch
    classes = (stream.ids[pitched] - _PITCH) % 12
    owners = stream.piece[pitched]
    bounds = np.flatnonzero(np.diff(owners, prepend=-1, append=-2))
    found = np.zeros(len(classes), np.int32)  # the key after each note
    for first, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        counts = np.zeros((end - first + 1, 12), np.float32)
        counts[np.arange(1, end - first + 1), classes[first:end]] = 1
        np.cumsum(counts, axis=0, out=counts)
        upto = np.arange(1, end - first + 1)
        window = counts[upto] - counts[np.maximum(upto - KEY_MEMORY, 0)]
        found[first:end] = collection[np.argmax(window @ profiles.T.astype(np.float32), axis=1)]
    spread = np.zeros(len(stream.ids), np.int32)
    spread[pitched] = found
    at = stream.last(pitched)
    result: Ints = np.where(at >= 0, spread[at], 0).astype(np.int32)
    return result


def coded(stream: Stream, against: Ints) -> Ints:
    """The ids with pitches measured against a reference, modulo 128."""
    pitch = (stream.ids - _PITCH - against) % 128 + _PITCH
    result: Ints = np.where(stream.is_pitch, pitch, stream.ids).astype(np.int32)
    return result


def mixed(hashes: Hashes, values: Ints) -> Hashes:
    """Hash one more value in (multiply and shift, as in SplitMix64)."""
    with np.errstate(over="ignore"):
        result: Hashes = (hashes ^ (values.astype(np.uint64) + np.uint64(0x9E37_79B9))) * np.uint64(
            0xBF58_476D_1CE4_E5B9
        )
    result ^= result >> np.uint64(31)
    with np.errstate(over="ignore"):
        result *= np.uint64(0x94D0_49BB_1331_11EB)
    result ^= result >> np.uint64(30)
    return result


@dataclass(frozen=True, slots=True)
class View:
    """A stream under one coding: `against` is the reference of each place, `symbols` what a model counts."""

    stream: Stream
    coding: str
    against: Ints
    symbols: Ints

    @classmethod
    def of(cls, stream: Stream, coding: str) -> View:
        """`coding` is one of `CODINGS`."""
        against = reference(stream, coding)
        return cls(stream, coding, against, coded(stream, against))

    def back(self, distance: int) -> Ints:
        """The symbol `distance` tokens ago; under `key` as seen from the key of now, not of then."""
        if self.coding != "key":
            return self.stream.before(self.symbols, distance, BEFORE)
        ids = self.stream.before(self.stream.ids, distance, BEFORE)
        pitch = (ids >= _PITCH) & (ids < _PITCH + 128)
        value: Ints = np.where(pitch, (ids - _PITCH - self.against) % 128 + _PITCH, ids).astype(np.int32)
        return value


def orders(view: View, highest: int, extra: tuple[Ints, ...] = ()) -> Iterator[Hashes]:
    """Hashes of the last 0, 1, .. `highest` symbols, each with `extra` hashed in first."""
    hashes: Hashes = np.zeros(len(view.stream.ids), np.uint64)
    for value in extra:
        hashes = mixed(hashes, value)
    yield hashes
    for distance in range(1, highest + 1):
        hashes = mixed(hashes, view.back(distance))
        yield hashes
