from __future__ import annotations

import pytest

from daw_assist.errors import UsageError
from daw_assist.music.keys import SCALES, Key, parse_key

SPELLINGS = [
    ("G", 7, "major"),
    ("g", 7, "major"),
    ("F# minor", 6, "minor"),
    ("Bb major", 10, "major"),
    ("d dorian", 2, "dorian"),
    ("Am", 9, "minor"),
    ("f#m", 6, "minor"),
    ("Bbm", 10, "minor"),
    ("Ebmaj", 3, "major"),
    ("C min", 0, "minor"),
    ("b", 11, "major"),
    ("bb", 10, "major"),
    ("Bb", 10, "major"),
    ("B blues", 11, "blues"),
    ("bb blues", 10, "blues"),
    ("Cb", 11, "major"),
    ("B# major", 0, "major"),
    ("F##", 7, "major"),
    ("Abb minor", 7, "minor"),
    ("E♭ major", 3, "major"),
    ("F♯ lydian", 6, "lydian"),
    ("  C   Major ", 0, "major"),
    ("A-minor", 9, "minor"),
    ("A_minor_pentatonic", 9, "minor pentatonic"),
    ("A minor pentatonic", 9, "minor pentatonic"),
    ("C major pentatonic", 0, "pentatonic"),
    ("E PHRYGIAN", 4, "phrygian"),
    ("G mixolydian", 7, "mixolydian"),
    ("C chromatic", 0, "chromatic"),
]


@pytest.mark.parametrize(("text", "tonic", "mode"), SPELLINGS)
def test_a_key_is_read_as_musicians_write_it(text: str, tonic: int, mode: str) -> None:
    assert parse_key(text) == Key(tonic, mode)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("C", "C D E F G A B"),
        ("F# major", "F# G# A# B C# D# F"),
        ("A minor", "A B C D E F G G#"),
        ("D dorian", "D E F G A B C"),
        ("E phrygian", "E F G A B C D"),
        ("F lydian", "F G A B C D E"),
        ("G mixolydian", "G A B C D E F"),
        ("F# pentatonic", "F# G# A# C# D#"),
        ("A minor pentatonic", "A C D E G"),
        ("A blues", "A C D D# E G"),
        ("G chromatic", "C C# D D# E F F# G G# A A# B"),
    ],
)
def test_a_key_holds_its_pitch_classes(text: str, names: str) -> None:
    order = ["C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B"]
    assert parse_key(text).pitch_classes == {order.index(name) for name in names.split()}


@pytest.mark.parametrize(
    "text", ["", " ", "H", "X minor", "minor", "C#b", "###", "Gmajor7", "C minor/major", "1", "C\0", "chromatic"]
)
def test_what_is_no_key_is_one_line_with_examples(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_key(text)
    assert "give it like G, F# minor" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_mistyped_mode_gets_the_nearest_one_suggested() -> None:
    with pytest.raises(UsageError, match=r"there are major, minor.*did you mean Bb dorian\?"):
        parse_key("bb dorain")


def test_an_endless_key_makes_a_short_error() -> None:
    with pytest.raises(UsageError) as caught:
        parse_key("C " + "x" * 100_000)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("mode", SCALES)
@pytest.mark.parametrize("tonic", range(12))
def test_a_key_shown_is_read_as_the_same_key(tonic: int, mode: str) -> None:
    assert parse_key(str(Key(tonic, mode))) == Key(tonic, mode)
