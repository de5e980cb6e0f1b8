"""What no document says of an upload, as settings: docs/offline-tool.md has the sources of each."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, Literal, Self

import attrs

from ...errors import InvalidInput


def _one_of(*known: str) -> Any:
    """Return a validator that refuses every other word."""

    def check(_: object, field: attrs.Attribute[Any], value: object) -> None:
        if value not in known:
            name = field.name.replace("_", "-")
            raise InvalidInput(f"setting {name} {value!r:.60} is unknown; it is one of: {', '.join(known)}")

    return check


@attrs.frozen(kw_only=True)
class OfflineSettings:
    """How an upload is written where the sources disagree or say nothing. Raises `InvalidInput`.

    `itc_names`: the keys of an ITC reduction, for records that were downloaded without them. `api` is
    `itcRedReq` with `declIgst`, …; `tool` is `itc_red_req` with `decl_igst`, ….
    `remarks_on_accept`: `refuse` remarks on A, `drop` them, or `write` them.
    `read_only_keys`: `keep` or `drop` the supplier's filing status and the three flags.
    `empty_sections`: `drop` the sections in which nothing was decided, or `keep` those of the download.
    """

    itc_names: Literal["api", "tool"] = attrs.field(default="api", validator=_one_of("api", "tool"))
    remarks_on_accept: Literal["refuse", "drop", "write"] = attrs.field(
        default="refuse", validator=_one_of("refuse", "drop", "write")
    )
    read_only_keys: Literal["keep", "drop"] = attrs.field(default="keep", validator=_one_of("keep", "drop"))
    empty_sections: Literal["keep", "drop"] = attrs.field(default="drop", validator=_one_of("keep", "drop"))

    @classmethod
    def of(cls, texts: Iterable[str]) -> Self:
        """Make settings of texts such as `itc-names=tool`. Raises `InvalidInput`."""
        given: dict[str, Any] = {}
        for text in texts:
            name, equals, value = (part.strip() for part in text.partition("="))
            if not equals or name not in _NAMES:
                known = ", ".join(f"{known}=…" for known in _NAMES)
                raise InvalidInput(f"setting {text!r:.60} is not understood; there are: {known}")
            given[_NAMES[name]] = value.lower()
        return cls(**given)


_NAMES: Final = {field.name.replace("_", "-"): field.name for field in attrs.fields(OfflineSettings)}
