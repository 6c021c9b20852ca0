"""What the database knows about a referral: the facts that the fraud rules weigh. Nothing here decides or writes.

Every question is answered by an index and looks at a bounded number of rows, however large the chain.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, exists, func, or_, select
from sqlalchemy.orm import aliased

from cards.models import Card, Member
from checkout.models import Checkout, CheckoutState
from core.db import db
from sharing.models import Referral, ShareLink

STEP = 10  # hex digits of a member in a path
LOOKED_AT = 200  # rows on either side, beyond what a rule counts to


class Subject(NamedTuple):
    """A referral under judgement, with what is known of both people."""

    referral_id: int
    chain_id: int
    member_id: int
    referrer_id: int
    path: str
    device: str | None
    network: str | None
    created_at: datetime
    phone: str | None
    phone_verified_at: datetime | None
    referrer_phone: str | None
    referrer_verified_at: datetime | None
    share_link_id: int
    link_card_id: int
    link_device: str | None
    link_made_at: datetime
    up_id: int | None  # the referral by which the referrer himself came
    up_device: str | None

    @property
    def line(self) -> list[int]:
        """The members above the friend, the first of the tree before all others, the referrer last."""
        return [int(self.path[at : at + STEP], 16) for at in range(0, len(self.path) - STEP, STEP)]


class Join(NamedTuple):
    """Another referral, as the rules that count see it."""

    referral_id: int
    referrer_id: int
    at: datetime


def get_subject(chain_id: int, referral_id: int) -> Subject | None:
    friend, referrer, up = aliased(Member), aliased(Member), aliased(Referral)
    row = db.session.execute(
        select(
            Referral.id,
            Referral.chain_id,
            Referral.member_id,
            Referral.referrer_id,
            Referral.path,
            Referral.device,
            Referral.network,
            Referral.created_at,
            friend.phone,
            friend.phone_verified_at,
            referrer.phone,
            referrer.phone_verified_at,
            ShareLink.id,
            ShareLink.card_id,
            ShareLink.device,
            ShareLink.created_at,
            up.id,
            up.device,
        )
        .join(friend, friend.id == Referral.member_id)
        .join(referrer, referrer.id == Referral.referrer_id)
        .join(ShareLink, ShareLink.id == Referral.share_link_id)
        .outerjoin(up, and_(up.chain_id == Referral.chain_id, up.member_id == Referral.referrer_id))
        .where(Referral.id == referral_id, Referral.chain_id == chain_id)
    ).first()
    return None if row is None else Subject(*tuple(row))


def find_earlier_member(seen: Subject) -> tuple[int, bool] | None:
    """Who of the chain had the friend's phone before the friend joined, and whether he proved it. Not the referrer."""
    row = db.session.execute(
        select(Member.id, Member.phone_verified_at)
        .where(
            Member.chain_id == seen.chain_id,
            Member.phone == seen.phone,
            Member.id.not_in((seen.member_id, seen.referrer_id)),
            Member.joined_at < seen.created_at,
        )
        .order_by(Member.phone_verified_at.is_(None), Member.id)
        .limit(1)
    ).first()
    return None if row is None else (row[0], row[1] is not None)


def find_link_made_there(seen: Subject) -> tuple[int, datetime] | None:
    """A link of the referrer's card that was made on what looks like the friend's device; this one first."""
    if seen.link_device == seen.device:
        return seen.share_link_id, seen.link_made_at
    row = db.session.execute(
        select(ShareLink.id, ShareLink.created_at)
        .where(ShareLink.card_id == seen.link_card_id, ShareLink.device == seen.device)
        .order_by(ShareLink.id.desc())
        .limit(1)
    ).first()
    return None if row is None else (row[0], row[1])


def find_in_line_by_phone(seen: Subject, line: Sequence[int]) -> tuple[int, bool] | None:
    """Who of these members has the friend's phone, and whether he proved it."""
    row = db.session.execute(
        select(Member.id, Member.phone_verified_at)
        .where(Member.chain_id == seen.chain_id, Member.phone == seen.phone, Member.id.in_(line))
        .order_by(Member.phone_verified_at.is_(None), Member.id)
        .limit(1)
    ).first()
    return None if row is None else (row[0], row[1] is not None)


