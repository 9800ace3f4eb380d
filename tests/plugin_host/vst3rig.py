"""Real VST3s for the tests, compiled here from `vst3/plugin.cpp` and Debian's dpf-source (ISC, no Steinberg SDK)."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

SOURCE = Path(__file__).parent / "vst3"
DPF = Path("/usr/share/dpf/distrho")

KINDS = {
    "synth": "Test Synth",
    "effect": "Test Gain -DTEST_EFFECT",
    "crash": "Test Crash -O0 -DTEST_CRASH_LOAD",
    "crash_later": "Test Crash Later -O0 -DTEST_CRASH_BLOCKS=40",
    "hang": "Test Hang -O0 -DTEST_HANG",
    "mono": "Test Mono -DTEST_MONO -DTEST_NOISY",
    "mono_effect": "Test Mono Gain -O0 -DTEST_EFFECT -DTEST_MONO",
    "late": "Test Late -DTEST_LATENCY=700",
    "nan": "Test NaN -O0 -DTEST_NAN",
}
"""Name and flags of each plug-in."""


class Vst3Unavailable(Exception):
    """No plug-in can be compiled here; the text says what is missing."""


class Vst3Rig:
    """Compiles each plug-in once, two at a time, from when the first is asked for."""

    def __init__(self, folder: Path) -> None:
        if sys.platform != "linux":
            raise Vst3Unavailable("the test plug-ins are compiled on Linux only")
        if shutil.which("g++") is None or not DPF.is_dir():
            raise Vst3Unavailable("needs a compiler and DPF: apt-get install g++ dpf-source")
        self._folder = folder
        self._framework = _framework(folder / "dpf")
        self._pool = ThreadPoolExecutor(2)
        self._made: dict[str, Future[Path]] = {}

    def plugin(self, kind: str) -> Path:
        """The bundle; blocks until it is compiled."""
        if kind not in self._made:
            self._made[kind] = self._pool.submit(self._compiled, kind)
        return self._made[kind].result()

    def begin(self, *kinds: str) -> None:
        """Compiles these in the background."""
        for kind in kinds:
            if kind not in self._made:
                self._made[kind] = self._pool.submit(self._compiled, kind)

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)

    def _compiled(self, kind: str) -> Path:
        name, *flags = KINDS[kind].split(" -")
        bundle = self._folder / f"{name.replace(' ', '')}.vst3"
        binary = bundle / "Contents" / f"{platform.machine()}-linux" / f"{bundle.stem}.so"
        binary.parent.mkdir(parents=True)
        command = [
            "g++", "-std=gnu++17", "-O2", "-fPIC", "-shared", "-fvisibility=hidden", "-DNDEBUG", "-w",
            "-DDISTRHO_PLUGIN_TARGET_VST3", f'-DTEST_NAME="{name}"', *(f"-{flag}" for flag in flags),
            f"-I{SOURCE}", f"-I{self._framework}", str(SOURCE / "plugin.cpp"),
            str(self._framework / "DistrhoPluginMain.cpp"), "-o", str(binary), "-lpthread",
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, timeout=100)
        if done.returncode:
            raise AssertionError(f"{kind} does not compile: {done.stderr[-2000:]}")
        return bundle


def _framework(folder: Path) -> Path:
    """A copy of DPF 1.6 with one mistake of its put right: the first parameter always read as 0."""
    shutil.copytree(DPF, folder)
    source = folder / "src/DistrhoPluginVST3.cpp"
    wrong = "rindex <= kVst3InternalParameterMidiCC_end"
    source.write_text(source.read_text().replace(wrong, wrong.replace("<=", "<")))
    return folder
