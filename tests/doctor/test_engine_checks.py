from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from daw_assist.doctor.budget import Speed, check_budget
from daw_assist.doctor.engine import check_models, check_provider, check_server
from daw_assist.doctor.finding import Asked
from daw_assist.errors import EngineError, ModelError
from daw_assist.server.protocol import EngineStatus, ServerStatus
from models_onnx import manifest as models

ASKED = Asked()


def status(state: str = "ready", live: dict[str, object] | None = None, restarts: int = 0) -> ServerStatus:
    engine = EngineStatus(state, 12, "small-int8", provider="cpu", restarts=restarts, reason="killed")
    return ServerStatus("0.1.0", 11, 5.0, engine, {}, live)  # type: ignore[arg-type]


def test_no_server_is_fine_for_live_starts_its_own(tmp_path: Path) -> None:
    assert check_server(Asked(endpoint=str(tmp_path / "run"))).level == "ok"


def test_a_server_that_answers_is_told_with_its_live_process() -> None:
    found = check_server(ASKED, lambda asked: status(live={"running": True, "bpm": 98.0, "why": "follows the clock"}))
    assert found.level == "ok"
    assert "small-int8 on cpu" in found.found and "running at 98.0 BPM" in found.found
    assert "no live process" in check_server(ASKED, lambda asked: status()).found


def test_an_engine_that_is_down_is_a_problem_and_one_that_died_a_warning() -> None:
    assert check_server(ASKED, lambda asked: status("down")).level == "problem"
    assert check_server(ASKED, lambda asked: status(restarts=2)).level == "warning"


def test_a_server_that_holds_the_endpoint_but_does_not_answer_is_named() -> None:
    found = check_server(ASKED, lambda asked: None, lambda endpoint: "4711")
    assert found.level == "problem" and "kill 4711" in found.advice


def test_the_process_that_holds_the_lock_is_found(tmp_path: Path) -> None:
    fcntl = pytest.importorskip("fcntl", reason="no file locks on Windows")
    folder = tmp_path / "run"
    folder.mkdir(mode=0o700)
    with (folder / "server.lock").open("w") as lock:
        lock.write("4711\n")
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = check_server(Asked(endpoint=str(folder)))
    assert found.level == "problem" and "process 4711" in found.found
    assert check_server(Asked(endpoint=str(folder))).level == "ok"


def test_the_models_that_ship_are_whole() -> None:
    found = check_models(ASKED)
    assert found.level == "ok", found
    assert {"small-int8", "chords", "voices"} <= set(found.found.replace(",", "").split())


def test_a_missing_an_altered_and_a_foreign_model_are_problems(tmp_path: Path) -> None:
    assert "no model 'nomodel'" in check_models(Asked(model="nomodel"), others=list).found
    folder = tmp_path / "altered"
    shutil.copytree(models.FILES / "tiny-int8", folder)
    with (folder / "model.onnx").open("ab") as file:
        file.write(b"x")
    found = check_models(Asked(model=str(folder)), others=list)
    assert found.level == "problem" and "SHA-256 differs" in found.found and found.advice
    (folder / "model.onnx").write_bytes((models.FILES / "tiny-int8" / "model.onnx").read_bytes())
    with (folder / "reader.onnx").open("ab") as file:
        file.write(b"x")
    assert "reader.onnx is not the one" in check_models(Asked(model=str(folder)), others=list).found
    assert "reader.onnx" in check_provider(Asked(model=str(folder))).found
    raw = json.loads((folder / "manifest.json").read_text())
    assert "another vocabulary" in check_models(ASKED, lambda: "0" * 64, list).found
    (folder / "manifest.json").write_text(json.dumps(raw | {"precision": "int3"}))
    assert "not a manifest" in check_models(Asked(model=str(folder)), others=list).found


def test_a_broken_harmonization_model_is_a_problem() -> None:
    found = check_models(ASKED, others=lambda: ["voices", "model chords: chords.onnx is missing"])
    assert found.level == "problem" and "chords.onnx" in found.found


def test_the_provider_that_is_had_is_told() -> None:
    assert check_provider(ASKED, lambda asked: "cpu, ONNX Runtime 1.31").found == "cpu, ONNX Runtime 1.31 (asked: auto)"


def test_cuda_that_is_not_had_names_the_missing_library() -> None:
    def none(asked: Asked) -> str:
        raise ModelError("CUDA was asked for and cannot be had")

    wanted = Asked(provider="cuda")
    found = check_provider(wanted, none, lambda: "the library libcublasLt.so.13 is missing")
    assert found.level == "problem" and "libcublasLt.so.13" in found.found and "daw-assist[cuda]" in found.advice
    driver = check_provider(wanted, none, lambda: "the library libcuda.so.1 is missing")
    assert "driver" in driver.advice
    assert check_provider(ASKED, none).level == "problem"


def test_a_model_that_cannot_be_opened_is_a_problem_of_the_provider() -> None:
    found = check_provider(Asked(model="nomodel"))
    assert found.level == "problem" and "nomodel" in found.found


def speed(draft_ms: float) -> Speed:
    return Speed(0.5, draft_ms, draft_ms, "small-int8", "cpu")


def test_a_draft_within_its_share_of_the_bar_is_ok_and_both_tempi_are_told() -> None:
    found = check_budget(Asked(bpm=60.0), lambda asked: speed(800.0))
    assert found.level == "ok"
    assert "40% of a bar of 4/4 at 120 BPM" in found.found and "20% of a bar of 4/4 at 60 BPM" in found.found


def test_a_draft_that_is_too_slow_says_what_would_fit() -> None:
    found = check_budget(ASKED, lambda asked: speed(1800.0))
    assert found.level == "warning"
    assert "--bars 2" in found.advice and "at most 60 BPM" in found.advice
    assert "--candidates 1" in check_budget(ASKED, lambda asked: speed(20_000.0)).advice


def test_the_budget_is_really_measured() -> None:
    found = check_budget(Asked(model="tiny-int8", bpm=10.0))
    assert found.level == "ok" and "tiny-int8 on cpu" in found.found


def test_a_server_that_refuses_becomes_a_finding_in_the_runner() -> None:
    from daw_assist.doctor.runner import guarded
    from daw_assist.doctor.table import Check

    def refuses(asked: Asked) -> ServerStatus | None:
        raise EngineError("the server did not answer status within 3 s: it is busy, or has gone; ask status")

    found = guarded(Check("server", lambda asked: check_server(asked, refuses)), ASKED)
    assert (found.level, found.advice) == ("problem", "ask status")
