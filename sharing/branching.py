"""What sharing came to by channel, by store, by program and by occasion; and how members flowed through them."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import func, select

from cards.models import Card, Program
from core.db import db
from core.text import Text
from sharing import channels
from sharing.models import Occasion, Referral, ShareLink
from sharing.scope import Scope, Stores, count_by
from stores.models import Store


class Figures(NamedTuple):
    """What was shared in a part of the whole, and whom it brought."""

    sharers: int = 0  # different members who made a link
    links: int = 0
    visits: int = 0
    brought: int = 0  # members who came through a link of this part

    @property
    def per_sharer(self) -> float | None:
        """The branching: members brought per sharer. None without sharers."""
        return self.brought / self.sharers if self.sharers else None

    @property
    def per_hundred_visits(self) -> float | None:
        return 100 * self.brought / self.visits if self.visits else None


class ChannelNumbers(NamedTuple):
    """A channel in a period."""

    channel: str
    word: Text
    figures: Figures


class StoreNumbers(NamedTuple):
    """A store in a period: what its members shared and whom that brought; and who joined there through a friend."""

    store_id: int | None
    name: str | None
    figures: Figures
    joined: int


class ProgramNumbers(NamedTuple):
    """A program in a period."""

    program_id: int
    name: Text
    figures: Figures


class OccasionNumbers(NamedTuple):
    """Where the thought of sharing arose."""

    occasion: str
    figures: Figures


class Flow(NamedTuple):
    """So many members joined at a store, through a channel, in a generation."""

    store_id: int | None
    store_name: str | None
    channel: str
    generation: int
    members: int


def by_channel(
    chain_id: int, start: datetime, end: datetime, *, store_ids: Stores = None, program_id: int | None = None
) -> list[ChannelNumbers]:
    """Every usual channel and those of the chain's own that are in use or brought somebody; most new members first."""
    scope = Scope(chain_id, start, end, store_ids, program_id)
    came = count_by(Referral.channel, scope.referrals())
    found = _figures(ShareLink.channel, scope, came)
    in_use = {channel.code for channel in channels.channels_for_staff(chain_id)}
    rows = [
        ChannelNumbers(code, word, found.get(code, Figures()))
        for code, word in channels.words_of(chain_id).items()
        if code in found or code in in_use
    ]
    return sorted(rows, key=lambda row: (-row.figures.brought, -row.figures.links))


def by_occasion(
    chain_id: int, start: datetime, end: datetime, *, store_ids: Stores = None, program_id: int | None = None
) -> list[OccasionNumbers]:
    """Every occasion, the most new members first. Whom a link brought counts where the link was made."""
    scope = Scope(chain_id, start, end, store_ids, program_id)
    came = count_by(ShareLink.occasion, _with_links(scope.referrals()))
    found = _figures(ShareLink.occasion, scope, came)
    rows = [OccasionNumbers(str(occasion), found.get(occasion, Figures())) for occasion in Occasion]
    return sorted(rows, key=lambda row: (-row.figures.brought, -row.figures.links))


def by_store(
    chain_id: int,
    start: datetime,
    end: datetime,
    *,
    store_ids: Stores = None,
    program_id: int | None = None,
    limit: int | None = 100,
) -> list[StoreNumbers]:
    """The stores whose members brought most first. ``joined`` counts who joined there, whoever brought him."""
    scope = Scope(chain_id, start, end, store_ids, program_id)
    came = count_by(ShareLink.store_id, _through_their_links(scope))
    joined = count_by(Referral.store_id, scope.referrals())
    found = _figures(ShareLink.store_id, scope, came)
    stores = sorted(
        {*found, *joined},
        key=lambda store: (-found.get(store, Figures()).brought, -joined.get(store, 0), store or 0),
    )[:limit]
    names = _store_names(chain_id, stores)
    return [
        StoreNumbers(store, names.get(store), found.get(store, Figures()), joined.get(store, 0)) for store in stores
    ]


def by_program(
    chain_id: int, start: datetime, end: datetime, *, store_ids: Stores = None, program_id: int | None = None
) -> list[ProgramNumbers]:
    """Every program of the chain, the most new members first."""
    scope = Scope(chain_id, start, end, store_ids, program_id)
    came = count_by(Card.program_id, scope.referrals().join(Card, Card.id == Referral.card_id))
    found = _figures(ShareLink.program_id, scope, came)
    rows = [
        ProgramNumbers(each.id, Text(each.name, each.name_en), found.get(each.id, Figures()))
        for each in list_programs(chain_id)
        if program_id in (None, each.id)
    ]
    return sorted(rows, key=lambda row: (-row.figures.brought, row.program_id))


def flows(
    chain_id: int, start: datetime, end: datetime, *, store_ids: Stores = None, program_id: int | None = None
) -> list[Flow]:
    """Members who came through friends by store, channel and generation: they add up to all of them."""
    scope = Scope(chain_id, start, end, store_ids, program_id)
    columns = (Referral.store_id, Referral.channel, Referral.depth)
    query = scope.referrals().with_only_columns(*columns, func.count()).group_by(*columns)
    rows = db.session.execute(query).all()
    names = _store_names(chain_id, {row[0] for row in rows})
    found = [Flow(row[0], names.get(row[0]), row[1], row[2], row[3]) for row in rows]
    return sorted(found, key=lambda flow: (-flow.members, flow.store_id or 0, flow.channel, flow.generation))


def list_programs(chain_id: int) -> list[Program]:
    """The kinds of card of a chain, the default one first."""
    query = select(Program).where(Program.chain_id == chain_id).order_by(Program.is_default.desc(), Program.id)
    return list(db.session.scalars(query))


def _figures(column: Any, scope: Scope, came: Mapping[Any, int]) -> dict[Any, Figures]:
    """Links, sharers and visits by a column of the link, beside those who came."""
    made = {
        row[0]: (row[1], row[2])
        for row in db.session.execute(
            scope.links()
            .with_only_columns(column, func.count(ShareLink.member_id.distinct()), func.count())
            .group_by(column)
        )
    }
    visits = count_by(column, scope.visits())
    keys = {*made, *visits, *came}
    return {key: Figures(*made.get(key, (0, 0)), visits.get(key, 0), came.get(key, 0)) for key in keys}


def _with_links(referrals: Any) -> Any:
    return referrals.join(ShareLink, ShareLink.id == Referral.share_link_id)


def _through_their_links(scope: Scope) -> Any:
    """Whom the links of these stores' members brought, wherever he joined."""
    return _with_links(scope.whole_chain().referrals()).where(*scope.of_these_links())


def _store_names(chain_id: int, stores: Iterable[int | None]) -> dict[int | None, str]:
    ids = [store for store in stores if store is not None]
    rows = db.session.execute(select(Store.id, Store.name).where(Store.chain_id == chain_id, Store.id.in_(ids)))
    return {row[0]: row[1] for row in rows}
