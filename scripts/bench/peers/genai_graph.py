"""Our graph as onnxruntime-genai takes it: ids and an attention mask in, nothing else.

Our model reads sums of several table rows at each place, and what they are depends on the ids before it. genai hands a
graph nothing but the new ids, so those further columns cannot be said; a place here reads the row of its id alone. All
other nodes and weights are those of the installed model, so each token costs what ours does, less a few look-ups, but
what comes out is not music.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import GraphProto, TensorProto, helper, numpy_helper

from models_onnx import manifest as models
from models_onnx.spec import ModelSpec


def write(model: str, threads: int, folder: Path) -> Path:
    """A model folder for genai: graph and genai_config.json with that many threads; gives its path."""
    manifest = models.read(models.find(model))
    made = onnx.load_from_string(models.graph_bytes(models.find(model), manifest))
    _reword(made.graph, manifest.spec)
    out = folder / f"{model}-{threads}"
    out.mkdir(parents=True, exist_ok=True)
    onnx.save(made, out / "model.onnx")
    (out / "genai_config.json").write_text(json.dumps(_config(manifest.spec, threads), indent=1), encoding="utf-8")
    return out


def _reword(graph: GraphProto, spec: ModelSpec) -> None:
    """Other names for inputs and outputs, and the two nodes that look up and add table rows replaced by one."""
    names = {}
    for i in range(spec.layers):
        for what in ("key", "value"):
            names[f"{what}_{i}"] = f"past_key_values.{i}.{what}"
            names[f"new_{what}_{i}"] = f"present.{i}.{what}"
    kept = [node for node in graph.node if node.output[0] not in ("embedded", "embedding_sum")]
    assert len(kept) == len(graph.node) - 2
    for node in kept:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    constants = {"mask_axis": np.array([1], np.int64), "one": np.array(1, np.int64), "second": np.array(1, np.int64)}
    graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in constants.items())
    first = [
        helper.make_node("Gather", ["table", "input_ids"], ["embedding_sum"]),
        helper.make_node("ReduceSum", ["attention_mask", "mask_axis"], ["lengths"], keepdims=0),
        helper.make_node("Sub", ["lengths", "one"], ["lengths_before"]),
        helper.make_node("Cast", ["lengths_before"], ["past"], to=TensorProto.INT32),
        helper.make_node("Shape", ["attention_mask"], ["mask_shape"]),
        helper.make_node("Gather", ["mask_shape", "second"], ["longest"]),
        helper.make_node("Cast", ["longest"], ["total"], to=TensorProto.INT32),
    ]
    del graph.node[:]
    graph.node.extend([*first, *kept])
    for values in (graph.input, graph.output):
        for value in values:
            value.name = names.get(value.name, value.name)
            if "." in value.name:
                value.type.tensor_type.shape.dim[2].Clear()
                value.type.tensor_type.shape.dim[2].dim_param = "places_" + value.name.partition(".")[0]
    caches = [value for value in graph.input if value.name.startswith("past_key_values.")]
    del graph.input[:]
    graph.input.extend(
        [
            helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "length"]),
            helper.make_tensor_value_info("attention_mask", TensorProto.INT64, ["batch", "total_length"]),
            *caches,
        ]
    )


def _config(spec: ModelSpec, threads: int) -> dict[str, Any]:
    return {
        "model": {
            "type": "llama",
            "bos_token_id": 1,
            "eos_token_id": spec.vocab_size - 1,
            "pad_token_id": 0,
            "context_length": spec.context,
            "vocab_size": spec.vocab_size,
            "decoder": {
                "session_options": {"intra_op_num_threads": threads, "provider_options": []},
                "filename": "model.onnx",
                "head_size": spec.head_dim,
                "hidden_size": spec.width,
                "num_attention_heads": spec.heads,
                "num_key_value_heads": spec.kv_heads,
                "num_hidden_layers": spec.layers,
                "inputs": {
                    "input_ids": "input_ids",
                    "attention_mask": "attention_mask",
                    "past_key_names": "past_key_values.%d.key",
                    "past_value_names": "past_key_values.%d.value",
                },
                "outputs": {
                    "logits": "logits",
                    "present_key_names": "present.%d.key",
                    "present_value_names": "present.%d.value",
                },
            },
        },
        "search": {
            "do_sample": True,
            "temperature": 0.95,
            "top_p": 0.97,
            "top_k": 0,
            "num_beams": 1,
            "max_length": spec.context,
            "past_present_share_buffer": True,
        },
    }
