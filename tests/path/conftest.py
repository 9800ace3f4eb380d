from __future__ import annotations

import pytest

from daw_assist.engine.worker import LoadedModel


@pytest.fixture(scope="session")
def loaded() -> LoadedModel:
    return LoadedModel("tiny-fp32", "cpu")


@pytest.fixture
def tiny(loaded: LoadedModel) -> LoadedModel:
    """The smallest model (random weights) with an empty cache."""
    loaded.rewind(0)
    return loaded
