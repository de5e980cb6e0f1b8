"""How much of a register is matched, and how much of that is right, on samples with known truth."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from ims_async import InvalidInput
from ims_async.decide import MatchKind, match, testing
from ims_async.simulator import Simulator

from ..conftest import make_client

TWICE = {kind: 2 * share for kind, share in testing.NOISE.items()}


@pytest.mark.parametrize("seed", [11, 12, 13])
@pytest.mark.parametrize(("for_supplier", "same_value"), [(50, 0.1), (8, 0.5), (400, 0.2)])
def test_automatic_matches_are_right_and_most(seed: int, for_supplier: int, same_value: float) -> None:
    """As accountants make them, for small and large suppliers, and for many bills over one sum."""
    made = testing.sample(seed, 3000, for_supplier=for_supplier, same_value=same_value)
    score = testing.score(match(made.invoices, made.register), made)
    assert score.automatic_precision >= 0.9995
    assert score.automatic_recall >= 0.85
    assert score.precision >= 0.997
    assert score.recall >= 0.97


@pytest.mark.parametrize(
    "noise",
    [TWICE, {"typing error": 0.3, "missing": 0.2}, {"digits only": 0.4, "zeros": 0.4}, {"twice": 0.3}],
)
def test_more_noise_makes_fewer_matches_and_no_wrong_ones(noise: Mapping[str, float]) -> None:
    """Automatic ones stay right."""
    made = testing.sample(21, 3000, noise=noise)
    score = testing.score(match(made.invoices, made.register), made)
    assert score.automatic_precision >= 0.999
    assert score.precision >= 0.99


@pytest.mark.parametrize(
    ("noise", "kind"),
    [
        ("missing", MatchKind.NOT_IN_BOOKS),
        ("value", MatchKind.VALUE_DIFFERS),
        ("tax head", MatchKind.TAX_HEAD_DIFFERS),
        ("twice", MatchKind.BOOKED_TWICE),
        ("registration", MatchKind.OTHER_REGISTRATION),
        ("lines", MatchKind.MATCHED),
        ("case", MatchKind.MATCHED),
        ("separators", MatchKind.MATCHED),
        ("zeros", MatchKind.MATCHED),
        ("year", MatchKind.MATCHED),
        ("booked late", MatchKind.MATCHED),
        ("other number", MatchKind.PROBABLE),
    ],
)
def test_each_kind_of_noise_is_called_by_its_name(noise: str, kind: MatchKind) -> None:
    """Of nearly all records."""
    made = testing.sample(5, 600, noise={noise: 1.0}, same_value=0.0, extra=0.0)
    assert match(made.invoices, made.register).counts[kind] >= 590


def test_a_sample_is_the_same_for_the_same_arguments() -> None:
    """And has as many records as were asked for, each with its truth."""
    made, again = testing.sample(7, 250), testing.sample(7, 250)
    assert made == again
    assert len(made.invoices) == len(made.truth) == len(made.noise) == 250
    assert made != testing.sample(8, 250)
    with pytest.raises(InvalidInput, match="'coffee' is unknown"):
        testing.sample(noise={"coffee": 1})


async def test_records_that_there_are_can_be_booked(sim: Simulator) -> None:
    """Of all sections; credit notes as such, and the same register for the same seed."""
    async with make_client(sim) as client:
        gstin = sim.gstins[0]
        acme = client.taxpayer(gstin, token=sim.token(gstin))
        invoices = [row async for row in acme.all_invoices()]
    made = testing.booked(invoices, 3)
    assert made == testing.booked(invoices, 3) != testing.booked(invoices, 4)
    assert made.invoices == invoices
    assert {entry.kind for entry in made.register} == {"invoice", "credit note", "debit note"}
    score = testing.score(match(made.invoices, made.register), made)
    assert score.automatic_precision == 1
    assert score.recall > 0.9
    with pytest.raises(InvalidInput, match="noise: 'odd' is unknown"):
        testing.booked(invoices, noise={"odd": 1})
