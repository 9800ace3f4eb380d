"""Models: manifest and spec, an ONNX Runtime session with a shared cache, export, parity, and training. Knows token ids, not music."""
