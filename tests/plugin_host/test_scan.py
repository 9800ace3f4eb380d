"""Plug-ins that crash, hang or print are looked at and lived through; what was found is remembered."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from plugin_host import probed as probed_module
from plugin_host.errors import SoundError
from plugin_host.folders import lacking, plugin_files, standard_folders
from plugin_host.probed import Found, Parameter, Probed, probed
from plugin_host.scan import scan, stamp_of
from tests.plugin_host.vst3rig import Vst3Rig

ROOT = Path(__file__).parents[2]
HANG_S = 1.0


def test_an_instrument_and_an_effect_are_described(vst3_synth: Path, vst3_effect: Path) -> None:
    (synth,), (effect,) = probed(vst3_synth), probed(vst3_effect)
    assert synth.found == Found(vst3_synth, "Test Synth", "Test Makers", "instrument", "1.2.3", 5, None)
    assert effect.found == Found(vst3_effect, "Test Gain", "Test Makers", "effect", "1.2.3", 1, None)
    by_name = {parameter.name: parameter for parameter in synth.parameters}
    assert by_name["wave"] == Parameter("wave", "Sine", choices=("Sine", "Saw", "Square"))
    attack = by_name["attack_s"]
    assert (attack.low, attack.high, attack.unit, float(attack.value)) == (0.001, 2.0, "s", 0.005)


def test_one_that_crashes_as_it_is_loaded_is_told_in_one_line(vst3_crash: Path) -> None:
    (one,) = probed(vst3_crash)
    assert one.found == Found(vst3_crash, "TestCrash", trouble="crashed while loading (SIGABRT)")


def test_one_that_crashes_as_it_plays_is_described_all_the_same(vst3_crash_later: Path) -> None:
    (one,) = probed(vst3_crash_later)
    assert one.found.trouble == "crashed while playing a note (SIGABRT)"
    assert (one.found.name, one.found.kind, len(one.parameters)) == ("Test Crash Later", "instrument", 5)


def test_one_that_hangs_is_ended_in_time_with_all_that_it_started(vst3_hang: Path) -> None:
    begun = time.monotonic()
    (one,) = probed(vst3_hang, HANG_S)
    took = time.monotonic() - begun
    assert one.found == Found(vst3_hang, "TestHang", trouble="hung while loading: it was ended after 1 s")
    assert HANG_S <= took < HANG_S + 30  # the time starts when pedalboard is loaded
    assert not _running(str(vst3_hang))


def _running(word: str) -> list[str]:
    """The processes with that word in their command line."""
    found = []
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = line.read_bytes()
        except OSError:
            continue
        if word.encode() in command:
            found.append(command.decode("utf-8", "replace"))
    return found


def test_what_a_plugin_prints_is_not_taken_for_our_words(vst3_rig: Vst3Rig) -> None:
    (one,) = probed(vst3_rig.plugin("mono"))  # it prints a line of JSON like ours
    assert (one.found.name, one.found.trouble) == ("Test Mono", None)


def test_an_effect_in_mono_is_listed_with_its_trouble(vst3_rig: Vst3Rig) -> None:
    (one,) = probed(vst3_rig.plugin("mono_effect"))
    assert one.found.kind == "effect"
    assert one.found.trouble is not None and "does not work in stereo" in one.found.trouble


def test_a_bundle_without_a_binary_for_this_system_is_not_even_loaded(tmp_path: Path) -> None:
    windows = tmp_path / "Windows.vst3"
    (windows / "Contents" / "x86_64-win").mkdir(parents=True)
    empty = tmp_path / "Empty.vst3"
    empty.mkdir()
    assert "only for x86_64-win: install its build for this system" in (lacking(windows) or "")
    assert "nor for any other system" in (lacking(empty) or "")
    (one,) = probed(windows)
    assert one.found == Found(windows, "Windows", trouble=lacking(windows))


def test_a_file_that_is_no_plugin_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "flat.vst3").write_bytes(b"not a plug-in")
    (one,) = probed(tmp_path / "flat.vst3")
    assert one.found.trouble is not None and "cannot be loaded as a plug-in" in one.found.trouble
    assert "\n" not in one.found.trouble


def test_each_plugin_of_a_file_of_several_has_a_process_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str | None] = []

    def said(path: Path, name: str | None, timeout_s: float) -> probed_module._Said:
        asked.append(name)
        if name is None:
            return probed_module._Said(0, "done", ("Piano", "Organ"))
        if name == "Piano":
            return probed_module._Said(-11, "loading")
        told = {"name": "Organ", "maker": "Us", "kind": "instrument", "version": "2", "parameters": []}
        return probed_module._Said(0, "done", plugin=told)

    monkeypatch.setattr(probed_module, "_asked", said)
    (tmp_path / "shell.vst3").touch()
    piano, organ = (each.found for each in probed(tmp_path / "shell.vst3"))
    assert asked == [None, "Piano", "Organ"]
    assert (piano.name, piano.trouble) == ("Piano", "crashed while loading (SIGSEGV)")
    assert (organ.name, organ.trouble) == ("Organ", None)


def test_a_probe_that_cannot_work_is_no_plugins_fault(vst3_synth: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", shutil.which("true"))
    with pytest.raises(SoundError, match=r"the probe of plug-ins ended before it came to TestSynth\.vst3"):
        probed(vst3_synth)


def test_ctrl_c_during_a_scan_leaves_nothing_running(vst3_hang: Path) -> None:
    program = f"from pathlib import Path; from plugin_host.probed import probed; probed(Path({str(vst3_hang)!r}), 60)"
    process = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while not any("plugin_host.probe" in line for line in _running(str(vst3_hang))) and time.monotonic() < until:
        os.sched_yield()
    process.send_signal(signal.SIGINT)
    assert process.wait(30) != 0
    assert not _running(str(vst3_hang))


def test_a_scan_lists_the_good_and_the_broken_and_remembers_both(
    vst3_synth: Path, vst3_crash: Path, vst3_hang: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "installed"
    for bundle in (vst3_synth, vst3_crash, vst3_hang):
        shutil.copytree(bundle, folder / bundle.name)
    tried: list[str] = []

    def look(again: bool = False) -> dict[str, str | None]:
        found = scan(
            [folder],
            again=again,
            timeout_s=HANG_S,
            on_file=lambda path: tried.append(path.name),
            cache=tmp_path / "c.json",
        )
        return {each.name: each.trouble for each in found}

    first = look()
    assert first == {
        "TestCrash": "crashed while loading (SIGABRT)",
        "TestHang": "hung while loading: it was ended after 1 s",
        "Test Synth": None,
    }
    assert tried == ["TestCrash.vst3", "TestHang.vst3", "TestSynth.vst3"]
    assert look() == first and len(tried) == 3
    shutil.rmtree(folder / "TestHang.vst3")
    assert len(look(again=True)) == 2 and len(tried) == 5


def _counting(asked: list[str]) -> object:
    def probe(path: Path, timeout_s: float) -> list[Probed]:
        asked.append(path.name)
        return [Probed(Found(path, path.stem, "Us", "effect", "1", 3))]

    return probe


def test_what_was_installed_anew_is_probed_anew(tmp_path: Path) -> None:
    asked: list[str] = []
    binary = tmp_path / "A.vst3" / "Contents" / "any" / "A.so"
    samples = tmp_path / "A.vst3" / "Contents" / "Resources" / "big.wav"
    for file in (binary, samples):
        file.parent.mkdir(parents=True)
        file.write_bytes(b"old")

    def look() -> list[Found]:
        return scan([tmp_path], probe=_counting(asked), cache=tmp_path / "c.json")  # type: ignore[arg-type]

    first = look()
    assert look() == first and first[0].parameters == 3
    samples.write_bytes(b"a preset was saved")
    assert look() == first and asked == ["A.vst3"]
    binary.write_bytes(b"newer")
    look()
    assert asked == ["A.vst3", "A.vst3"]


def test_another_version_of_pedalboard_probes_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = stamp_of(tmp_path)
    monkeypatch.setattr("plugin_host.scan._version", lambda: "99.0")
    assert stamp_of(tmp_path) != before


@pytest.mark.parametrize(
    "text", ["", "[1]", '{"KEY": 3}', '{"KEY": {"stamp": STAMP, "found": [{"nam": 1}]}}', "[" * 9999]
)
def test_a_cache_that_makes_no_sense_costs_a_new_scan_and_no_more(tmp_path: Path, text: str) -> None:
    plugin, cache, asked = tmp_path / "A.vst3", tmp_path / "c.json", []
    plugin.touch()
    cache.write_text(text.replace("KEY", str(plugin)).replace("STAMP", json.dumps(stamp_of(plugin))))
    for _ in range(2):
        assert [each.name for each in scan([tmp_path], probe=_counting(asked), cache=cache)] == ["A"]  # type: ignore[arg-type]
    assert asked == ["A.vst3"]


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "A.vst3").touch()
    (tmp_path / "file").touch()
    asked: list[str] = []
    found = scan([tmp_path], probe=_counting(asked), cache=tmp_path / "file" / "c.json")  # type: ignore[arg-type]
    assert [each.name for each in found] == ["A"]


def test_a_scan_that_was_stopped_goes_on_where_it_was(tmp_path: Path) -> None:
    for name in "AB":
        (tmp_path / f"{name}.vst3").touch()
    asked: list[str] = []

    def stopped(path: Path) -> None:
        if path.stem == "B" and len(asked) == 1:
            raise KeyboardInterrupt

    for _ in range(2):
        try:
            scan([tmp_path], probe=_counting(asked), on_file=stopped, cache=tmp_path / "c.json")  # type: ignore[arg-type]
        except KeyboardInterrupt:
            asked.append("stopped")
    assert asked == ["A.vst3", "stopped", "B.vst3"]


def test_plugins_are_found_below_folders_through_links_and_once(tmp_path: Path) -> None:
    top, elsewhere = tmp_path / "top", tmp_path / "elsewhere"
    for bundle in (top / "Maker" / "A.vst3", elsewhere / "B.VST3", top / "A.vst3" / "Contents" / "Inner.vst3"):
        bundle.mkdir(parents=True)
    (top / "notes.txt").touch()
    (top / "linked").symlink_to(elsewhere)
    (elsewhere / "up").symlink_to(top)  # a circle
    (top / "Again.vst3").symlink_to(elsewhere / "B.VST3")
    found = [path.relative_to(tmp_path).as_posix() for path in plugin_files([top, tmp_path / "gone", top])]
    assert found == ["top/A.vst3", "top/Again.vst3", "top/Maker/A.vst3"]
    assert plugin_files([top / "A.vst3"]) == [top / "A.vst3"]


def test_folders_of_the_environment_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VST3_PATH", os.pathsep.join(["/mine", "", "/yours"]))
    folders = standard_folders()
    assert folders[:2] == [Path("/mine"), Path("/yours")] and len(folders) > 2
    monkeypatch.delenv("VST3_PATH")
    assert standard_folders() == folders[2:]
