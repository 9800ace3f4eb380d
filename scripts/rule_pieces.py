#!/usr/bin/env python3
"""Little pieces made by rules, as .mid files, to try training with: scripts/rule_pieces.py OUT_DIR [--count 150] [--seed 1]

Walking scales, broken chords over a bass, canons, drum patterns and a melody over a bass, in 4/4, 3/4, 6/8 and 7/8. Each is
a form of two or three short ideas that come back (A A B A), so there is something to learn; ideas are drawn by the seed.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from random import Random

from daw_assist.midi.file import from_song, save_midi
from daw_assist.music.bars import Song
from daw_assist.music.metre import Metre
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import TempoMap, Ticks

EIGHTH = 12
METRES = (Metre(4, 4), Metre(3, 4), Metre(7, 8), Metre(6, 8))
GROUPS = {Metre(4, 4): (2, 2, 2, 2), Metre(3, 4): (2, 2, 2), Metre(7, 8): (2, 2, 3), Metre(6, 8): (3, 3)}
"""Eighths between the beats of a bar."""
SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10))
FORMS = ("AABA", "AABB", "ABAC", "ABCA")
IDEA_BARS = 4

Draw = Callable[[Random, Metre], list[Note]]


def tone(scale: tuple[int, ...], root: int, degree: int) -> int:
    """Pitch of a degree (any integer) of the scale that starts at `root`."""
    octave, step = divmod(degree, 7)
    return root + 12 * octave + scale[step]


def note(eighths: float, part: Part, pitch: int, length: float, velocity: int = 80) -> Note:
    """Onset and length in eighths."""
    return Note(Ticks(round(eighths * EIGHTH)), part, pitch, Ticks(max(1, round(length * EIGHTH))), velocity)


def bar_eighths(metre: Metre) -> int:
    """Eighths in a bar."""
    return int(metre.bar_ticks) // EIGHTH


def walk(rng: Random, count: int) -> list[int]:
    """Degrees of a melody: mostly steps, some leaps, kept within an octave and a half."""
    found = [rng.randrange(0, 8)]
    while len(found) < count:
        step = rng.choice((-1, 1, -1, 1, -2, 2, 0, 4, -3))
        found.append(min(12, max(-2, found[-1] + step)))
    return found


def rhythm(rng: Random, metre: Metre) -> list[float]:
    """Lengths in eighths that fill a bar, each beat split in one of a few ways."""
    found: list[float] = []
    for group in GROUPS[metre]:
        found += rng.choice(([group], [1.0] * group, [group - 1, 1], [group - 0.5, 0.5]))
    return found


def line(rng: Random, metre: Metre, part: Part, root: int, scale: tuple[int, ...]) -> list[Note]:
    """A melody of one idea: one rhythm for every bar but the last."""
    usual, last = rhythm(rng, metre), rhythm(rng, metre)
    lengths = usual * (IDEA_BARS - 1) + last
    found, here = [], 0.0
    for degree, length in zip(walk(rng, len(lengths)), lengths, strict=True):
        found.append(note(here, part, tone(scale, root, degree), length, 84 if here % bar_eighths(metre) == 0 else 72))
        here += length
    return found


def scales(rng: Random, metre: Metre) -> list[Note]:
    """A figure of a few notes, moved up or down the scale by one degree each time."""
    scale, root = rng.choice(SCALES), rng.choice((60, 62, 65, 67))
    figure = [0, *(rng.randrange(-3, 5) for _ in range(rng.randrange(2, 5)))]
    direction, start = rng.choice((-1, 1)), rng.randrange(0, 7)
    count = bar_eighths(metre) * IDEA_BARS
    degrees = [start + direction * (i // len(figure) % 8) + figure[i % len(figure)] for i in range(count)]
    return [note(i, Part.KEYS, tone(scale, root, d), 1) for i, d in enumerate(degrees)]


def arpeggios(rng: Random, metre: Metre) -> list[Note]:
    """Chords of the scale, one a bar, broken in one order, over their roots."""
    scale, root = rng.choice(SCALES), rng.choice((55, 57, 60))
    order = [rng.choice((0, 2, 4, 7)) for _ in range(bar_eighths(metre))]
    found = []
    for bar in range(IDEA_BARS):
        chord, here = rng.choice((0, 3, 4, 5, 1)), bar * bar_eighths(metre)
        found.append(note(here, Part.BASS, tone(scale, root - 24, chord), bar_eighths(metre)))
        found += [note(here + i, Part.GUITAR, tone(scale, root, chord + step), 1) for i, step in enumerate(order)]
    return found


def canon(rng: Random, metre: Metre) -> list[Note]:
    """A voice, and another an octave below that says the same two bars later, as far as the idea goes."""
    leader = line(rng, metre, Part.VOICE, rng.choice((65, 67, 69)), rng.choice(SCALES))
    late, end = 2 * int(metre.bar_ticks), IDEA_BARS * int(metre.bar_ticks)
    follower = [
        Note(Ticks(n.onset + late), Part.STRINGS, n.pitch - 12, n.duration, n.velocity)
        for n in leader
        if n.onset + late < end
    ]
    return leader + follower


def drums(rng: Random, metre: Metre) -> list[Note]:
    """Bass drum and snare on some beats, a cymbal on every eighth; a fill in the last bar."""
    beats = [sum(GROUPS[metre][:i]) for i in range(len(GROUPS[metre]))]
    low, high = {0, *rng.sample(beats, 1)}, {rng.choice(beats[1:])}
    extra, cymbal = rng.randrange(bar_eighths(metre)), rng.choice((42, 51, 46))
    found = []
    for bar in range(IDEA_BARS):
        here = bar * bar_eighths(metre)
        for eighth in range(bar_eighths(metre)):
            hits = [cymbal] + [36] * (eighth in low or eighth == extra) + [38] * (eighth in high and eighth not in low)
            if bar == IDEA_BARS - 1 and eighth >= bar_eighths(metre) - 2:
                hits = [45, 41]
            found += [note(here + eighth, Part.DRUMS, pitch, 0.5, 90 if eighth in beats else 70) for pitch in hits]
    return found


def two_parts(rng: Random, metre: Metre) -> list[Note]:
    """A melody over a bass that plays on the beats."""
    scale, root = rng.choice(SCALES), rng.choice((60, 62, 64))
    found = line(rng, metre, Part.LEAD, root + 5, scale)
    pattern = [rng.choice((0, 4, 7)) for _ in GROUPS[metre]]
    for bar in range(IDEA_BARS):
        here, chord = bar * bar_eighths(metre), rng.choice((0, 3, 4, 5))
        for group, step in zip(GROUPS[metre], pattern, strict=True):
            found.append(note(here, Part.BASS, tone(scale, root - 24, chord + step), group))
            here += group
    return found


FAMILIES: dict[str, Draw] = {
    "scales": scales, "arpeggios": arpeggios, "canon": canon, "drums": drums, "two_parts": two_parts,
}  # fmt: skip


def compose(family: str, number: int, seed: int) -> Song:
    """One piece: sixteen bars in four ideas, some of them the same."""
    rng = Random(f"{seed} {family} {number}")
    metre, form = METRES[number % len(METRES)], rng.choice(FORMS)
    ideas = {letter: FAMILIES[family](rng, metre) for letter in sorted(set(form))}
    length = IDEA_BARS * int(metre.bar_ticks)
    notes = [n.moved(place * length) for place, letter in enumerate(form) for n in ideas[letter]]
    tempo = TempoMap(((Ticks(0), float(rng.choice((80, 100, 120, 140)))),))
    return Song(tuple(sorted(notes)), ((Ticks(0), metre),), tempo)


def write_pieces(out: Path, count: int, seed: int) -> dict[Path, Song]:
    """`count` files in `out`, family after family in turn."""
    out.mkdir(parents=True, exist_ok=True)
    made: dict[Path, Song] = {}
    names = list(FAMILIES)
    for index in range(count):
        family, number = names[index % len(names)], index // len(names)
        path = out / f"{family}-{number:03d}.mid"
        made[path] = compose(family, number, seed)
        save_midi(from_song(made[path]), path)
    return made


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--count", type=int, default=150)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    made = write_pieces(args.out, args.count, args.seed)
    print(f"{len(made)} pieces, {sum(len(song.notes) for song in made.values())} notes in {args.out}")


if __name__ == "__main__":
    main()
