"""Piano rolls: where things lie, what is told apart, what is left out."""

from __future__ import annotations

import io
from dataclasses import replace
from itertools import combinations
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from daw_assist.errors import UsageError
from daw_assist.examples import greensleeves
from daw_assist.music.bars import Song
from daw_assist.music.metre import Metre
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import Ticks
from daw_assist.pictures import DARK, LIGHT, Picture, Roll, laid_out, png_bytes, roll_of, svg_text
from daw_assist.pictures.frame import DRUM_TICKS, MARGIN, NOTE_GAP, WIDTH, System, frame_of, systems_of
from daw_assist.pictures.layout import MAX_PIXELS, note_boxes
from daw_assist.pictures.png import plain
from daw_assist.pictures.roll import MAX_NOTES
from daw_assist.pictures.shapes import Label, width_of

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "</text><script>alert('x')</script>&\"'\x00\x1b[2J\u202e\ud800 \N{MUSIC SHARP SIGN}"


def note(onset: int, pitch: int = 60, part: Part = Part.KEYS, duration: int = 24, velocity: int = 100) -> Note:
    return Note(Ticks(onset), part, pitch, Ticks(duration), velocity)


def song(*notes: Note, metre: Metre = Metre()) -> Song:
    return Song(tuple(sorted(notes)), ((Ticks(0), metre),))