def find_in_line_by_device(seen: Subject, line: Sequence[int]) -> int | None:
    """Who of these members joined, or made the link by which the line goes on, on what looks like the friend's device.

    ``line`` ends above the referrer.
    """
    row = db.session.execute(
        select(Referral.member_id, Referral.device, ShareLink.member_id)
        .join(ShareLink, ShareLink.id == Referral.share_link_id)
        .where(
            Referral.chain_id == seen.chain_id,
            Referral.member_id.in_([*line, seen.referrer_id]),
            or_(
                and_(Referral.device == seen.device, Referral.member_id != seen.referrer_id),
                and_(ShareLink.device == seen.device, ShareLink.member_id.in_(line)),
            ),
        )
        .order_by(Referral.depth.desc())
        .limit(1)
    ).first()
    if row is None:
        return None
    joined, device, sharer = row
    return int(joined if device == seen.device and joined != seen.referrer_id else sharer)


def joins_of_device(seen: Subject, window: timedelta, threshold: int) -> list[Join]:
    """Who joined the chain on what looks like the friend's device, near the time he did."""
    return _near(seen, Referral.device == seen.device, window, threshold)


def joins_of_network(seen: Subject, window: timedelta, threshold: int) -> list[Join]:
    """Friends of the same referrer who joined from the friend's network."""
    here = and_(Referral.network == seen.network, Referral.referrer_id == seen.referrer_id)
    return _near(seen, here, window, threshold)


def joins_of_referrer(seen: Subject, window: timedelta, threshold: int) -> list[Join]:
    return _near(seen, Referral.referrer_id == seen.referrer_id, window, threshold)


def count_others_on_network(seen: Subject, since: datetime, until: datetime, *, most: int) -> int:
    """Joins from the friend's network on what looks like other devices, counted no further than ``most``."""
    rows = (
        select(Referral.id)
        .where(
            Referral.chain_id == seen.chain_id,
            Referral.network == seen.network,
            Referral.created_at.between(since, until),
            Referral.device != seen.device,
        )
        .limit(most)
        .subquery()
    )
    return db.session.scalar(select(func.count()).select_from(rows)) or 0


def newest_friends(seen: Subject, *, joined_by: datetime, limit: int) -> list[tuple[int, bool]]:
    """The referrer's newest friends of some age, and whether each ever bought and kept something."""
    rows = db.session.execute(
        select(Referral.id, has_bought(seen.chain_id, Referral.member_id))
        .where(
            Referral.chain_id == seen.chain_id,
            Referral.referrer_id == seen.referrer_id,
            Referral.created_at <= joined_by,
        )
        .order_by(Referral.created_at.desc())
        .limit(limit)
    )
    return [(referral_id, bool(bought)) for referral_id, bought in rows]


def is_buyer(seen: Subject) -> bool:
    """Whether the friend ever bought and kept something."""
    return bool(db.session.scalar(select(has_bought(seen.chain_id, Member.id)).where(Member.id == seen.member_id)))


def has_bought(chain_id: int, member_id: Any) -> ColumnElement[bool]:
    """That there is a settled checkout, by any card of the member. One that is refunded whole has another state."""
    card = aliased(Card)
    return exists(
        select(Checkout.id)
        .join(card, card.id == Checkout.card_id)
        .where(
            card.chain_id == chain_id,
            card.member_id == member_id,
            Checkout.state == CheckoutState.SETTLED,
        )
    )


def _near(seen: Subject, is_alike: ColumnElement[bool], window: timedelta, threshold: int) -> list[Join]:
    """The joins closest to the friend's own, his among them, in the order of time.

    More than ``threshold`` on either side are never needed to know whether so many lie within one window.
    """
    most = max(threshold, LOOKED_AT)
    alike = select(Referral.id, Referral.referrer_id, Referral.created_at).where(
        Referral.chain_id == seen.chain_id, is_alike
    )
    before = alike.where(Referral.created_at <= seen.created_at, Referral.created_at > seen.created_at - window)
    after = alike.where(Referral.created_at > seen.created_at, Referral.created_at < seen.created_at + window)
    earlier = _joins(before.order_by(Referral.created_at.desc()).limit(most))
    return earlier[::-1] + _joins(after.order_by(Referral.created_at).limit(most))


def _joins(query: Select[int, int, datetime]) -> list[Join]:
    return [Join(*row) for row in db.session.execute(query)]
