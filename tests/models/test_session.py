from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models_onnx import manifest as models
from models_onnx.manifest import Manifest, ModelError
from models_onnx.outside import outside
from models_onnx.session import MAX_SEQUENCES, ContextFull, DecoderSession, available_providers
from tests.models.conftest import Open

IDS = np.random.default_rng(3).integers(0, 590, 200).tolist()
CLOSE: dict[str, float] = {"rtol": 1e-4, "atol": 1e-4}


@pytest.mark.parametrize("name", ["tiny-fp32", "tiny-int8"])
@pytest.mark.parametrize("pieces", [[1, 199], [64, 64, 72], [128, 1, 1, 70]])
def test_read_in_pieces_is_read_at_once(open_model: Open, name: str, pieces: list[int]) -> None:
    whole = open_model(name).append(IDS)
    session, start, found = open_model(name), 0, []
    for size in pieces:
        found.append(session.append(IDS[start : start + size]))
        start += size
    np.testing.assert_allclose(np.concatenate(found), whole, **CLOSE)
    assert session.ids == IDS


def test_token_by_token_is_read_at_once(open_model: Open) -> None:
    whole = open_model("tiny-fp32").append(IDS)
    session = open_model("tiny-fp32")
    for token, expected in zip(IDS, whole, strict=True):
        np.testing.assert_allclose(session.step(token), expected, **CLOSE)


@pytest.mark.parametrize("keep", [0, 1, 100, 200])
def test_after_going_back_it_is_as_if_nothing_else_had_been_read(open_model: Open, keep: int) -> None:
    session = open_model("tiny-fp32")
    session.append(IDS)
    for token in (5, 300, 20):
        session.step(token)
    session.rewind(keep)
    assert session.length == keep
    fresh = open_model("tiny-fp32")
    expected = fresh.append([*IDS[:keep], 7, 8, 9])[-3:]
    np.testing.assert_allclose(session.append([7, 8, 9]), expected, **CLOSE)


@pytest.mark.parametrize("length", [-1, 4])
def test_one_cannot_go_back_to_where_one_has_not_been(open_model: Open, length: int) -> None:
    session = open_model("tiny-fp32")
    session.append([1, 2, 3])
    with pytest.raises(ValueError, match="3 tokens are held"):
        session.rewind(length)


def test_what_does_not_fit_is_refused_and_changes_nothing(open_model: Open) -> None:
    session = open_model("tiny-fp32")
    session.append([1] * 512)
    with pytest.raises(ContextFull, match="513 tokens do not fit the 512 that tiny-fp32 holds"):
        session.step(2)
    with pytest.raises(ContextFull):
        session.append([1, 2])
    session.rewind(511)
    assert session.step(2).shape == (session.spec.vocab_size,)
    assert session.length == 512


@pytest.mark.parametrize("name", ["tiny-fp32", "tiny-int8"])
def test_rows_of_several_lengths_read_what_each_would_alone(open_model: Open, name: str) -> None:
    session, alone = open_model(name), open_model(name)
    session.append(IDS[:50])
    rows = session.fork()
    mine: dict[str, list[int]] = {}
    running: list[str] = []
    script = [("+", "a"), ("+", "b"), ("s", ""), ("s", ""), ("+", "c"), ("s", ""), ("-", "a"), ("s", ""), ("+", "d"), ("s", ""),
              ("-", "d"), ("+", "e"), ("s", ""), ("-", "e"), ("s", ""), ("-", "c"), ("s", "")]  # fmt: skip
    rng = np.random.default_rng(1)
    for what, who in script:
        if what == "+":
            rows.enter()
            running.append(who)
            mine[who] = IDS[:50]
        elif what == "-":
            row = running.index(who)
            rows.leave(row)
            running[row] = running[-1]
            running.pop()
        else:
            tokens = rng.integers(0, 590, len(running)).tolist()
            logits = rows.step(tokens)
            for who, token, found in zip(running, tokens, logits, strict=True):
                mine[who] = [*mine[who], token]
                alone.rewind(0)
                np.testing.assert_allclose(found, alone.append(mine[who])[-1], rtol=1e-3, atol=2e-3)
    assert len(mine) == 5
    assert session.ids == IDS[:50]
    np.testing.assert_allclose(session.step(7), alone_after(alone, [*IDS[:50], 7]), rtol=1e-3, atol=2e-3)


def alone_after(session: DecoderSession, ids: list[int]) -> np.ndarray[Any, Any]:
    session.rewind(0)
    return session.append(ids)[-1]


