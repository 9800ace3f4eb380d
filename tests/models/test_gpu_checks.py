from __future__ import annotations

import json
import lzma
import struct
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scripts import gpu_checks
from scripts.gpu_checks import CheckFailed, blanked, compared, main

CHECKS = ["libraries", "parity", "greedy", "rows", "captured", "sampling"]
TIMES = [
    "token_ms_plain", "token_ms_bound", "token_ms_captured", "token_ms_sampling", "token_ms_captured_sample", "prefill_ms",
    "rows_ms", "bound_ms", "start_ms",
]  # fmt: skip


def line_of(path: Path) -> dict[str, Any]:
    (line,) = path.read_text().splitlines()
    told: dict[str, Any] = json.loads(line)
    return told


def test_on_the_processor_all_steps_run_and_nothing_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("onnx", reason="building graphs needs the package onnx (train extra)")
    out = tmp_path / "gpu.jsonl"
    assert main(["--provider", "cpu", "--quick", "--out", str(out)]) == 0
    told = line_of(out)
    assert list(told["steps"]) == CHECKS + TIMES
    assert (told["failed"], told["ended"], told["provider"], told["benchmark"]) == ([], "in order", "cpu", "gpu")
    assert {"commit", "machine", "versions", "date"} <= told.keys()
    steps = told["steps"]
    assert steps["sampling"]["same"] == steps["sampling"]["draws"] == 40
    assert steps["captured"]["why_not"] == "only CUDA records graphs"
    # Half precision on the processor is the same arithmetic here, but for rounding.
    assert 0 < steps["parity"]["prompt_0"]["largest_gap"] < 0.1
    assert steps["rows"]["bound"]["same_token"] == steps["rows"]["bound"]["places"]
    for name in TIMES[:5]:
        assert set(steps[name]) == {"64", "128"}
        assert all(0 < t["p50"] <= t["p95"] <= t["p99"] <= t["max"] for t in steps[name].values())
    assert steps["bound_ms"]["copy_gb_s"] > 0.1
    shown = capsys.readouterr().out
    assert "failed: nothing; ended in order" in shown
    assert f"64: {steps['token_ms_plain']['64']['p50']:.3f}/" in shown


def test_a_step_that_fails_is_written_down_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def steps(bench: Any) -> Any:
        def broken() -> None:
            raise RuntimeError("CUDA error 700\nwith a stack")

        yield "rows", broken
        yield "token_ms_plain", lambda: {"64": {"p50": 1.0, "p95": 2.0, "p99": 3.0, "max": 4.0}}
        yield "token_ms_bound", broken

    monkeypatch.setattr(gpu_checks, "steps_of", steps)
    assert main(["--provider", "cpu", "--out", str(tmp_path / "out.jsonl")]) == 1
    told = line_of(tmp_path / "out.jsonl")
    assert told["failed"] == ["rows", "token_ms_bound"]
    assert told["steps"]["rows"] == {"failed": "RuntimeError: CUDA error 700"}
    shown = capsys.readouterr().out.splitlines()
    assert "plain                64: 1.000/2.000/3.000" in shown
    assert "bound                not measured" in shown


def test_what_no_time_is_left_for_is_not_measured(tmp_path: Path) -> None:
    assert main(["--provider", "cpu", "--minutes", "0", "--out", str(tmp_path / "out.jsonl")]) == 0
    told = line_of(tmp_path / "out.jsonl")
    assert set(told["steps"].values()) == {"not measured: no time was left"}
    assert list(told["steps"]) == CHECKS + TIMES


