"""Becoming a member: the card, its welcome gift and the edge to whoever brought it, as one action.

PostgreSQL does it in one statement made of the parts that cards, coupons and sharing contribute.
"""

import secrets
from datetime import datetime
from typing import Any, NamedTuple

from cards import issuing
from core.errors import NotFound
from core.hot import AlreadyThere, Hot, Row, Sql
from core.text import Text
from core.tokens import new_code
from coupons import welcome
from sharing import attribution, origins
from sharing.traces import NO_TRACE, Trace

ATTEMPTS = 5


class CodeUnknown(NotFound):
    """Unknown, revoked or mistyped: the public is not told which."""

    code = "code_unknown"
    sentence = Text(
        "这个码或链接现在不能用。店里的码，请向店员要新的；朋友的链接，请朋友再发一次。",
        "This code or link is not in use. Ask the store's staff for a new code, or your friend for a new link.",
    )


class Joined(NamedTuple):
    """The card that the wallet holds now."""

    card_id: int
    number: str
    chain_id: int
    member_id: int
    state: str
    is_new: bool
    coupon_id: int | None = None  # the welcome gift, when it came with this call
    edge: attribution.Edge | None = None  # to whom brought him, when it was written with this call

    @property
    def referral_id(self) -> int | None:
        return None if self.edge is None else self.edge.id


def _statement(origin: str, via: str) -> str:
    parts = [origin, issuing.ISSUE, welcome.WELCOME, via, attribution.REFERRAL]
    return (
        "WITH "
        + ",".join(parts)
        + """
SELECT k.id, k.chain_id, k.member_id, k.store_id, (SELECT offer_id FROM gift_due), (SELECT id FROM gift_coupon),
       r.id, r.referrer_id, r.share_link_id, r.channel, r.depth
FROM card k LEFT JOIN referral r ON TRUE"""
    )


JOIN_BY_CODE = Sql(_statement(issuing.ORIGIN_BY_CODE, attribution.VIA_LAST_VISIT))
JOIN_BY_LINK = Sql(_statement(origins.ORIGIN_BY_LINK, attribution.VIA_THIS_LINK))
HELD_BY_CODE = Sql("""
    SELECT k.id, k.number, k.chain_id, k.member_id, k.state
    FROM store_codes sc
    JOIN stores s ON s.id = sc.store_id AND s.closed_at IS NULL
    JOIN programs p ON p.chain_id = sc.chain_id AND p.is_default
    JOIN cards k ON k.chain_id = sc.chain_id AND k.program_id = p.id AND k.wallet_id = :wallet_id
    WHERE sc.token = :token AND sc.revoked_at IS NULL
""")
HELD_BY_LINK = Sql("""
    SELECT k.id, k.number, k.chain_id, k.member_id, k.state
    FROM share_links l
    JOIN cards k ON k.chain_id = l.chain_id AND k.program_id = l.program_id AND k.wallet_id = :wallet_id
    WHERE l.token = :token
""")


def join_by_code(
    hot: Hot, token: str, *, wallet_id: int, visitor: str, language: str, now: datetime, trace: Trace = NO_TRACE
) -> Joined:
    """Take the card of a store code. Repeats and parallel taps get the one card.

    ``visitor`` is the hash under which this device opened share links; the last one within the chain's window is
    credited. ``trace`` is kept with the edge. Raises CodeUnknown.
    """
    return _join(hot, JOIN_BY_CODE, HELD_BY_CODE, token, wallet_id, visitor, language, now, trace)


def join_by_link(
    hot: Hot, token: str, *, wallet_id: int, visitor: str, language: str, now: datetime, trace: Trace = NO_TRACE
) -> Joined:
    """Take the card through a friend's link; the friend is credited when the member is new. Raises CodeUnknown."""
    return _join(hot, JOIN_BY_LINK, HELD_BY_LINK, token, wallet_id, visitor, language, now, trace)


def find_held(hot: Hot, token: str, *, wallet_id: int, by_link: bool = False) -> Joined | None:
    """The card this wallet holds already, of the program that a store code or share link gives."""
    row = hot.row(HELD_BY_LINK if by_link else HELD_BY_CODE, token=token, wallet_id=wallet_id)
    return None if row is None else _held(row)


def _held(row: Row) -> Joined:
    return Joined(row[0], row[1], row[2], row[3], row[4], is_new=False)


def _join(
    hot: Hot,
    join: Sql,
    held: Sql,
    token: str,
    wallet_id: int,
    visitor: str,
    language: str,
    now: datetime,
    trace: Trace,
) -> Joined:
    for _ in range(ATTEMPTS):
        number = issuing.fresh_number()
        values: dict[str, Any] = {
            "token": token,
            "wallet_id": wallet_id,
            "language": language,
            "now": now,
            "number": number,
            "code_secret": secrets.token_bytes(issuing.SECRET_BYTES),
            "visitor": visitor,
            "device": trace.device,
            "network": trace.network,
        }
        try:
            new = _in_one_statement(hot, join, values) if hot.is_postgresql else _stepwise(hot, join, values)
        except AlreadyThere:
            continue  # a number drawn twice, or a parallel tap that was first
        if new is not None:
            return new
        if row := hot.row(held, token=token, wallet_id=wallet_id):
            return _held(row)
        raise CodeUnknown()
    raise RuntimeError("no card number could be drawn")


def _in_one_statement(hot: Hot, join: Sql, values: dict[str, Any]) -> Joined | None:
    row = hot.row(join, **values, coupon_code=new_code())
    if row is None:
        return None
    card_id, chain_id, member_id, store_id, due_id, coupon_id, *found = row
    if due_id is not None:
        coupon_id = welcome.give_due(hot, card_id=card_id, store_id=store_id, now=values["now"])
    edge = None if found[0] is None else attribution.Edge._make((*found, values["now"]))
    return Joined(card_id, values["number"], chain_id, member_id, "active", True, coupon_id, edge)


def _stepwise(hot: Hot, join: Sql, values: dict[str, Any]) -> Joined | None:
    """The same in an open SQLite transaction, where nobody else writes meanwhile."""
    if issuing.is_taken(hot, values["number"]):  # before the first step, so that nothing has to be taken back
        raise AlreadyThere
    now: datetime = values["now"]
    token, by_code = values["token"], join is JOIN_BY_CODE
    if by_code:
        origin = issuing.find_origin_by_code(hot, token, now=now)
    else:
        origin = origins.find_origin_by_link(hot, token, now=now)
    if origin is None:
        return None
    was_member = attribution.is_member(hot, origin.chain_id, values["wallet_id"])
    names = ("wallet_id", "number", "code_secret", "language", "now")
    card = issuing.issue_stepwise(hot, origin, **{name: values[name] for name in names})
    if card is None:
        return None
    coupon_id = welcome.give_welcome(
        hot, program_id=origin.program_id, card_id=card.card_id, store_id=origin.store_id, now=now
    )
    edge = None
    if not was_member:
        visitor = None if not by_code else values["visitor"]
        trace = Trace(values["device"], values["network"])
        edge = attribution.refer_stepwise(hot, origin, card, visitor=visitor, trace=trace, now=now)
    number = values["number"]
    return Joined(card.card_id, number, origin.chain_id, card.member_id, "active", True, coupon_id, edge)
