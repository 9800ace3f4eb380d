from __future__ import annotations

import json
from pathlib import Path

import pytest

from models_onnx import calibration
from models_onnx import manifest as models
from models_onnx.calibration import Threads, best, threads_for
from models_onnx.session import DecoderSession

TINY = models.find("tiny-int8")


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibration, "_is_busy", lambda cores: False)
    monkeypatch.setattr(calibration, "machine", lambda: {"cpu": "one of the tests", "vectors": [], "cores": 4})


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The counts that models are opened with; a step gets slower with each thread, a prompt faster."""
    counts: list[int] = []

    def open_one(folder: Path, provider: str, threads: int, read_threads: int) -> DecoderSession:
        counts.append(threads)
        return DecoderSession(models.read(folder), models.graph_bytes(folder, models.read(folder)), "cpu")

    monkeypatch.setattr(DecoderSession, "open", staticmethod(open_one))
    medians = iter([8.0, 1.0, 4.0, 1.5, 2.0, 2.0] * 4)
    monkeypatch.setattr(calibration, "_median", lambda act, count: next(medians))
    return counts


@pytest.mark.parametrize(
    ("times", "chosen"),
    [
        ({1: 10.0}, 1),
        ({1: 10.0, 2: 9.0}, 1),
        ({1: 10.0, 2: 8.0}, 2),
        ({1: 10.0, 2: 8.0, 4: 7.5}, 2),
        ({1: 10.0, 2: 9.0, 4: 5.0}, 4),
        ({1: 10.0, 2: 50.0}, 1),
    ],
)
def test_more_threads_must_be_worth_it(times: dict[int, float], chosen: int) -> None:
    assert best(times) == chosen


def test_a_machine_is_measured_once(opened: list[int], tmp_path: Path) -> None:
    file = tmp_path / "deep" / "threads.json"
    assert threads_for(TINY, "auto", 0, file) == Threads(1, 4)
    assert opened == [1, 2, 4]
    assert threads_for(TINY, "cpu", 0, file) == Threads(1, 4)
    assert opened == [1, 2, 4]
    assert [p.name for p in file.parent.iterdir()] == ["threads.json"]


def test_another_model_is_measured_for_itself_and_the_first_is_kept(opened: list[int], tmp_path: Path) -> None:
    file = tmp_path / "threads.json"
    threads_for(TINY, "auto", 0, file)
    threads_for(models.find("tiny-fp32"), "auto", 0, file)
    assert opened == [1, 2, 4] * 2
    assert len(json.loads(file.read_text())) == 2


def test_what_is_asked_for_is_taken_and_nothing_measured(opened: list[int], tmp_path: Path) -> None:
    assert threads_for(TINY, "auto", 3, tmp_path / "threads.json") == Threads(3, 3)
    assert threads_for(TINY, "cuda", 0, tmp_path / "threads.json") == Threads(1, 1)
    assert not opened
    assert not list(tmp_path.iterdir())


def test_a_busy_machine_is_not_remembered(opened: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibration, "_is_busy", lambda cores: True)
    assert threads_for(TINY, "auto", 0, tmp_path / "threads.json") == Threads(1, 1)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", ["", "[1]", "{", '{"%s": {"step": 900, "read": 1}}', '{"%s": 7}', "\x00"])
def test_a_file_of_nonsense_costs_a_measurement(text: str, opened: list[int], tmp_path: Path) -> None:
    file = tmp_path / "threads.json"
    key = calibration._key(models.read(TINY).sha256 + models.read(TINY).reader_sha256)
    file.write_text(text.replace("%s", key))
    assert threads_for(TINY, "auto", 0, file) == Threads(1, 4)
    assert opened == [1, 2, 4]
    assert threads_for(TINY, "auto", 0, file) == Threads(1, 4)
    assert opened == [1, 2, 4]


def test_a_folder_that_cannot_be_written_costs_a_measurement_each_time(opened: list[int], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for _ in range(2):
        assert threads_for(TINY, "auto", 0, tmp_path / "file" / "threads.json") == Threads(1, 4)
    assert opened == [1, 2, 4] * 2


def test_the_real_thing_finds_counts_that_this_machine_has(tmp_path: Path) -> None:
    found = calibration.measured(lambda count: DecoderSession.open(TINY, "cpu", count, count), 2)
    assert {found.step, found.read} <= {1, 2}


def test_the_cache_lies_where_the_system_keeps_such_things(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(calibration.sys, "platform", "linux")
    assert calibration.cache_folder() == tmp_path / "daw-assist"
    monkeypatch.setenv("XDG_CACHE_HOME", "~/here")
    assert calibration.cache_folder().is_absolute()
