"""A folder of one harmonization model: several ONNX graphs that belong together, and the manifest that names them.

files/harmony/<name>/manifest.json    `HarmonyManifest`
files/harmony/<name>/<graph>.onnx     each checked by SHA-256, read as bytes, refused if weights lie outside it
files/harmony/<name>/README.md        the model card
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnxruntime as ort

from models_onnx.manifest import FILES, MAX_MODEL_BYTES, ModelError
from models_onnx.outside import outside
from models_onnx.providers import insist_on_cuda, options, providers

HARMONY_FILES = FILES / "harmony"
KINDS = ("chords", "voices")


@dataclass(frozen=True, slots=True)
class HarmonyManifest:
    """Contents of manifest.json."""

    name: str
    kind: str
    """One of `KINDS`."""
    graphs: dict[str, str]
    """Name of each graph (its file is `<name>.onnx`) -> SHA-256 of the file."""
    precision: str
    spec: dict[str, Any]
    """Sizes and alphabet, as the kind's own spec reads them."""
    licence: str
    data: dict[str, str]
    """Corpus -> licence."""
    story: dict[str, Any]
    """How it was trained: steps, minutes, device, figures."""

    def __post_init__(self) -> None:
        """ValueError for values that no manifest of ours has."""
        if self.kind not in KINDS:
            raise ValueError(f"kind {self.kind!r} is not one of {', '.join(KINDS)}")
        for field in ("graphs", "data"):
            value: object = getattr(self, field)
            if not isinstance(value, dict) or not all(isinstance(word, str) for pair in value.items() for word in pair):
                raise ValueError(f"{field} is an object of texts")
        if not self.graphs or not all(name.isidentifier() for name in self.graphs):
            raise ValueError("graphs are named by plain words")
        if not all(isinstance(value, str) and len(value) < 500 for value in (self.name, self.precision, self.licence)):
            raise ValueError("name, precision and licence are short texts")
        if not isinstance(self.spec, dict) or not isinstance(self.story, dict):
            raise ValueError("spec and story are objects")


def installed_harmony() -> list[str]:
    """Names of the harmonization models that came with this installation."""
    return sorted(path.parent.name for path in HARMONY_FILES.glob("*/manifest.json"))


def find_harmony(name: str, kind: str) -> tuple[Path, HarmonyManifest]:
    """The folder and manifest of a model given by name or path; `ModelError` if it is not there or of another kind."""
    for folder in (HARMONY_FILES / name, Path(name)):
        if (folder / "manifest.json").is_file():
            break
    else:
        there = ", ".join(installed_harmony()) or "none"
        raise ModelError(
            f"no harmonization model {name!r}: installed are {there} (or give a folder with a manifest.json)"
        )
    try:
        told = HarmonyManifest(**json.loads((folder / "manifest.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, RecursionError) as error:
        why = " ".join(str(error).split())[:200]
        raise ModelError(f"{folder / 'manifest.json'} is not a manifest of this version: {why}") from error
    if told.kind != kind:
        raise ModelError(f"model {told.name} is for {told.kind}, not for {kind}")
    return folder, told


def open_graphs(
    folder: Path, manifest: HarmonyManifest, provider: str = "auto", threads: int = 0
) -> dict[str, ort.InferenceSession]:
    """Every graph, checked and loaded from bytes. `provider`: auto, cpu or cuda."""
    return {
        name: _open(folder / f"{name}.onnx", sha, manifest, provider, threads) for name, sha in manifest.graphs.items()
    }


def _open(path: Path, sha256: str, manifest: HarmonyManifest, provider: str, threads: int) -> ort.InferenceSession:
    try:
        if path.stat().st_size > MAX_MODEL_BYTES:
            raise ModelError(f"model {manifest.name}: {path.name} is over {MAX_MODEL_BYTES} bytes")
        graph = path.read_bytes()
    except OSError as error:
        raise ModelError(f"model {manifest.name}: cannot read {path.name}: {error.strerror}") from error
    if hashlib.sha256(graph).hexdigest() != sha256:
        raise ModelError(f"model {manifest.name}: {path.name} is not the one its manifest names (SHA-256 differs)")
    try:
        elsewhere = outside(graph)
    except ValueError as error:
        raise ModelError(f"model {manifest.name}: {path.name} is not an ONNX graph: {error}") from error
    if elsewhere:
        raise ModelError(f"model {manifest.name}: weights ({elsewhere!r}) lie outside {path.name}: keep all inside")
    try:
        session = ort.InferenceSession(graph, options(threads), providers=providers(provider == "cuda"))
    except Exception as error:
        first = str(error).splitlines()[0]
        raise ModelError(f"model {manifest.name}: ONNX Runtime cannot load {path.name}: {first}") from error
    if provider == "cuda":
        insist_on_cuda(session)
    return session


def write_harmony(folder: Path, manifest: HarmonyManifest) -> None:
    """Write manifest.json."""
    text = json.dumps(dataclasses.asdict(manifest), indent=1, sort_keys=True)
    (folder / "manifest.json").write_text(text + "\n", encoding="utf-8")
