"""What a model folder says of itself, and how it is found, checked and opened.

files/<name>/manifest.json    this module's `Manifest`
files/<name>/<file>.onnx      checked by SHA-256, read as bytes, never from a path with outside data
files/<name>/README.md        the model card
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models_onnx.spec import ModelSpec

FILES = Path(__file__).parent / "files"
DEFAULT_MODEL = "small-int8"
MAX_MODEL_BYTES = 2_000_000_000
MAX_ECHO = 64


class ModelError(Exception):
    """A model is missing, altered, or of another kind; the text is one line for people."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """Contents of manifest.json."""

    name: str
    file: str
    sha256: str
    precision: str
    vocab_sha256: str
    spec: ModelSpec
    opset: int
    licence: str
    data: dict[str, str]
    """Corpus -> licence."""
    story: dict[str, Any]
    """How it was trained: steps, tokens, minutes, device, figures."""
    echo: tuple[float, ...] = ()
    """Weight of what the piece itself lets expect beside the model, by orders matched (`daw_assist.engine.echo`)."""

    def __post_init__(self) -> None:
        # JSON gives a list
        object.__setattr__(self, "echo", tuple(float(weight) for weight in self.echo))
        if len(self.echo) in (1, 2) or len(self.echo) > MAX_ECHO or not all(0 <= w < 1 for w in self.echo):
            raise ValueError(f"echo is none or 3..{MAX_ECHO} weights of 0 up to 1: not {self.echo[:4]} ...")

    @property
    def parameters(self) -> int:
        """Number of weights."""
        return self.spec.parameters


def installed() -> list[str]:
    """Names of the models that came with this installation."""
    return sorted(folder.parent.name for folder in FILES.glob("*/manifest.json"))


def find(name: str) -> Path:
    """The folder of a model given by name or path."""
    for folder in (FILES / name, Path(name)):
        if (folder / "manifest.json").is_file():
            return folder
    raise ModelError(
        f"no model {name!r}: installed are {', '.join(installed()) or 'none'} (or give a folder with a manifest.json)"
    )


def read(folder: Path) -> Manifest:
    """Parse manifest.json; `ModelError` if it is not one."""
    try:
        raw = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        return Manifest(**{**raw, "spec": ModelSpec(**raw["spec"])})
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ModelError(f"{folder / 'manifest.json'} is not a manifest of this version: {error}") from error


def write(folder: Path, manifest: Manifest) -> None:
    """Write manifest.json."""
    text = json.dumps(dataclasses.asdict(manifest), indent=1, sort_keys=True)
    (folder / "manifest.json").write_text(text + "\n", encoding="utf-8")


def graph_bytes(folder: Path, manifest: Manifest) -> bytes:
    """The .onnx file; its hash is checked where it is loaded."""
    if Path(manifest.file).name != manifest.file:
        raise ModelError(f"model {manifest.name}: its manifest names a file outside its folder: {manifest.file!r}")
    path = folder / manifest.file
    try:
        if path.stat().st_size > MAX_MODEL_BYTES:
            raise ModelError(f"model {manifest.name}: {path.name} is over {MAX_MODEL_BYTES} bytes")
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"model {manifest.name}: cannot read {path.name}: {error.strerror}") from error
