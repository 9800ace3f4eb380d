from __future__ import annotations

from collections.abc import Callable

import pytest

from models_onnx import manifest as models
from models_onnx.session import DecoderSession

Open = Callable[[str], DecoderSession]


@pytest.fixture
def open_model() -> Open:
    """A fresh session of an installed model on the CPU."""

    def opened(name: str) -> DecoderSession:
        return DecoderSession.open(models.find(name), "cpu")

    return opened
