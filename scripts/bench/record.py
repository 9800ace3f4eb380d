"""See `models_onnx.record`."""

from models_onnx.record import append, commit, machine, processor, provenance, versions

__all__ = ["append", "commit", "machine", "processor", "provenance", "versions"]
