"""Members as WeChat knows them, and how many subscription messages each still allows.

A subscription message goes out once for each "allow" of the member: the balance is taken by one conditional UPDATE
before the message is handed over, is held through its retries, and is given back when the message did not go.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import case, delete, select, update
from sqlalchemy.exc import IntegrityError

from cards.models import Member
from core import audit
from core.audit import Author
from core.db import db, insert
from push.channels.models import WechatConsent, WechatUser
from push.channels.suppressing import lift_for_address
from push.errors import WechatUserTaken, WechatUserUnknown
from push.models import PushChannel
from sharing.errors import MemberNotFound

MOST_ALLOWED = 1000  # more than anybody taps; a partner's mistake goes no further


class Wanted(NamedTuple):
    """A delivery that needs one "allow"."""

    delivery_id: int
    member_id: int
    template_code: str


def find_user(chain_id: int, member_id: int) -> WechatUser | None:
    """The member as WeChat knows him. Raises MemberNotFound for a member of another chain."""
    _check_member(chain_id, member_id)
    return db.session.scalar(select(WechatUser).filter_by(chain_id=chain_id, member_id=member_id))


def balances_of(member_id: int) -> dict[str, int]:
    """How many messages of each template the member still allows."""
    rows = db.session.execute(
        select(WechatConsent.template_code, WechatConsent.balance)
        .where(WechatConsent.member_id == member_id, WechatConsent.balance > 0)
        .order_by(WechatConsent.template_code)
    )
    return {row[0]: row[1] for row in rows}


def know_user(
    chain_id: int, member_id: int, openid: str, *, is_following: bool, by: Author, now: datetime
) -> WechatUser:
    """Note who a member is in WeChat, and whether he follows the account. Needs an open transaction.

    Repeats are harmless. What he allowed under another openid is no use under this one.
    Raises MemberNotFound, WechatUserTaken.
    """
    _check_member(chain_id, member_id)
    taken = select(WechatUser.member_id).where(
        WechatUser.chain_id == chain_id, WechatUser.openid == openid, WechatUser.member_id != member_id
    )
    if db.session.scalar(taken) is not None:
        raise WechatUserTaken()
    before = db.session.scalar(
        select(WechatUser).filter_by(member_id=member_id).execution_options(populate_existing=True)
    )
    was = None if before is None else (before.openid, before.is_following)
    if was is not None and was[0] != openid:
        db.session.execute(delete(WechatConsent).where(WechatConsent.member_id == member_id))
    values = {"openid": openid, "is_following": is_following, "at": now}
    fresh = insert(WechatUser).values(member_id=member_id, chain_id=chain_id, **values)
    try:
        user: WechatUser = db.session.scalars(
            fresh.on_conflict_do_update(index_elements=["member_id"], set_=values).returning(WechatUser),
            execution_options={"populate_existing": True},
        ).one()
    except IntegrityError:  # another member took it at this very moment
        raise WechatUserTaken() from None
    lift_for_address(chain_id, PushChannel.WECHAT_SUBSCRIPTION, openid, by=by, now=now)
    if was != (openid, is_following):
        _note("wechat user known", chain_id, member_id, by, now, after={"is_following": is_following})
    return user


def forget_user(chain_id: int, member_id: int, *, by: Author, now: datetime) -> None:
    """The member is not to be reached by WeChat any more. Needs an open transaction; raises MemberNotFound."""
    _check_member(chain_id, member_id)
    db.session.execute(delete(WechatConsent).where(WechatConsent.member_id == member_id))
    gone = db.session.scalar(
        delete(WechatUser).where(WechatUser.member_id == member_id).returning(WechatUser.member_id)
    )
    if gone is not None:
        _note("wechat user forgotten", chain_id, member_id, by, now)


def allow(chain_id: int, member_id: int, template_code: str, count: int, *, now: datetime) -> int:
    """The member allows so many more messages of a template; how many he allows now. Needs an open transaction.

    Raises MemberNotFound, WechatUserUnknown.
    """
    if find_user(chain_id, member_id) is None:
        raise WechatUserUnknown()
    return _add(chain_id, member_id, template_code, count, now=now)


def take_allowances(wanted: Iterable[Wanted], *, now: datetime) -> set[int]:
    """Take one "allow" for each delivery; the ids of those that got one. Needs an open transaction.

    Of several deliveries to one member the first ones get what there is.
    """
    rounds: dict[str, list[dict[int, int]]] = defaultdict(list)  # by template: member -> delivery, each member once
    for each in wanted:
        turns = rounds[each.template_code]
        turn = next((turn for turn in turns if each.member_id not in turn), None)
        if turn is None:
            turns.append(turn := {})
        turn[each.member_id] = each.delivery_id
    got: set[int] = set()
    for template_code, turns in sorted(rounds.items()):
        for turn in turns:
            members = db.session.scalars(
                update(WechatConsent)
                .where(
                    WechatConsent.template_code == template_code,
                    WechatConsent.member_id.in_(turn),
                    WechatConsent.balance > 0,
                )
                .values(balance=WechatConsent.balance - 1, at=now)
                .returning(WechatConsent.member_id)
                .execution_options(synchronize_session=False)
            )
            got.update(turn[member] for member in members)
    return got


def give_back(member_id: int, template_code: str, *, now: datetime) -> None:
    """The message did not go: its "allow" is there again. Needs an open transaction."""
    db.session.execute(
        update(WechatConsent)
        .where(WechatConsent.member_id == member_id, WechatConsent.template_code == template_code)
        .values(balance=WechatConsent.balance + 1, at=now)
        .execution_options(synchronize_session=False)
    )


def use_up(member_id: int, template_code: str, *, now: datetime) -> None:
    """WeChat says that the member allows none: whatever we counted is over. Needs an open transaction."""
    db.session.execute(
        update(WechatConsent)
        .where(WechatConsent.member_id == member_id, WechatConsent.template_code == template_code)
        .values(balance=0, at=now)
        .execution_options(synchronize_session=False)
    )


def follow(openid: str, *, is_following: bool, now: datetime) -> int:
    """WeChat says that somebody follows the account, or does not any more; of how many members that was news.

    Needs an open transaction. An installation has one account, so it holds in every chain that knows him.
    """
    changed = db.session.scalars(
        update(WechatUser)
        .where(WechatUser.openid == openid, WechatUser.is_following.is_(not is_following))
        .values(is_following=is_following, at=now)
        .returning(WechatUser.member_id)
        .execution_options(synchronize_session=False)
    )
    return len(changed.all())


def answered(openid: str, template_code: str, *, is_allowed: bool, now: datetime) -> int:
    """WeChat says that somebody tapped "allow" for a template, or refuses it from now on; for how many members.

    Needs an open transaction.
    """
    users = db.session.execute(select(WechatUser.chain_id, WechatUser.member_id).where(WechatUser.openid == openid))
    members = [(row.chain_id, row.member_id) for row in users]
    for chain_id, member_id in members:
        if is_allowed:
            _add(chain_id, member_id, template_code, 1, now=now)
        else:
            use_up(member_id, template_code, now=now)
    return len(members)


def _add(chain_id: int, member_id: int, template_code: str, count: int, *, now: datetime) -> int:
    more = WechatConsent.balance + count
    balance: int = db.session.scalars(
        insert(WechatConsent)
        .values(
            chain_id=chain_id,
            member_id=member_id,
            template_code=template_code,
            balance=min(count, MOST_ALLOWED),
            at=now,
        )
        .on_conflict_do_update(
            index_elements=["member_id", "template_code"],
            set_={"balance": case((more > MOST_ALLOWED, MOST_ALLOWED), else_=more), "at": now},
        )
        .returning(WechatConsent.balance)
    ).one()
    return balance


def _check_member(chain_id: int, member_id: int) -> None:
    if db.session.scalar(select(Member.id).where(Member.id == member_id, Member.chain_id == chain_id)) is None:
        raise MemberNotFound()


def _note(action: str, chain_id: int, member_id: int, by: Author, now: datetime, **change: dict[str, bool]) -> None:
    audit.note(action, chain_id=chain_id, object_kind="member", object_id=member_id, by=by, at=now, **change)
