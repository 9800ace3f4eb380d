"""The configuration file."""

from __future__ import annotations

from pathlib import Path

import pytest

from daw_assist.config import Config, config_path, load, save_bindings
from daw_assist.errors import UsageError
from daw_assist.suggest.hands import DEFAULT_BINDINGS, Trigger


def test_without_a_file_everything_is_as_usual(tmp_path: Path) -> None:
    assert load(tmp_path / "none.toml") == Config()
    assert dict(Config().bindings) == dict(DEFAULT_BINDINGS)


def test_the_environment_names_another_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAW_ASSIST_CONFIG", str(tmp_path / "mine.toml"))
    assert config_path() == tmp_path / "mine.toml"


def test_what_it_says_is_read(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(
        '[live]\nmode = "trade"\nbpm = 96\nthru = true\n[hands]\nnext = "note:10:38"\naccept = ["cc:20", "cc:21"]\n'
    )
    found = load(path)
    assert dict(found.live) == {"mode": "trade", "bpm": 96, "thru": True}
    assert dict(found.bindings) == {
        Trigger("cc", 67): "reject", Trigger("note", 38, 9): "next", Trigger("cc", 20): "accept", Trigger("cc", 21): "accept",
    }  # fmt: skip


WRONG = [
    ("[live]\nmodus = 1\n", "did you mean live.mode"),
    ("[hand]\n", "did you mean hands"),
    ("x = ", "is not TOML"),
    ("[live]\nbpm = true\n", "live.bpm must be a number"),
    ("[hands]\naccept = 7\n", "hands.accept"),
    ('[hands]\naccept = "cc:64"\n', "sustain"),
    ("live = 3\n", "[live]"),
    ('[hands]\njump = "cc:1"\n', "there is no hands.jump"),
]


@pytest.mark.parametrize(("text", "told"), WRONG)
def test_what_is_wrong_is_said_in_one_line_that_names_the_file(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(text)
    with pytest.raises(UsageError) as error:
        load(path)
    assert told in str(error.value) and str(path) in str(error.value) and "\n" not in str(error.value)


def test_what_was_learned_is_kept_and_the_rest_of_the_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "config.toml"
    save_bindings({Trigger("cc", 20, 0): "accept"}, path)
    path.write_text("# mine\n[live]\nbpm = 96  # slow\n" + path.read_text())
    save_bindings({Trigger("note", 36, 9): "next", Trigger("cc", 66): "accept"}, path)
    assert path.read_text().startswith("# mine\n[live]\nbpm = 96  # slow\n")
    assert dict(load(path).bindings) == {Trigger("note", 36, 9): "next", Trigger("cc", 66): "accept"}
    assert [file.name for file in path.parent.iterdir()] == ["config.toml"], "no half file is left"


def test_an_action_that_was_taken_off_stays_off(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    save_bindings({}, path)
    assert dict(load(path).bindings) == {}


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError):
        save_bindings({}, tmp_path / "file" / "config.toml")
