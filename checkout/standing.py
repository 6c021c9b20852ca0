"""A card as it stands at a till: who, which tier, how many points, which coupons with which rules. One reading."""

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from core.hot import Hot, Row, Sql, moment
from core.text import Text
from coupons.applicability import UsableCoupon

MOST_COUPONS = 200  # of one card that are looked at
MOST_NAMES = 3  # of stores, programs or tiers in a refusal
SHOWN_AFTER = timedelta(days=7)  # so long an expired coupon is still shown, with its reason

COUPON_COLUMNS = """q.id, q.offer_id, q.state, q.valid_from, q.valid_until,
       f.name, f.name_en, f.kind, f.value_cents, f.percent_bp, f.cap_cents, f.min_cents,
       f.item_name, f.item_name_en, f.item_cents, f.price_cents, f.weekdays, f.hours, f.blackout_dates,
       f.stacking, f.stack_group, f.member_price,
       f.is_for_all_stores OR EXISTS (
           SELECT 1 FROM offer_stores x WHERE x.offer_id = f.id AND x.store_id = :store_id),
       f.is_for_all_programs OR EXISTS (
           SELECT 1 FROM offer_programs x WHERE x.offer_id = f.id AND x.program_id = k.program_id),
       f.is_for_all_tiers OR EXISTS (
           SELECT 1 FROM offer_tiers x WHERE x.offer_id = f.id AND x.tier_id = k.tier_id)"""
# What the reading is the same in: which coupons come with the card is said by a condition.
READING = f"""
    SELECT k.id, k.number, k.state, k.points, k.member_id, m.name, m.phone,
           k.tier_id, t.name, t.name_en, t.discount_bp, t.points_multiplier_bp,
           p.points_per_unit, p.spend_points, p.spend_cents,
           s.id, s.closed_at, s.timezone, c.cutoff_hour, c.currency, k.code_secret, p.code_mode,
           EXISTS (SELECT 1 FROM checkouts r
                   WHERE r.card_id = k.id AND r.state = 'reserved' AND r.reserved_until <= :now),
           {COUPON_COLUMNS}
    FROM cards k
    JOIN members m ON m.id = k.member_id
    JOIN programs p ON p.id = k.program_id
    JOIN tiers t ON t.id = k.tier_id
    JOIN chains c ON c.id = k.chain_id
    LEFT JOIN stores s ON s.id = :store_id AND s.chain_id = k.chain_id
    LEFT JOIN coupons q ON q.card_id = k.id AND q.state = 'claimed' AND q.valid_until > :shown_until AND {{which}}
    LEFT JOIN offers f ON f.id = q.offer_id
    WHERE k.number = :number AND k.chain_id = :chain_id
    ORDER BY q.valid_until <= :now, q.valid_until, q.id
    LIMIT {MOST_COUPONS}
"""
STANDING = Sql(READING.format(which="TRUE"))
# For booking: only the coupons that are wanted, as an array or as JSON.
STANDING_WITH = {
    True: Sql(READING.format(which="q.id = ANY(:coupon_ids ::bigint[])")),  # on PostgreSQL
    False: Sql(READING.format(which="q.id IN (SELECT value FROM json_each(:coupon_ids))")),
}
COUPON = Sql(f"""
    SELECT {COUPON_COLUMNS}
    FROM coupons q JOIN offers f ON f.id = q.offer_id JOIN cards k ON k.id = q.card_id
    WHERE q.id = :coupon_id AND q.card_id = :card_id
""")
ON_HOLD = Sql("""
    SELECT count(*) FROM redemptions WHERE coupon_id = :coupon_id AND undone_at IS NULL AND redeemed_at IS NULL
""")
COUPONS_FROM = 23  # where the columns of the coupon begin
# The names of what a coupon is for, where this card or store is not among it.
SCOPE = Sql(f"""
    SELECT offer_id, what, name, name_en, how_many FROM (
        SELECT x.offer_id, 'stores' AS what, s.name, s.name AS name_en,
               count(*) OVER (PARTITION BY x.offer_id) AS how_many,
               row_number() OVER (PARTITION BY x.offer_id ORDER BY s.code) AS place
        FROM offer_stores x JOIN stores s ON s.id = x.store_id
        WHERE x.offer_id IN (SELECT q.offer_id FROM coupons q JOIN offers f ON f.id = q.offer_id
                             WHERE q.card_id = :card_id AND NOT f.is_for_all_stores)
        UNION ALL
        SELECT x.offer_id, 'programs', p.name, p.name_en,
               count(*) OVER (PARTITION BY x.offer_id), row_number() OVER (PARTITION BY x.offer_id ORDER BY p.id)
        FROM offer_programs x JOIN programs p ON p.id = x.program_id
        WHERE x.offer_id IN (SELECT q.offer_id FROM coupons q JOIN offers f ON f.id = q.offer_id
                             WHERE q.card_id = :card_id AND NOT f.is_for_all_programs)
        UNION ALL
        SELECT x.offer_id, 'tiers', t.name, t.name_en,
               count(*) OVER (PARTITION BY x.offer_id), row_number() OVER (PARTITION BY x.offer_id ORDER BY t.rank)
        FROM offer_tiers x JOIN tiers t ON t.id = x.tier_id
        WHERE x.offer_id IN (SELECT q.offer_id FROM coupons q JOIN offers f ON f.id = q.offer_id
                             WHERE q.card_id = :card_id AND NOT f.is_for_all_tiers)
    ) named WHERE place <= {MOST_NAMES} ORDER BY offer_id, what, place
""")
UNITS = {"stores": ("家门店", "stores"), "programs": ("种会员卡", "cards"), "tiers": ("个等级", "tiers")}


