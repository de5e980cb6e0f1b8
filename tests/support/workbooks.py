"""Read and edit the sheets of a workbook as a person does: cells by row and heading, all else as it was."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import python_calamine

Edit = Callable[[dict[str, Any]], Mapping[str, object]]


def grid_of(file: Path, sheet: str = "Records") -> list[list[Any]]:
    """Return the cells of a sheet."""
    return python_calamine.CalamineWorkbook.from_path(str(file)).get_sheet_by_name(sheet).to_python()


def rows_of(file: Path, sheet: str = "Records") -> list[dict[str, Any]]:
    """Return the rows of a sheet by column."""
    header, *rows = grid_of(file, sheet)
    return [dict(zip(map(str, header), row, strict=True)) for row in rows]


def part_of(file: Path, part: str = "xl/worksheets/sheet1.xml") -> str:
    """Return the text of a part of the packed workbook."""
    with zipfile.ZipFile(file) as packed:
        return packed.read(part).decode()


def set_part(file: Path, text: str, part: str = "xl/worksheets/sheet1.xml") -> None:
    """Write a part of the packed workbook, or add it."""
    with zipfile.ZipFile(file) as packed:
        parts = {name: packed.read(name) for name in packed.namelist()}
    parts[part] = text.encode()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as out:
        for name, content in parts.items():
            out.writestr(name, content)


def type_into(file: Path, edit: Edit) -> None:
    """Write what `edit` returns of each row, by heading, into the first sheet; a new heading is added.

    Texts and numbers are written as such; a text that begins with `=` is a formula.
    """
    header, *rows = grid_of(file)
    names, text = list(map(str, header)), part_of(file)
    edits = [edit(dict(zip(names, row, strict=True))) for row in rows]
    added = [name for one in edits for name in one if name not in names]
    names += list(dict.fromkeys(added))
    cells = {place: {name: name for name in dict.fromkeys(added)} for place in [1]}
    for number, one in enumerate(edits, start=2):
        cells.setdefault(number, {}).update(one)  # type: ignore[arg-type]

    def written(match: re.Match[str]) -> str:
        number = int(match["number"])
        own = dict(re.findall(r'(<c r="([A-Z]+)[0-9]+"[^>]*?(?:/>|>.*?</c>))', match["cells"]))
        by_letter = {letter: cell for cell, letter in own.items()}
        for name, value in cells.get(number, {}).items():
            letter = _letters(names.index(name))
            by_letter[letter] = _cell(f"{letter}{number}", value)
        ordered = sorted(by_letter, key=lambda letter: (len(letter), letter))
        return f"{match['start']}{''.join(by_letter[letter] for letter in ordered)}</row>"

    row = re.compile(r'(?P<start><row r="(?P<number>[0-9]+)"[^>]*>)(?P<cells>.*?)</row>', re.DOTALL)
    set_part(file, row.sub(written, text))


def _cell(place: str, value: object) -> str:
    if isinstance(value, str) and value.startswith("="):
        return f'<c r="{place}"><f>{escape(value[1:])}</f><v>1</v></c>'
    if isinstance(value, int | float):
        return f'<c r="{place}"><v>{value}</v></c>'
    return f'<c r="{place}" t="inlineStr"><is><t>{escape(str(value))}</t></is></c>'


def _letters(place: int) -> str:
    found = ""
    while place >= 0:
        place, rest = divmod(place, 26)
        found, place = chr(ord("A") + rest) + found, place - 1
    return found
