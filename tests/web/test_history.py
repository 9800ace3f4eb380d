"""What is remembered of suggestions, by values."""

from __future__ import annotations

import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from daw_assist.suggest.suggestion import Suggestion
from daw_assist.suggest.view import PlayingView
from daw_assist.web.history import MOST_ITEMS, Entry, History
from daw_assist.web.history_file import HistoryFile, entry_of, line_of
from tests.web.conftest import a_plan, a_suggestion, a_view, edited


def a_history(entries: Any = ()) -> tuple[History, list[Entry]]:
    lines: list[Entry] = []
    return History(list(entries), lines.append, lambda: 5.0), lines


def shown(history: History, made: Suggestion, **fields: Any) -> str:
    entry = history.saw(a_view(plan=a_plan(made, **fields)))
    assert entry is not None
    return entry


def state(history: History, entry_id: str) -> str:
    return history.get(entry_id).state


def test_a_line_and_back_is_the_same_entry() -> None:
    made = edited(a_suggestion(), 40)
    entry = Entry("ab", 3.0, 4, 1, "edited", made)
    read = entry_of(line_of(entry))
    assert read.suggestion == made and (read.id, read.time, read.state) == ("ab", 3.0, "edited")


def test_the_same_plan_is_one_entry_and_another_one_another() -> None:
    history, lines = a_history()
    one = shown(history, a_suggestion())
    assert shown(history, a_suggestion()) == one and len(lines) == 1
    assert shown(history, a_suggestion(seed=9)) != one
    assert [item["id"] for item in history.items()][-1] == one and history.items()[0]["seed"] == 9


def test_an_edited_plan_is_still_the_one_that_it_was_made_from() -> None:
    history, _ = a_history()
    one = shown(history, a_suggestion())
    assert shown(history, edited(a_suggestion(), 41), edited=True) == one
    assert shown(history, edited(a_suggestion(), 42), edited=True) == one
    assert state(history, one) == "edited" and len(history.items()) == 1


def test_bars_that_no_model_made_are_an_entry_each() -> None:
    history, _ = a_history()
    one = shown(history, edited(a_suggestion(model="by hand"), 41), edited=True)
    assert shown(history, edited(a_suggestion(model="by hand"), 42), edited=True) == one
    shown(history, a_suggestion())
    assert shown(history, edited(a_suggestion(model="by hand"), 70), edited=True) != one


def test_reject_and_undo_and_accept_are_noted_by_whatever_hand() -> None:
    history, _ = a_history()
    one = shown(history, a_suggestion())
    history.controlled("reject")
    assert shown(history, a_suggestion()) == one and state(history, one) == "rejected"
    history.controlled("undo")
    assert state(history, one) == "made"
    shown(history, a_suggestion(), armed=True)
    assert state(history, one) == "accepted"
    other = shown(history, a_suggestion(80))
    playing = PlayingView(4, a_suggestion(80).candidates[0].bars)
    history.saw(a_view(plan=a_plan(a_suggestion(80)), playing=playing))
    assert state(history, other) == "accepted" and state(history, one) == "accepted"


def test_what_was_rejected_and_is_placed_again_is_rejected_no_more() -> None:
    history, _ = a_history()
    one = shown(history, a_suggestion())
    history.controlled("reject")
    history.controlled("place")
    shown(history, a_suggestion(), held=True)
    assert state(history, one) == "made"


def test_the_oldest_go_but_what_was_accepted_stays_longest() -> None:
    history, _ = a_history()
    kept = shown(history, a_suggestion(), armed=True)
    for seed in range(MOST_ITEMS + 50):
        shown(history, a_suggestion(seed=100 + seed))
    assert len(history.items()) == MOST_ITEMS and history.items()[-1]["id"] == kept


