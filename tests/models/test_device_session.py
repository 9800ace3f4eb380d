from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest

from daw_assist.engine.generate import Continuation, Decoder, Frame, Plan, continue_from, prefill
from daw_assist.engine.guidance import Guided
from daw_assist.engine.sampling import sample
from daw_assist.music.metre import Metre
from daw_assist.tokens.attributes import Attributes
from daw_assist.tokens.encode import encode_header
from models_onnx import device_session
from models_onnx import manifest as models
from models_onnx.device_session import DeviceSession, buckets_of, copy_graph
from models_onnx.manifest import ModelError
from models_onnx.providers import CPU, missing_for_cuda
from models_onnx.session import MAX_SEQUENCES, ContextFull, DecoderSession

NAMES = ["tiny-fp32", "small-fp16"]
IDS = np.random.default_rng(3).integers(0, 590, 200).tolist()


def device(name: str, **more: Any) -> DeviceSession:
    return DeviceSession.open(models.find(name), "cpu", **more)


def plain(name: str) -> DecoderSession:
    return DecoderSession.open(models.find(name), "cpu")


@pytest.fixture(params=[None, (128, 512), "recorded"])
def session(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> DeviceSession:
    """As it is; with `total` rounded up; and as with recordings, which the processor runs as usual."""
    if request.param == "recorded":
        return recording(monkeypatch, "tiny-fp32")
    return device("tiny-fp32", buckets=request.param)


def recording(monkeypatch: pytest.MonkeyPatch, name: str, **more: Any) -> DeviceSession:
    monkeypatch.setattr(device_session, "RECORDING", ("cuda", "cpu"))
    opened = DeviceSession._new_session
    monkeypatch.setattr(DeviceSession, "_new_session", lambda self, capture: opened(self, False))
    return device(name, **more)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("buckets", [None, (256, 512)])
def test_reading_and_stepping_give_what_the_ordinary_session_gives(name: str, buckets: Sequence[int] | None) -> None:
    ordinary, session = plain(name), device(name, buckets=buckets)
    for ids in (IDS[:1], IDS[1:40], IDS[40:168]):
        np.testing.assert_array_equal(session.append(ids), ordinary.append(ids))
    session.read(IDS[168:190])
    ordinary.read(IDS[168:190])
    for token in IDS[190:]:
        np.testing.assert_array_equal(session.step(token), ordinary.step(token))
    for sides in (session, ordinary):
        sides.rewind(120)
    np.testing.assert_array_equal(session.append([7, 8]), ordinary.append([7, 8]))
    assert session.ids == ordinary.ids == [*IDS[:120], 7, 8]


def test_more_than_is_read_at_once_is_read_in_pieces(session: DeviceSession) -> None:
    ids = [*IDS, *IDS]
    found = session.append(ids)
    np.testing.assert_allclose(found, plain("tiny-fp32").append(ids), rtol=1e-4, atol=1e-4)
    session.rewind(0)
    session.read(ids)
    np.testing.assert_array_equal(session.step(9).copy(), alone_after(session, [*ids, 9]))


def alone_after(session: DeviceSession, ids: list[int]) -> np.ndarray[Any, Any]:
    session.rewind(0)
    session.append(ids[:-1])
    return session.step(ids[-1])


def test_logits_stay_as_they_were_when_more_is_read(session: DeviceSession) -> None:
    first = session.append(IDS[:20])
    kept = first.copy()
    session.append(IDS[20:40])
    np.testing.assert_array_equal(first, kept)


@pytest.mark.parametrize("name", NAMES)
def test_rows_that_come_and_go_read_what_those_of_the_ordinary_session_read(name: str) -> None:
    ordinary, session = plain(name), device(name, buckets=(256, 512))
    for sides in (ordinary, session):
        sides.append(IDS[:50])
    rows, expected = session.fork(), ordinary.fork()
    rng, running = np.random.default_rng(1), 0
    for what in "++ss+s0s+ss1s+s0s0s":
        if what == "+":
            rows.enter()
            expected.enter()
            running += 1
        elif what == "s":
            tokens = rng.integers(0, 590, running).tolist()
            np.testing.assert_array_equal(rows.step(tokens), expected.step(tokens))
        else:
            rows.leave(int(what))
            expected.leave(int(what))
            running -= 1
    assert session.ids == IDS[:50]
    np.testing.assert_array_equal(session.step(7), ordinary.step(7))


def test_a_row_that_stays_or_begins_further_back_is_as_if_it_had_read_nothing_else(session: DeviceSession) -> None:
    session.append(IDS[:30])
    rows = session.fork()
    rows.enter()
    rows.enter(back=2)
    rows.step([5, IDS[28]])
    logits = rows.step([6, 9], staying={1}).copy()
    again = rows.step([7, IDS[29]])
    alone = plain("tiny-fp32")
    for found, ids in ((logits[1], [*IDS[:29], 9]), (again[1], IDS[:30]), (again[0], [*IDS[:30], 5, 6, 7])):
        alone.rewind(0)
        np.testing.assert_allclose(found, alone.append(ids)[-1], rtol=1e-4, atol=1e-4)


def test_each_owner_finds_the_sequence_as_it_was_left(session: DeviceSession) -> None:
    ordinary, rng = plain("tiny-fp32"), np.random.default_rng(4)
    for sides in (session, ordinary):
        sides.append(IDS[:5])
    begun = 0
    for owner in rng.integers(0, MAX_SEQUENCES + 2, 8 * MAX_SEQUENCES).tolist():
        for sides in (session, ordinary):
            sides.turn_to(owner)
        assert session.ids == ordinary.ids
        begun += not session.ids
        ids = rng.integers(0, 590, 4).tolist()
        np.testing.assert_allclose(session.append(ids), ordinary.append(ids), rtol=1e-4, atol=1e-4)
        rows = session.fork()
        rows.enter()
        rows.enter()
        rows.step([3, 4])
    assert begun > MAX_SEQUENCES + 2  # some were given up


PLAN = Plan(tuple(Frame(Metre(3, 4), i == 0, Attributes(density=6, register=2)) for i in range(3)), 0.95, 0.97)


def made_by(decoder: Decoder, guided: bool) -> list[Continuation]:
    """Five candidates, more than there are rows."""
    prefill(decoder, encode_header("dance"))
    used: Decoder = Guided(decoder, 2.5) if guided else decoder
    return continue_from(used, PLAN, [np.random.default_rng(seed) for seed in range(5)])


class Trusting(DecoderSession):
    """What the worker adds to a session."""

    @property
    def trust(self) -> tuple[float, ...]:
        return self.manifest.echo


@pytest.mark.parametrize("guided", [False, True])
def test_the_engine_makes_the_same_music_with_it(session: DeviceSession, guided: bool) -> None:
    expected = made_by(Trusting.open(models.find("tiny-fp32"), "cpu"), guided)  # type: ignore[arg-type]
    assert made_by(session, guided) == expected
    assert any(one.notes for one in expected)


def test_it_draws_what_the_sampler_draws_from_its_logits() -> None:
    pytest.importorskip("onnx", reason="building graphs needs the package onnx (train extra)")
    session = device("tiny-fp32", sampling=True)
    session.append(IDS[:60])
    rows, rng, vocab = session.fork(), np.random.default_rng(2), session.spec.vocab_size
    for _ in range(3):
        rows.enter()
    tokens = [5, 6, 7]
    for temperature, top_p in ((0.95, 0.97), (0.95, 0.97), (1.5, 1.0), (0.3, 0.5)) * 5:
        masks = rng.random((3, vocab)) < 0.3
        uniforms = rng.random(3)
        drawn, nats = rows.draw(tokens, masks, temperature, top_p, uniforms.tolist())
        logits = session.lane(3).logits()[:, 0]
        expected = [sample(*one) for one in zip(logits, masks, [temperature] * 3, [top_p] * 3, uniforms, strict=True)]
        assert drawn.tolist() == [token for token, _ in expected]
        np.testing.assert_allclose(nats, [n for _, n in expected], atol=1e-9)
        tokens = drawn.tolist()
    mask = rng.random(vocab) < 0.3
    token, n = session.draw(9, mask, 0.9, 0.9, 0.4)
    assert (token, pytest.approx(n)) == sample(session.lane(1).logits()[0, 0], mask, 0.9, 0.9, 0.4)
    assert session.ids == [*IDS[:60], 9]
    expected_logits = plain("tiny-fp32").append([*IDS[:60], 9, 8])[-1:]
    np.testing.assert_allclose(session.append([8]), expected_logits, rtol=1e-4, atol=1e-4)


def test_each_number_of_rows_is_recorded_once_in_each_bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    made = device_session._run_options
    monkeypatch.setattr(device_session, "_run_options", lambda graph_id: (asked.append(graph_id), made(graph_id))[1])
    session = recording(monkeypatch, "tiny-fp32", width=2)
    assert (session.no_capture, session.buckets) == ("", (256, 512))
    assert asked == [1, 1, 2, 2, 3, 3, 4, 4]
    asked.clear()
    session.append([1] * 255)
    rows = session.fork()
    rows.enter()
    rows.enter()
    for _ in range(2):
        rows.step([2, 3])
    session.step(4)
    assert asked == [-1, -1, 3, 4, 1]


def test_where_nothing_can_be_recorded_it_says_why_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    assert device("tiny-fp32").no_capture == "only CUDA records graphs"
    assert device("tiny-fp32", capture=False).no_capture == "it was not asked for"
    # The processor's provider has no such setting, which is how a refusal looks.
    monkeypatch.setattr(device_session, "RECORDING", ("cuda", "cpu"))
    session = device("tiny-fp32")
    assert session.no_capture == "ONNX Runtime opened the session without recording"
    assert session.buckets == ()
    np.testing.assert_array_equal(session.append(IDS), plain_pieces(IDS))


def plain_pieces(ids: list[int]) -> np.ndarray[Any, Any]:
    session = plain("tiny-fp32")
    size = device_session.READ_AT_ONCE
    return np.concatenate([session.append(ids[i : i + size]) for i in range(0, len(ids), size)])


def test_a_recording_that_fails_leaves_a_session_that_does_not_record(monkeypatch: pytest.MonkeyPatch) -> None:
    run = DeviceSession.run

    def failing(self: DeviceSession, binding: ort.IOBinding, graph_id: int = -1) -> None:
        if graph_id == 3:
            raise RuntimeError("operation not permitted when stream is capturing\nand more lines")
        run(self, binding, graph_id)

    monkeypatch.setattr(DeviceSession, "run", failing)
    session = recording(monkeypatch, "tiny-fp32")
    assert session.no_capture == "operation not permitted when stream is capturing"
    np.testing.assert_array_equal(session.step(5), plain("tiny-fp32").step(5))


@pytest.mark.parametrize("buckets", [(100,), (256,), (256, 300), (256, 512), (256, 512, 1024)])
def test_the_last_bucket_is_the_context(buckets: tuple[int, ...]) -> None:
    assert buckets_of(buckets[-1]) == buckets


def test_what_does_not_fit_is_refused_and_changes_nothing(session: DeviceSession) -> None:
    session.append([1] * 511)
    with pytest.raises(ContextFull, match="513 tokens do not fit the 512 that tiny-fp32 holds"):
        session.append([1, 2])
    with pytest.raises(ValueError, match="511 tokens are held"):
        session.rewind(512)
    rows = session.fork()
    for _ in range(session.width):
        rows.enter()
    with pytest.raises(ValueError, match="5 rows were asked for: tiny-fp32 has 4 here"):
        rows.enter()
    rows.step([3] * 4)
    with pytest.raises(ContextFull):
        rows.step([3] * 4)
    assert session.step(2).shape == (session.spec.vocab_size,)
    assert session.length == 512


def test_a_run_that_fails_leaves_what_was_held(session: DeviceSession, monkeypatch: pytest.MonkeyPatch) -> None:
    session.append(IDS[:10])

    def failing(*_: Any) -> None:
        raise RuntimeError("CUDA error 700")

    with monkeypatch.context() as broken:
        broken.setattr(DeviceSession, "run", failing)
        for act in (lambda: session.step(3), lambda: session.append([3, 4]), lambda: session.read([3])):
            with pytest.raises(RuntimeError, match="700"):
                act()
    assert session.ids == IDS[:10]
    np.testing.assert_allclose(session.step(9), plain("tiny-fp32").append([*IDS[:10], 9])[-1], rtol=1e-4, atol=1e-4)


def test_a_device_and_a_precision_that_do_not_go_together_are_refused() -> None:
    with pytest.raises(ModelError, match="half precision only"):
        DeviceSession.open(models.find("tiny-fp32"), "cuda")
    with pytest.raises(ValueError, match="'tpu' is not one of cuda, cpu"):
        DeviceSession.open(models.find("tiny-fp32"), "tpu")


@pytest.mark.skipif(missing_for_cuda() is None, reason="CUDA can be had here")
def test_the_reason_is_in_the_error_when_cuda_is_not_had() -> None:
    with pytest.raises(ModelError, match="CUDA was asked for and cannot be had"):
        DeviceSession.open(models.find("small-fp16"), "cuda")


def test_a_graph_that_is_not_its_manifests_is_refused() -> None:
    folder = models.find("tiny-fp32")
    told = models.read(folder)
    with pytest.raises(ModelError, match="SHA-256 differs"):
        DeviceSession(told, models.graph_bytes(folder, told) + b" ", "cpu")
    other = models.find("small-fp32")
    whole = models.read(other)
    changed = models.Manifest(**{**{f: getattr(whole, f) for f in whole.__dataclass_fields__}, "spec": told.spec})
    with pytest.raises(ModelError, match="of another shape"):
        DeviceSession(changed, models.graph_bytes(other, whole), "cpu")
    half = models.Manifest(**{**{f: getattr(told, f) for f in told.__dataclass_fields__}, "precision": "fp16"})
    with pytest.raises(ModelError, match=r"gives tensor\(float\), which is not fp16"):
        DeviceSession(half, models.graph_bytes(folder, told), "cpu")


@pytest.mark.parametrize("kind", [np.float32, np.float16])
def test_the_copying_graph_is_one_that_onnx_itself_would_write(kind: Any) -> None:
    onnx = pytest.importorskip("onnx", reason="checking a graph needs the package onnx")
    data = copy_graph(["key_0", "value_0"], (1, 2, 300, 64), kind)
    model = onnx.load_from_string(data)
    onnx.checker.check_model(model, full_check=True)
    assert model.SerializeToString() == data
    session = ort.InferenceSession(data, providers=[CPU])
    given = {name: np.random.default_rng(0).random((1, 2, 300, 64)).astype(kind) for name in ("key_0", "value_0")}
    for name, found in zip(given, session.run(["to_key_0", "to_value_0"], given), strict=True):
        np.testing.assert_array_equal(found, given[name])