def test_a_step_that_hangs_does_not_keep_what_was_found(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from scripts import gpu_checks as g; g.GRACE_S = 0.3\n"
        "g.steps_of = lambda bench: iter([('a', lambda: 3), ('b', lambda: time.sleep(60)), ('c', lambda: 4)])\n"
        "g.run(g.Bench('cpu', 'small', g.QUICK), 0.0005, Path(sys.argv[1]))"
    )
    out = tmp_path / "out.jsonl"
    command = [sys.executable, "-c", code, str(out)]
    done = subprocess.run(command, cwd=gpu_checks.ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 3, done.stderr
    told = line_of(out)
    assert told["steps"] == {"a": 3, "b": "not measured: it had not ended when time was up"}
    assert told["ended"].startswith("in the middle of a step")


def test_a_model_that_is_not_there_fails_each_step_with_its_name(tmp_path: Path) -> None:
    assert main(["--provider", "cpu", "--quick", "--model", "grand", "--out", str(tmp_path / "out.jsonl")]) == 1
    told = line_of(tmp_path / "out.jsonl")
    assert told["failed"] == (CHECKS + TIMES)[1:]
    assert "no model 'grand-fp" in told["steps"]["greedy"]["failed"]


def test_without_cuda_the_missing_library_is_named_and_nothing_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models_onnx.providers.missing_for_cuda", lambda: "the library libcublasLt.so.13 is missing")
    monkeypatch.setitem(sys.modules, "torch", None)
    assert main(["--quick", "--out", str(tmp_path / "out.jsonl")]) == 1
    told = line_of(tmp_path / "out.jsonl")
    assert told["failed"] == ["libraries"]
    assert told["steps"].pop("libraries") == {"failed": "CheckFailed: the library libcublasLt.so.13 is missing"}
    assert set(told["steps"].values()) == {"not measured: cuda cannot be had"}
    assert list(told["steps"]) == (CHECKS + TIMES)[1:]


def test_another_token_is_a_fault_only_where_it_is_clearly_less_likely() -> None:
    expected = np.array([[1.0, 1.0 + gpu_checks.MARGIN / 2, 0.0], [5.0, 0.0, 0.0]])
    near = expected.copy()
    near[0, 0] += gpu_checks.MARGIN
    assert compared(near, expected)["same_token"] == 1
    far = expected.copy()
    far[1, 2] = 6.0
    with pytest.raises(CheckFailed, match="place 1: token 2, not 0, likelier by 5"):
        compared(far, expected)
    near[0, 2] = np.nan
    with pytest.raises(CheckFailed, match="1 of 6 logits are not finite"):
        compared(near, expected)


def collection(entries: list[tuple[int, bytes]]) -> bytes:
    """Device code as nvcc lays it down: a head of 16 bytes, then an entry a card, each with a head of 64."""
    body = b""
    for card, code in entries:
        body += struct.pack("<HHIQ", 2, 0x101, 64, len(code)) + bytes(12) + struct.pack("<I", card) + bytes(32) + code
    return struct.pack("<IHHQ", 0xBA55ED50, 1, 16, len(body)) + body


def library(fatbin: bytes, name: bytes = b".nv_fatbin") -> bytes:
    """An ELF of 64 bits with two sections: the names, and the device code."""
    names = b"\0.shstrtab\0" + name + b"\0"
    head = bytearray(64)
    at = 64 + len(names)
    struct.pack_into("<Q", head, 0x28, at + len(fatbin))
    struct.pack_into("<HH", head, 0x3C, 2, 0)
    sections = struct.pack("<IIQQQQIIQQ", 1, 3, 0, 0, 64, len(names), 0, 0, 1, 0)
    sections += struct.pack("<IIQQQQIIQQ", 11, 1, 0, 0, at, len(fatbin), 0, 0, 8, 0)
    return bytes(head) + names + fatbin + sections


def test_only_the_device_code_of_other_cards_is_blanked() -> None:
    parts = [[(80, b"a" * 24), (90, b"b" * 40)], [(90, b"c" * 16)], [(75, b"d" * 8), (90, b"e" * 8), (120, b"f" * 8)]]
    before = library(collection(parts[0]) + bytes(8) + collection(parts[1]) + collection(parts[2]))
    after = blanked(before, 90)
    assert len(after) == len(before)
    expected = before
    for gone in (b"a" * 24, b"c" * 16, b"d" * 8, b"f" * 8):
        expected = expected.replace(gone, bytes(len(gone)))
    assert after == expected
    with pytest.raises(ValueError, match="no device code"):
        blanked(library(b"", b".nv_nothing"), 90)


def test_a_pack_holds_the_source_the_models_and_the_packages_cut_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root, wheels = tmp_path / "root", tmp_path / "wheels"
    for name in (
        "daw_assist/engine/a.py", "models_onnx/b.py", "scripts/gpu_checks.py", "models_onnx/files/small-fp16/manifest.json",
        "models_onnx/files/small-fp16/model.onnx", "models_onnx/files/small-fp32/manifest.json",
        "models_onnx/files/small-fp32/model.onnx", "models_onnx/files/small-int8/model.onnx",
    ):  # fmt: skip
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    wheels.mkdir()
    code = library(collection([(80, b"x" * 64), (90, b"y" * 64)]))
    with zipfile.ZipFile(wheels / "onnxruntime_gpu-1-any.whl", "w") as wheel:
        wheel.writestr("onnxruntime/__init__.py", "")
        wheel.writestr("onnxruntime/capi/libonnxruntime_providers_cuda.so", code)
        wheel.writestr("onnxruntime/capi/libonnxruntime_providers_tensorrt.so", "large")
        wheel.writestr("onnxruntime/transformers/models.py", "many")
    monkeypatch.setattr(gpu_checks, "ROOT", root)
    monkeypatch.setattr(gpu_checks, "__file__", str(root / "scripts/gpu_checks.py"))
    out = tmp_path / "gpu.tar.xz"
    assert main(["--pack", str(out), "--wheels", str(wheels)]) == 0
    assert f"{out}: 0.0 MiB" in capsys.readouterr().out
    with lzma.open(out) as packed, tarfile.open(fileobj=packed) as tar:
        held = {member.name: tar.extractfile(member) for member in tar}
        assert set(held) == {
            "gpu/daw_assist/engine/a.py", "gpu/models_onnx/b.py", "gpu/scripts/gpu_checks.py",
            "gpu/models_onnx/files/small-fp16/manifest.json", "gpu/models_onnx/files/small-fp16/model.onnx",
            "gpu/models_onnx/files/small-fp32/manifest.json", "gpu/models_onnx/files/small-fp32/model.onnx",
            "gpu/site/onnxruntime/__init__.py", "gpu/site/onnxruntime/capi/libonnxruntime_providers_cuda.so",
        }  # fmt: skip
        kept = held["gpu/site/onnxruntime/capi/libonnxruntime_providers_cuda.so"]
        assert kept is not None
        assert kept.read() == code.replace(b"x" * 64, bytes(64))


@pytest.mark.parametrize("asked", [["--pack", "x"], ["--install"]])
def test_packages_that_are_nowhere_are_asked_for(asked: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(asked)
    assert "need --wheels" in capsys.readouterr().err


def test_installed_wheels_come_before_what_is_there(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "onnxruntime-9-any.whl", "w") as wheel:
        wheel.writestr("onnxruntime/__init__.py", "raise ImportError('this is the one of the wheel')")
    command = [sys.executable, str(gpu_checks.ROOT / "scripts/gpu_checks.py"), "--provider", "cpu", "--install"]
    done = subprocess.run(
        [*command, "--wheels", str(tmp_path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert "this is the one of the wheel" in done.stderr
