"""Does an ONNX graph keep weights in other files? Told from the bytes alone, before ONNX Runtime opens any such file.

Only the messages that can hold a tensor are entered (onnx.proto3); everything else, all weights with it, is stepped over.
"""

from __future__ import annotations

from collections.abc import Iterator

# Message -> field -> message of that field.
_HELD: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
_NAME, _EXTERNAL_DATA, _DATA_LOCATION = 8, 13, 14
_VARINT, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5
_LONGEST_VARINT = 10


def outside(graph: bytes) -> str | None:
    """Name of a tensor whose data lie outside the file, or None. Errors: ValueError for bytes that are no protobuf."""
    waiting = [("model", memoryview(graph))]
    while waiting:
        kind, message = waiting.pop()
        named, elsewhere = "a tensor", False
        for field, value in _fields(message):
            if isinstance(value, int):
                elsewhere |= kind == "tensor" and field == _DATA_LOCATION and value != 0
                continue
            if kind == "tensor":
                elsewhere |= field == _EXTERNAL_DATA
                named = bytes(value[:80]).decode("utf-8", "replace") if field == _NAME else named
            elif field in _HELD[kind]:
                waiting.append((_HELD[kind][field], value))
        if elsewhere:
            return named
    return None


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """(field number, number or bytes); fixed-width values as bytes."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        field, wire = key >> 3, key & 7
        if wire == _VARINT:
            number, at = _varint(message, at)
            yield field, number
            continue
        if wire == _BYTES:
            size, at = _varint(message, at)
        elif wire in (_EIGHT, _FOUR):
            size = 8 if wire == _EIGHT else 4
        else:
            raise ValueError(f"wire type {wire} at byte {at}")
        if not field or size > len(message) - at:
            raise ValueError(f"field {field} of {size} bytes at byte {at}, of which {len(message) - at} are left")
        yield field, message[at : at + size]
        at += size


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """(value, where it ends)."""
    value = 0
    for place, byte in enumerate(message[at : at + _LONGEST_VARINT]):
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return value, at + place + 1
    raise ValueError(f"a number at byte {at} that does not end")
