"""The card that a member holds: tier, points, state."""

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import aliased

from cards.models import Card, CardState, Program, Tier
from core.db import among
from core.text import Text
from push.audiences.conditions.kinds import Condition, Frame, ids_of, is_among, listed, names_of, some_of, whole
from stores.models import Chain

HELD = (CardState.ACTIVE, CardState.FROZEN, CardState.CLOSED)  # merged and erased cards are nobody's
POINTS = whole(0, 10**9, Text("积分是 0 到 10 亿。", "points go from 0 to a thousand million."))
TIERS = ids_of(Tier, Text("选了不存在的门店或等级。", "it names a store or tier that is not there."))
PROGRAMS = ids_of(Program, Text("选了不存在的会员卡方案。", "it names a kind of card that is not there."))
STATES = {
    CardState.ACTIVE: Text("卡在使用中", "an active card"),
    CardState.FROZEN: Text("卡被冻结", "a frozen card"),
    CardState.CLOSED: Text("卡已关闭", "a closed card"),
}


def _holds_card_of(value: list[int], frame: Frame) -> ColumnElement[bool]:
    """Any of a member's cards counts, not his main one alone."""
    card = aliased(Card)
    return is_among(
        select(card.member_id).where(
            card.chain_id == frame.chain.id, among(card.program_id, value), card.state == CardState.ACTIVE
        )
    )


def _program_words(value: list[int], chain: Chain) -> Text:
    names = names_of(Program, chain.id, value)
    return Text(f"持有{names.zh.replace('、', '或')}", f"hold the card {names.en}")


def _tier_words(value: list[int], chain: Chain) -> Text:
    names = names_of(Tier, chain.id, value, most=10)
    return Text(f"{names.zh.replace('、', '或')}等级", f"hold the tier {names.en}")


CONDITIONS: dict[tuple[str, str], Condition] = {
    ("tier", "in"): Condition(TIERS, lambda value, _: among(Card.tier_id, value), _tier_words),
    ("program", "in"): Condition(PROGRAMS, _holds_card_of, _program_words),
    ("points", "at_least"): Condition(
        POINTS,
        lambda value, _: Card.points >= value,
        lambda value, _: Text(f"积分不少于 {value:,}", f"have at least {value:,} points"),
    ),
    ("points", "at_most"): Condition(
        POINTS,
        lambda value, _: Card.points <= value,
        lambda value, _: Text(f"积分不超过 {value:,}", f"have at most {value:,} points"),
    ),
    ("card_state", "in"): Condition(
        some_of([str(state) for state in HELD]),
        lambda value, _: Card.state.in_(value),
        lambda value, _: Text(
            "或".join(STATES[CardState(each)].zh for each in value),
            f"hold {listed([STATES[CardState(each)].en for each in value], 'or')}",
        ),
    ),
}