@pytest.mark.parametrize("name", ["tiny-int8", "small-fp32"])
@pytest.mark.parametrize("later", [0, 1, 5])
def test_a_row_goes_on_in_place_until_another_comes_and_the_sequence_is_as_it_was(
    open_model: Open, name: str, later: int
) -> None:
    session, alone = open_model(name), open_model(name)
    for one in (session, alone):
        one.read(IDS[:100])
    rows = session.fork()
    rows.enter()
    made = [rows.step([token])[0].copy() for token in IDS[100 : 100 + later]]
    rows.enter()
    rows.enter(3)
    both = [rows.step([IDS[100 + later + i], IDS[100 + i], IDS[97 + i]]).copy() for i in range(5)]
    rows.leave(1)
    rows.leave(1)
    made += [step[0] for step in both]
    made += [rows.step([token])[0].copy() for token in IDS[105 + later : 110 + later]]
    np.testing.assert_allclose(made, [alone.step(token).copy() for token in IDS[100 : 110 + later]], **CLOSE)
    alone.rewind(100)
    np.testing.assert_allclose([s[1] for s in both], [alone.step(t).copy() for t in IDS[100:105]], **CLOSE)
    alone.rewind(97)
    if name == "small-fp32":  # the last ones were read, in another precision, by the reader of the other
        np.testing.assert_allclose([s[2] for s in both], [alone.step(t).copy() for t in IDS[97:102]], **CLOSE)
    fresh = open_model(name)
    fresh.read(IDS[:100])
    assert session.ids == IDS[:100]
    np.testing.assert_array_equal(session.append(IDS[100:103]), fresh.append(IDS[100:103]))


def test_one_token_appended_is_a_step_and_stays_when_others_follow(open_model: Open) -> None:
    session, other = open_model("tiny-int8"), open_model("tiny-int8")
    for one in (session, other):
        one.read(IDS[:50])
    found = session.append(IDS[50:51])
    expected = other.step(IDS[50])[None].copy()
    session.step(7)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", ["small-fp32", "tiny-int8"])
def test_attention_by_whole_rows_and_by_tiles_is_the_same(
    open_model: Open, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    rows = open_model(name)
    assert "ORT_GQA_DISABLE_FLASH_ATTENTION" not in os.environ
    monkeypatch.setenv("ORT_GQA_DISABLE_FLASH_ATTENTION", "0")
    tiles = open_model(name)
    first = [one.append(IDS[:150]) for one in (rows, tiles)]
    np.testing.assert_allclose(*first, **CLOSE)
    for token in IDS[150:160]:
        np.testing.assert_allclose(rows.step(token), tiles.step(token), **CLOSE)


def test_rows_beyond_the_width_or_the_cache_are_refused(open_model: Open) -> None:
    session = open_model("tiny-fp32")
    session.append([1] * 511)
    rows = session.fork()
    for _ in range(session.width):
        rows.enter()
    with pytest.raises(ValueError, match="5 rows were asked for: tiny-fp32 has 4 here"):
        rows.enter()
    rows.step([3] * session.width)
    with pytest.raises(ContextFull, match="513 tokens do not fit"):
        rows.step([3] * session.width)
    assert session.step(2).shape == (session.spec.vocab_size,)


def test_eight_bits_change_little(open_model: Open) -> None:
    exact, rounded = open_model("tiny-fp32").append(IDS), open_model("tiny-int8").append(IDS)
    spread = exact.std()
    assert np.abs(exact - rounded).mean() < 0.05 * spread
    assert (exact.argmax(-1) == rounded.argmax(-1)).mean() > 0.9


def test_the_processor_is_always_there() -> None:
    assert "cpu" in available_providers()


# Models that are not what they say


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(models.find("tiny-fp32"), tmp_path / "mine"))


def opened(folder: Path, **told: Any) -> DecoderSession:
    """Open the folder; `told` replaces what its manifest says."""
    manifest = dataclasses.replace(models.read(folder), **told)
    return DecoderSession(manifest, models.graph_bytes(folder, manifest), "cpu")


def with_graph(folder: Path, graph: bytes) -> Manifest:
    (folder / "model.onnx").write_bytes(graph)
    return dataclasses.replace(models.read(folder), sha256=hashlib.sha256(graph).hexdigest())


def test_a_folder_is_found_by_its_path(folder: Path) -> None:
    assert opened(models.find(str(folder))).append([1, 2]).shape[0] == 2


def test_an_altered_graph_is_refused(folder: Path) -> None:
    data = bytearray((folder / "model.onnx").read_bytes())
    data[-100] ^= 1
    (folder / "model.onnx").write_bytes(data)
    with pytest.raises(ModelError, match="SHA-256 differs"):
        opened(folder)


def test_what_is_no_graph_is_refused_in_one_line(folder: Path) -> None:
    told = with_graph(folder, b"not a graph")
    with pytest.raises(ModelError, match=r"tiny-fp32: model\.onnx is not an ONNX graph") as caught:
        DecoderSession(told, b"not a graph", "cpu")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("file", ["../tiny-fp32/model.onnx", "/etc/hostname", "sub/model.onnx", "..", ""])