@dataclass(frozen=True)
class Standing:
    """A card at a till: all that one reading tells."""

    card_id: int
    number: str
    state: str
    points: int
    member_id: int
    member_name: str
    member_phone: str | None
    tier_id: int
    tier_name: Text
    discount_bp: int
    points_multiplier_bp: int
    points_per_unit: int
    store_id: int
    timezone: str
    cutoff_hour: int
    currency: str
    coupons: tuple[UsableCoupon, ...]
    spend_points: int | None = None  # so many points …
    spend_cents: int | None = None  # … take so much off; None: points cannot be spent
    code_secret: bytes = b""
    code_mode: str = ""
    is_in_chain: bool = True  # the store
    is_store_closed: bool = False
    has_overdue: bool = False  # a reservation whose time is over still keeps coupons or points


def read_standing(
    hot: Hot,
    chain_id: int,
    store_id: int,
    number: str,
    *,
    now: datetime,
    coupon_ids: Collection[int] | None = None,
) -> Standing | None:
    """The card with this number at this store; None when the chain has no such card.

    With the coupons it holds, or those of them that are named.
    """
    values = {"chain_id": chain_id, "store_id": store_id, "number": number, "now": now}
    values["shown_until"] = now - SHOWN_AFTER
    if coupon_ids is None:
        rows = hot.rows(STANDING, **values)
    else:
        named = numbers_text(coupon_ids, is_postgresql=hot.is_postgresql)
        rows = hot.rows(STANDING_WITH[hot.is_postgresql], **values, coupon_ids=named)
    if not rows:
        return None
    standing = _standing(rows[0], [row for row in rows if row[COUPONS_FROM] is not None])
    if all(_is_in_scope(coupon) for coupon in standing.coupons):
        return standing
    return replace(standing, coupons=_named(hot, standing.card_id, standing.coupons))


def numbers_text(numbers: Iterable[int], *, is_postgresql: bool) -> str:
    """Numbers as a statement takes them: one text, so that PostgreSQL's plan does not depend on how large they are."""
    listed = ",".join(map(str, numbers))
    return f"{{{listed}}}" if is_postgresql else f"[{listed}]"


