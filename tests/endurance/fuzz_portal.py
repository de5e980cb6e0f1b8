"""The files of the offline tool for `tests.endurance.fuzz`: their samples, and what must hold of them."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ims_async import tables
from ims_async.errors import InvalidInput
from ims_async.gsp.codec.json import json_text, parse_json
from ims_async.model.vocabulary import Section
from ims_async.tables import offline
from tests.endurance.fuzz_promises import Case, promise
from tests.support import portal_files, statements


def _portal(path: Path) -> Any:
    """Read a download, and reject what is in it: an upload has it once, or a sentence says why not."""
    portal = offline.read_portal(path, gstin=portal_files.GSTIN, strict=False, check=False)
    for invoice in portal.invoices[:3]:
        target = path.with_name("upload.json")
        with contextlib.suppress(InvalidInput):
            upload = offline.write_upload(target, portal, [invoice.reject()], overwrite=True)
            if upload.file is not None:
                sent = parse_json(target.read_bytes())["invdata"]
                promise([len(rows) for rows in sent.values()] == [1], "the record is in the upload")
    return portal


def _outcome(path: Path) -> Any:
    """Read what is an upload, or an error file, beside a good one of the other kind."""
    good = {
        "upload": {"rtin": portal_files.GSTIN, "reqtyp": "SAVE", "invdata": {"b2b": [portal_files.row()]}},
        "errors": {"imsDetailsErr": {"b2b": [portal_files.row(error_msg="no")]}},
    }
    files = {name: path.with_name(f"{name}.json") for name in good}
    for name, document in good.items():
        files[name].write_text(json.dumps(document), encoding="utf-8")
    found = None
    for upload, errors in ((files["upload"], path), (path, files["errors"])):
        with contextlib.suppress(InvalidInput):
            _, found = offline.read_outcome(upload, errors, check=False)
            known = len(found.succeeded) + len(found.failed) + found.unaccounted_count
            promise(known == found.submitted, "each record has an outcome")
    if found is None:
        raise InvalidInput
    return found


def _offline(*envelopes: Callable[[dict[str, Any]], dict[str, Any]]) -> tuple[Case, ...]:
    sections = {
        str(section): [portal_files.row(section), portal_files.row(section, inum="2")] for section in Section
    }
    return tuple(Case(json_text(envelope(sections)).encode()) for envelope in envelopes)


def _statement(path: Path) -> Any:
    """Read a GSTR-2B, of GSTN or of ours: what is written of it is read again, and is the same."""
    found = tables.read_gstr2b(path)
    tables.write_gstr2b(path.with_name("again.json"), found)
    promise(tables.read_gstr2b(path.with_name("again.json")) == found, "it is written as it was read")
    return found


def _statements() -> tuple[Case, ...]:
    own = [{"chksum": "0a1b", "data": one} for one in (statements.WHOLE, statements.BEFORE_OCTOBER)]
    bodies = [json_text(one).encode() for one in own]
    found = tables.read_gstr2b(io.StringIO(bodies[0].decode()))
    return (*map(Case, bodies), Case(json.dumps(found.to_dict()).encode()))


def portal_readers() -> list[tuple[str, tuple[Case, ...], Callable[[Path], Any]]]:
    """Each reader by its name, with its samples."""
    downloads = _offline(
        lambda own: portal_files.details(**own), lambda own: {"imsDetails": own, "rtin": portal_files.GSTIN}
    )
    answers = _offline(lambda own: {"imsDetailsErr": own}, lambda own: {"invdata": own, "rtin": "x"})
    files = [("read_portal", downloads, _portal), ("read_outcome", answers, _outcome)]
    return [*files, ("read_gstr2b", _statements(), _statement)]