def test_a_graph_outside_its_folder_is_refused(folder: Path, file: str) -> None:
    with pytest.raises(ModelError, match="tiny-fp32"):
        opened(folder, file=file)


def test_a_graph_with_other_inputs_is_refused(folder: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="changing a graph needs the package onnx")
    graph = onnx.load(folder / "model.onnx")
    other = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    node = onnx.helper.make_node("Identity", ["x"], ["y"])
    out = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])
    small = onnx.helper.make_model(
        onnx.helper.make_graph([node], "other", [other], [out]),
        opset_imports=[onnx.helper.make_opsetid("", 21)], ir_version=graph.ir_version,
    )  # fmt: skip
    data = small.SerializeToString()
    with pytest.raises(ModelError, match="of another shape than its manifest says"):
        DecoderSession(with_graph(folder, data), data, "cpu")


def test_weights_outside_the_graph_are_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    onnx = pytest.importorskip("onnx", reason="changing a graph needs the package onnx")
    graph = onnx.load(folder / "model.onnx")
    onnx.external_data_helper.convert_model_to_external_data(graph, location="weights.bin", size_threshold=0)
    onnx.save(graph, folder / "apart.onnx")
    assert (folder / "weights.bin").stat().st_size > 1000
    monkeypatch.chdir(folder)
    data = (folder / "apart.onnx").read_bytes()
    with pytest.raises(ModelError, match=r"lie outside model\.onnx"):
        DecoderSession(with_graph(folder, data), data, "cpu")


def test_weights_outside_are_seen_wherever_a_tensor_may_stand() -> None:
    onnx = pytest.importorskip("onnx", reason="making a graph needs the package onnx")
    make = onnx.helper
    tensor = onnx.TensorProto(name="far", data_type=1, dims=[2], data_location=onnx.TensorProto.EXTERNAL)
    inner = make.make_graph([make.make_node("Constant", [], ["c"], value=tensor)], "inner", [], [])
    loop = make.make_node("If", ["x"], ["y"], then_branch=inner, else_branch=make.make_graph([], "e", [], []))
    plain = make.make_graph([], "plain", [], [], [onnx.numpy_helper.from_array(np.ones(3, np.float32), "near")])
    sparse = make.make_graph([], "sparse", [], [])
    sparse.sparse_initializer.add().values.CopyFrom(tensor)
    function = make.make_model(plain)
    function.functions.append(make.make_function("d", "f", [], ["c"], [inner.node[0]], []))
    models_with = [make.make_model(make.make_graph([loop], "outer", [], [])), make.make_model(sparse), function]
    assert [outside(model.SerializeToString()) for model in models_with] == ["far"] * 3
    only_told = onnx.TensorProto(name="far")
    only_told.external_data.add(key="location", value="weights.bin")
    assert outside(make.make_model(make.make_graph([], "g", [], [], [only_told])).SerializeToString()) == "far"
    assert outside(make.make_model(plain).SerializeToString()) is None


@pytest.mark.parametrize("cut", [1, 10, 1000])
def test_a_graph_cut_short_is_no_graph(folder: Path, cut: int) -> None:
    data = (folder / "model.onnx").read_bytes()[:-cut]
    with pytest.raises(ModelError, match="tiny-fp32"):
        DecoderSession(with_graph(folder, data), data, "cpu")


def test_a_precision_that_is_not_that_of_the_graph_is_refused(folder: Path) -> None:
    with pytest.raises(ModelError, match=r"which is not fp16 as its manifest says"):
        opened(folder, precision="fp16")


BIG = 10**400


@pytest.mark.parametrize(
    "change",
    [
        {"name": 3}, {"name": "a\nb"}, {"file": None}, {"file": "../x.onnx"}, {"file": ".."}, {"file": "a\\b"}, {"sha256": 1},
        {"precision": "fp64"}, {"precision": ["fp32"]}, {"opset": "23"}, {"opset": BIG}, {"licence": {}}, {"data": []},
        {"data": {"a": 1}}, {"story": []}, {"story": "x"}, {"echo": [BIG, 0, 0]}, {"echo": "abc"}, {"more": 1},
    ],
)  # fmt: skip
def test_a_field_that_makes_no_sense_is_refused_in_one_line(folder: Path, change: dict[str, Any]) -> None:
    told = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(told | change))
    with pytest.raises(ModelError, match="not a manifest of this version") as caught:
        models.read(folder)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "change",
    [
        {"layers": 10**9}, {"layers": 0}, {"layers": True}, {"layers": 2.0}, {"width": 5000}, {"context": BIG}, {"heads": "1"},
        {"kv_heads": 2}, {"head_dim": 63}, {"hidden": -1}, {"previous": 10**6}, {"vocab_size": -5}, {"rope_base": 0},
        {"rope_base": BIG}, {"rope_base": "x"}, {"norm_eps": float("nan")}, {"norm_eps": None}, {"resets": [-1]},
        {"resets": [640]}, {"resets": 3}, {"running": [[0, 0]]}, {"running": [[600, 100]]}, {"running": [[-1, 5]]},
        {"running": [[1]]}, {"running": [["a", 1]]}, {"running": [[0, 1]] * 65}, {"lasting": [[0, -3]]}, {"lasting": [5]},
        {"lasting": {"a": 1}}, {"heads": 128, "kv_heads": 128, "head_dim": 512, "context": 65_536},
    ],
)  # fmt: skip
def test_a_spec_beyond_its_bounds_is_refused_in_one_line(folder: Path, change: dict[str, Any]) -> None:
    told = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(told | {"spec": told["spec"] | change}))
    with pytest.raises(ModelError, match="not a manifest of this version") as caught:
        models.read(folder)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


