"""Windows of token ids from packed corpora (see `scripts/prepare_corpora.py`), drawn with a weight per source.

What steers the model is said at random: style, key, tempo, parts before the piece, attributes before a bar; so it also
learns to do without. A share of the windows is in fill order: what comes later is said first (see `tokens.vocab`).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from daw_assist.music.bars import Bar
from daw_assist.music.key_finding import find_key
from daw_assist.music.metre import Metre
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import Ticks
from daw_assist.tokens.attributes import NAMES, Attributes, levels
from daw_assist.tokens.encode import NOTHING_SAID, encode_ahead, encode_bars, encode_header
from daw_assist.tokens.vocab import EOS

WEIGHTS = {
    ("nifc-polish", "sacred"): 0.08, ("nifc-polish", "classical"): 0.10, ("nifc-polish", "song"): 0.05,
    ("nifc-polish", "dance"): 0.10, ("nifc-chopin", "piano"): 0.07, ("nifc-chopin", "dance"): 0.04,
    ("openscore-lieder", "song"): 0.13, ("openscore-quartets", "quartet"): 0.06, ("mutopia", "classical"): 0.10,
    ("js-fakes", "chorale"): 0.02, ("groove", "drums"): 0.05, ("freedoom", "rock"): 0.08, ("simutrans", "band"): 0.07,
    ("open-hymnal", "hymn"): 0.03, ("openewld", "leadsheet"): 0.05, ("user", ""): 0.20,
}  # fmt: skip
"""Share of windows by (source, style); what is not named here is left out. By notes, three quarters of the corpora are
music of the 18th and 19th century; band music, dances, drums and lead sheets get more than their notes would."""

FILL_SHARE = 0.2
ALTERED_SHARE = 0.25
"""Of the rest: windows whose later bars are not what the earlier ones let expect, and say so. In music as it stands a bar
is much like the one before, so what is said of it adds little and would be little heeded."""
MAX_AFTER = 4
FILLED_BARS = (1, 1, 2, 2, 3, 4, 4, 6, 8)

PITCHED = [part for part in Part if part is not Part.DRUMS]


Change = Callable[[Bar], list[Note]]


class Corpus:
    """The pieces of one split. Threads: one (each loader opens its own)."""

    def __init__(self, path: Path) -> None:
        with np.load(path, allow_pickle=False) as store:
            self.notes, self.bars = store["notes"], store["bars"]
            self.note_offsets, self.bar_offsets = store["note_offsets"], store["bar_offsets"]
            self.words: list[dict[str, Any]] = json.loads(store["words"].tobytes())

    def piece(self, index: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """(notes, bars) of one piece: (n, 6) bar, position, part, pitch, duration, velocity; (m, 3) num, den, ticks."""
        a, b = self.note_offsets[index : index + 2]
        c, d = self.bar_offsets[index : index + 2]
        return self.notes[a:b], self.bars[c:d]

    def read(self, index: int, first: int = 0, last: int = 1 << 30, shift: int = 0) -> list[Bar]:
        """Bars first..last-1 of a piece, transposed by `shift` semitones (never the drums)."""
        notes, bars = self.piece(index)
        last = min(last, len(bars))
        own = notes[np.searchsorted(notes[:, 0], first) : np.searchsorted(notes[:, 0], last)].tolist()
        held: list[list[Note]] = [[] for _ in range(last - first)]
        for bar, onset, part, pitch, duration, velocity in own:
            moved = pitch if part == Part.DRUMS else min(127, max(0, pitch + shift))
            held[bar - first].append(Note(Ticks(onset), Part(part), moved, Ticks(duration), velocity))
        return [
            Bar(Metre(num, den), tuple(found), Ticks(ticks))
            for (num, den, ticks), found in zip(bars[first:last].tolist(), held, strict=True)
        ]


def _octave(by: int) -> Change:
    def moved(bar: Bar) -> list[Note]:
        return [
            n if n.part is Part.DRUMS or not 0 <= n.pitch + by <= 127 else replace(n, pitch=n.pitch + by)
            for n in bar.notes
        ]

    return moved


def _outer(voices: int) -> Change:
    """Of the notes that start together the highest, the lowest, the next highest: as many as `voices`."""

    def reduced(bar: Bar) -> list[Note]:
        kept = [n for n in bar.notes if n.part is Part.DRUMS]
        together: dict[int, list[Note]] = {}
        for note in bar.notes:
            if note.part is not Part.DRUMS:
                together.setdefault(note.onset, []).append(note)
        for chord in together.values():
            chord.sort(key=lambda n: -n.pitch)
            kept += [chord[0], *chord[:0:-1][:1], *chord[1:-1]][:voices]
        return kept

    return reduced


def _on_beats(bar: Bar) -> list[Note]:
    """Only what starts on a beat, held to the next one."""
    beat = bar.metre.beat_ticks
    return [replace(n, duration=max(n.duration, beat)) for n in bar.notes if n.onset % beat == 0]


def _divided(bar: Bar) -> list[Note]:
    """Each note of at least an eighth struck twice in its time."""
    halves = [
        (replace(n, duration=Ticks(n.duration // 2)), n.moved(n.duration // 2))
        if n.duration >= 12 and n.onset + n.duration // 2 < bar.length
        else (n,)
        for n in bar.notes
    ]
    return [n if i == 0 else replace(n, duration=Ticks(n.duration // 2)) for own in halves for i, n in enumerate(own)]


def _doubled(bar: Bar) -> list[Note]:
    """Each pitched note with its octave above."""
    high = [replace(n, pitch=n.pitch + 12) for n in bar.notes if n.part is not Part.DRUMS and n.pitch < 116]
    return [*high, *bar.notes]


def _once(notes: list[Note]) -> tuple[Note, ...]:
    """In order, each pitch of a part at most once at an onset."""
    return tuple(sorted({(n.onset, n.part, n.pitch): n for n in notes}.values()))


ALTERATIONS: tuple[tuple[tuple[str, ...], Change | None], ...] = (
    (("register",), _octave(12)),
    (("register",), _octave(-12)),
    (("polyphony",), _outer(1)),
    (("polyphony",), _outer(2)),
    (("polyphony",), _outer(3)),
    (("polyphony",), _doubled),
    (("density",), _on_beats),
    (("density",), _divided),
    (("density", "polyphony", "register", "syncopation"), None),
    (("density",), None),
    (("polyphony",), None),
    (("register",), None),
    (("syncopation",), None),
)
"""What is said, and what is done to the bars; None: other bars of the piece."""


class Windows:
    """Endless training windows: piece by weight, place and key at random.

    `plain`: only style is said, nothing is filled, nothing left out: what validation is measured on.
    """

    def __init__(self, corpus: Corpus, seed: int, plain: bool = False) -> None:
        self.corpus, self.plain = corpus, plain
        self.rng = np.random.default_rng(seed)
        groups: dict[tuple[str, str], list[int]] = {}
        for i, words in enumerate(corpus.words):
            groups.setdefault((words["source"], words["style"]), []).append(i)
        self.groups = [(np.array(groups[key]), weight) for key, weight in WEIGHTS.items() if key in groups]
        total = sum(weight for _, weight in self.groups)
        self.chances = np.array([weight / total for _, weight in self.groups])
        sizes = np.diff(corpus.note_offsets).astype(float)
        self.sizes = [sizes[members] ** 0.75 / (sizes[members] ** 0.75).sum() for members, _ in self.groups]

    def window(self, length: int) -> np.ndarray[Any, Any]:
        """`length` + 1 ids; where one stretch ends early the opening of another follows, after EOS if its piece ended."""
        ids: list[int] = []
        while len(ids) <= length:
            ids += self._stretch(length + 1 - len(ids))
        return np.array(ids[: length + 1], np.int64)

    def batch(self, size: int, length: int) -> np.ndarray[Any, Any]:
        """(size, length + 1) ids."""
        return np.stack([self.window(length) for _ in range(size)])

    def _stretch(self, room: int) -> list[int]:
        rng = self.rng
        which = rng.choice(len(self.groups), p=self.chances)
        index = int(rng.choice(self.groups[which][0], p=self.sizes[which]))
        words = self.corpus.words[index]
        notes, lines = self.corpus.piece(index)
        first = 0 if rng.random() < 0.25 else int(rng.integers(max(1, len(lines) - 4)))
        # A note takes two to three ids: more bars than these are not needed.
        begin = int(np.searchsorted(notes[:, 0], first))
        last = int(notes[min(begin + room, len(notes) - 1), 0]) + 1 if len(notes) else first + 1
        last = min(max(last, first + 1), first + room // 2 + 1, len(lines))
        bars = self.corpus.read(index, first, last, 0 if self.plain else int(rng.integers(-5, 7)))
        style = words["style"] or None
        if self.plain:
            return self._closed([*encode_header(style), *encode_bars(bars)], last == len(lines), room)
        if rng.random() < 0.15:
            bars = self._one_part(bars)
        dynamics = bool(words["dynamics"]) and rng.random() < 0.5
        # What is said before the piece is to be true of the bars that follow, not of those that the room leaves out.
        costs = np.cumsum([len(encode_bars([bar], None, dynamics)) for bar in bars])
        fits = int(np.searchsorted(costs, room)) + 1
        whole = last == len(lines) and fits >= len(bars)
        onward, bars = bars, bars[:fits]
        header = encode_header(
            style if rng.random() < 0.6 else None,
            dynamics,
            find_key([n for bar in bars for n in bar.notes]) if rng.random() < 0.3 else None,
            words.get("bpm") if rng.random() < 0.3 else None,
            {n.part for bar in bars for n in bar.notes} if rng.random() < 0.3 else (),
        )
        if rng.random() < FILL_SHARE and len(bars) > 1:
            return self._fill(header, bars, dynamics, room)
        if rng.random() < ALTERED_SHARE and len(bars) > 4:
            return self._altered(header, onward, dynamics, room)
        ids = header + encode_bars(bars, None, dynamics, self._speaker(len(bars), dynamics))
        return self._closed(ids, whole, room)

    def _closed(self, ids: list[int], whole: bool, room: int) -> list[int]:
        return [*ids, EOS] if whole else ids[:room]

    def _speaker(self, count: int, dynamics: bool) -> Callable[[int, Bar], Attributes]:
        """What is said of each bar: nothing at all, some attributes from some bar on, or now this and now that."""
        rng = self.rng
        manner = rng.random()
        chosen = [n for n in NAMES if rng.random() < 0.4 and (dynamics or n != "loudness")]
        if manner < 0.4 or not chosen:
            return lambda index, bar: NOTHING_SAID
        since = int(rng.integers(count)) if manner < 0.75 else 0
        chance = 1.0 if manner < 0.75 else rng.random()

        def said(index: int, bar: Bar) -> Attributes:
            if index < since:
                return NOTHING_SAID
            found = levels(bar)
            return Attributes(**{n: getattr(found, n) for n in chosen if chance == 1.0 or rng.random() < chance})

        return said

    def _altered(self, header: list[int], bars: list[Bar], dynamics: bool, room: int) -> list[int]:
        """Other bars of the piece, or the true ones an octave off or reduced, follow; what that changes is said of them."""
        rng = self.rng
        costs = np.cumsum([len(encode_bars([bar], bar.metre, dynamics)) + 2 for bar in bars])
        fits = int(np.searchsorted(costs, room - len(header)))
        turn = int(rng.integers(1, max(2, min(fits, len(bars) - 1))))
        named, change = ALTERATIONS[int(rng.integers(len(ALTERATIONS)))]
        if change is None:
            place = int(rng.integers(len(bars)))
            after = bars[place : place + fits]
        else:
            after = [replace(bar, notes=_once(change(bar))) for bar in bars[turn : 2 * fits + 2]]
        also = {n for n in NAMES if rng.random() < 0.2 and (dynamics or n != "loudness")}

        def said(index: int, bar: Bar) -> Attributes:
            found = levels(bar)
            return Attributes(**{n: getattr(found, n) for n in {*named, *also}})

        return (
            header + encode_bars(bars[:turn], None, dynamics) + encode_bars(after, bars[turn - 1].metre, dynamics, said)
        )[:room]

    def _fill(self, header: list[int], bars: list[Bar], dynamics: bool, room: int) -> list[int]:
        """Some bars in the middle as the last of the window, what is fixed of them and what comes after them first."""
        rng = self.rng
        count = min(int(rng.choice(FILLED_BARS)), len(bars) - 1)
        costs = [len(encode_bars([bar], bar.metre, dynamics)) + 1 for bar in bars]
        fits = max(1, int(np.searchsorted(np.cumsum(costs), room)))  # bars that the room holds in all
        first = int(rng.integers(max(1, min(fits, len(bars) - count + 1))))
        middle = bars[first : first + count]
        after = bars[first + count : first + count + int(rng.integers(MAX_AFTER + 1))]
        fixed = self._fixed(middle)
        ids = [*header, *encode_ahead(fixed, after, dynamics)]
        own = encode_bars(middle, bars[first - 1].metre if first else None, dynamics, self._speaker(count, dynamics))
        left = room - len(ids) - len(own) - 3
        past = first
        while past and left >= costs[past - 1]:
            past -= 1
            left -= costs[past]
        before = encode_bars(bars[past:first], None, dynamics)
        if past == first and first:  # no room for any past: the metre is said in the first filled bar instead
            own = encode_bars(middle, None, dynamics)
        return [*ids, *before, *own, EOS][:room]

    def _fixed(self, middle: list[Bar]) -> list[Bar]:
        """The bars with only what is fixed in them: nothing, some parts, single notes, or how they begin."""
        rng = self.rng
        manner = rng.random()
        parts = sorted({n.part for bar in middle for n in bar.notes})
        if manner < 0.45 or not parts:
            return [replace(bar, notes=()) for bar in middle]
        if manner < 0.8:
            if len(parts) == 1:
                return [replace(bar, notes=()) for bar in middle]
            chosen = set(rng.permutation(parts)[: int(rng.integers(1, len(parts)))].tolist())
            return [replace(bar, notes=tuple(n for n in bar.notes if n.part in chosen)) for bar in middle]
        if manner < 0.9:
            chance = rng.random() * 0.5
            return [replace(bar, notes=tuple(n for n in bar.notes if rng.random() < chance)) for bar in middle]
        until = int(rng.integers(middle[0].length))
        return [
            replace(bar, notes=tuple(n for n in bar.notes if not i and n.onset < until)) for i, bar in enumerate(middle)
        ]

    def _one_part(self, bars: list[Bar]) -> list[Bar]:
        """Only one of the parts, half the time called something else: a live stream often is a single line on any channel."""
        present = sorted({note.part for bar in bars for note in bar.notes})
        if not present:
            return bars
        chosen = present[int(self.rng.integers(len(present)))]
        called = chosen
        if chosen is not Part.DRUMS and self.rng.random() < 0.5:
            called = Part.KEYS if self.rng.random() < 0.7 else PITCHED[int(self.rng.integers(len(PITCHED)))]

        def own(bar: Bar) -> tuple[Note, ...]:
            return tuple(replace(n, part=called) for n in bar.notes if n.part == chosen)

        return [replace(bar, notes=own(bar)) for bar in bars]
