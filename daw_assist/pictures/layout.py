"""A roll -> boxes and labels: the one computation behind the SVG and the PNG."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.pictures.frame import LEAST_WIDTH, MARGIN, Frame, System, frame_of, systems_of
from daw_assist.pictures.grounds import grounds, keys_beside
from daw_assist.pictures.heads import Heads, heads_of, words_over
from daw_assist.pictures.roll import Roll, cut_short
from daw_assist.pictures.shapes import Box, Colour, Label, Picture, fitting, mixed
from daw_assist.pictures.themes import LIGHT, Theme

MAX_PIXELS = 16_000_000
"""Of a whole picture; of a roll that would be larger, some bars are left out."""
_TITLE, _CAPTION = 20.0, 11.0
_SYSTEM_GAP = 22


def laid_out(roll: Roll, theme: Theme = LIGHT) -> Picture:
    """The picture of a roll. `told` says which bars are shown if it had too many for `MAX_PIXELS`."""
    while True:
        picture = _laid_out(roll, theme)
        pixels = picture.width * picture.height
        if pixels <= MAX_PIXELS or len(roll.lines) < 2:
            return picture
        # What is above and beneath the systems counts too, so this may take a second round.
        share = min(0.95, MAX_PIXELS / pixels)
        keep_end = roll.new_bars is not None and roll.new_bars[0] > roll.lines[0].index
        roll = cut_short(roll, int(len(roll.lines) * share), keep_end)


def note_boxes(
    roll: Roll, frame: Frame, systems: Sequence[System], theme: Theme = LIGHT
) -> list[tuple[Note, bool, Box]]:
    """Each note with whether it is suggested and its box; a note that rings into the next system has one in each.

    Parts that sound at one pitch at once share its row, so that all are seen.
    """
    found: list[tuple[Note, bool, Box]] = []
    told = sorted([(note, False) for note in roll.notes] + [(note, True) for note in roll.suggested])
    shares = _shares([note for note, _ in told])
    at = 0
    ringing: list[tuple[Note, bool, tuple[int, int]]] = []
    for system in systems:
        begun = at
        while at < len(told) and told[at][0].onset < system.end:
            at += 1
        ringing = [one for one in ringing if one[0].end > system.start]
        ringing += [(*told[place], shares[place]) for place in range(begun, at)]
        for note, new, (place, count) in ringing:
            span = frame.span(system, note)
            if span is not None:
                top, row = frame.y(system, note)
                height = (row - 1) / count
                edge = (span[0], top + 0.5 + place * height, span[1], height)
                found.append((note, new, _drawn(note, new, edge, row, theme)))
    return found


def _drawn(note: Note, new: bool, edge: tuple[float, float, float, float], row: float, theme: Theme) -> Box:
    """Filled, the louder the stronger; what is suggested is pale with a rim."""
    colour, loud = theme.parts[note.part], note.velocity / 127
    if not new:
        return Box(*edge, mixed(colour, theme.paper, 0.4 + 0.6 * loud))
    return Box(*edge, mixed(colour, theme.new_paper, 0.04 + 0.3 * loud), colour, 1.6 if row >= 7 else 1.2)


def _shares(notes: Sequence[Note]) -> list[tuple[int, int]]:
    """For each note, the place it takes in its row and among how many: 0 of 1 unless other parts sound there at once."""
    rows: dict[tuple[bool, int], list[int]] = {}
    for index, note in enumerate(notes):
        rows.setdefault((note.part is Part.DRUMS, note.pitch), []).append(index)
    found = [(0, 1)] * len(notes)
    for row in rows.values():
        cluster: list[int] = []
        end = -1
        for index in [*row, -1]:
            if index >= 0 and notes[index].onset < end:
                cluster.append(index)
                end = max(end, notes[index].end)
                continue
            parts = sorted({notes[one].part for one in cluster})
            for one in cluster:
                found[one] = (parts.index(notes[one].part), len(parts))
            if index >= 0:
                cluster, end = [index], notes[index].end
    return found


def _laid_out(roll: Roll, theme: Theme) -> Picture:
    notes = (*roll.notes, *roll.suggested)
    cut = systems_of(roll.lines) if roll.lines else []
    frame = frame_of(cut, notes)
    longest = max((sum(line.length for line in own) for own in cut), default=0)
    width = max(LEAST_WIDTH, round(frame.left + longest * frame.scale + MARGIN))
    words: list[Label] = []
    y = float(MARGIN)
    if roll.title:
        shown = fitting(roll.title, _TITLE, width - 2 * MARGIN)
        words.append(Label(MARGIN, y + 16, shown, _TITLE, theme.ink, strong=True))
        y += 34
    boxes, legend, y = _legend(notes, bool(roll.suggested), y, width, theme)
    words += legend
    heads = heads_of(roll, frame, cut)
    systems: list[System] = []
    for own in cut:
        systems.append(System(own, y + heads.height))
        y += heads.height + frame.height + _SYSTEM_GAP
    for system in systems:
        over, labels = _system(roll, frame, system, heads, theme)
        boxes += over
        words += labels
    boxes += [box for _, _, box in note_boxes(roll, frame, systems, theme)]
    if not systems:
        words.append(Label(MARGIN, y + 12, "there is no note to show", 12, theme.faint_ink))
        y += 34
    for line in (roll.caption, roll.told):
        if line:
            words.append(Label(MARGIN, y + 4, fitting(line, _CAPTION, width - 2 * MARGIN), _CAPTION, theme.faint_ink))
            y += 17
    height = round(y - (0 if roll.caption or roll.told else 6)) + MARGIN // 2
    return Picture(width, height, theme.ground, tuple(boxes), tuple(words), roll.told)


def _system(
    roll: Roll, frame: Frame, system: System, heads: Heads, theme: Theme
) -> tuple[list[Box], list[Label]]:  # fmt: skip
    boxes = grounds(roll, frame, system, theme)
    keys, names = keys_beside(frame, system, theme)
    strip, over = words_over(roll, frame, system, heads, theme)
    return [*boxes, *keys, *strip], [*names, *over]


def _legend(
    notes: Iterable[Note], suggested: bool, y: float, width: int, theme: Theme
) -> tuple[list[Box], list[Label], float]:
    """A swatch for each part, and what a rim means; beneath it the picture goes on at the third value."""
    entries: list[tuple[str, Colour, Colour | None]] = [
        (part.name.capitalize(), theme.parts[part], None) for part in sorted({note.part for note in notes})
    ]
    if suggested:
        entries += [
            ("given (filled)", theme.faint_ink, None),
            ("suggested (outlined)", mixed(theme.faint_ink, theme.new_paper, 0.15), theme.faint_ink),
        ]
    boxes: list[Box] = []
    labels: list[Label] = []
    x = float(MARGIN)
    for index, (name, fill, rim) in enumerate(entries):
        room = 18 + len(name) * 7.2 + 16
        if x > MARGIN and x + room > width - MARGIN:
            x, y = float(MARGIN), y + 19
        elif suggested and index == len(entries) - 2:
            x += 14
        boxes.append(Box(x, y + 1, 13, 10, fill, rim, 1.6 if rim else 0))
        labels.append(Label(x + 18, y + 10.5, name, 12, theme.ink))
        x += room
    return boxes, labels, y + (26 if entries else 0)
