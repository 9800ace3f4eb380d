"""The same weights run the usual ways, to measure against: PyTorch eager, and a straightforward torch.onnx.export."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from models_onnx import manifest as models
from models_onnx import weights
from models_onnx.rows import Row, next_row
from models_onnx.spec import ModelSpec
from models_onnx.train.network import Layer, Network, rotate

Logits = np.ndarray[Any, Any]


def network_of(name: str) -> Network:
    """The torch network with the weights of an installed fp32 model, in evaluation mode."""
    folder = models.find(name)
    told = models.read(folder)
    network = Network(told.spec)
    held = weights.from_graph(models.graph_bytes(folder, told), told.spec)
    network.load_state_dict({key: torch.from_numpy(array) for key, array in held.items()}, strict=True)
    return network.eval()


class _Reader:
    """Rows of the input table for ids as they come, as every model needs them."""

    def __init__(self, spec: ModelSpec) -> None:
        self._spec = spec
        self._rows: list[Row] = []

    def __len__(self) -> int:
        return len(self._rows)

    def back(self, length: int) -> None:
        del self._rows[length:]

    def read(self, ids: Sequence[int]) -> list[Row]:
        start = len(self._rows)
        for token in ids:
            self._rows.append(next_row(self._spec, self._rows[-1] if self._rows else None, token))
        return self._rows[start:]


class Eager:
    """PyTorch eager with a preallocated cache."""

    def __init__(self, name: str, threads: int) -> None:
        torch.set_num_threads(threads)
        self._network = network_of(name)
        self._caches = self._network.new_caches()
        self._reader = _Reader(self._network.spec)

    def prefill(self, ids: Sequence[int]) -> Logits:
        self._reader.back(0)
        return self._run(ids)

    def step(self, token: int) -> Logits:
        return self._run([token])

    def back(self, length: int) -> None:
        self._reader.back(length)

    @torch.inference_mode()
    def _run(self, ids: Sequence[int]) -> Logits:
        past = len(self._reader)
        rows = torch.tensor([self._reader.read(ids)])
        found: Logits = self._network(rows, self._caches, past)[0, -1].numpy()
        return found


class _Concatenating(nn.Module):
    """The network with caches that grow by concatenation, as exporters usually write it."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, rows: Tensor, *past: Tensor) -> tuple[Tensor, ...]:
        net, spec = self.network, self.network.spec
        length, held = rows.shape[1], past[0].shape[2]
        cos, sin = net.cos[held : held + length], net.sin[held : held + length]
        mask = torch.ones(length, held + length, dtype=torch.bool).tril(held)
        x = net.embed(rows)
        grown: list[Tensor] = []
        for i, each in enumerate(net.layers):
            layer = cast(Layer, each)
            split = (spec.heads * spec.head_dim, spec.kv_heads * spec.head_dim, spec.kv_heads * spec.head_dim)
            q, k, v = layer.qkv(layer.attention_norm(x)).split(split, -1)
            q = rotate(q.view(1, length, spec.heads, spec.head_dim).transpose(1, 2), cos, sin)
            k = rotate(k.view(1, length, spec.kv_heads, spec.head_dim).transpose(1, 2), cos, sin)
            v = v.view(1, length, spec.kv_heads, spec.head_dim).transpose(1, 2)
            k, v = torch.cat((past[2 * i], k), 2), torch.cat((past[2 * i + 1], v), 2)
            grown += [k, v]
            wide = [t.repeat_interleave(spec.heads // spec.kv_heads, 1) for t in (k, v)]
            mixed = functional.scaled_dot_product_attention(q, wide[0], wide[1], attn_mask=mask)
            x = x + layer.out(mixed.transpose(1, 2).reshape(1, length, -1))
            x = x + layer.down(functional.gelu(layer.up(layer.feed_norm(x))))
        return (functional.linear(net.final_norm(x), net.embedding.weight), *grown)


class Naive:
    """torch.onnx.export of a concatenated cache, run with NumPy arrays in and out."""

    def __init__(self, name: str, threads: int) -> None:
        import onnxruntime as ort

        network = network_of(name)
        self._spec = network.spec
        self._reader = _Reader(network.spec)
        count = 2 * network.spec.layers
        self._names = [f"past_{i}" for i in range(count)]
        past = tuple(torch.zeros(1, network.spec.kv_heads, 3, network.spec.head_dim) for _ in range(count))
        axes: Any = (
            {1: torch.export.Dim("length", min=1, max=1024)},
            tuple({2: torch.export.Dim("held", min=1, max=1024)} for _ in past),
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                _Concatenating(network), (torch.zeros(1, 2, self._spec.row_width, dtype=torch.long), *past),
                dynamo=True, verbose=False,
                input_names=["rows", *self._names], output_names=["logits", *(f"grown_{i}" for i in range(count))],
                dynamic_shapes=axes,
            )  # fmt: skip
            assert program is not None
            data = program.model_proto.SerializeToString()
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        self._session = ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        self._caches: list[np.ndarray[Any, Any]] = []

    def prefill(self, ids: Sequence[int]) -> Logits:
        self._reader.back(0)
        shape = (1, self._spec.kv_heads, 0, self._spec.head_dim)
        self._caches = [np.zeros(shape, np.float32) for _ in self._names]
        return self._run(ids)

    def step(self, token: int) -> Logits:
        return self._run([token])

    def back(self, length: int) -> None:
        self._reader.back(length)
        self._caches = [cache[:, :, :length] for cache in self._caches]

    def _run(self, ids: Sequence[int]) -> Logits:
        feeds = {
            "rows": np.array([self._reader.read(ids)], np.int64),
            **dict(zip(self._names, self._caches, strict=True)),
        }
        logits, *self._caches = self._session.run(None, feeds)
        found: Logits = logits[0, -1]
        return found
