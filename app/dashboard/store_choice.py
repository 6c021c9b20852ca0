"""Choosing one store: by a select where all fit into one, else by a box that searches thousands."""

from typing import NamedTuple

from flask_babel import gettext

from app.auth.guard import actor
from stores.models import Store
from stores.queries import find_store_by_code, list_stores

MOST_IN_SELECT = 50
MOST_FOUND = 20
LONGEST = 80


class Choice(NamedTuple):
    """What was typed or chosen, and what there is to choose from."""

    typed: str
    store: Store | None
    few: list[Store]  # all of the reader's, where there are few
    is_searched: bool

    @property
    def problem(self) -> str:
        """Why the words do not say which store."""
        is_open = self.typed and self.store is None
        return gettext("Choose one of the stores that are found.") if is_open and self.is_searched else ""


def choose(typed: str) -> Choice:
    """The store that the reader means: by its number, or by words that fit one of his stores only."""
    typed = typed.replace("\0", "").strip()[:LONGEST]
    chain_id, own = actor().chain_id, actor().store_ids
    few = list(list_stores(chain_id, store_ids=own, limit=MOST_IN_SELECT + 1))
    is_searched = len(few) > MOST_IN_SELECT
    store = find_store_by_code(chain_id, typed, store_ids=own) if typed else None
    if store is None and typed and is_searched:
        found = list_stores(chain_id, store_ids=own, search=typed, limit=2)
        store = found[0] if len(found) == 1 else None
    return Choice(typed, store, [] if is_searched else few, is_searched)


def options(typed: str) -> list[Store]:
    """The first of the reader's stores that fit the words."""
    return list(list_stores(actor().chain_id, store_ids=actor().store_ids, search=typed[:LONGEST], limit=MOST_FOUND))
