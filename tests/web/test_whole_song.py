"""What a session has heard, longer than a view shows."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from daw_assist.music.bars import Bar
from daw_assist.music.metre import Metre
from daw_assist.suggest.view import MOST_HEARD
from daw_assist.web.exports import song_bars
from daw_assist.web.whole_song import MOST_BARS, WholeSong
from tests.web.conftest import a_bar, a_plan, a_suggestion, a_view


def heard(song: WholeSong, bars: list[Bar]) -> None:
    song.saw(a_view(number=len(bars), heard=tuple(bars[-MOST_HEARD:])))


@given(st.lists(st.integers(1, MOST_HEARD), max_size=12))
def test_views_that_follow_each_other_closely_enough_give_all_of_it(steps: list[int]) -> None:
    song, bars = WholeSong(), [a_bar(0)]
    heard(song, bars)
    for step in steps:
        bars += [a_bar(len(bars) % 100 + i % 20) for i in range(step)]
        heard(song, bars)
    assert [song.bars()[number] for number in range(len(bars))] == bars
    exported, _ = song_bars(a_view(number=len(bars), heard=tuple(bars[-MOST_HEARD:]), open=Bar(Metre())), song.bars())
    assert list(exported) == bars


def test_what_was_put_in_the_place_of_bars_is_in_it_and_another_song_begins_anew() -> None:
    song, bars = WholeSong(), [a_bar(60 + i) for i in range(40)]
    heard(song, bars[:20])
    heard(song, bars)
    heard(song, [*bars[:30], a_bar(1), *bars[31:]])
    assert song.bars()[30] == a_bar(1) and song.bars()[0] == bars[0]
    heard(song, bars[:3])
    assert song.bars() == dict(enumerate(bars[:3]))


def test_a_file_longer_than_a_view_is_in_it_whole() -> None:
    song, played, file = WholeSong(), [a_bar(50)] * 5, [a_bar(60 + i) for i in range(60)]
    heard(song, played)
    song.dropped(file)
    heard(song, played)
    heard(song, [*played, *file])
    heard(song, [*played, *file, a_bar(1)])
    assert [song.bars()[number] for number in range(66)] == [*played, *file, a_bar(1)]


def test_it_is_bounded() -> None:
    song, bars = WholeSong(), [a_bar(60)] * (MOST_BARS + 40)
    for end in range(32, len(bars) + 1, 32):
        heard(song, bars[:end])
    assert len(song.bars()) == MOST_BARS and max(song.bars()) >= MOST_BARS


def test_an_export_has_what_is_to_stand_in_place_and_not_what_it_replaces() -> None:
    view = a_view(plan=a_plan(a_suggestion(), number=1, in_place=True))
    bars, _ = song_bars(view)
    assert [len(bar.notes) for bar in bars] == [4, 3, 3, 1]