def test_a_manifest_nested_too_deep_is_refused(folder: Path) -> None:
    (folder / "manifest.json").write_text("[" * 100_000)
    with pytest.raises(ModelError, match="not a manifest of this version"):
        models.read(folder)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"name": 1}', "\xff", '{"spec": 3}', '{"spec": {"width": 1}}', "null", '"x"']
)
def test_what_is_no_manifest_is_refused_in_one_line(folder: Path, text: str) -> None:
    (folder / "manifest.json").write_text(text, encoding="latin-1")
    with pytest.raises(ModelError, match=r"manifest\.json is not a manifest of this version") as caught:
        models.read(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "echo", [[0.1, 0.2], [0.0, 0.5, 1.0], [0.0, -0.1, 0.5], [0.1] * 65, [float("nan")] * 5, ["a"] * 4, 3]
)
def test_weights_of_the_echo_that_make_no_sense_are_refused(folder: Path, echo: object) -> None:
    told = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(told | {"echo": echo}))
    with pytest.raises(ModelError, match="not a manifest of this version") as caught:
        models.read(folder)
    assert "\n" not in str(caught.value)


def test_a_manifest_without_an_echo_has_none(folder: Path) -> None:
    told = json.loads((folder / "manifest.json").read_text())
    told.pop("echo")
    (folder / "manifest.json").write_text(json.dumps(told))
    assert models.read(folder).echo == ()
    models.write(folder, dataclasses.replace(models.read(folder), echo=(0.0, 0.25, 0.5)))
    assert models.read(folder).echo == (0.0, 0.25, 0.5)


def test_a_manifest_is_read_as_it_was_written(folder: Path) -> None:
    told = models.read(folder)
    models.write(folder, told)
    assert models.read(folder) == told
    assert json.loads((folder / "manifest.json").read_text())["sha256"] == told.sha256


def test_a_missing_graph_and_a_missing_model_say_what_there_is(folder: Path) -> None:
    (folder / "model.onnx").unlink()
    with pytest.raises(ModelError, match=r"cannot read model\.onnx"):
        opened(folder)
    with pytest.raises(ModelError, match=r"no model 'nope': installed are .*tiny-fp32"):
        models.find("nope")


def test_each_owner_finds_its_sequence_as_it_left_it(open_model: Open) -> None:
    session, alone = open_model("tiny-int8"), open_model("tiny-int8")
    for owner, ids in (("a", IDS[:50]), ("b", IDS[50:90])):
        session.turn_to(owner)
        assert session.ids == []
        session.read(ids)
    session.turn_to("a")
    assert session.ids == IDS[:50]
    rows = session.fork()
    rows.enter()
    rows.enter()
    rows.step([5, 6])
    session.turn_to("b")
    session.turn_to("a")
    alone.read(IDS[:50])
    np.testing.assert_array_equal(session.step(9), alone.step(9))


def test_who_was_longest_away_is_given_up(open_model: Open) -> None:
    session = open_model("tiny-fp32")
    for owner in range(MAX_SEQUENCES):
        session.turn_to(owner)
        session.append([1, 2, owner + 3])
    session.turn_to(0)
    session.turn_to("new")
    assert session.ids == []
    session.turn_to(0)
    assert session.ids == [1, 2, 3]
    session.turn_to(1)
    assert session.ids == []
    fresh = open_model("tiny-fp32")
    np.testing.assert_array_equal(session.append(IDS), fresh.append(IDS))


def test_what_was_warmed_up_before_anyone_came_goes_to_the_first(open_model: Open) -> None:
    session = open_model("tiny-fp32")
    session.append([1, 2])
    session.turn_to("first")
    assert session.ids == []
    session.turn_to(None)
    assert session.ids == []
