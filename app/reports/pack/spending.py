"""Coupons, where they were used, and the purchases."""

from app.reports.columns import CURRENCY, cents, count, day, number, store_columns, text, time, word
from app.reports.report import Report
from core.text import Text

COUPONS = Report(
    name="coupons",
    title=Text("优惠券", "Coupons"),
    about=Text(
        "每张领到的优惠券一行，按领取的营业日。过了有效期的显示为 expired。",
        "One row for each coupon, by the business day of the claim. A coupon past its validity is shown as expired.",
    ),
    columns=(
        number("coupon_id", "q.id", "优惠券编号", "the coupon"),
        word("code_ending", "substr(q.code, length(q.code) - 3)", "券码末四位", "the last four of its code"),
        number("offer_id", "q.offer_id", "券活动编号", "the offer"),
        text("offer", "o.name", "券活动", "the name of the offer"),
        word(
            "kind", "o.kind", "类型：cash、percent、gift 或 fixed_price", "its kind: cash, percent, gift or fixed_price"
        ),
        word(
            "state",
            "CASE WHEN q.state = 'claimed' AND q.valid_until <= :now THEN 'expired' ELSE q.state END",
            "状态",
            "the state: claimed, gifting, redeemed, expired or void",
        ),
        word("source", "q.source", "来源", "how the member came by it"),
        number("member_id", "q.member_id", "会员编号", "the member"),
        number("card_id", "q.card_id", "会员卡编号", "the card"),
        word("card_number", "k.number", "卡号", "the number of the card"),
        *store_columns("会员的发卡门店", "the store that issued the member's card"),
        time("claimed_at", "q.claimed_at", "领取时间", "when it was claimed"),
        day(zh="领取的营业日", en="the business day of the claim"),
        time("valid_from", "q.valid_from", "生效时间", "from when it may be used"),
        time("valid_until", "q.valid_until", "失效时间（不含）", "until when (exclusive)"),
        time("redeemed_at", "q.redeemed_at", "核销时间", "when it was used"),
        count(
            "redeemed", "CASE WHEN q.state = 'redeemed' THEN 1 ELSE 0 END", "已核销为 1", "1 when it is used, else 0"
        ),
    ),
    tables="""coupons q
    JOIN offers o ON o.id = q.offer_id
    JOIN cards k ON k.id = q.card_id
    LEFT JOIN stores s ON s.id = k.store_id""",
    chain="q",
    store="k.store_id",
    moment="q.claimed_at",
    order="q.id",
)

REDEMPTIONS = Report(
    name="redemptions",
    title=Text("核销", "Redemptions"),
    about=Text(
        "每次核销一行，按结账的营业日。撤销的也在，净优惠为 0。",
        "One row for each coupon used, by the business day of the checkout. Undone ones stay, with a net of 0.",
    ),
    columns=(
        number("redemption_id", "r.id", "核销编号", "the redemption"),
        time("redeemed_at", "r.redeemed_at", "核销时间", "when"),
        day("h.business_day"),
        *store_columns("核销门店", "the store where it was used"),
        number("checkout_id", "r.checkout_id", "结账编号", "the checkout"),
        number("coupon_id", "r.coupon_id", "优惠券编号", "the coupon"),
        number("offer_id", "r.offer_id", "券活动编号", "the offer"),
        text("offer", "o.name", "券活动", "the name of the offer"),
        number("member_id", "h.member_id", "会员编号", "the member"),
        word("card_number", "k.number", "卡号", "the number of the card"),
        cents("discount_cents", "r.discount_cents", "优惠金额", "what the coupon took off"),
        word(
            "state",
            "CASE WHEN r.undone_at IS NULL THEN 'redeemed' ELSE 'undone' END",
            "状态：redeemed 或 undone",
            "redeemed or undone",
        ),
        count("in_force", "CASE WHEN r.undone_at IS NULL THEN 1 ELSE 0 END", "有效为 1", "1 in force, 0 undone"),
        cents(
            "net_discount_cents",
            "CASE WHEN r.undone_at IS NULL THEN r.discount_cents ELSE 0 END",
            "净优惠：撤销的为 0",
            "what counts: the discount, 0 when undone",
        ),
        CURRENCY,
        time("undone_at", "r.undone_at", "撤销时间", "when it was undone"),
    ),
    tables="""redemptions r
    JOIN checkouts h ON h.id = r.checkout_id
    JOIN cards k ON k.id = h.card_id
    JOIN offers o ON o.id = r.offer_id
    JOIN stores s ON s.id = r.store_id""",
    chain="r",
    store="r.store_id",
    day="h.business_day",
    moment="r.redeemed_at",
    order="r.redeemed_at, r.id",
)

CHECKOUTS = Report(
    name="checkouts",
    title=Text("结账", "Checkouts"),
    about=Text(
        "每笔会员结账一行，按营业日。撤销的和全部退款的也在，净额为 0。只是预留的不在。",
        "One row for each purchase of a member, by business day. Voided and wholly refunded ones stay, with a net"
        " amount of 0. What is only reserved is not in it.",
    ),
    columns=(
        number("checkout_id", "h.id", "结账编号", "the checkout"),
        time("settled_at", "h.settled_at", "结账时间", "when"),
        day("h.business_day"),
        *store_columns("门店", "the store"),
        number("member_id", "h.member_id", "会员编号", "the member"),
        word("card_number", "k.number", "卡号", "the number of the card"),
        word("settled_by", "h.settled_by", "谁收的款", "who settled it"),
        text("request_id", "h.request_id", "收银台的请求号", "the till's own number"),
        word(
            "state", "h.state", "状态：settled、voided 或 refunded（全部退款）", "settled, voided or (wholly) refunded"
        ),
        cents("amount_cents", "h.amount_cents", "原价", "the amount before discounts"),
        cents("member_discount_cents", "h.member_discount_cents", "会员价优惠", "taken off by the tier"),
        cents("coupon_discount_cents", "h.coupon_discount_cents", "优惠券优惠", "taken off by coupons"),
        cents("points_discount_cents", "h.points_discount_cents", "积分抵扣", "taken off by points"),
        cents("payable_cents", "h.payable_cents", "应收", "what was to be paid"),
        cents("refunded_cents", "h.refunded_cents", "已退款", "what was refunded"),
        cents(
            "net_cents",
            "CASE WHEN h.state = 'settled' THEN h.payable_cents - h.refunded_cents ELSE 0 END",
            "净额：应收减退款，撤销的为 0",
            "what counts: the payable amount less refunds, 0 when voided",
        ),
        CURRENCY,
        count("points_earned", "h.points_earned", "获得积分", "points given"),
        count("points_used", "h.points_used", "抵扣用的积分", "points spent"),
        time("voided_at", "h.voided_at", "撤销时间", "when it was voided"),
        word("voided_by", "h.voided_by", "谁撤销的", "who voided it"),
        word("void_approved_by", "h.void_approved_by", "谁批准撤销的", "the manager who allowed it"),
    ),
    tables="""checkouts h
    JOIN cards k ON k.id = h.card_id
    JOIN stores s ON s.id = h.store_id""",
    chain="h",
    store="h.store_id",
    day="h.business_day",
    order="h.business_day, h.id",
)
