"""What the rig remembers of the drafts that the engine makes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from daw_assist.bench.jackrig import JackRig
from daw_assist.bench.liverig import LiveRig, RealServer
from daw_assist.bench.load import FIRST_EPOCH
from daw_assist.errors import EngineError
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import Ticks
from daw_assist.server.client import Event
from daw_assist.server.protocol import NoteEvent


class Published:
    """A link on which these were published."""

    def __init__(self, *notes: NoteEvent) -> None:
        self._notes = notes

    def poll(self) -> list[Event]:
        return [Event("note", note) for note in self._notes]


def note(request: int, epoch: int) -> NoteEvent:
    return NoteEvent(request, epoch, 0, 0, Note(Ticks(0), Part.KEYS, 60, Ticks(12), 90))


def test_an_accepted_draft_is_not_pushed_out_by_those_of_the_bench_s_own_load(tmp_path: Path) -> None:
    rig: Any = LiveRig(JackRig(), tmp_path, "rig")
    rig._link = Published(note(1, 1), *(note(number, FIRST_EPOCH + number) for number in range(1, 1000)))
    assert [plan.notes for plan in rig.plans(400)] == [(note(1, 1),)]


def test_of_the_drafts_for_live_the_oldest_are_forgotten(tmp_path: Path) -> None:
    rig: Any = LiveRig(JackRig(), tmp_path, "rig")
    rig._link = Published(*(note(number, number) for number in range(1, 6)))
    assert [plan.notes[0].request for plan in rig.plans(2)] == [4, 5]


def test_a_server_that_cannot_start_says_why_at_once(tmp_path: Path) -> None:
    began = time.monotonic()
    with (
        pytest.raises(EngineError, match=r"the server did not start: .*no model 'nosuch'"),
        RealServer(tmp_path, "--model", "nosuch"),
    ):
        pass
    assert time.monotonic() - began < 20
