"""Offers: what became of each day by day, and what stores and head office owe one another for their coupons."""

from app.reports.columns import CURRENCY, cents, count, day, number, store_columns, text, word
from app.reports.report import Report
from app.reports.spelling import Spelling
from core.text import Text

IN_FORCE = "CASE WHEN r.undone_at IS NULL THEN {0} ELSE 0 END"
FIGURES = ("seen", "claimed", "redeemed", "undone", "discount_cents")


def _figures(**given: str) -> str:
    return ", ".join(f"{given.get(name, '0')} AS {name}" for name in FIGURES)


def offers_daily_parts(sql: Spelling) -> str:
    """A row per offer and day on which something happened to it."""
    claimed = sql.day_of("q.claimed_at")
    used = _figures(
        redeemed=f"SUM({IN_FORCE.format(1)})",
        undone="SUM(CASE WHEN r.undone_at IS NULL THEN 0 ELSE 1 END)",
        discount_cents=f"SUM({IN_FORCE.format('r.discount_cents')})",
    )
    sums = ", ".join(f"SUM({name}) AS {name}" for name in FIGURES)
    return f"""
counted AS (
    SELECT g.offer_id, g.day AS day, {_figures(seen="COUNT(*)")}
    FROM offer_sightings g
    WHERE g.chain_id = :chain_id AND g.day BETWEEN :first AND :last
    GROUP BY g.offer_id, g.day
    UNION ALL
    SELECT q.offer_id, {claimed}, {_figures(claimed="COUNT(*)")}
    FROM coupons q
    WHERE q.chain_id = :chain_id AND q.source <> 'friend' AND q.claimed_at >= :start AND q.claimed_at < :end
    GROUP BY q.offer_id, {claimed}
    UNION ALL
    SELECT r.offer_id, h.business_day, {used}
    FROM redemptions r JOIN checkouts h ON h.id = r.checkout_id
    WHERE r.chain_id = :chain_id AND r.redeemed_at >= :early AND r.redeemed_at < :late
      AND h.business_day BETWEEN :first AND :last
    GROUP BY r.offer_id, h.business_day
),
summed AS (SELECT offer_id, day, {sums} FROM counted GROUP BY offer_id, day)"""


def settlement_parts(_: Spelling) -> str:
    """A row per store and offer. Half a minor unit is head office's."""
    discount = f"CAST(SUM({IN_FORCE.format('r.discount_cents')}) AS bigint)"
    return f"""
used AS (
    SELECT r.store_id, r.offer_id, SUM({IN_FORCE.format(1)}) AS redemptions,
           SUM(CASE WHEN r.undone_at IS NULL THEN 0 ELSE 1 END) AS undone, {discount} AS discount_cents
    FROM redemptions r JOIN checkouts h ON h.id = r.checkout_id
    WHERE r.chain_id = :chain_id AND r.redeemed_at >= :early AND r.redeemed_at < :late
      AND h.business_day BETWEEN :first AND :last
    GROUP BY r.store_id, r.offer_id
),
shared AS (
    SELECT u.store_id, u.offer_id, u.redemptions, u.undone, u.discount_cents,
           (u.discount_cents * o.hq_share_bp + 5000) / 10000 AS hq_share_cents
    FROM used u JOIN offers o ON o.id = u.offer_id
)"""


OFFERS_DAILY = Report(
    name="offers_daily",
    title=Text("券活动日报", "Offers by day"),
    about=Text(
        "每个券活动有动静的每个营业日一行：看见、领取、核销、撤销。朋友转赠的不算再次领取。",
        "One row for each offer and business day on which something happened: seen, claimed, redeemed, undone. What a"
        " friend gave on is not claimed again.",
    ),
    columns=(
        day("w.day"),
        number("offer_id", "w.offer_id", "券活动编号", "the offer"),
        text("offer", "o.name", "券活动", "its name"),
        word("kind", "o.kind", "类型", "its kind"),
        count("seen", "w.seen", "看见的人数（每天去重）", "different visitors to whom it was shown on that day"),
        count("claimed", "w.claimed", "领取", "coupons claimed"),
        count("redeemed", "w.redeemed", "核销（不含已撤销）", "coupons used, undone ones left out"),
        count("undone", "w.undone", "撤销的核销", "uses that were undone"),
        cents("discount_cents", "w.discount_cents", "优惠金额（不含已撤销）", "what its coupons took off"),
        CURRENCY,
    ),
    parts=offers_daily_parts,
    tables="summed w JOIN offers o ON o.id = w.offer_id",
    chain="",
    store=None,
    order="w.day, w.offer_id",
    in_chain_zone=True,
)

SETTLEMENT = Report(
    name="settlement",
    title=Text("门店与总部结算", "Settlement"),
    about=Text(
        "每家门店、每个券活动一行：这段营业日里核销了多少，优惠由总部和门店各承担多少。撤销和全部退款的不算。",
        "One row for each store and offer: how much was redeemed on these business days, and what of the discount head"
        " office and the store bear. What was undone or wholly refunded does not count.",
    ),
    columns=(
        *store_columns("核销门店", "the store where it was used"),
        number("offer_id", "w.offer_id", "券活动编号", "the offer"),
        text("offer", "o.name", "券活动", "its name"),
        count("redemptions", "w.redemptions", "核销（不含已撤销）", "coupons used, undone ones left out"),
        count("undone", "w.undone", "撤销的核销", "uses that were undone"),
        cents("discount_cents", "w.discount_cents", "优惠金额", "what they took off"),
        number("hq_share_bp", "o.hq_share_bp", "总部承担的万分比", "head office's share in basis points"),
        cents("hq_share_cents", "w.hq_share_cents", "总部承担", "what head office bears"),
        cents("store_share_cents", "w.discount_cents - w.hq_share_cents", "门店承担", "what the store bears"),
        CURRENCY,
    ),
    parts=settlement_parts,
    tables="shared w JOIN offers o ON o.id = w.offer_id JOIN stores s ON s.id = w.store_id",
    chain="",
    store="w.store_id",
    order="s.code, w.offer_id",
)
