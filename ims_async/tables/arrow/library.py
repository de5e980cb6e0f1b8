"""Import pyarrow, where it is needed."""

from __future__ import annotations

from typing import Any

from ..problems import extra_missing


def pyarrow(what: object, need: str = "Parquet files need") -> Any:
    """Import pyarrow. Raises `InvalidInput` where the extra is not installed."""
    try:
        import pyarrow as pa
        from pyarrow import parquet  # noqa: F401 # from now on it is `pa.parquet`
    except ImportError:
        raise extra_missing(what, need, "arrow") from None
    return pa
