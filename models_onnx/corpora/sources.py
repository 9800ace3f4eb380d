"""What the corpora are made of: a table of sources with origin, licence and how to obtain them.

An archive `<name>.tar.xz` (or folder `<name>/`) holds the licence, the files and `index.jsonl`: one JSON object a piece
with `file`, `group` and, where known, `composer`, `genre`, `instruments`, `licence`, `split`, `bpm`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Source:
    """One corpus. `default_bpm`: what its converter writes where the score has no tempo (0: nothing). `credit`: whom the
    notice of anything made from it names. `titles`: other names of it, or their beginnings, in manifests of models.
    """

    name: str
    licence: str
    origin: str
    obtain: str
    use: str
    credit: str
    titles: tuple[str, ...] = ()
    style: str = ""
    default_bpm: float = 0.0
    unmarked_upbeats: bool = False
    train_only: bool = False
    min_notes: int = 40


_VEROVIO = "clone at that commit; convert each score to MIDI with verovio"
TRAINING = "training and evaluation"
BENCHMARK = "benchmarks only, never read here"

SOURCES = (
    Source(
        "nifc-polish", "CC BY 4.0", "github.com/pl-wnifc/humdrum-polish-scores c040362 (polishscores.org)",
        f"{_VEROVIO}; leave out composers who died in 1950 or later", TRAINING,
        "Narodowy Instytut Fryderyka Chopina, polishscores.org (humdrum-polish-scores)", (), "", 120.0,
        unmarked_upbeats=True,
    ),
    Source(
        "nifc-chopin", "CC BY 4.0", "github.com/pl-wnifc/humdrum-chopin-first-editions 95dfb10",
        f"{_VEROVIO}; one edition a work", TRAINING,
        "Narodowy Instytut Fryderyka Chopina, Chopin first editions", (), "piano", 120.0, unmarked_upbeats=True,
    ),
    Source(
        "openscore-lieder", "CC0 1.0", "github.com/OpenScore/Lieder bca1224", _VEROVIO, TRAINING,
        "OpenScore Lieder Corpus", (), "song", 120.0,
        unmarked_upbeats=True,
    ),
    Source(
        "openscore-quartets", "CC0 1.0", "github.com/OpenScore/StringQuartets 2c723a5", _VEROVIO, TRAINING,
        "OpenScore String Quartets", ("openscore string",), "quartet",
        120.0, unmarked_upbeats=True,
    ),
    Source(
        "mutopia", "Public domain and CC BY", "github.com/MutopiaProject/MutopiaProject 2144afd",
        "clone at that commit; the MIDI files of mutopiaproject.org; folders PD and CCBY by each piece's licence",
        TRAINING,
        "Mutopia Project; the CC BY pieces by their typesetters", (), "classical", 60.0,
    ),
    Source(
        "js-fakes", "CC BY 4.0", "github.com/omarperacha/js-fakes 68b476d", "clone at that commit",
        "training only (written by a model)",
        "JS Fake Chorales, Omar Peracha", ("js fake",), "chorale", 120.0, train_only=True,
    ),
    Source(
        "groove", "CC BY 4.0", "Groove MIDI Dataset 1.0.0, magenta.tensorflow.org/datasets/groove",
        "download groove-v1.0.0-midionly.zip", TRAINING,
        "Groove MIDI Dataset 1.0.0, Google LLC (Gillick, Roberts, Engel, Eck, Bamman 2019)", (), "drums", min_notes=16,
    ),
    Source("freedoom", "BSD-3-Clause", "github.com/freedoom/freedoom d14dbbe, folder musics", "clone at that commit",
           TRAINING,
        "Freedoom project", (), "rock"),
    Source("simutrans", "Artistic-1.0", "Debian package simutrans-data 123.0.1, folder music",
           "download the package from snapshot.debian.org", TRAINING,
        "Simutrans contributors (music of simutrans-data 123.0.1)", (), "band"),
    Source(
        "open-hymnal", "Public domain (stated in each file)", "openhymnal.org; github.com/mzealey/openhymnal d35811b",
        "clone at that commit; the ABC files", TRAINING,
        "Open Hymnal, openhymnal.org", (), "hymn",
    ),
    Source(
        "openewld", "MIT files over public-domain songs", "github.com/00sapo/OpenEWLD, a safe subset of 307",
        "clone; keep what is traditional, first performed by 1930, or of authors dead by 1925", TRAINING,
        "OpenEWLD: transcriptions under MIT of songs in the public domain", (), "leadsheet",
    ),
    Source("nottingham", "GPL-3.0", "github.com/jukedeck/nottingham-dataset", "clone", BENCHMARK,
        "Nottingham Music Database", ()),
    Source("jsb-chorales", "Public domain (encoding Apache-2.0)", "github.com/omarperacha/TonicNet, Jsb16thSeparated.json",
           "clone", BENCHMARK,
        "JSB Chorales, encoded by Omar Peracha", ()),
)  # fmt: skip

READ = {source.name: source for source in SOURCES if source.use != BENCHMARK}
"""The sources that are read for training and evaluation, by name, in order."""

USER = Source("user", "the user's own", "folders given with --midi", "", TRAINING, "the user's own files", min_notes=16)


def credit(name: str) -> str:
    """Whom the notice names for a corpus, by its name here or in a manifest; that name where nothing is known of it."""
    plain = _plain(name)
    for source in (*SOURCES, USER):
        if any(plain.startswith(_plain(title)) for title in (source.name, *source.titles)):
            return source.credit
    return name


def _plain(name: str) -> str:
    return " ".join(name.lower().replace("-", " ").split())
