"""A purchase register in a Parquet file: figures and dates as its columns keep them."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path

import pytest

from ims_async import InvalidInput
from ims_async.decide import read_register

pa = pytest.importorskip("pyarrow", reason="the extra `arrow` is not installed")
pq = pytest.importorskip("pyarrow.parquet", reason="the extra `arrow` is not installed")


def test_a_register_is_read_with_exact_rupees(tmp_path: Path) -> None:
    """Decimals are kept, floats rounded to paise; times are dates, NaN and null are nothing."""
    file = tmp_path / "purchases.parquet"
    columns = {
        "GSTIN": ["29AAACQ3770E1ZF", "29AAACQ3770E1ZF", None],
        "Invoice No": ["000013", "14", "Total"],
        "Invoice Date": pa.array(
            [1_728_129_600_000_000_001, 1_728_172_800_000_000_000, None], pa.timestamp("ns")
        ),
        "Taxable Value": pa.array([Decimal("1000.10"), Decimal(5), Decimal(6)], pa.decimal128(20, 2)),
        "IGST": [0.1 + 0.2, float("nan"), None],
    }
    pq.write_table(pa.table(columns), file)
    found = read_register(file)
    assert [(one.number, one.date, one.taxable_value, one.igst) for one in found] == [
        ("000013", dt.date(2024, 10, 5), Decimal("1000.10"), Decimal("0.3")),
        ("14", dt.date(2024, 10, 6), Decimal(5), Decimal(0)),
    ]
    assert found.left_out == {"totals": 1}


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    """By row, as in other formats, where row 1 has the names; and a file that is none."""
    file = tmp_path / "purchases.parquet"
    columns = {
        "GSTIN": ["29AAACQ3770E1ZF"],
        "Invoice No": ["1"],
        "Invoice Date": ["?"],
        "Taxable Value": ["1"],
    }
    pq.write_table(pa.table(columns | {"IGST": [1.5]}), file)
    with pytest.raises(InvalidInput, match="row 2, column Invoice Date: '\\?' is not a date"):
        read_register(file)
    file.write_bytes(b"PAR1")
    with pytest.raises(InvalidInput, match="cannot be read as Parquet"):
        read_register(file)
