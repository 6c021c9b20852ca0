"""What happened in each store: day by day, and scan by scan."""

from app.reports.columns import CURRENCY, cents, count, day, number, store_columns, text, time, word
from app.reports.report import Report
from app.reports.spelling import Spelling
from core.text import Text

FIGURES = (
    *("scans", "visitors", "cards", "cards_by_share", "checkouts", "amount_cents", "member_discount_cents"),
    *("coupon_discount_cents", "points_discount_cents", "payable_cents", "refunded_cents", "net_cents"),
    *("points_earned", "points_used", "redemptions", "voided_checkouts", "refunded_checkouts"),
)


def _figures(**given: str) -> str:
    """All figures of one part of the union, zero where the part has none."""
    return ", ".join(f"{given.get(name, '0')} AS {name}" for name in FIGURES)


def _when(condition: str, value: str = "1") -> str:
    return f"SUM(CASE WHEN {condition} THEN {value} ELSE 0 END)"


# What is only reserved, or was released, has no business day and is in no report.
SETTLED = "h.state = 'settled'"
OF_CHECKOUTS = {"amount_cents", "member_discount_cents", "coupon_discount_cents", "points_discount_cents"}
OF_CHECKOUTS |= {"payable_cents", "refunded_cents", "points_earned", "points_used"}
ISSUED = _figures(cards="COUNT(*)", cards_by_share=_when("k.channel = 'share'"))
SCANNED = _figures(scans="COUNT(*)", visitors="COUNT(DISTINCT c.visitor)")
BOUGHT = _figures(
    checkouts=_when(SETTLED),
    voided_checkouts=_when("h.state = 'voided'"),
    refunded_checkouts=_when("h.state = 'refunded'"),
    net_cents=_when(SETTLED, "h.payable_cents - h.refunded_cents"),
    **{name: _when(SETTLED, f"h.{name}") for name in FIGURES if name in OF_CHECKOUTS},
)
USED = _figures(redemptions="COUNT(*)")


def daily_parts(sql: Spelling) -> str:
    """A row per store and day with what each table knows of it; every open store has a row for every day."""
    scanned = sql.day_of("c.at")
    opened, closed = sql.day_of("s.created_at"), sql.day_of("s.closed_at")
    sums = ", ".join(f"SUM({name}) AS {name}" for name in FIGURES)
    return f"""
days AS ({sql.days()}),
counted AS (
    SELECT s.id AS store_id, d.day AS day, {_figures()}
    FROM stores s CROSS JOIN days d
    WHERE s.chain_id = :chain_id AND {opened} <= d.day AND (s.closed_at IS NULL OR {closed} >= d.day)
    UNION ALL
    SELECT c.store_id, {scanned}, {SCANNED}
    FROM scans c JOIN stores s ON s.id = c.store_id
    WHERE c.chain_id = :chain_id AND c.at >= :start AND c.at < :end AND {scanned} BETWEEN :first AND :last
    GROUP BY c.store_id, {scanned}
    UNION ALL
    SELECT k.store_id, k.issued_on, {ISSUED}
    FROM cards k
    WHERE k.chain_id = :chain_id AND k.issued_on BETWEEN :first AND :last
    GROUP BY k.store_id, k.issued_on
    UNION ALL
    SELECT h.store_id, h.business_day, {BOUGHT}
    FROM checkouts h
    WHERE h.chain_id = :chain_id AND h.business_day BETWEEN :first AND :last
    GROUP BY h.store_id, h.business_day
    UNION ALL
    SELECT h.store_id, h.business_day, {USED}
    FROM redemptions r JOIN checkouts h ON h.id = r.checkout_id
    WHERE r.chain_id = :chain_id AND r.undone_at IS NULL AND r.redeemed_at >= :early AND r.redeemed_at < :late
      AND h.business_day BETWEEN :first AND :last
    GROUP BY h.store_id, h.business_day
),
summed AS (SELECT store_id, day, {sums} FROM counted GROUP BY store_id, day)"""


STORES_DAILY = Report(
    name="stores_daily",
    title=Text("门店日报", "Stores by day"),
    about=Text(
        "每家门店每个营业日一行，没有动静的日子也有一行；没有门店的会员卡（导入）归在门店为空的行。",
        "One row for each store and business day, quiet days too. Cards of no store (imported) have rows of their own.",
    ),
    columns=(
        *store_columns("门店", "the store"),
        text("city", "s.city", "城市", "the city"),
        day("w.day"),
        count("scans", "w.scans", "扫门店码的次数", "openings of the store's codes"),
        count("visitors", "w.visitors", "当天扫码的人数（每天去重）", "different visitors who scanned on that day"),
        count("cards", "w.cards", "新发的会员卡", "cards issued"),
        count(
            "cards_by_share",
            "w.cards_by_share",
            "其中通过好友分享领取的",
            "of these, cards taken on a friend's share link",
        ),
        count(
            "checkouts",
            "w.checkouts",
            "会员结账笔数（不含已撤销和全部退款）",
            "checkouts of members; voided and wholly refunded ones are left out, here and in the sums",
        ),
        cents("amount_cents", "w.amount_cents", "原价合计", "amounts before discounts"),
        cents("member_discount_cents", "w.member_discount_cents", "会员价优惠", "taken off by the tier"),
        cents("coupon_discount_cents", "w.coupon_discount_cents", "优惠券优惠", "taken off by coupons"),
        cents("points_discount_cents", "w.points_discount_cents", "积分抵扣", "taken off by points"),
        cents("payable_cents", "w.payable_cents", "应收", "what was to be paid"),
        cents("refunded_cents", "w.refunded_cents", "其中已退款", "what of it was refunded"),
        cents("net_cents", "w.net_cents", "实收：应收减退款", "what was paid and not refunded"),
        count("redemptions", "w.redemptions", "核销的优惠券（不含已撤销）", "coupons used, undone ones left out"),
        count("points_earned", "w.points_earned", "发出的积分（部分退款前）", "points given, before partial refunds"),
        count("points_used", "w.points_used", "抵扣用掉的积分", "points spent"),
        count("voided_checkouts", "w.voided_checkouts", "已撤销的结账", "checkouts that were voided"),
        count("refunded_checkouts", "w.refunded_checkouts", "全部退款的结账", "checkouts that were wholly refunded"),
        CURRENCY,
    ),
    parts=daily_parts,
    tables="summed w LEFT JOIN stores s ON s.id = w.store_id",
    chain="",
    store="w.store_id",
    order="w.day, COALESCE(w.store_id, 0)",
)

SCANS = Report(
    name="scans",
    title=Text("扫码", "Scans"),
    about=Text("每次打开门店码一行。", "One row for each opening of a store code."),
    columns=(
        number("scan_id", "c.id", "扫码编号", "the scan"),
        time("scanned_at", "c.at", "扫码时间", "when"),
        day(),
        *store_columns("门店", "the store"),
        number("store_code_id", "c.store_code_id", "门店码编号", "the store code"),
        text("label", "q.label", "门店码的标签", "the label of the store code"),
        word(
            "visitor",
            "substr(c.visitor, 1, 16)",
            "访客的匿名标识：同一设备相同，查不到是谁",
            "the visitor, without a name: the same device has the same letters",
        ),
    ),
    tables="scans c JOIN store_codes q ON q.id = c.store_code_id JOIN stores s ON s.id = c.store_id",
    chain="c",
    store="c.store_id",
    moment="c.at",
    order="c.id",
)
