"""What hears notes, and how sounds become files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pedalboard.io import AudioFile

from models_onnx.manifest import ModelError
from models_onnx.transcribe import RATE, Ear, find_model

Record = Callable[..., Path]


@pytest.fixture(scope="session")
def ear() -> Ear:
    """The network; the test is skipped where it is not installed."""
    try:
        find_model()
    except ModelError as reason:
        pytest.skip(str(reason))
    return Ear()


@pytest.fixture
def record(tmp_path: Path) -> Record:
    """Writes samples (one channel, or channels x samples) under a name whose suffix says the kind of file."""

    def write(samples: Any, name: str = "take.wav", rate: int = RATE, bit_depth: int = 16) -> Path:
        channels = np.atleast_2d(np.asarray(samples, np.float32))
        path = tmp_path / name
        depth = {"bit_depth": bit_depth} if name.endswith(".wav") else {}
        with AudioFile(str(path), "w", rate, len(channels), **depth) as file:
            file.write(channels)
        return path

    return write
