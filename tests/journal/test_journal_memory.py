"""The journal in memory finds what it is asked for as a look at all would, without looking at all."""

from __future__ import annotations

import datetime as dt
import random

import pytest

from ims_async import JournalError
from ims_async.journal import Entry, MemoryJournal, Phase
from ims_async.journal import memory as module

from ..support.journals import decisions, token

PHASES = list(Phase)


class Counted(Entry):
    """An entry that counts how often one is looked at."""

    looks = 0

    def __getattribute__(self, name: str) -> object:
        if name == "phase":
            Counted.looks += 1
        return super().__getattribute__(name)


async def one_job(journal: MemoryJournal, place: int) -> None:
    """Ask what is asked for each job of a bulk run, and write what is written."""
    name, gstin, reference = f"batch {place}", f"taxpayer {place}", f"job {place}"
    own = {"gsp": "gsp", "host": "gateway.example", "gstin": gstin}
    since = dt.datetime.fromtimestamp(0, dt.UTC)
    await journal.entries(**own, run="night")  # type: ignore[arg-type] # as named there
    await journal.entries(**own, phases=(Phase.RUNNING, Phase.ENDED), since=since)
    await journal.intend(name, token(gstin=gstin), [], run="night")
    assert await journal.claim(name, token(gstin=gstin)) is None
    await journal.entries(**own, reference=reference)  # type: ignore[arg-type]
    await journal.advance(name, Phase.RUNNING, token=token(gstin=gstin, reference_id=reference))
    assert len(await journal.entries(batch_id=name)) == 1
    await journal.advance(name, Phase.ENDED)


async def test_a_job_looks_at_as_many_entries_however_many_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """At those of its own taxpayer, not at those of a thousand others."""
    monkeypatch.setattr(module, "Entry", Counted)
    journal, looks = MemoryJournal(), []
    for place in range(400):
        before = Counted.looks
        await one_job(journal, place)
        looks.append(Counted.looks - before)
    assert 0 < looks[0] == looks[-1]


@pytest.mark.parametrize("seed", range(5))
async def test_any_filter_finds_what_a_look_at_all_finds(seed: int) -> None:
    """In the order of handing in, whatever was moved since."""
    rng = random.Random(seed)  # noqa: S311 # the same each time is what is wanted
    journal = MemoryJournal()
    gstins, references, runs = ["a", "b", "c"], ["r", "s", None], ["night", "day", ""]
    for place in range(120):
        facts = token(gsp=rng.choice(["gsp", "another"]), gstin=rng.choice(gstins))
        await journal.intend(f"{place}", facts, decisions(), run=rng.choice(runs))
        name = f"{rng.randint(0, place)}"
        if rng.random() < 0.3:
            await journal.claim(name, token())
        else:
            (entry,) = await journal.entries(batch_id=name)
            news = token(gstin=entry.token.gstin, reference_id=rng.choice(references))
            await journal.advance(name, rng.choice(PHASES), token=news)
        if rng.random() < 0.5:
            await journal.mark_retried(name)
        await compare(journal, rng, gstins, references, runs)


async def compare(
    journal: MemoryJournal,
    rng: random.Random,
    gstins: list[str],
    references: list[str | None],
    runs: list[str],
) -> None:
    """Ask with a random filter, and look at all that there are."""
    everything = await journal.entries()
    gstin, reference = rng.choice([None, *gstins]), rng.choice(references)
    run, gsp = rng.choice([None, *runs]), rng.choice([None, "gsp"])
    phases = rng.sample(PHASES, rng.randint(0, len(PHASES)))
    found = await journal.entries(gsp=gsp, gstin=gstin, reference=reference, run=run, phases=phases)
    assert found == [
        entry
        for entry in everything
        if entry.phase in phases
        and gstin in (None, entry.token.gstin)
        and gsp in (None, entry.token.gsp)
        and reference in (None, entry.token.reference_id)
        and run in (None, entry.run)
    ]


async def test_a_batch_in_flight_is_found_by_the_one_behind_it_only() -> None:
    """The first of the same taxpayer at the same GSP; one of another GSP is not in the way."""
    journal = MemoryJournal()
    for name, gsp in (("other", "another"), ("first", "gsp"), ("second", "gsp")):
        await journal.intend(name, token(gsp=gsp), decisions())
    assert await journal.claim("other", token(gsp="another")) is None
    assert await journal.claim("first", token()) is None
    in_the_way = await journal.claim("second", token())
    assert in_the_way is not None
    assert in_the_way.id == "first"
    with pytest.raises(JournalError, match="holds no batch gone"):
        await journal.claim("gone", token())
