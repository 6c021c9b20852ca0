"""What the database knows about a referral: the facts that the fraud rules weigh. Nothing here decides or writes.

Every question is answered by an index and, but for the links of one card, looks at a bounded number of rows. The
statements are made once: a referral is judged with a dozen of them, and to make them would take longer than to ask.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, bindparam, exists, func, or_, select
from sqlalchemy.orm import aliased

from cards.models import Card, Member
from checkout.models import Checkout, CheckoutState
from core.db import UtcDateTime, db
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


def has_bought(chain_id: Any, member_id: Any) -> ColumnElement[bool]:
    """That there is a settled checkout, by any card of the member. One that is refunded whole has another state."""
    card = aliased(Card)
    return exists(
        select(Checkout.id)
        .join(card, card.id == Checkout.card_id)
        .where(card.chain_id == chain_id, card.member_id == member_id, Checkout.state == CheckoutState.SETTLED)
    )


def _asked(name: str) -> Any:
    return bindparam(name)


def _time(name: str) -> Any:
    return bindparam(name, type_=UtcDateTime())


def _subject() -> Any:
    friend, referrer, up = aliased(Member), aliased(Member), aliased(Referral)
    return (
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
        .where(Referral.id == _asked("referral_id"), Referral.chain_id == _asked("chain_id"))
    )


def _near(is_alike: ColumnElement[bool]) -> tuple[Any, Any]:
    """Joins of a kind, closest to a moment: at it and before, and after it."""
    alike = select(Referral.id, Referral.referrer_id, Referral.created_at).where(
        Referral.chain_id == _asked("chain_id"), is_alike
    )
    before = alike.where(Referral.created_at <= _time("at"), Referral.created_at > _time("since"))
    after = alike.where(Referral.created_at > _time("at"), Referral.created_at < _time("until"))
    most = _asked("most")
    return (
        before.order_by(Referral.created_at.desc()).limit(most),
        after.order_by(Referral.created_at).limit(most),
    )


SUBJECT = _subject()
EARLIER_MEMBER = (
    select(Member.id, Member.phone_verified_at)
    .where(
        Member.chain_id == _asked("chain_id"),
        Member.phone == _asked("phone"),
        Member.id.not_in((_asked("member_id"), _asked("referrer_id"))),
        Member.joined_at < _time("joined_at"),
    )
    .order_by(Member.phone_verified_at.is_(None), Member.id)
    .limit(1)
)
LINK_MADE_THERE = (
    select(ShareLink.id, ShareLink.created_at)
    .where(ShareLink.card_id == _asked("card_id"), ShareLink.device == _asked("device"))
    .order_by(ShareLink.created_at.desc())  # by id, PostgreSQL would walk all links back from the newest
    .limit(1)
)
LINE_BY_PHONE = (
    select(Member.id, Member.phone_verified_at)
    .where(
        Member.chain_id == _asked("chain_id"),
        Member.phone == _asked("phone"),
        Member.id.in_(bindparam("line", expanding=True)),
    )
    .order_by(Member.phone_verified_at.is_(None), Member.id)
    .limit(1)
)
LINE_BY_DEVICE = (
    select(Referral.member_id, Referral.device, ShareLink.member_id)
    .join(ShareLink, ShareLink.id == Referral.share_link_id)
    .where(
        Referral.chain_id == _asked("chain_id"),
        Referral.member_id.in_(bindparam("with_referrer", expanding=True)),
        or_(
            and_(Referral.device == _asked("device"), Referral.member_id != _asked("referrer_id")),
            and_(ShareLink.device == _asked("device"), ShareLink.member_id != _asked("referrer_id")),
        ),
    )
    .order_by(Referral.depth.desc())
    .limit(1)
)
ON_DEVICE = _near(Referral.device == _asked("device"))
ON_NETWORK = _near(and_(Referral.network == _asked("network"), Referral.referrer_id == _asked("referrer_id")))
OF_REFERRER = _near(Referral.referrer_id == _asked("referrer_id"))
OTHERS_ON_NETWORK = select(func.count()).select_from(
    select(Referral.id)
    .where(
        Referral.chain_id == _asked("chain_id"),
        Referral.network == _asked("network"),
        Referral.created_at.between(_time("since"), _time("until")),
        Referral.device != _asked("device"),
    )
    .limit(_asked("most"))
    .subquery()
)
NEWEST_FRIENDS = (
    select(Referral.id, has_bought(_asked("chain_id"), Referral.member_id))
    .where(
        Referral.chain_id == _asked("chain_id"),
        Referral.referrer_id == _asked("referrer_id"),
        Referral.created_at <= _time("joined_by"),
    )
    .order_by(Referral.created_at.desc())
    .limit(_asked("most"))
)
IS_BUYER = select(has_bought(_asked("chain_id"), _asked("member_id")))


def get_subject(chain_id: int, referral_id: int) -> Subject | None:
    row = db.session.execute(SUBJECT, {"chain_id": chain_id, "referral_id": referral_id}).first()
    return None if row is None else Subject(*tuple(row))


def find_earlier_member(seen: Subject) -> tuple[int, bool] | None:
    """Who of the chain had the friend's phone before the friend joined, and whether he proved it. Not the referrer."""
    row = db.session.execute(EARLIER_MEMBER, _of(seen, phone=seen.phone, joined_at=seen.created_at)).first()
    return None if row is None else (row[0], row[1] is not None)


