"""Who is held out: fixed, because older models were tested on it."""

from __future__ import annotations

from typing import Any

import pytest

from daw_assist.tokens.vocab import STYLES
from models_onnx.corpora.sources import BENCHMARK, READ, SOURCES, USER
from models_onnx.corpora.split import bucket_of, composer_key, split_of, style_of

HELD_OUT = {
    "dankowski": "test", "walczynski": "test", "schumann": "test", "franz": "test", "viardot": "test",
    "luna": "valid", "kinkel": "valid", "horetzky": "valid", "hensel": "valid",
    "scacchi": "train", "brahms": "train",
}  # fmt: skip


def entry(corpus: str, group: str, **more: Any) -> dict[str, Any]:
    return {"corpus": corpus, "group": group, "file": "a/b.mid", **more}


@pytest.mark.parametrize(
    ("said", "key"),
    [
        (entry("openscore-lieder", "Brahms,_Johannes"), "brahms"),
        (entry("mutopia", "BrahmsJ"), "brahms"),
        (entry("mutopia", "BachJS"), "bach"),
        (entry("nifc-polish", "Scacchi, Marco"), "scacchi"),
        (entry("nifc-polish", "Żeleński, Władysław"), "zelenski"),
        (entry("nifc-chopin", "006"), "chopin-opus-006"),
        (entry("openewld", "Lullaby", file="Johannes_Brahms/Lullaby/Lullaby.mxl"), "brahms"),
        (entry("openewld", "Swanee", file="George_Gershwin-Irving_Caesar/Swanee/Swanee.mxl"), "song-swanee"),
        (entry("openewld", "Daisy", file="[Traditional]/Daisy/Daisy.mxl"), "song-daisy"),
        (entry("open-hymnal", "A-Tune", composer="Luther, Martin (1483-1546)"), "luther"),
        (entry("open-hymnal", "A-Tune", composer="van Beethoven, Ludwig (1770-1827);Hodges, E (1)"), "beethoven"),
        (entry("open-hymnal", "Words-Azmon", composer="German"), "hymn-azmon"),
        (entry("open-hymnal", "Words", composer=""), "hymn-words"),
    ],
)
def test_a_composer_has_one_key_in_all_corpora(said: dict[str, Any], key: str) -> None:
    assert composer_key(said) == key


@pytest.mark.parametrize(
    ("said", "split"),
    [
        (entry("openscore-lieder", "Brahms,_Johannes"), bucket_of("brahms")),
        (entry("mutopia", "BrahmsJ"), bucket_of("brahms")),
        (entry("js-fakes", "never-held-out"), "train"),
        (entry("nifc-polish", "Anonim"), "train"),
        (entry("groove", "never-held-out", split="validation"), "valid"),
        (entry("groove", "never-held-out", split="test"), "test"),
        (entry("freedoom", "d_dm01"), bucket_of("freedoomd_dm01")),
    ],
)
def test_the_split_goes_by_composer_or_group(said: dict[str, Any], split: str) -> None:
    assert split_of(said) == split


def test_the_dance_beats_of_groove_are_drums_all_the_same() -> None:
    assert style_of(entry("groove", "never-held-out", genre="dance/disco")) == "drums"
    assert style_of(entry("nifc-polish", "Anonim", genre="Sacred; Polonaise")) == "dance"


def test_who_is_held_out_has_not_changed() -> None:
    # From the corpora that the first models were trained and tested on.
    assert {name: bucket_of(name) for name in HELD_OUT} == HELD_OUT


def test_three_in_twenty_are_held_out() -> None:
    splits = [bucket_of(f"composer {i}") for i in range(4000)]
    assert [round(splits.count(name) / 4000, 2) for name in ("train", "valid", "test")] == pytest.approx(
        [0.85, 0.05, 0.10], abs=0.02
    )


def test_every_source_that_is_read_gives_a_style_word_of_the_vocabulary() -> None:
    for genre in ("Sacred; Mass", "Song", "Sonata", "Mazurka", ""):
        for name in READ:
            assert style_of(entry(name, "x", genre=genre)) in STYLES


def test_benchmark_sets_and_a_users_files_are_never_read_as_sources() -> None:
    assert {source.name for source in SOURCES if source.use == BENCHMARK} == {"nottingham", "jsb-chorales"}
    assert not {"nottingham", "jsb-chorales", USER.name} & set(READ)
