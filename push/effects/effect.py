"""What a campaign caused: those it meant to tell against those held out, in the same days after it began.

Both groups are drawn by lot from the members who could be told when the audience was frozen, and everybody stays in the
group he was drawn into, whether his message arrived or not, and though he said no before it went: so the difference is
the campaign's, and chance's, whose part the interval tells.
Each member counts once, from the first run that meant him; only those are compared for whom all the days are over. A
purchase counts as it stands now: voided ones not at all, refunds taken off.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Float, and_, case, cast, func, or_, select, true

from cards.models import Card
from checkout.models import Checkout, CheckoutState, Redemption
from core.days import days_later
from core.db import db
from core.intervals import Interval, Sample, newcombe, smallest_shown, welch, wilson
from push.audiences.chance import of_campaign, of_chain
from push.models import Campaign, Delivery, Purpose, PushPolicy, Run, SkipReason
from push.runs import whole_run

DAYS = (1, 7, 30)  # each of 24 hours
FEWEST = 100  # members in each group, below which nothing is said
UNREACHED = (SkipReason.OPTED_OUT, SkipReason.NO_ADDRESS, SkipReason.CARD_INACTIVE)
# Of a member: told and held out, or held out by another lot than the one that is looked at. Left out in Python, since
# PostgreSQL takes a HAVING for one that leaves few.
NEITHER = 2
AROUND = timedelta(days=2)  # no business day lies further from its moments


class Against(StrEnum):
    """With whom those who were told are compared."""

    CAMPAIGN = "campaign"  # held out of this campaign
    CHAIN = "chain"  # held out of all promotion of the chain
    NOBODY = "nobody"


class Group(NamedTuple):
    """Members, those of them who bought and who used a coupon, and what each spent."""

    members: int = 0
    buyers: int = 0
    redeemers: int = 0
    spend: Sample = Sample(0, 0, 0.0)

    def __add__(self, other: Any) -> "Group":
        spend = Sample(*(one + two for one, two in zip(self.spend, other.spend, strict=True)))
        return Group(self.members + other.members, self.buyers + other.buyers, self.redeemers + other.redeemers, spend)


class Difference(NamedTuple):
    """A figure of two groups: shares, or amounts in minor units."""

    one: float
    other: float
    interval: Interval | None  # None: too few to say anything

    @property
    def value(self) -> float:
        return self.one - self.other

    @property
    def is_shown(self) -> bool:
        """Whether an effect is shown at all: the interval leaves 0 out."""
        return self.interval is not None and self.interval.shows_difference

    @property
    def lift(self) -> float | None:
        """How much more than the other group, as a part of that."""
        return self.value / self.other if self.other else None


class Comparison(NamedTuple):
    """Two groups so many days after they were to be told."""

    days: int
    one: Group
    other: Group

    @property
    def is_enough(self) -> bool:
        return min(self.one.members, self.other.members) >= FEWEST

    @property
    def bought(self) -> Difference:
        return self._shares(self.one.buyers, self.other.buyers)

    @property
    def redeemed(self) -> Difference:
        return self._shares(self.one.redeemers, self.other.redeemers)

    @property
    def spend(self) -> Difference:
        interval = welch(self.one.spend, self.other.spend) if self.is_enough else None
        return Difference(self.one.spend.mean, self.other.spend.mean, interval)

    @property
    def smallest_shown(self) -> float | None:
        """The difference between the shares of buyers that groups of this size would show four times in five."""
        members = self.one.members + self.other.members
        share = (self.one.buyers + self.other.buyers) / members if members else 0
        return smallest_shown(share, self.one.members, self.other.members)

    def _shares(self, hits: int, other_hits: int) -> Difference:
        one, other = (hits, self.one.members), (other_hits, self.other.members)
        shares = [part / whole if whole else 0.0 for part, whole in (one, other)]
        return Difference(shares[0], shares[1], newcombe(one, other) if self.is_enough else None)


class Effect(NamedTuple):
    """Those told, by variant, and those held out, for each of ``DAYS``."""

    against: Against
    told: dict[int, dict[str, Group]]
    held: dict[int, Group]
    first_complete_at: datetime | None  # when the first member's shortest span of days is over

    def comparison(self, days: int) -> Comparison:
        """Everybody who was meant to be told against the held-out."""
        return Comparison(days, sum(self.told[days].values(), Group()), self.held[days])

    def of_variant(self, label: str, days: int) -> Comparison:
        """Those of one variant against the held-out."""
        return Comparison(days, self.told[days].get(label, Group()), self.held[days])

    def between_variants(self, label: str, other: str, days: int) -> Comparison:
        return Comparison(days, self.told[days].get(label, Group()), self.told[days].get(other, Group()))


def measure(campaign: Campaign, *, now: datetime, run_id: int | None = None) -> Effect:
    """The effect of all runs of a campaign, or of one."""
    began = db.session.execute(
        select(func.min(Run.started_at), func.max(Run.started_at)).where(
            Run.campaign_id == campaign.id, *([] if run_id is None else [Run.id == run_id])
        )
    ).one()
    told: dict[int, dict[str, Group]] = {days: {} for days in DAYS}
    held = {days: Group() for days in DAYS}
    if began[0] is None:
        return Effect(Against.NOBODY, told, held, None)
    is_any_held = False
    for is_held, variant, *figures in db.session.execute(_sums(campaign, run_id, began, now=now)):
        if is_held == NEITHER:
            continue
        is_any_held = is_any_held or bool(is_held)
        for place, days in enumerate(DAYS):
            group = _group(figures[place * 5 : place * 5 + 5])
            if is_held:
                held[days] += group
            else:
                told[days][variant] = told[days].get(variant, Group()) + group
    against = Against.NOBODY if not is_any_held else Against.CAMPAIGN if campaign.holdout_bp else Against.CHAIN
    return Effect(against, told, held, began[0] + timedelta(days=DAYS[0]))


def shares_of(hits: int, tries: int) -> tuple[float, Interval | None]:
    """A share with its own interval, for a chart."""
    return (hits / tries if tries else 0.0), wilson(hits, tries)


def _group(figures: list[Any]) -> Group:
    members, buyers, redeemers, total, squares = figures
    return Group(members, buyers, redeemers, Sample(members, int(total or 0), float(squares or 0)))


def _sums(campaign: Campaign, run_id: int | None, began: Any, *, now: datetime) -> Any:
    """One row for each variant of those told and those held out, with five figures for each of ``DAYS``."""
    each = _by_member(campaign, run_id, began).subquery()
    columns: list[Any] = [each.c.is_held, each.c.variant]
    for days in DAYS:
        is_over = each.c.since <= now - timedelta(days=days)
        spent = case((is_over, each.c[f"spent_{days}"]))
        columns += [
            func.count(spent),
            func.count(case((and_(is_over, each.c[f"bought_{days}"] == 1), 1))),
            func.count(case((and_(is_over, each.c[f"redeemed_{days}"] == 1), 1))),
            func.sum(spent),
            func.sum(cast(spent, Float) * spent),
        ]
    return select(*columns).group_by(each.c.is_held, each.c.variant)


def _by_member(campaign: Campaign, run_id: int | None, began: Any) -> Any:
    """What each member who was drawn into a group did in his days."""
    drawn = _drawn(campaign, run_id).subquery("drawn")
    net = Checkout.payable_cents - Checkout.refunded_cents
    coupon = (
        select(Redemption.id)
        .where(Redemption.checkout_id == Checkout.id, Redemption.undone_at.is_(None))
        .correlate(Checkout)
        .exists()
    )
    columns: list[Any] = []
    for days in DAYS:
        is_within = Checkout.settled_at < days_later(drawn.c.since, days)
        columns += [
            func.coalesce(func.sum(case((is_within, net), else_=0)), 0).label(f"spent_{days}"),
            func.coalesce(func.max(case((and_(is_within, net > 0), 1), else_=0)), 0).label(f"bought_{days}"),
            func.coalesce(func.max(case((and_(is_within, coupon), 1), else_=0)), 0).label(f"redeemed_{days}"),
        ]
    is_purchase = and_(
        Checkout.card_id == Card.id,
        Checkout.chain_id == campaign.chain_id,
        Checkout.state == CheckoutState.SETTLED,
        Checkout.settled_at >= drawn.c.since,
        Checkout.settled_at < days_later(drawn.c.since, DAYS[-1]),
        Checkout.business_day >= (began[0] - AROUND).date(),
        Checkout.business_day <= (began[1] + timedelta(days=DAYS[-1]) + AROUND).date(),
    )
    return (
        select(drawn.c.since, drawn.c.is_held, drawn.c.variant, *columns)
        .outerjoin(Card, and_(Card.chain_id == campaign.chain_id, Card.member_id == drawn.c.member_id))
        .outerjoin(Checkout, is_purchase)
        .group_by(drawn.c.member_id, drawn.c.since, drawn.c.is_held, drawn.c.variant)
    )


def _drawn(campaign: Campaign, run_id: int | None) -> Any:
    """Each member who could be told, when first, and whether he was held out.

    Those held out by another lot than the one that is looked at are in neither group, nor is who changed his group
    because the share held out was changed.
    """
    of_this = of_campaign(campaign.id).sql(Delivery.member_id) < campaign.holdout_bp
    is_looked_at = of_this if campaign.holdout_bp else true()
    is_held = case((func.coalesce(Delivery.reason, "") != SkipReason.HOLDOUT, 0), (is_looked_at, 1), else_=NEITHER)
    rules: list[ColumnElement[bool]] = [
        Run.chain_id == campaign.chain_id,
        Run.campaign_id == campaign.id,
        or_(Delivery.reason.is_(None), Delivery.reason.not_in(UNREACHED), Delivery.first_tried_at.is_not(None)),
        *_lots(campaign),
    ]
    if run_id is not None:
        rules.append(Delivery.run_id.in_(whole_run(db.session.get_one(Run, run_id))))
    return (
        select(
            Delivery.member_id,
            func.min(Run.started_at).label("since"),
            case((func.min(is_held) == func.max(is_held), func.max(is_held)), else_=NEITHER).label("is_held"),
            func.min(Delivery.variant).label("variant"),
        )
        .join(Run, Run.id == Delivery.run_id)
        .where(*rules)
        .group_by(Delivery.member_id)
    )


def _lots(campaign: Campaign) -> list[ColumnElement[bool]]:
    """Who can be in one of the groups by the chain's lots: nobody whom it holds out of all promotion."""
    if not campaign.holdout_bp or campaign.purpose != Purpose.PROMOTION:
        return []
    share = db.session.scalar(select(PushPolicy.global_holdout_bp).where(PushPolicy.chain_id == campaign.chain_id))
    return [of_chain(campaign.chain_id).sql(Delivery.member_id) >= share] if share else []
