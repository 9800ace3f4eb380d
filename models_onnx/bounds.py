"""What this machine allows at best: how fast it reads and multiplies, what a model must read and multiply for a token or a
prompt, and what each layer costs whatever its size.

A token's bound is the bytes of weights and cache that it reads over the read bandwidth; a prompt's is its multiplications
over what a matrix product reaches in single precision. An 8-bit product may go below the second.
"""

from __future__ import annotations

import hashlib
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from models_onnx.manifest import Manifest, ModelError
from models_onnx.session import DecoderSession
from models_onnx.spec import ModelSpec

_WEIGHT_BYTES = {"fp32": 4.0, "fp16": 2.0, "int8": 1.03125}
"""A weight; in 8 bits a scale of four bytes stands beside 128 of them (`export.STEP_BLOCK`; rows of fewer are as good as none)."""
_LEAST_BLOCK_MB = 0.25
_ROUNDS = 7


def timed(act: Callable[[], object], count: int) -> list[float]:
    """Seconds of each of `count` calls."""
    spent = []
    for _ in range(count):
        start = time.perf_counter()
        act()
        spent.append(time.perf_counter() - start)
    return spent


def bandwidth_gb_s(megabytes: float, threads: int = 1) -> float:
    """Best read bandwidth over blocks of that size in all, 10^9 bytes a second (NumPy's sum of 64-bit integers)."""
    size = max(megabytes, _LEAST_BLOCK_MB) * 1e6 / threads
    blocks = [np.ones(int(size / 8), np.int64) for _ in range(threads)]
    rounds = max(1, int(200 / megabytes)) if megabytes else 1

    def read(block: np.ndarray[Any, Any]) -> None:
        for _ in range(rounds):
            block.sum()

    with ThreadPoolExecutor(threads) as pool:  # NumPy lets the interpreter go meanwhile
        best = min(min(timed(lambda: list(pool.map(read, blocks)), 1)) for _ in range(_ROUNDS))
    return round(sum(block.nbytes for block in blocks) * rounds / best / 1e9, 2)


def multiply_gflop_s(opened: Callable[[], Callable[[], object]], flop: float) -> float:
    """Best rate, 10^9 operations a second, of what `opened` gives, which does `flop` of them."""
    act = opened()
    act()
    return round(flop / min(timed(act, 15)) / 1e9, 1)


def product(size: int, threads: int) -> tuple[Callable[[], Callable[[], object]], float]:
    """A square matrix product in single precision in ONNX Runtime, and its operations (a product and a sum are two)."""

    def opened() -> Callable[[], object]:
        import onnxruntime as ort
        from onnx import TensorProto, helper

        from models_onnx.providers import CPU, options

        square = [size, size]
        ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, square) for name in ("a", "b", "c")]
        graph = helper.make_graph([helper.make_node("MatMul", ["a", "b"], ["c"])], "product", ends[:2], ends[2:])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
        session = ort.InferenceSession(model.SerializeToString(), options(threads), providers=[CPU])
        feeds = {name: np.ones((size, size), np.float32) for name in ("a", "b")}
        return lambda: session.run(None, feeds)

    return opened, 2.0 * size**3


def token_bytes(spec: ModelSpec, precision: str, context: int) -> float:
    """Bytes that one token must read at least: every weight of the layers and of the output, and the cache so far."""
    cache = 2 * spec.layers * spec.kv_heads * spec.head_dim * context * (2 if precision == "fp16" else 4)
    return products_of_a_token(spec) / 2 * _WEIGHT_BYTES[precision] + cache


def products_of_a_token(spec: ModelSpec) -> float:
    """Operations of its matrix products, the output's too, without the attention."""
    attention = spec.width * spec.head_dim * (2 * spec.heads + 2 * spec.kv_heads)
    return 2.0 * (spec.layers * (attention + 2 * spec.width * spec.hidden) + spec.width * spec.vocab_size)


def prompt_operations(spec: ModelSpec, length: int) -> float:
    """The least operations of a prompt of `length` tokens: what fills the caches. Products, of the last layer only those of
    keys and values, and the causal half of the attention of all layers but the last.
    """
    inner, shared = spec.heads * spec.head_dim, spec.kv_heads * spec.head_dim
    layer = 2.0 * spec.width * (2 * inner + 2 * shared + 2 * spec.hidden)
    last = 2.0 * spec.width * 2 * shared
    return length * ((spec.layers - 1) * layer + last) + (spec.layers - 1) * 2.0 * inner * length**2


def random_session(spec: ModelSpec, precision: str, threads: int = 1, seed: int = 0) -> DecoderSession:
    """A model of that shape with random weights: for its speed only. Needs the package onnx."""
    from models_onnx.export import build

    rng = np.random.default_rng(seed)

    def matrix(rows: int, columns: int) -> np.ndarray[Any, Any]:
        return rng.standard_normal((rows, columns), np.float32) * np.float32(columns**-0.5)

    inner, shared = spec.heads * spec.head_dim, spec.kv_heads * spec.head_dim
    weights: dict[str, Any] = {
        "embedding.weight": matrix(spec.vocab_size, spec.width),
        "extra.weight": matrix(max(1, spec.table_rows - spec.vocab_size), spec.width),
        "final_norm.weight": np.ones(spec.width, np.float32),
    }
    for i in range(spec.layers):
        shapes = {
            "qkv": (inner + 2 * shared, spec.width), "out": (spec.width, inner), "up": (spec.hidden, spec.width),
            "down": (spec.width, spec.hidden),
        }  # fmt: skip
        weights |= {f"layers.{i}.{name}.weight": matrix(*shape) for name, shape in shapes.items()}
        weights |= {f"layers.{i}.{name}_norm.weight": np.ones(spec.width, np.float32) for name in ("attention", "feed")}
    graph = build(spec, weights, precision).SerializeToString()
    told = Manifest(
        "random", "model.onnx", hashlib.sha256(graph).hexdigest(), precision, "", spec, 23, "", {}, {"note": "random"}
    )
    return DecoderSession(told, graph, "cpu", threads)


def step_s(session: DecoderSession, context: int, count: int) -> list[float]:
    """Seconds of each of `count` tokens at the place `context`."""
    session.rewind(0)
    for start in range(0, context - 1, 128):
        session.append([3] * min(128, context - 1 - start))

    def one() -> None:
        session.step(3)
        session.rewind(context - 1)

    timed(one, 20)
    return timed(one, count)


def layer_us(layers: Sequence[int] = (1, 9), count: int = 400) -> dict[str, float]:
    """What a layer costs whatever its size, and a run: microseconds, from models as narrow as can be.

    Errors: `ModelError` where the package onnx is not installed.
    """
    try:
        import onnx  # noqa: F401
    except ImportError as error:
        raise ModelError("the package onnx is not installed: pip install 'daw-assist[train]'") from error
    medians = []
    for depth in layers:
        spec = ModelSpec(64, 64, depth, 1, 1, 64, hidden=64)
        medians.append(statistics.median(step_s(random_session(spec, "int8"), 16, count)) * 1e6)
    slope = (medians[1] - medians[0]) / (layers[1] - layers[0])
    return {"layer_us": round(slope, 2), "run_us": round(medians[0] - slope * layers[0], 2)}
