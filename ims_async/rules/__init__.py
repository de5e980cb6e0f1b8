"""Offline checks of decisions and resets, run before a request is sent; all findings are returned at once.

Each rule is a small pure function. `RULES` lists them with their codes, default levels and sources, and
`RulePolicy` changes the levels. No rule reads a clock or a file.
"""

from typing import TYPE_CHECKING

from ..lazy import names_of

if TYPE_CHECKING:
    from .catalogue import RULE_CHANGES, RULES, RuleChange
    from .checker import Checker, check
    from .context import Batch, Case, Facts, Rule
    from .decision import closing_periods
    from .document import AMOUNT_LIMIT, NUMBER, amount_problem, number_problem
    from .finding import Finding, Level, Problem, Record, refuse
    from .periods import IST, india_date
    from .policy import RulePolicy
else:  # a program that only reads needs none of them
    __getattr__ = names_of(
        __name__,
        {
            "catalogue": "RULES RULE_CHANGES RuleChange",
            "checker": "Checker check",
            "context": "Batch Case Facts Rule",
            "decision": "closing_periods",
            "document": "AMOUNT_LIMIT NUMBER amount_problem number_problem",
            "finding": "Finding Level Problem Record refuse",
            "periods": "IST india_date",
            "policy": "RulePolicy",
        },
    )

__all__ = [
    "AMOUNT_LIMIT",
    "IST",
    "NUMBER",
    "RULES",
    "RULE_CHANGES",
    "Batch",
    "Case",
    "Checker",
    "Facts",
    "Finding",
    "Level",
    "Problem",
    "Record",
    "Rule",
    "RuleChange",
    "RulePolicy",
    "amount_problem",
    "check",
    "closing_periods",
    "india_date",
    "number_problem",
    "refuse",
]
