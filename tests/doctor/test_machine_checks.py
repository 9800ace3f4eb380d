from __future__ import annotations

from importlib import metadata

import pytest

from daw_assist.doctor.finding import Asked
from daw_assist.doctor.machine import (
    check_configuration,
    check_machine,
    check_packages,
    check_python,
    check_real_time,
)
from daw_assist.errors import UsageError

ASKED = Asked()


def test_an_old_python_is_a_problem_and_the_present_one_is_not() -> None:
    assert check_python(ASKED, (3, 10, 4)).level == "problem"
    assert check_python(ASKED).level == "ok"


def _versions(there: dict[str, str]):  # type: ignore[no-untyped-def]
    def version(name: str) -> str:
        if name not in there:
            raise metadata.PackageNotFoundError(name)
        return there[name]

    return version


def test_packages_that_are_there_and_new_enough_are_ok_and_extras_are_not_asked_for() -> None:
    needed = ["mido>=1.3.3", "numpy>=1.26", 'torch>=2.8; extra == "train"']
    found = check_packages(ASKED, lambda: needed, _versions({"mido": "1.3.3", "numpy": "2.4.6"}))
    assert (found.level, found.found) == ("ok", "mido 1.3.3, numpy 2.4.6")


def test_a_missing_and_an_old_package_are_both_named() -> None:
    found = check_packages(ASKED, lambda: ["mido>=1.3.3", "rich>=13"], _versions({"rich": "9.1"}))
    assert found.level == "problem"
    assert "mido is missing" in found.found and "rich is 9.1, needed is 13 or newer" in found.found
    assert found.advice


def test_onnxruntime_without_cuda_stands_in_for_the_one_with_it() -> None:
    found = check_packages(ASKED, lambda: ["onnxruntime-gpu>=1.23"], _versions({"onnxruntime": "1.25"}))
    assert (found.level, found.found) == ("ok", "onnxruntime 1.25")


def test_the_packages_of_this_installation_are_in_order() -> None:
    assert check_packages(ASKED).level == "ok"


@pytest.mark.parametrize(
    ("cores", "memory", "level"), [(8, 16.0, "ok"), (1, 16.0, "warning"), (8, 0.4, "warning"), (4, None, "ok")]
)
def test_few_cores_and_little_memory_are_warned_of(cores: int, memory: float | None, level: str) -> None:
    assert check_machine(ASKED, lambda: cores, lambda: memory).level == level


def test_real_time_rights_that_are_missing_come_with_the_lines_to_write() -> None:
    found = check_real_time(ASKED, "linux", lambda: 0, lambda: False)
    assert found.level == "warning" and "rtprio 95" in found.advice
    assert check_real_time(ASKED, "linux", lambda: 95, lambda: True).level == "ok"
    assert check_real_time(ASKED, "darwin").level == "ok"


def test_a_configuration_that_is_wrong_is_a_problem_with_its_own_line() -> None:
    def broken() -> object:
        raise UsageError("config.toml, line 3: bpm must be in 10..999, not 5")

    found = check_configuration(ASKED, broken)
    assert found.level == "problem" and "line 3" in found.found
    assert check_configuration(ASKED, lambda: object()).level == "ok"


def test_a_version_without_configuration_says_so() -> None:
    def none() -> object:
        raise ModuleNotFoundError("no", name="daw_assist.config")

    assert check_configuration(ASKED, none).level == "ok"
