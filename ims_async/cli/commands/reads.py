"""The commands that only look: `counts`, `sales`, `liabilities`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum
from typing import Annotated, Any, TypeVar

import attrs
from rich.table import Table

from ... import tables
from ...errors import NotSupported
from ...model.vocabulary import GoodsType, SourceForm
from ...taxpayer import Taxpayer
from .. import options
from ..command import command
from ..inputs.accounts import chosen
from ..inputs.settings import gather
from ..output import tables as show
from ..output.console import OK, Console

T = TypeVar("T")


class Form(StrEnum):
    """The supplier's forms, as one writes them."""

    GSTR1 = "gstr1"
    GSTR1A = "gstr1a"


@attrs.frozen(kw_only=True)
class Whose:
    """The options that say who asks for whom."""

    gsp: options.GspName = None
    gstin: options.Gstin = None
    no_check: options.NoCheck = False

    def ask(self, console: Console, question: Callable[[Taxpayer], Awaitable[T]]) -> T:
        """Ask one thing of the taxpayer, who is `console.gstin` then; what is missing is asked for."""
        settings = gather(self.gsp, self.gstin, check=not self.no_check)
        console.asks(settings)
        return console.wait_for(settings.ask(question))


@attrs.frozen(kw_only=True)
class Documents(Whose):
    """The options of what shows documents of a taxpayer as a supplier, of a return period."""

    year: options.Year
    month: options.Month
    out: options.Out = None
    overwrite: options.Overwrite = False

    def tell(
        self,
        console: Console,
        what: str,
        section: str,
        question: Callable[[Taxpayer], Awaitable[Sequence[Any]]],
        *,
        write: Callable[..., object],
        table: Callable[[str, Sequence[Any]], Table],
    ) -> int:
        """Ask for the documents of a section, and write or show them; `what` names them."""
        out = self.out
        if out is not None:
            tables.check_writable(out, overwrite=self.overwrite)
        found = self.ask(console, question)
        title = f"{what} {console.gstin}, {section} {self.month:02d}/{self.year}"
        if out is not None:
            write(out, found, overwrite=self.overwrite)
            console.say(f"{show.counted(len(found), 'document')} {show.are(len(found))} in {out}.")
        elif found:
            console.show(table(title, found))
        else:
            console.say(f"{title}: no documents.")
        facts = {"gstin": console.gstin, "file": str(out) if out else None, "records": len(found)}
        console.document({"ok": True, **facts, "documents": [] if out else show.facts_of(found)})
        return OK


@command()
def counts(
    console: Console,
    whose: Whose,
    goods: Annotated[
        GoodsType, options.option("--goods", "Which documents to count.", "imports")
    ] = GoodsType.OTHERS,
) -> int:
    """Count a taxpayer's records by section and action."""
    try:
        found = whose.ask(console, lambda taxpayer: taxpayer.counts(goods))
    except NotSupported:
        raise NotSupported(
            f"{chosen(whose.gsp).title} does not publish its word (goods_typ) for {goods.replace('_', ' ')}: "
            "only the others can be counted here, without --goods"
        ) from None
    console.show(show.counts_table(found, console.gstin))
    console.document({"ok": True, "gstin": console.gstin, **show.counts_facts(found)})
    return OK


@command()
def sales(
    console: Console,
    section: options.SupplierSectionName,
    asked: Documents,
    form: Annotated[Form, options.option("--form", "The supplier's form.", "gstr1a")] = Form.GSTR1,
) -> int:
    """Show what recipients did about this taxpayer's own documents of a return period."""
    source = SourceForm[form.name]
    return asked.tell(
        console,
        f"{form} of",
        section,
        lambda taxpayer: taxpayer.sales(asked.year, asked.month, section, form=source),
        write=tables.write_sales,
        table=show.sales_table,
    )


@command()
def liabilities(console: Console, section: options.AddedBackSectionName, asked: Documents) -> int:
    """Show documents whose rejection by the recipient was added back to this taxpayer's liability.

    Sections: cdnr, cdnra, b2ba, ecoma.
    """
    return asked.tell(
        console,
        "added back to",
        section,
        lambda taxpayer: taxpayer.added_back_liabilities(asked.year, asked.month, section),
        write=tables.write_added_back,
        table=show.liabilities_table,
    )