def test_a_file_with_broken_lines_gives_the_others_and_is_written_anew(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    file = HistoryFile(path)
    history = History(file.read(), file.append)
    one, two = shown(history, a_suggestion()), shown(history, a_suggestion(seed=50))
    with path.open("ab") as stream:
        stream.write(b'{"id": 3}\nnonsense\n' + b"\xff" * 100 + b"\n{")
    assert path.stat().st_mode & 0o777 == 0o600
    read = HistoryFile(path).read()
    assert [entry.id for entry in read] == [one, two]
    assert path.read_bytes().count(b"\n") == 2 and path.stat().st_mode & 0o777 == 0o600


def test_the_file_does_not_grow_without_bound(tmp_path: Path) -> None:
    file = HistoryFile(tmp_path / "history.jsonl")
    history = History(file.read(), file.append)
    kept = shown(history, a_suggestion(), armed=True)
    for seed in range(3 * MOST_ITEMS):
        shown(history, a_suggestion(seed=100 + seed))
    assert (tmp_path / "history.jsonl").read_bytes().count(b"\n") <= 2 * MOST_ITEMS + 1
    read = HistoryFile(tmp_path / "history.jsonl").read()
    assert len(read) == MOST_ITEMS and read[0].id == kept
    assert [entry.id for entry in read[1:]] == [item["id"] for item in reversed(history.items())][1:]


def test_two_that_keep_their_history_in_one_file_lose_nothing_of_each_other(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    one, two = HistoryFile(path), HistoryFile(path)
    mine, yours = History(one.read(), one.append), History(two.read(), two.append)
    kept = shown(yours, a_suggestion(), armed=True)
    for seed in range(2 * MOST_ITEMS):  # so many that the file is written anew
        shown(mine, a_suggestion(seed=1_000 + seed))
    later = shown(yours, a_suggestion(seed=900), armed=True)
    found = {entry.id: entry.state for entry in HistoryFile(path).read()}
    assert found[kept] == found[later] == "accepted" and mine.items()[0]["id"] in found


def test_the_newer_line_of_another_process_holds_and_what_it_adds_meanwhile_waits(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    one = HistoryFile(path)
    made = Entry("aa", 3.0, 4, 0, "made", a_suggestion())
    one.append(made)
    two = HistoryFile(path)
    two.read()
    two.append(replace(made, state="accepted"))
    for number in range(2 * MOST_ITEMS):  # so many that the file is written anew
        one.append(Entry(f"n{number}", 3.0, 4, 0, "made", a_suggestion(seed=number)))
    assert {entry.id: entry.state for entry in HistoryFile(path).read()}["aa"] == "accepted"


@pytest.mark.skipif(sys.platform == "win32", reason="folders are not locked there")
def test_while_one_writes_the_history_anew_another_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "history.jsonl"
    one, two = HistoryFile(path), HistoryFile(path)
    one.append(Entry("aa", 3.0, 4, 0, "made", a_suggestion()))
    replaced, adding = (
        Path.replace,
        threading.Thread(target=two.append, args=(Entry("bb", 3.0, 4, 0, "made", a_suggestion()),)),
    )

    def slowly(self: Path, target: Path) -> Path:
        adding.start()
        adding.join(0.2)
        assert adding.is_alive()
        return replaced(self, target)

    monkeypatch.setattr(Path, "replace", slowly)
    one.read()
    monkeypatch.undo()
    adding.join(5)
    assert {entry.id for entry in HistoryFile(path).read()} == {"aa", "bb"}


def test_the_list_names_the_bar_of_the_song_in_whose_place_it_stands() -> None:
    history, _ = a_history()
    shown(history, a_suggestion(), number=2, in_place=True)
    assert history.items()[0]["first_bar"] == 2
    entry = history.saw(a_view(bar=40, plan=a_plan(a_suggestion(seed=9), number=5)))
    assert entry is not None and history.items()[0]["first_bar"] == 42


def test_a_disk_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    file = HistoryFile(tmp_path / "gone" / "history.jsonl")
    history = History(file.read(), file.append)
    assert shown(history, a_suggestion()) and history.items()


def test_a_disk_that_works_again_has_everything_and_no_litter(tmp_path: Path) -> None:
    now = [0.0]
    folder = tmp_path / "later"
    file = HistoryFile(folder / "history.jsonl", lambda: now[0])
    history = History(file.read(), file.append)
    one, two = shown(history, a_suggestion()), shown(history, a_suggestion(seed=20))
    assert file.fault is not None and "\n" not in file.fault
    folder.mkdir()
    three = shown(history, a_suggestion(seed=30))
    assert file.fault is not None and not list(folder.iterdir())  # it is left alone for a while
    now[0] += 31.0
    four = shown(history, a_suggestion(seed=40))
    assert file.fault is None and [path.name for path in folder.iterdir()] == ["history.jsonl"]
    assert [entry.id for entry in HistoryFile(folder / "history.jsonl").read()] == [one, two, three, four]


def test_a_history_that_could_not_be_read_is_added_to_and_not_lost(tmp_path: Path, monkeypatch: Any) -> None:
    path = tmp_path / "history.jsonl"
    file = HistoryFile(path)
    one = shown(History(file.read(), file.append), a_suggestion())
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", lambda *_: (_ for _ in ()).throw(PermissionError(13, "no")))
        file = HistoryFile(path)
        assert file.read() == [] and file.fault is not None
    two = shown(History([], file.append), a_suggestion(seed=20))
    file.flush()
    assert file.fault is None and [entry.id for entry in HistoryFile(path).read()] == [one, two]
