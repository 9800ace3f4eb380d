"""Models: manifest and spec, an ONNX Runtime session with a shared cache, export and training. Knows ids, not music."""