def find_link_made_there(seen: Subject) -> tuple[int, datetime] | None:
    """A link of the referrer's card that was made on what looks like the friend's device; this one first."""
    if seen.link_device == seen.device:
        return seen.share_link_id, seen.link_made_at
    row = db.session.execute(LINK_MADE_THERE, {"card_id": seen.link_card_id, "device": seen.device}).first()
    return None if row is None else (row[0], row[1])


def find_in_line_by_phone(seen: Subject, line: Sequence[int]) -> tuple[int, bool] | None:
    """Who of these members has the friend's phone, and whether he proved it."""
    row = db.session.execute(LINE_BY_PHONE, _of(seen, phone=seen.phone, line=list(line))).first()
    return None if row is None else (row[0], row[1] is not None)


def find_in_line_by_device(seen: Subject, line: Sequence[int]) -> int | None:
    """Who above the referrer joined, or made the link by which the line goes on, on what looks like the friend's
    device. ``line`` ends above the referrer.
    """
    asked = _of(seen, device=seen.device, with_referrer=[*line, seen.referrer_id])
    row = db.session.execute(LINE_BY_DEVICE, asked).first()
    if row is None:
        return None
    joined, device, sharer = row
    return int(joined if device == seen.device and joined != seen.referrer_id else sharer)


def joins_of_device(seen: Subject, window: timedelta, threshold: int) -> list[Join]:
    """Who joined the chain on what looks like the friend's device, near the time he did."""
    return _joins(ON_DEVICE, seen, window, threshold, device=seen.device)


def joins_of_network(seen: Subject, window: timedelta, threshold: int) -> list[Join]:
    """Friends of the same referrer who joined from the friend's network."""
    return _joins(ON_NETWORK, seen, window, threshold, network=seen.network)


def joins_of_referrer(seen: Subject, window: timedelta, threshold: int) -> list[Join]:
    return _joins(OF_REFERRER, seen, window, threshold)


def count_others_on_network(seen: Subject, since: datetime, until: datetime, *, most: int) -> int:
    """Joins from the friend's network on what looks like other devices, counted no further than ``most``."""
    asked = _of(seen, network=seen.network, device=seen.device, since=since, until=until, most=most)
    return db.session.scalar(OTHERS_ON_NETWORK, asked) or 0


def newest_friends(seen: Subject, *, joined_by: datetime, limit: int) -> list[tuple[int, bool]]:
    """The referrer's newest friends of some age, and whether each ever bought and kept something."""
    rows = db.session.execute(NEWEST_FRIENDS, _of(seen, joined_by=joined_by, most=limit))
    return [(referral_id, bool(bought)) for referral_id, bought in rows]


def is_buyer(seen: Subject) -> bool:
    """Whether the friend ever bought and kept something."""
    return bool(db.session.scalar(IS_BUYER, _of(seen)))


def _joins(alike: tuple[Any, Any], seen: Subject, window: timedelta, threshold: int, **more: object) -> list[Join]:
    """The joins closest to the friend's own, his among them, in the order of time.

    More than ``threshold`` on either side are never needed to know whether so many lie within one window.
    """
    at, most = seen.created_at, max(threshold, LOOKED_AT)
    asked = _of(seen, at=at, since=at - window, until=at + window, most=most, **more)
    earlier, later = ([Join(*tuple(row)) for row in db.session.execute(query, asked)] for query in alike)
    return earlier[::-1] + later


def _of(seen: Subject, **more: object) -> dict[str, object]:
    return {"chain_id": seen.chain_id, "member_id": seen.member_id, "referrer_id": seen.referrer_id} | more
