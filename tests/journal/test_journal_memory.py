"""The journal in memory finds what it is asked for as a look at all would, without looking at all."""

from __future__ import annotations

import contextlib
import datetime as dt
import random
from typing import Any

import attrs
import pytest

from ims_async import JobInFlight, JournalError
from ims_async.journal import Change, ChangeState, MemoryJournal, Query
from ims_async.journal.testing_samples import in_every_state
from ims_async.model.status import JobState, JobStatus

from ..support.journals import DONE, add, claim, move, stands, token

STATES = list(ChangeState)


class Counted(dict[str, Change]):
    """Changes that count how often one of them is looked at."""

    looks = 0

    def __getitem__(self, name: str) -> Change:
        self.looks += 1
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        """Look at one, if it is there."""
        self.looks += 1
        return super().get(name, default)


async def one_job(journal: MemoryJournal, place: int) -> None:
    """Ask what is asked for each job of a bulk run, and write what is written."""
    name, gstin, reference = f"batch {place}", f"taxpayer {place}", f"job {place}"
    own = {"gsp": "gsp", "host": "gateway.example", "gstin": gstin}
    since = dt.datetime.fromtimestamp(0, dt.UTC)
    await journal.find(Query(**own, run="night"))  # type: ignore[arg-type] # as named there
    states = (ChangeState.ACCEPTED, ChangeState.ENDED)
    await journal.find(Query(**own, states=states, since=since))  # type: ignore[arg-type]
    await add(journal, name, run="night", gstin=gstin)
    assert (await claim(journal, name, since=0)).taken
    await journal.find(Query(**own, reference=reference))  # type: ignore[arg-type]
    known = token(gstin=gstin, reference_id=reference)
    await move(journal, name, lambda change: change.accepted(known))
    assert (await stands(journal, name)).state is ChangeState.ACCEPTED
    await move(journal, name, lambda change: change.heard(DONE))


async def test_a_job_looks_at_as_many_changes_however_many_are_kept() -> None:
    """At those of its own taxpayer, not at those of a thousand others."""
    journal, looks = MemoryJournal(), []
    journal._changes = kept = Counted()
    for place in range(400):
        before = kept.looks
        await one_job(journal, place)
        looks.append(kept.looks - before)
    assert 0 < looks[0] == looks[-1]


@pytest.mark.parametrize("seed", range(5))
async def test_any_filter_finds_what_a_look_at_all_finds(seed: int) -> None:
    """In the order of handing in, whatever was moved since."""
    rng = random.Random(seed)  # noqa: S311 # the same each time is what is wanted
    journal = MemoryJournal()
    gstins, references, runs = ["a", "b", "c"], ["r", "s", None], ["night", "day", ""]
    for place in range(120):
        facts: dict[str, Any] = {"gsp": rng.choice(["gsp", "another"]), "gstin": rng.choice(gstins)}
        await add(journal, f"{place}", run=rng.choice(runs), **facts)
        name = f"{rng.randint(0, place)}"
        if rng.random() < 0.3:
            with contextlib.suppress(JobInFlight):
                await claim(journal, name)
        else:
            known = await stands(journal, name)
            later = rng.choice(in_every_state(Change(id=name, token=known.token, run=known.run)))
            news = attrs.evolve(later.token, reference_id=rng.choice(references))
            stored = await journal.put(attrs.evolve(later, token=news, revision=known.revision))
            assert stored is not None
            if rng.random() < 0.5:
                await journal.put(stored.marked_retried())
        await compare(journal, rng, gstins, references, runs)


async def compare(
    journal: MemoryJournal,
    rng: random.Random,
    gstins: list[str],
    references: list[str | None],
    runs: list[str],
) -> None:
    """Ask with a random filter, and look at all that there are."""
    everything = await journal.find()
    query = Query(
        ids=rng.choice([None, None, rng.sample([change.id for change in everything], len(everything) // 2)]),
        gsp=rng.choice([None, "gsp"]),
        gstin=rng.choice([None, *gstins]),
        reference=rng.choice(references),
        run=rng.choice([None, *runs]),
        states=rng.choice([None, rng.sample(STATES, rng.randint(0, len(STATES)))]),
        retried=rng.choice([None, None, True, False]),
    )
    found = await journal.find(query)
    assert found == [
        change
        for change in everything
        if (query.ids is None or change.id in query.ids)
        and (query.states is None or change.state in query.states)
        and query.gstin in (None, change.token.gstin)
        and query.gsp in (None, change.token.gsp)
        and query.reference in (None, change.token.reference_id)
        and query.run in (None, change.run)
        and query.retried in (None, change.retried)
    ]


async def test_forty_thousand_ids_are_found_in_order() -> None:
    """Most of which are not there."""
    journal = MemoryJournal()
    for place in range(300):
        await add(journal, f"{place}", 0)
    found = await journal.find(Query(ids=[f"{place}" for place in range(40_000)][::-1]))
    assert [change.id for change in found] == [f"{place}" for place in range(300)]


async def test_a_change_in_flight_is_found_by_the_one_behind_it_only() -> None:
    """The first of the same taxpayer at the same GSP; one of another GSP is not in the way."""
    journal = MemoryJournal()
    for name, gsp in (("other", "another"), ("first", "gsp"), ("second", "gsp")):
        await add(journal, name, gsp=gsp)
    assert (await claim(journal, "other")).taken
    assert (await claim(journal, "first")).taken
    second = await claim(journal, "second")
    assert second.ahead is not None
    assert (second.taken, second.ahead.id) == (False, "first")
    with pytest.raises(JournalError, match="holds no change gone"):
        await journal.claim(Change(id="gone", token=token()).claimed(token()))


async def test_the_gateways_raw_answer_is_not_stored() -> None:
    """It may be megabytes, and holds what is nobody's business: a file does not store it either."""
    journal = MemoryJournal()
    await add(journal, "one")
    taken = (await claim(journal, "one")).change
    status = JobStatus(state=JobState.SUCCEEDED, raw={"data": 1})
    accepted = taken.accepted(attrs.evolve(taken.token, reference_id="ref"))
    stored = await journal.put(accepted.heard(status))
    assert stored is not None
    assert stored.status is status
    (found,) = await journal.find()
    assert found == stored
    assert found.status is not None
    assert found.status.raw == {}