notes_of = st.lists(
    st.builds(
        note,
        st.integers(0, 3000),
        st.integers(0, 127),
        st.sampled_from(Part),
        st.integers(1, 300),
        st.integers(1, 127),
    ),
    min_size=1,
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(notes_of, st.sampled_from([Metre(4, 4), Metre(6, 8), Metre(7, 8), Metre(1, 32)]))
def test_every_note_lies_at_its_time_and_in_the_row_of_its_pitch(notes: list[Note], metre: Metre) -> None:
    roll = roll_of(song(*notes, metre=metre))
    cut = systems_of(roll.lines)
    frame = frame_of(cut, roll.notes)
    systems = [System(own, 100.0 * at) for at, own in enumerate(cut)]
    assert [line for own in cut for line in own] == list(roll.lines)
    assert all(frame.x(system, system.end) <= WIDTH - MARGIN + 0.01 for system in systems)
    boxes = note_boxes(roll, frame, systems)
    for one in set(roll.notes):
        own = [box for of, _, box in boxes if of == one]
        length = min(one.duration, DRUM_TICKS) if one.part is Part.DRUMS else one.duration
        seen = 0.0
        for system in systems:
            begin, end = max(one.onset, system.start), min(one.onset + length, system.end)
            if begin >= end:
                continue
            (box, *_) = [box for box in own if abs(box.x - frame.x(system, begin)) < 0.01 and system.top <= box.y + 0.5]
            top, row = frame.y(system, one)
            assert top <= box.y and box.y + box.height <= top + row
            assert box.width >= (end - begin) * frame.scale - NOTE_GAP - 0.01
            seen += end - begin
        assert seen == min(length, roll.lines[-1].start + roll.lines[-1].length - one.onset)


def test_rows_are_higher_for_higher_pitches_and_drums_lie_beneath_them_all() -> None:
    roll = roll_of(song(note(0, 60), note(0, 72), note(0, 36, Part.DRUMS), note(0, 42, Part.DRUMS)))
    cut = systems_of(roll.lines)
    frame = frame_of(cut, roll.notes)
    tops = {(of.part, of.pitch): box.y for of, _, box in note_boxes(roll, frame, [System(cut[0])])}
    order = [(Part.KEYS, 72), (Part.KEYS, 60), (Part.DRUMS, 42), (Part.DRUMS, 36)]
    assert sorted(tops, key=lambda key: tops[key]) == order


def test_parts_that_double_a_pitch_share_its_row() -> None:
    roll = roll_of(song(note(0), note(0, part=Part.STRINGS), note(48)))
    cut = systems_of(roll.lines)
    boxes = {(of.part, of.onset): box for of, _, box in note_boxes(roll, frame_of(cut, roll.notes), [System(cut[0])])}
    strings, keys, alone = boxes[Part.STRINGS, 0], boxes[Part.KEYS, 0], boxes[Part.KEYS, 48]
    assert strings.y + strings.height <= keys.y + 0.01
    assert keys.height == pytest.approx(alone.height / 2)


def test_what_is_suggested_has_a_rim_a_ground_of_its_own_and_a_word_for_it() -> None:
    roll = roll_of(song(note(0), note(96)), suggested_from=2)
    picture = laid_out(roll)
    shown = note_boxes(roll, frame_of(systems_of(roll.lines), (*roll.notes, *roll.suggested)), [System(roll.lines)])
    assert [(of.onset, new, box.rim) for of, new, box in shown] == [
        (0, False, None),
        (96, True, LIGHT.parts[Part.KEYS]),
    ]
    assert {LIGHT.new_paper, LIGHT.paper} <= {box.fill for box in picture.boxes}
    words = [label.text for label in picture.labels]
    assert "suggested" in words and "suggested (outlined)" in words and "given (filled)" in words
    assert "suggested" not in {label.text for label in laid_out(roll_of(song(note(0), note(96)))).labels}


def test_suggested_notes_may_stand_between_given_ones() -> None:
    roll = roll_of(song(note(0), note(96), note(192)), suggested=[note(96, 64)])
    assert roll.new_bars == (1, 1)
    assert [new.pitch for new in roll.suggested] == [64] and len(roll.notes) == 3


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_a_louder_note_is_stronger(theme: object) -> None:
    theme = DARK if theme is DARK else LIGHT
    roll = roll_of(song(note(0, velocity=20), note(24, velocity=120)))
    quiet, loud = (
        box.fill for _, _, box in note_boxes(roll, frame_of([roll.lines], roll.notes), [System(roll.lines)], theme)
    )

    def distance(colour: tuple[int, int, int]) -> int:
        return sum(abs(a - b) for a, b in zip(colour, theme.paper, strict=True))

    assert distance(loud) > distance(quiet) > 60


def test_the_colours_of_the_parts_are_seen_and_told_apart() -> None:
    for theme in (LIGHT, DARK):
        assert set(theme.parts) == set(Part)
        for first, second in combinations(Part, 2):
            apart = sum(abs(a - b) for a, b in zip(theme.parts[first], theme.parts[second], strict=True))
            assert apart > 50, (theme.name, first, second)


def over_each_other(first: Label, second: Label) -> bool:
    def edges(label: Label) -> tuple[float, float, float, float]:
        wide = width_of(label.text, label.size) * 0.9  # the estimate is on the safe side
        left = {"start": label.x, "middle": label.x - wide / 2, "end": label.x - wide}[label.anchor]
        return left, left + wide, label.y - label.size * 0.7, label.y

    a, b = edges(first), edges(second)
    return a[0] < b[1] and b[0] < a[1] and a[2] < b[3] and b[2] < a[3]


@pytest.mark.parametrize("metre", [Metre(4, 4), Metre(6, 8), Metre(1, 32), Metre(1, 8), Metre(8, 4)])
@pytest.mark.parametrize("step", [6, 12, 48])
def test_no_two_words_lie_over_each_other(metre: Metre, step: int) -> None:
    notes = [note(tick, 40 + tick % 50, Part(tick // 24 % 11)) for tick in range(0, 1500, 24)]
    chords = [(Ticks(tick), ("Am", "F#m7b5", "Ebmaj9/G", "C")[tick // step % 4]) for tick in range(0, 1500, step)]
    changes = ((Ticks(0), metre), (Ticks(300), Metre(3, 4)), (Ticks(309), Metre(5, 8)))
    many = Song(tuple(sorted(notes)), changes)
    picture = laid_out(roll_of(many, suggested_from=4, chords=chords, title="A title", caption="seed 7"))
    for first, second in combinations(picture.labels, 2):
        assert not over_each_other(first, second), (first, second)
    assert all(0 <= label.x <= picture.width and 0 < label.y <= picture.height for label in picture.labels)


def test_bars_are_numbered_and_a_metre_is_told_where_it_changes() -> None:
    two = Song((note(0), note(96), note(168)), ((Ticks(0), Metre()), (Ticks(96), Metre(3, 4))))
    words = [label.text for label in laid_out(roll_of(two)).labels]
    assert words.count("4/4") == words.count("3/4") == 1
    assert {"1", "2", "3"} <= set(words)


def test_long_pieces_go_on_in_the_next_system() -> None:
    long = song(*(note(bar * 96) for bar in range(40)))
    picture, short = laid_out(roll_of(long)), laid_out(roll_of(song(note(0))))
    assert picture.width <= WIDTH and picture.height > 4 * (short.height - 100)
    assert short.width < picture.width
    assert [label.text for label in picture.labels].count("C4") == 5  # eight bars a system


def test_only_the_bars_that_were_asked_for_are_shown() -> None:
    roll = roll_of(song(*(note(bar * 96, 60 + bar) for bar in range(9))), first=3, last=4, suggested_from=4)
    assert [of.pitch for of in roll.notes] == [62] and [of.pitch for of in roll.suggested] == [63]
    assert roll.new_bars == (3, 3)
    assert {"3", "4"} <= {label.text for label in laid_out(roll).labels}


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"first": 0}, "first bar must be in 1..2, the bars that there are, not 0"),
        ({"last": 3}, "last bar must be in 1..2"),
        ({"suggested_from": 9}, "first suggested bar must be in 1..2"),
        ({"first": 2, "last": 1}, r"last bar \(1\) comes before the first \(2\)"),
    ],
)
def test_bars_that_are_not_there_are_refused(asked: dict[str, int], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        roll_of(song(note(0), note(96)), **asked)  # type: ignore[arg-type]


def test_ten_hours_give_a_picture_of_bounded_size_that_says_what_it_shows() -> None:
    long = song(*(note(bar * 96) for bar in range(18_000)))
    picture = laid_out(roll_of(long))
    assert picture.width * picture.height <= MAX_PIXELS
    assert picture.told.startswith("bars 1-") and "of 1-18000 are shown" in picture.told
    assert picture.told in {label.text for label in picture.labels}
    ended = laid_out(roll_of(long, suggested_from=17_990))
    assert "-18000 of 1-18000 are shown" in ended.told and "suggested" in {label.text for label in ended.labels}


def test_a_hundred_thousand_notes_are_bounded_too() -> None:
    crowd = song(*(note(tick * 3 % 9000, tick % 128, duration=3) for tick in range(100_000)))
    roll = roll_of(Song(tuple(sorted(set(crowd.notes))), crowd.metres))
    assert len(roll.notes) <= MAX_NOTES and roll.told


def test_nothing_to_show_is_said() -> None:
    picture = laid_out(roll_of(Song(())))
    assert "there is no note to show" in {label.text for label in picture.labels}
    assert png_bytes(picture) and svg_text(picture)


def test_an_svg_is_xml_whatever_the_names() -> None:
    roll = roll_of(greensleeves(), title=HOSTILE, caption=HOSTILE, chords=[(Ticks(0), HOSTILE)])
    root = ElementTree.fromstring(svg_text(laid_out(roll), HOSTILE))
    assert {child.tag for child in root.iter()} == {f"{SVG}{tag}" for tag in ("svg", "title", "rect", "g", "text")}
    texts = [text.text or "" for text in root.iter(f"{SVG}text")]
    assert any(text.startswith("</text><script>alert('x')</script>&\"'??[2J??") for text in texts)
    assert "\N{MUSIC SHARP SIGN}" in texts[0]


def test_an_svg_holds_every_note_where_the_layout_has_it() -> None:
    picture = laid_out(roll_of(greensleeves(), suggested_from=15))
    root = ElementTree.fromstring(svg_text(picture))
    boxes = list(root.iter(f"{SVG}rect"))
    assert (root.get("width"), root.get("height")) == (str(picture.width), str(picture.height))
    assert len(boxes) == 1 + len(picture.boxes)
    rims = [box for box in boxes if box.get("stroke")]
    assert len(rims) == sum(box.rim is not None for box in picture.boxes) > 20


def opened(picture: Picture) -> Image.Image:
    return Image.open(io.BytesIO(png_bytes(picture))).convert("RGB")


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_a_png_has_the_size_and_the_colours_of_the_layout(theme: object) -> None:
    theme = DARK if theme is DARK else LIGHT
    roll = roll_of(greensleeves(), suggested_from=15)
    picture = laid_out(roll, theme)
    image = opened(picture)
    assert image.size == (picture.width, picture.height)
    filled = [box for box in picture.boxes if box.rim is None and box.width > 20 and 8.5 < box.height < 9.5]
    assert len(filled) > 100
    for box in filled:
        assert image.getpixel((int(box.x + box.width / 2), int(box.y + box.height / 2))) == box.fill
    for box in (box for box in picture.boxes if box.rim is not None and box.width > 20):
        middle = (int(box.x + box.width / 2), int(box.y + box.height / 2))
        assert image.getpixel(middle) == box.fill
        edge = image.getpixel((middle[0], int(box.y + 1)))
        assert isinstance(edge, tuple) and edge != box.fill and edge != theme.new_paper


def test_names_of_any_letters_are_drawn() -> None:
    roll = replace(roll_of(song(note(0))), title=HOSTILE + "Žluťoučký kůň 東京 " * 30)
    assert opened(laid_out(roll)).size[0] > 0
    assert plain("Žluťoučký Fryderyk é ł \N{MUSIC FLAT SIGN} 東") == "Zlutoucky Fryderyk e l b ?"


def test_the_same_roll_gives_the_same_bytes() -> None:
    first, second = (laid_out(roll_of(greensleeves())) for _ in range(2))
    assert first == second
    assert png_bytes(first) == png_bytes(second) and svg_text(first) == svg_text(second)


def test_a_roll_without_bars_is_a_roll() -> None:
    assert laid_out(Roll((), ())).height < 200
