"""Addresses that must not be used any more: what providers and mail servers said of them, until somebody lifts it."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import delete, func, select, update

from cards.models import Member
from core import audit
from core.audit import Author
from core.db import db, insert
from push.channels.models import Suppression, SuppressionReason, WechatUser
from push.errors import SuppressionNotFound
from push.models import PushChannel

# What a dead address means where the provider's answer does not say more.
REASON_OF = {PushChannel.EMAIL: SuppressionReason.BOUNCED}


class Suppressed(NamedTuple):
    """A suppression, and the name of the member whose address it was."""

    row: Suppression
    member: str


def suppress(
    chain_id: int,
    member_id: int,
    channel: PushChannel,
    address: str,
    *,
    reason: SuppressionReason | None = None,
    now: datetime,
) -> bool:
    """No more messages of this chain to an address. Needs an open transaction; repeats are harmless.

    False when it stood already. For WeChat's template messages it means that the member does not follow the account:
    that is noted with him, and ends when he follows it again.
    """
    if channel == PushChannel.WECHAT_TEMPLATE:
        return _not_following(chain_id, address, now=now)
    added = db.session.scalar(
        insert(Suppression)
        .values(
            chain_id=chain_id,
            member_id=member_id,
            channel=str(channel),
            address=address[:254],
            reason=str(reason or REASON_OF.get(channel, SuppressionReason.REFUSED)),
            at=now,
        )
        .on_conflict_do_nothing(
            index_elements=["chain_id", "channel", "address"], index_where=Suppression.lifted_at.is_(None)
        )
        .returning(Suppression.id)
    )
    return added is not None


def was_lifted_since(chain_id: int, channel: PushChannel, address: str, since: datetime) -> bool:
    """Whether somebody let messages go there again after ``since``: older news about the address is then no news."""
    lifted = select(Suppression.id).where(
        Suppression.chain_id == chain_id,
        Suppression.channel == str(channel),
        Suppression.address == address,
        Suppression.lifted_at >= since,
    )
    return db.session.scalar(lifted.limit(1)) is not None


def lift(chain_id: int, suppression_id: int, *, by: Author, now: datetime) -> Suppression:
    """Let messages go there again. Needs an open transaction; a second time changes nothing.

    Raises SuppressionNotFound.
    """
    lifted = db.session.scalar(
        update(Suppression)
        .where(Suppression.id == suppression_id, Suppression.chain_id == chain_id, Suppression.lifted_at.is_(None))
        .values(lifted_at=now, lifted_by=by.name)
        .returning(Suppression)
        .execution_options(populate_existing=True)
    )
    if lifted is None:
        return _get(chain_id, suppression_id)
    audit.note(
        "suppression lifted",
        chain_id=chain_id,
        object_kind="member",
        object_id=lifted.member_id,
        by=by,
        at=now,
        before={"channel": lifted.channel},
    )
    return lifted


def lift_for_address(chain_id: int, channel: PushChannel, address: str, *, by: Author, now: datetime) -> None:
    """The same, because somebody proved that the address works. Needs an open transaction."""
    db.session.execute(
        update(Suppression)
        .where(
            Suppression.chain_id == chain_id,
            Suppression.channel == str(channel),
            Suppression.address == address,
            Suppression.lifted_at.is_(None),
        )
        .values(lifted_at=now, lifted_by=by.name)
    )


def list_suppressions(
    chain_id: int, *, channel: str = "", search: str = "", before: int | None = None, limit: int = 50
) -> Sequence[Suppressed]:
    """The addresses that are not used, the newest first; ``before`` is the id of the last one seen."""
    query = (
        select(Suppression, Member.name)
        .join(Member, Member.id == Suppression.member_id)
        .where(Suppression.chain_id == chain_id, Suppression.lifted_at.is_(None))
        .order_by(Suppression.id.desc())
        .limit(limit)
    )
    if channel:
        query = query.where(Suppression.channel == channel)
    if search:
        query = query.where(func.lower(Suppression.address).contains(search.lower(), autoescape=True))
    if before is not None:
        query = query.where(Suppression.id < before)
    return [Suppressed(row, name) for row, name in db.session.execute(query)]


def count_suppressions(chain_id: int) -> dict[str, int]:
    """How many addresses of each channel are not used."""
    rows = db.session.execute(
        select(Suppression.channel, func.count(Suppression.id))
        .where(Suppression.chain_id == chain_id, Suppression.lifted_at.is_(None))
        .group_by(Suppression.channel)
    )
    return {row[0]: row[1] for row in rows}


def forget_addresses(member_id: int) -> None:
    """Remove what is kept of a member's addresses here, for his erasure. Needs an open transaction."""
    db.session.execute(delete(Suppression).where(Suppression.member_id == member_id))
    db.session.execute(delete(WechatUser).where(WechatUser.member_id == member_id))


def _not_following(chain_id: int, openid: str, *, now: datetime) -> bool:
    left = db.session.scalar(
        update(WechatUser)
        .where(WechatUser.chain_id == chain_id, WechatUser.openid == openid, WechatUser.is_following)
        .values(is_following=False, at=now)
        .returning(WechatUser.member_id)
    )
    return left is not None


def _get(chain_id: int, suppression_id: int) -> Suppression:
    found = db.session.scalar(select(Suppression).filter_by(id=suppression_id, chain_id=chain_id))
    if found is None:
        raise SuppressionNotFound()
    return found
