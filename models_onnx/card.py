"""The model card: README.md of a model folder, from its manifest and from the lines in benchmarks/results.

Nothing is typed in by hand: a figure without a line there, or without a verdict in the manifest, is "not measured".
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from models_onnx import manifest as models
from models_onnx.corpora.sources import credit
from models_onnx.manifest import NOT_RECORDED, Manifest
from models_onnx.record import ROOT

RESULTS = ROOT / "benchmarks" / "results"
NOT_MEASURED = "not measured"
Line = dict[str, Any]

STAGES = ("music", "originality", "steering", "styles")
"""Parts of a held-out line beside its nats (`scripts/evaluate.py`)."""

_CARD = """# {name}

{lead}

| | |
|---|---|
| shape | decoder-only transformer: {layers} layers, width {width}, {heads} heads of {head_dim}, {kv_heads} for keys and values |
| parameters | {parameters} |
| context | {context} tokens |
| file | {precision}, {megabytes}, opset {opset} with com.microsoft::GroupQueryAttention |
| SHA-256 | `{sha256}` |
{reader}| licence | {licence} |

## Training

{training}

{data}

## Export

{export}

## Scores

{scores}

## Limits

{limits}
"""

_LIMITS = """- The weights know the kinds of music they were trained on: see the figures above before using them for others.
- A small model: a few bars hold together, longer form does not; it follows its context, and bad input gives bad output.
- Bars of up to 8 quarters on a grid of 24 ticks a quarter. Drums are General MIDI. No audio, no lyrics, no chord symbols.
- Resemblance to the pieces it learned from: {originality}."""


def write(folder: Path, results: Path = RESULTS) -> None:
    """Write README.md of a model folder; the same inputs give the same bytes."""
    told = models.read(folder)
    megabytes = sum((folder / file).stat().st_size for file in (told.file, told.reader) if file) / 1e6
    partial = folder / "README.md.partial"
    partial.write_text(text(told, megabytes, read_results(results)), encoding="utf-8")
    partial.replace(folder / "README.md")


def read_results(folder: Path) -> list[Line]:
    """Every line of every .jsonl, files by name, lines in order; none where there is no such folder."""
    found: list[Line] = []
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            read = json.loads(line) if line.strip() else None
            if isinstance(read, dict):
                found.append(read)
    return found


def text(told: Manifest, megabytes: float, results: Sequence[Line]) -> str:
    """The card."""
    spec, random = told.spec, _is_random(told)
    reader = f"| reader of prompts | {told.reader}, SHA-256 `{told.reader_sha256}` |\n" if told.reader else ""
    lead = "Random weights for tests: valid, quick, unmusical." if random else (
        "A continuation model: bars in, the next bars out, as tokens of daw-assist's vocabulary (`daw_assist/tokens/vocab.py`)."
    )  # fmt: skip
    original = [line for line in results if "originality" in (*line, line.get("benchmark")) and _concerns(told, line)]
    return _CARD.format(
        name=told.name, lead=lead, layers=spec.layers, width=spec.width, heads=spec.heads, head_dim=spec.head_dim,
        kv_heads=spec.kv_heads, parameters=_count(told.parameters), context=spec.context, precision=told.precision,
        megabytes=f"{megabytes:.1f} MB", opset=told.opset, sha256=told.sha256, reader=reader, licence=_licence(told.licence),
        training=_training(told), data=_data(told), export=_export(told.story.get("verified")),
        scores="None: random weights." if random else "\n\n".join(_scores(told, results)),
        limits="Of no use but in tests." if random else _LIMITS.format(
            originality=f"measured, {_source(original[-1])}" if original else NOT_MEASURED
        ),
    )  # fmt: skip


def _training(told: Manifest) -> str:
    if _is_random(told):
        return "None."
    story = told.story
    tokens, minutes = story.get("tokens"), story.get("minutes")
    facts = [
        f"- Seen: {_count(tokens)} tokens in {story.get('steps', NOT_MEASURED)} steps"
        if tokens
        else f"- Seen: {NOT_RECORDED}",
        f"- Time: {minutes:.0f} minutes on {story.get('device', 'an unrecorded device')}"
        if minutes
        else f"- Time: {NOT_RECORDED}",
        f"- Validation: {story.get('valid_nats_a_token', NOT_MEASURED)} nats a token (fixed windows of held-out pieces)",
    ]
    if story.get("note"):
        facts.append(f"- {story['note']}")
    return "\n".join(facts)


def _data(told: Manifest) -> str:
    if not told.data:
        return "No data." if _is_random(told) else f"Data: {NOT_RECORDED}."
    rows = [f"| {name} | {licence} | {credit(name)} |" for name, licence in sorted(told.data.items())]
    head = "| data | licence | credit |\n|---|---|---|\n"
    return head + "\n".join(rows) + "\n\nWhoever passes these weights on passes on these credits."


def _export(verified: dict[str, Any] | None) -> str:
    if not verified:
        return f"Parity with torch and loss by precision: {NOT_MEASURED}. CUDA: {NOT_MEASURED}."
    parity = verified["parity"]
    against = f"left out: {verified['parity_skipped']}"
    if parity:
        against = (
            f"largest difference of a logit {parity['max_abs']:.2g}, mean {parity['mean_abs']:.2g} (logits spread by "
            f"{parity['spread']:.2g}), the same likeliest id in {100 * parity['top1']:.2f} % of places, "
            f"{parity['nats_a_token']:.4f} nats a token against {parity['torch_nats_a_token']:.4f}"
        )
    loss = NOT_MEASURED
    if verified["loss_nats_a_note"] is not None:
        loss = f"{verified['loss_nats_a_note']:+.4f} nats a note against fp32 ({verified['loss_percent']:+.2f} %)"
        if verified.get("reader_loss_percent") is not None:
            loss += f"; behind a prompt that its reader read {verified['reader_loss_percent']:+.2f} %"
    return (
        f"- Parity with torch: {against}\n- Loss by precision: {loss}\n- Measured on the CPU provider, on "
        f"{verified['tokens']} tokens, {verified['notes']} notes: {verified['samples']}\n- CUDA: {verified['cuda']}"
    )


def _scores(told: Manifest, results: Sequence[Line]) -> Iterable[str]:
    held = [line for line in _of_model(told, results, "heldout") if line.get("nats_a_note")]
    yield _heldout(held[-1], told) if held else f"Held-out nats a note: {NOT_MEASURED}."
    speed = [v for line in _of_model(told, results, "engine") for v in _variants(line, told)]
    yield speed[-1] if speed else f"Speed: {NOT_MEASURED}."
    others: dict[str, Line] = {}
    for line in results:
        if _concerns(told, line):
            names = [line["benchmark"]] if line.get("benchmark") not in ("heldout", "engine", None) else []
            others |= dict.fromkeys([*names, *(stage for stage in STAGES if stage in line)], line)
    if others:
        yield "Also measured, with figures in benchmarks/results:\n\n" + "\n".join(
            f"- {name}: {_source(line)}" for name, line in sorted(others.items())
        )


def _heldout(line: Line, told: Manifest) -> str:
    groups: dict[str, Any] = line["nats_a_note"]
    scored = [
        name for name, value in next(iter(groups.values())).items() if isinstance(value, dict) and "micro" in value
    ]
    head = f"Held-out nats a note on the {line['split']} split (lower is better)"
    if line["model"]["sha256"] != told.sha256:
        head += f", scored as {line['model']['name']} (`{line['model']['sha256'][:12]}`, the same training)"
    if (line["model"].get("story") or {}).get("vocab_sha256", told.vocab_sha256) != told.vocab_sha256:
        head += " under an earlier vocabulary"
    rows = [
        f"| {group} | {row['notes']} | " + " | ".join(f"{row[name]['micro']:.3f}" for name in scored) + " |"
        for group, row in groups.items()
    ]
    columns = f"| group | notes | {' | '.join(scored)} |\n|---|---|{'---|' * len(scored)}\n"
    return f"{head}; {_source(line)}.\n\n{columns}" + "\n".join(rows)


def _variants(line: Line, told: Manifest) -> Iterable[str]:
    for variant in line.get("variants", ()):
        if variant.get("variant") == told.precision and variant.get("threads") == 1 and "token_ms" in variant:
            times = ", ".join(f"{times['p50']:.2f} ms at {context}" for context, times in variant["token_ms"].items())
            prefill = f"{variant['prefill_512_ms']['p50']:.0f} ms"
            cpu = line.get("machine", {}).get("cpu", "an unrecorded CPU")
            provider = line.get("provider", "cpu")
            yield (f"Speed, one thread of {cpu} ({provider} provider), median: a token {times} tokens of context; "
                   f"reading 512 tokens {prefill}; {_source(line)}.")  # fmt: skip


def _of_model(told: Manifest, results: Sequence[Line], benchmark: str) -> Iterable[Line]:
    return (line for line in results if line.get("benchmark") == benchmark and _concerns(told, line))


def _concerns(told: Manifest, line: Line) -> bool:
    """Of this file, or of the same training in another precision; a bare name counts only for speed."""
    model = line.get("model")
    if isinstance(model, str):
        return line.get("benchmark") == "engine" and model.rsplit("-", 1)[0] == told.name.rsplit("-", 1)[0]
    if not isinstance(model, dict):
        return False
    if model.get("sha256") == told.sha256:
        return True
    training = ("steps", "tokens", "minutes", "valid_nats_a_token")
    story = model.get("story") or {}
    return "steps" in story and all(story.get(key) == told.story.get(key) for key in training)


def _source(line: Line) -> str:
    commit = line.get("commit", "none")
    return f"`{line.get('command', '?')}` at commit {commit}, {line.get('date', 'undated')[:10]}"


def _is_random(told: Manifest) -> bool:
    return "random" in str(told.story.get("note", ""))


def _count(number: float | None) -> str:
    if number is None:
        return NOT_MEASURED
    return f"{number / 1e6:.1f} M" if number >= 1e6 else f"{number:,}"


def _licence(name: str) -> str:
    return {"CC-BY-4.0": "CC BY 4.0", "CC0-1.0": "CC0 1.0"}.get(name, name)
