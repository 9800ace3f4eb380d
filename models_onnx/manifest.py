"""What a model folder says of itself, and how it is found, checked and opened.

files/<name>/manifest.json    this module's `Manifest`
files/<name>/<file>.onnx      checked by SHA-256, read as bytes, refused if weights lie outside it
files/<name>/<reader>.onnx    the same of the graph that reads prompts, where there is one
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
PRECISIONS = ("fp32", "fp16", "int8")
NOT_RECORDED = "not recorded"
"""The licence of a model of which nobody said one."""
_WORDS = ("name", "file", "sha256", "precision", "vocab_sha256", "licence", "reader", "reader_sha256")
_LONGEST_WORD = 500


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
    """Corpus -> licence; empty where nobody said what it learned from."""
    story: dict[str, Any]
    """How it was trained: steps, tokens, minutes, device, figures."""
    echo: tuple[float, ...] = ()
    """Weight of what the piece itself lets expect beside the model, by orders matched (`daw_assist.engine.echo`)."""
    reader: str = ""
    """The graph for prompts (`export.build_reader`); empty: the other one reads them too."""
    reader_sha256: str = ""

    def __post_init__(self) -> None:
        """ValueError for values of another type, or that no model of ours has."""
        self._check_types()
        if self.precision not in PRECISIONS:
            raise ValueError(f"precision {self.precision!r} is not one of {', '.join(PRECISIONS)}")
        # JSON gives a list
        object.__setattr__(self, "echo", tuple(float(weight) for weight in self.echo))
        if len(self.echo) in (1, 2) or len(self.echo) > MAX_ECHO or not all(0 <= w < 1 for w in self.echo):
            raise ValueError(f"echo is none or 3..{MAX_ECHO} weights of 0 up to 1: not {self.echo[:4]} ...")

    def _check_types(self) -> None:
        for field in _WORDS:
            word: object = getattr(self, field)
            if not isinstance(word, str) or len(word) > _LONGEST_WORD or not word.isprintable():
                raise ValueError(f"{field} is a line of text of at most {_LONGEST_WORD} characters")
        data, story, echo, opset = (getattr(self, name) for name in ("data", "story", "echo", "opset"))
        if not isinstance(data, dict) or not all(isinstance(word, str) for pair in data.items() for word in pair):
            raise ValueError("data says the licence of each corpus, as text")
        if not isinstance(story, dict):
            raise ValueError("story is an object")
        if isinstance(opset, bool) or not isinstance(opset, int) or not 1 <= opset <= 1000:
            raise ValueError("opset is a whole number of 1 to 1000")
        if not isinstance(echo, list | tuple) or any(
            isinstance(w, bool) or not isinstance(w, int | float) for w in echo
        ):
            raise ValueError("echo is a list of numbers")

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
        told = Manifest(**{**raw, "spec": ModelSpec(**raw["spec"])})
        for field in ("file", "reader") if told.reader else ("file",):
            if not _is_plain(getattr(told, field)):
                raise ValueError(f"{field} is a plain name in this folder: not {getattr(told, field)[:80]!r}")
    except (OSError, ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        why = " ".join(str(error).split())[:200]
        raise ModelError(f"{folder / 'manifest.json'} is not a manifest of this version: {why}") from error
    return told


def write(folder: Path, manifest: Manifest) -> None:
    """Write manifest.json."""
    text = json.dumps(dataclasses.asdict(manifest), indent=1, sort_keys=True)
    (folder / "manifest.json").write_text(text + "\n", encoding="utf-8")


def graph_bytes(folder: Path, manifest: Manifest) -> bytes:
    """The .onnx file; its hash is checked where it is loaded."""
    return _bytes(folder, manifest.file, manifest)


def reader_bytes(folder: Path, manifest: Manifest) -> bytes | None:
    """The .onnx file that reads prompts, None where there is none; its hash is checked where it is loaded."""
    return _bytes(folder, manifest.reader, manifest) if manifest.reader else None


def _bytes(folder: Path, file: str, manifest: Manifest) -> bytes:
    if not _is_plain(file):
        raise ModelError(f"model {manifest.name}: its manifest names a file outside its folder: {file!r}")
    path = folder / file
    try:
        if path.stat().st_size > MAX_MODEL_BYTES:
            raise ModelError(f"model {manifest.name}: {path.name} is over {MAX_MODEL_BYTES} bytes")
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"model {manifest.name}: cannot read {path.name}: {error.strerror}") from error


def _is_plain(name: str) -> bool:
    """A name in a folder, on any system."""
    return name not in ("", ".", "..") and not any(c in "/\\:" for c in name)