def find_coupon(hot: Hot, coupon_id: int, standing: Standing) -> UsableCoupon | None:
    """A coupon of the card in whatever state, as it is at this store."""
    row = hot.row(COUPON, coupon_id=coupon_id, card_id=standing.card_id, store_id=standing.store_id)
    if row is None:
        return None
    coupon = _coupon(row)
    return coupon if _is_in_scope(coupon) else _named(hot, standing.card_id, (coupon,))[0]


def is_on_hold(hot: Hot, coupon_id: int) -> bool:
    """Whether a reserved purchase has taken the coupon and is not settled yet."""
    return hot.number(ON_HOLD, coupon_id=coupon_id) > 0


def _is_in_scope(coupon: UsableCoupon) -> bool:
    return coupon.is_for_this_store and coupon.is_for_this_program and coupon.is_for_this_tier


def _named(hot: Hot, card_id: int, coupons: Iterable[UsableCoupon]) -> tuple[UsableCoupon, ...]:
    """The coupons with the names of what they are for. A second reading, for words only."""
    names: dict[tuple[int, str], list[Text]] = {}
    counts: dict[tuple[int, str], int] = {}
    for offer_id, what, name, name_en, how_many in hot.rows(SCOPE, card_id=card_id):
        names.setdefault((offer_id, what), []).append(Text(name, name_en))
        counts[offer_id, what] = how_many
    said = {key: _listed(key[1], names[key], counts[key]) for key in names}
    return tuple(
        coupon._replace(
            stores=said.get((coupon.offer_id, "stores")),
            programs=said.get((coupon.offer_id, "programs")),
            tiers=said.get((coupon.offer_id, "tiers")),
        )
        for coupon in coupons
    )


def _listed(what: str, names: list[Text], how_many: int) -> Text:
    """静安店、徐汇店; and how many where there are more than are named."""
    zh, en = "、".join(name.zh for name in names), ", ".join(name.en for name in names)
    if how_many <= len(names):
        return Text(zh, en)
    unit = UNITS[what]
    return Text(f"{zh}等 {how_many} {unit[0]}", f"{en} and {how_many - len(names)} other {unit[1]}")


def _standing(row: Row, coupon_rows: Iterable[Row]) -> Standing:
    return Standing(
        card_id=row[0],
        number=row[1],
        state=row[2],
        points=row[3],
        member_id=row[4],
        member_name=row[5],
        member_phone=row[6],
        tier_id=row[7],
        tier_name=Text(row[8], row[9]),
        discount_bp=row[10],
        points_multiplier_bp=row[11],
        points_per_unit=row[12],
        spend_points=row[13],
        spend_cents=row[14],
        is_in_chain=row[15] is not None,
        store_id=row[15],
        is_store_closed=row[16] is not None,
        timezone=row[17],
        cutoff_hour=row[18],
        currency=row[19],
        code_secret=bytes(row[20]),
        code_mode=row[21],
        has_overdue=bool(row[22]),
        coupons=tuple(_coupon(each[COUPONS_FROM:]) for each in coupon_rows),
    )


def _coupon(row: Row) -> UsableCoupon:
    return UsableCoupon(
        id=row[0],
        offer_id=row[1],
        state=row[2],
        valid_from=moment(row[3]),
        valid_until=moment(row[4]),
        name=Text(row[5], row[6]),
        kind=row[7],
        value_cents=row[8],
        percent_bp=row[9],
        cap_cents=row[10],
        min_cents=row[11],
        item_name=None if row[12] is None else Text(row[12], row[13]),
        item_cents=row[14],
        price_cents=row[15],
        weekdays=row[16],
        hours=_listed_in(row[17]),
        blackout_dates=_listed_in(row[18]),
        stacking=row[19],
        stack_group=row[20],
        member_price=row[21],
        is_for_this_store=bool(row[22]),
        is_for_this_program=bool(row[23]),
        is_for_this_tier=bool(row[24]),
    )


def _listed_in(stored: Any) -> Any:
    """A JSON column of a raw row: text in SQLite."""
    return json.loads(stored) if isinstance(stored, str) else stored
