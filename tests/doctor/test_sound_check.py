"""The check of the sound: what it finds, and what it says to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from daw_assist.doctor.finding import Asked
from daw_assist.doctor.sound import check_sound
from daw_assist.render import Rendered
from plugin_host.errors import SoundError
from plugin_host.job import Report


def _rendering(lufs: float | None) -> Any:
    report = Report(48_000, 48_000, lufs, -1.0, 0.0, False, (), "Font.sf2", 1.0, {})
    return lambda file, name, path, sound: Rendered(path, (), report)


def test_the_tune_that_ships_is_rendered_for_true() -> None:
    found = check_sound(Asked(), outputs=lambda: ["Speakers"])
    assert found.level == "ok"
    assert "TimGM6mb.sf2" in found.found and "Speakers" in found.found


def test_a_machine_without_an_output_is_in_order() -> None:
    found = check_sound(Asked(), _rendering(-14.0), list)
    assert (found.level, found.advice) == ("ok", "")
    assert "no sound output" in found.found


def test_a_synthesizer_that_is_not_there_is_a_problem_with_what_to_do() -> None:
    def broken(file: Any, name: str, path: Path, sound: Any) -> Rendered:
        raise SoundError("there is no SoundFont; pip install pretty_midi")

    found = check_sound(Asked(), broken, list)
    assert (found.level, found.found, found.advice) == ("problem", "there is no SoundFont", "pip install pretty_midi")


def test_silence_is_a_problem() -> None:
    assert check_sound(Asked(), _rendering(None), list).level == "problem"
