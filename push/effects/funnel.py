"""What became of a campaign's messages, variant by variant and channel by channel: from sent to spent.

What a coupon did is counted by the coupon that came with the message. It came once, whichever channels carried it: it
stands with each of them, and once in the whole. Where a run went on with other words, it stands with the words it first
came with.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, case, exists, func, select
from sqlalchemy.orm import aliased

from checkout.models import Checkout, CheckoutState, Redemption
from core.db import db
from push.models import Delivery, DeliveryState, Run
from push.runs import whole_run
from push.wording.models import Click

SENT = (DeliveryState.SENT, DeliveryState.DELIVERED)
Key = tuple[str, str]  # variant and channel


class Part(NamedTuple):
    """Counts of one variant and channel, or of more together. Amounts in minor units."""

    audience: int = 0
    sent: int = 0  # handed over, or in the wallet
    delivered: int = 0  # of these, where the provider said that it arrived
    opened: int = 0
    clicked: int = 0
    coupons: int = 0  # that came with it
    redeemed: int = 0  # of these, used and not undone
    spend_cents: int = 0  # what was paid in the purchases in which they were used

    def share(self, count: int) -> float:
        """A part of those that were sent."""
        return count / self.sent if self.sent else 0.0


class Row(NamedTuple):
    """A line of the table."""

    variant: str
    channel: str
    part: Part


class Funnel(NamedTuple):
    """The whole, each variant over all channels, and each variant and channel."""

    whole: Part
    variants: dict[str, Part]
    rows: list[Row]


def funnel(chain_id: int, campaign_id: int, run_id: int | None = None) -> Funnel:
    """Of all runs of a campaign, or of one."""
    ours = _ours(chain_id, campaign_id, run_id)
    told = _told(ours)
    clicked = _clicked(ours, chain_id, campaign_id)
    came = [*ours, *_came_first_with(run_id)]
    by_row = _coupons(came, Delivery.variant, Delivery.channel)
    by_variant = {key[0]: found for key, found in _coupons(came, Delivery.variant).items()}
    in_all = _coupons(came).get((), {})
    parts = {key: counts._replace(clicked=clicked.get(key, 0), **by_row.get(key, {})) for key, counts in told.items()}
    rows = [Row(variant, channel, parts[variant, channel]) for variant, channel in sorted(parts)]
    variants = {
        name: _sum(row.part for row in rows if row.variant == name)._replace(**by_variant.get(name, {}))
        for name in dict.fromkeys(row.variant for row in rows)
    }
    return Funnel(_sum(parts.values())._replace(**in_all), variants, rows)


def count_clickers(chain_id: int, campaign_id: int, run_id: int | None = None) -> dict[str, tuple[int, int]]:
    """Of each variant, how many different members followed a link, of how many who were sent a message."""
    ours = _ours(chain_id, campaign_id, run_id)
    is_clicked = select(Click.delivery_id).where(Click.delivery_id == Delivery.id).exists()
    members = func.count(Delivery.member_id.distinct())
    clickers = func.count(case((is_clicked, Delivery.member_id)).distinct())
    query = select(Delivery.variant, clickers, members).where(*ours, Delivery.state.in_(SENT))
    return {variant: (hits, tries) for variant, hits, tries in db.session.execute(query.group_by(Delivery.variant))}


def _ours(chain_id: int, campaign_id: int, run_id: int | None) -> list[ColumnElement[bool]]:
    """By the runs: of these there is an index, and a chain has many more messages than one campaign."""
    runs = select(Run.id).where(Run.chain_id == chain_id, Run.campaign_id == campaign_id)
    return [Delivery.run_id.in_(runs if run_id is None else runs.where(Run.id == run_id))]


def _came_first_with(run_id: int | None) -> list[ColumnElement[bool]]:
    """Of one run: the coupons that had not come with the words before."""
    before = [each for each in whole_run(db.session.get_one(Run, run_id)) if each < run_id] if run_id else []
    if not before:
        return []
    earlier = aliased(Delivery)
    same = (earlier.member_id == Delivery.member_id, earlier.coupon_id == Delivery.coupon_id)
    return [~exists().where(earlier.run_id.in_(before), *same)]


def _told(ours: list[ColumnElement[bool]]) -> dict[Key, Part]:
    query = (
        select(
            Delivery.variant,
            Delivery.channel,
            func.count(),
            func.count(case((Delivery.state.in_(SENT), 1))),
            func.count(case((Delivery.state == DeliveryState.DELIVERED, 1))),
            func.count(Delivery.read_at),
        )
        .where(*ours)
        .group_by(Delivery.variant, Delivery.channel)
    )
    return {(variant, channel): Part(*counts) for variant, channel, *counts in db.session.execute(query)}


def _clicked(ours: list[ColumnElement[bool]], chain_id: int, campaign_id: int) -> dict[Key, int]:
    query = (
        select(Delivery.variant, Delivery.channel, func.count(Delivery.id.distinct()))
        .join(Click, Click.delivery_id == Delivery.id)
        .where(*ours, Click.chain_id == chain_id, Click.campaign_id == campaign_id)
        .group_by(Delivery.variant, Delivery.channel)
    )
    return {(variant, channel): count for variant, channel, count in db.session.execute(query)}


def _coupons(ours: list[ColumnElement[bool]], *by: Any) -> dict[tuple[str, ...], dict[str, int]]:
    """Coupons, those used, and the purchases in which they were, each of them once for a run."""
    given = select(*by, func.count(Delivery.coupon_id.distinct())).where(*ours).group_by(*by)
    used = (
        select(*by, func.count(Redemption.coupon_id.distinct()))
        .select_from(Delivery)
        .join(Redemption, and_(Redemption.coupon_id == Delivery.coupon_id, *_in_force()))
        .where(*ours)
        .group_by(*by)
    )
    names = [column.label(f"by_{place}") for place, column in enumerate(by)]
    first_run = func.coalesce(Run.continues_run_id, Run.id).label("first_run_id")
    purchases = (
        select(*names, first_run, Checkout.id, (Checkout.payable_cents - Checkout.refunded_cents).label("net"))
        .select_from(Delivery)
        .join(Run, Run.id == Delivery.run_id)
        .join(Redemption, and_(Redemption.coupon_id == Delivery.coupon_id, *_in_force()))
        .join(Checkout, and_(Checkout.id == Redemption.checkout_id, Checkout.state == CheckoutState.SETTLED))
        .where(*ours)
        .distinct()
        .subquery()
    )
    grouped = [purchases.c[name.name] for name in names]
    spent = select(*grouped, func.coalesce(func.sum(purchases.c.net), 0)).group_by(*grouped)
    found: dict[tuple[str, ...], dict[str, int]] = {}
    for name, query in (("coupons", given), ("redeemed", used), ("spend_cents", spent)):
        for *key, count in db.session.execute(query):
            found.setdefault(tuple(key), {})[name] = int(count)
    return found


def _in_force() -> tuple[ColumnElement[bool], ...]:
    return (Redemption.undone_at.is_(None), Redemption.redeemed_at.is_not(None))


def _sum(parts: Iterable[Part]) -> Part:
    return Part(*map(sum, zip(Part(), *parts, strict=True)))
