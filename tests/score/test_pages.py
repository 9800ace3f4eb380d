"""Pages: engraved as SVG that is plain, and as PDF."""

from __future__ import annotations

import re
import sys
from xml.etree import ElementTree

import pytest

from daw_assist.errors import DawAssistError, UsageError
from daw_assist.examples import greensleeves
from daw_assist.music.bars import Song
from daw_assist.music.metre import Metre
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import Ticks
from daw_assist.score import lines_of, musicxml_bytes, sheet_of
from daw_assist.score.engrave import pages
from daw_assist.score.pdf import pdf_bytes
from daw_assist.score.plain_svg import Signs, plain

SVG = "{http://www.w3.org/2000/svg}"
PLAIN = {"svg", "desc", "defs", "g", "path", "use", "text", "rect", "ellipse", "polygon", "polyline", "title"}


def engraved(song: Song, crop: bool = True, **asked: object) -> list[str]:
    pytest.importorskip("verovio", reason="verovio is not installed (score extra)")
    sheet = sheet_of(lines_of(song), song.metres, song.tempo, **asked)  # type: ignore[arg-type]
    return pages(musicxml_bytes(sheet), sum(len(player.staves) for player in sheet.players), crop)


def band() -> Song:
    notes = [
        Note(Ticks(tick), part, pitch + tick % 5, Ticks(12), 80)
        for tick in range(0, 96 * 40, 12)
        for part, pitch in ((Part.LEAD, 72), (Part.KEYS, 48), (Part.KEYS, 70), (Part.BASS, 36), (Part.DRUMS, 36))
    ]
    return Song(tuple(sorted(notes)), ((Ticks(0), Metre()), (Ticks(96 * 8), Metre(3, 4))))


def test_a_page_has_the_title_the_word_and_nothing_that_only_browsers_draw() -> None:
    (page,) = engraved(greensleeves(), title="Greensleeves", suggested_from=9, suggested_text="suggested (seed 7)")
    root = ElementTree.fromstring(page)
    assert {node.tag.removeprefix(SVG) for node in root.iter()} <= PLAIN
    assert "class=" not in page and "@font-face" not in page
    texts = [node.text or "" for node in root.iter(f"{SVG}text")]
    assert {"Greensleeves", "suggested (seed 7)"} <= set(texts)
    assert "=88" in {text.replace("\xa0", "").replace(" ", "") for text in texts}
    assert all(char < "\ue000" for text in texts for char in text), "a sign of a music font in a text"


def test_pages_are_the_same_each_time_and_say_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    assert engraved(greensleeves()) == engraved(greensleeves())
    assert capfd.readouterr() == ("", "")


def test_long_pieces_have_several_pages_of_one_width() -> None:
    made = engraved(band())
    assert len(made) > 1
    (width,) = {ElementTree.fromstring(page).get("width") for page in made}
    assert width in ("840px", "841px")


@pytest.mark.parametrize("asked", [{}, {"suggested_from": 9}])
def test_staves_that_are_silent_for_a_line_are_left_out_of_it(asked: dict[str, int]) -> None:
    whole = band()
    rare = tuple(note for note in whole.notes if note.part in (Part.KEYS, Part.DRUMS) or note.onset < 96)
    full, condensed = engraved(whole, crop=False, **asked), engraved(Song(rare, whole.metres), crop=False, **asked)
    assert len(condensed) < len(full)


def test_suggested_bars_begin_a_line() -> None:
    (page,) = engraved(greensleeves(), suggested_from=8)
    words = [node for node in ElementTree.fromstring(page).iter(f"{SVG}text") if node.text == "suggested"]
    assert [float(node.get("x", 0)) < 1500 for node in words] == [True]


def test_what_is_no_music_is_one_error(capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("verovio", reason="verovio is not installed (score extra)")
    with pytest.raises(DawAssistError, match="could not engrave"):
        pages(b"<nothing/>", 1)
    assert capfd.readouterr() == ("", "")


def test_a_pdf_has_the_pages_and_draws_the_notes() -> None:
    pytest.importorskip("reportlab", reason="reportlab is not installed (score extra)")
    made = engraved(band(), crop=False, title="A band")
    data = pdf_bytes(made, "A band")
    assert data.startswith(b"%PDF-") and pdf_bytes(made, "A band") == data
    assert len(re.findall(rb"/Type\s*/Page\b(?!s)", data)) == len(made)
    assert b"/MediaBox [ 0 0 595.27" in data


@pytest.mark.parametrize("extra", ["verovio", "reportlab"])
def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, extra: str) -> None:
    monkeypatch.setitem(sys.modules, extra, None)
    monkeypatch.setitem(sys.modules, "reportlab.pdfgen.canvas", None)
    with pytest.raises(UsageError, match=rf"{extra}.*daw-assist\[score\]"):
        _ = pages(b"", 1) if extra == "verovio" else pdf_bytes([])


def test_a_sign_that_is_not_in_the_font_is_left_out(tmp_path: pytest.TempPathFactory) -> None:
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" width="10px" height="10px"><svg viewBox="0 0 100 100"><g class="tempo">'
        '<text x="5" y="7"><tspan font-family="Leipzig" font-size="20px">\ueca5</tspan>'
        '<tspan font-size="10px">= 88 &lt;</tspan></text></g></svg></svg>'
    )
    (text,) = ElementTree.fromstring(plain(svg, Signs(tmp_path))).iter(f"{SVG}text")  # type: ignore[arg-type]
    assert (text.text, text.get("font-weight"), text.get("x")) == ("= 88 <", "bold", "7.4")


def test_the_pens_of_a_pdf_follow_every_kind_of_curve() -> None:
    pytest.importorskip("reportlab", reason="reportlab is not installed (score extra)")
    page = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 210 297" width="210px" height="297px"><g fill="black">'
        '<path d="M1 2 L3 4 h5 v6 H1 V2 C1,1 2,2 3,3 S4,4 5,5 Q6,6 7,7 m1 1 l1 1 c1 1 2 2 3 3 s1 1 2 2 q1 1 2 2 z" stroke="black" '
        'stroke-width="2" fill="none"/><polyline points="0,0 1,1 2,0"/><polygon points="0,0 1,1 2,0"/>'
        '<ellipse cx="1" cy="1" rx="2" ry="3"/><text x="1" y="2" font-size="3" text-anchor="end" font-style="italic">\u017b</text>'
        "</g></svg>"
    )
    data = pdf_bytes([page])
    assert data.startswith(b"%PDF-")
