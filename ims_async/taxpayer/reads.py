"""What one taxpayer reads: its documents, counts and sales, its GSTR-2B, and which returns are filed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import TypeVar

import attrs

from .. import model
from ..errors import InvalidInput, UnexpectedAnswer
from ..gsp import returns
from ..gsp.base import Conversation
from ..jobs.context import Services
from ..jobs.downloads import Downloads
from ..loop_owner import LoopOwner, on_one_loop
from ..model.records import Counts, Invoice, InvoiceList
from ..model.tokens import Download
from ..model.vocabulary import Action, GoodsType, Section, SourceForm, SupplierSection, year_and_month
from ..net.credentials import Credentials
from ..steps import STEP, free_async

T = TypeVar("T")


@on_one_loop
class Reads:
    """The reads of one GSTIN: what changes nothing."""

    gstin: str
    _services: Services
    _loop_owner: LoopOwner
    _credentials: Credentials
    _downloads: Downloads

    async def counts(self, goods_type: GoodsType | str = GoodsType.OTHERS) -> Counts:
        """Count documents by section and action."""
        return await self._run(self._services.gsp.counts(self.gstin, GoodsType.parse(goods_type)))

    async def invoices(
        self,
        section: Section | str,
        status: Action | str | None = None,
        *,
        strict: bool = True,
        wait: bool = True,
    ) -> InvoiceList:
        """Fetch one section's documents, all or those at one action.

        Where the gateway prepares them first, they are waited for, up to the poll policy's deadline; with
        `wait=False`, and past that deadline, `DownloadQueued` says where to `collect` them later. Raises
        `UnexpectedAnswer` naming each field that does not fit; with `strict=False` those rows are named in
        the list's `problems` instead.
        """
        action = None if status is None else Action.parse(status)
        begun = await self._downloads.begin(Section.parse(section), action, strict=strict)
        return await self._downloads.whole(begun, strict=strict, wait=wait)

    async def collect(self, download: Download, *, strict: bool = True, wait: bool = True) -> InvoiceList:
        """Fetch rows that were being prepared: `download` is that of a `DownloadQueued`. As `invoices`.

        They are as they were when they were asked for; save decisions on fresh rows.
        """
        return await self._downloads.collect(download, strict=strict, wait=wait)

    async def all_invoices(
        self, status: Action | str | None = None, *, strict: bool = True
    ) -> AsyncGenerator[Invoice, None]:
        """Yield the documents of every section, a few parts of an answer in memory at a time.

        Rows that are prepared first are as they were when that began.
        """
        action = None if status is None else Action.parse(status)
        async with contextlib.aclosing(self._downloads.every(action, strict=strict)) as invoices:
            async for invoice in invoices:
                yield invoice

    async def sales(
        self,
        year: int,
        month: int,
        section: SupplierSection | str,
        *,
        form: SourceForm = SourceForm.GSTR1,
    ) -> list[model.sales.SalesInvoice]:
        """Fetch what recipients did about this taxpayer's own documents of one return period."""
        conversation = self._services.gsp.sales(self.gstin, year, month, _supplier_section(section), form)
        return await self._run(conversation)

    async def added_back_liabilities(
        self, year: int, month: int, section: SupplierSection | str
    ) -> list[model.sales.AddedBackLiability]:
        """Fetch documents whose rejection was added back to this taxpayer's liability."""
        wanted = _supplier_section(section)
        if wanted in (SupplierSection.B2B, SupplierSection.ECOM):
            raise InvalidInput(
                f"section {wanted} has no added-back liabilities; use cdnr, cdnra, b2ba or ecoma"
            )
        conversation = self._services.gsp.added_back_liabilities(self.gstin, year, month, wanted)
        return await self._run(conversation)

    async def gstr2b(self, period: str, *, strict: bool = True) -> model.gstr2b.Gstr2b:
        """Fetch the GSTR-2B of a period (`MMYYYY`), all its files joined.

        Raises `Gstr2bUnavailable` where there is none, or not yet, which is not an empty one; and
        `UnexpectedAnswer` naming each member that does not fit (with `strict=False` documents that do not fit
        are named in its `problems` instead), or if it was made anew three times while its files were read.
        """
        return await self._run(returns.whole(self._services.gsp, self.gstin, period, strict=strict))

    async def gstr2b_documents(self, period: str) -> AsyncGenerator[model.gstr2b.Gstr2bDocument, None]:
        """Yield the documents of a GSTR-2B, one of its files in memory at a time.

        Raises as `gstr2b` does; `UnexpectedAnswer` also at the end, if it was made anew meanwhile: what was
        yielded is then of two statements. One that is a mere summary raises it too.
        """
        gsp, gstin = self._services.gsp, self.gstin
        first = await self._run(gsp.gstr2b(gstin, period))
        files = returns.files_of(first)
        if first.summary_only and not files:
            raise UnexpectedAnswer(f"the GSTR-2B of {period} is a mere summary, without documents")
        documents, first = list(first.documents), attrs.evolve(first, documents=())
        if not files:
            async for document in _used_up(documents):
                yield document
        await free_async(documents)  # where there are files, theirs are used
        begins: list[model.gstr2b.Gstr2bDocument] = []
        for number in files:
            part = await self._run(returns.file(gsp, first, number, gstin, period, begins, strict=True))
            documents = list(part.documents)
            del part  # it is not kept while the next is waited for
            async for document in _used_up(documents):
                yield document
        if files:
            await self._run(returns.confirm(gsp, first, gstin, period))

    async def filing(self, period: str) -> model.gstr2b.Filing:
        """Read which returns of a period (`MMYYYY`) are filed, as far as the GSP knows.

        It takes two or three requests. What is filed then is known to all later checks of this taxpayer: the
        rule `period-closed` looks at it, in `check`, `save` and `reset`, and in runs of this client.
        """
        year_and_month(period)  # raises `InvalidInput`
        found = await self._run(self._services.gsp.filings(self.gstin, period))
        if found.filed:
            self._services.filed.setdefault(self.gstin, set()).update(found.filed)
        return found

    async def _run(self, conversation: Conversation[T]) -> T:
        return await self._services.exchange.run(conversation, self._credentials)


async def _used_up(
    documents: list[model.gstr2b.Gstr2bDocument],
) -> AsyncGenerator[model.gstr2b.Gstr2bDocument, None]:
    """Yield documents and let others have a turn now and then: the caller's loop may wait for nothing.

    The list is used up, so that 100,000 are not freed at once.
    """
    documents.reverse()
    while documents:
        yield documents.pop()
        if len(documents) % STEP == 0:
            await asyncio.sleep(0)


def _supplier_section(section: SupplierSection | str) -> SupplierSection:
    try:
        return SupplierSection(str(section).strip().lower())
    except ValueError:
        known = ", ".join(SupplierSection)
        raise InvalidInput(f"section {section!r} is not in the supplier view; use one of: {known}") from None
