"""The card that a member holds: tier, points, state."""

from cards.models import Card, CardState, Tier
from core.text import Text
from push.conditions.kinds import Condition, ids_of, listed, names_of, some_of, whole

HELD = (CardState.ACTIVE, CardState.FROZEN, CardState.CLOSED)  # merged and erased cards are nobody's
POINTS = whole(0, 10**9, Text("积分是 0 到 10 亿。", "points go from 0 to a thousand million."))
TIERS = ids_of(Tier, Text("选了不存在的门店或等级。", "it names a store or tier that is not there."))
STATES = {
    CardState.ACTIVE: Text("卡在使用中", "an active card"),
    CardState.FROZEN: Text("卡被冻结", "a frozen card"),
    CardState.CLOSED: Text("卡已关闭", "a closed card"),
}


def _tier_words(value: list[int], chain: object) -> Text:
    names = names_of(Tier, chain.id, value, most=10)  # type: ignore[attr-defined]
    return Text(f"{names.zh.replace('、', '或')}等级", f"hold the tier {names.en}")


CONDITIONS: dict[tuple[str, str], Condition] = {
    ("tier", "in"): Condition(TIERS, lambda value, _: Card.tier_id.in_(value), _tier_words),
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
