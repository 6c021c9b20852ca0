"""What a report is: one schema, and the SELECT that fills it."""

from collections.abc import Callable
from dataclasses import dataclass

from app.reports.columns import Column
from app.reports.spelling import Spelling
from core.text import Text


@dataclass(frozen=True)
class Report:
    """A file of the pack. ``tables`` is what follows FROM; ``parts`` are named SELECTs before it (WITH).

    A row belongs to the business day of ``day`` (a stored date) or else of ``moment``; ``moment`` also narrows
    the search by index. Without either, the parts themselves keep to the period. ``store`` is the column that
    decides whose rows they are: a store manager gets those of his stores.
    """

    name: str
    title: Text
    about: Text
    columns: tuple[Column, ...]
    tables: str
    chain: str
    store: str | None
    order: str
    day: str | None = None
    moment: str | None = None
    parts: Callable[[Spelling], str] | None = None
    member: str | None = None  # the column by which a segment narrows it
    in_chain_zone: bool = False  # its days are the chain's, whichever store a row belongs to

    @property
    def totals(self) -> list[Column]:
        return [column for column in self.columns if column.total]

    @property
    def is_for_head_office(self) -> bool:
        """No store owns its rows, so that managers get none of it."""
        return self.store is None
