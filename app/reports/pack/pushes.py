"""What was sent to members: run by run, message by message, and the links they followed."""

from collections.abc import Iterable

from app.reports.columns import CURRENCY, cents, count, day, number, store_columns, text, time, word
from app.reports.report import Report
from app.reports.spelling import Spelling
from core.text import Text
from push.models import DeliveryState, SkipReason


def _count_where(column: str, words: Iterable[str], prefix: str = "") -> str:
    """One count for each word that a column of the deliveries may hold."""
    each = "SUM(CASE WHEN d.{0} = '{1}' THEN 1 ELSE 0 END) AS {2}{1}"
    return ", ".join(each.format(column, word, prefix) for word in words)


COUNTS = f"{_count_where('state', DeliveryState)}, {_count_where('reason', SkipReason, 'skipped_')}"


# A coupon counts with the words it first came with, where the run went on with other words (push/rewording.py).
FIRST_CAME = """(u.continues_run_id IS NULL OR NOT EXISTS (
        SELECT 1 FROM campaign_runs q JOIN deliveries p ON p.run_id = q.id
        WHERE q.campaign_id = u.campaign_id AND q.id < u.id AND u.continues_run_id IN (q.id, q.continues_run_id)
          AND p.member_id = d.member_id AND p.coupon_id = d.coupon_id))"""


def run_parts(_sql: Spelling) -> str:
    """Counts per run of the period: deliveries by state and reason, clicks, coupons handed out and used, purchases."""
    period = "d.chain_id = :chain_id AND u.due_at >= :start AND u.due_at < :end"
    return f"""
told AS (
    SELECT d.run_id, COUNT(*) AS deliveries, COUNT(d.read_at) AS opened,
           COUNT(DISTINCT CASE WHEN {FIRST_CAME} THEN d.coupon_id END) AS coupons,
           {COUNTS}
    FROM deliveries d JOIN campaign_runs u ON u.id = d.run_id
    WHERE {period}
    GROUP BY d.run_id
),
followed AS (
    SELECT d.run_id, COUNT(DISTINCT d.id) AS clicked, SUM(e.count) AS clicks
    FROM clicks e
    JOIN deliveries d ON d.id = e.delivery_id
    JOIN campaign_runs u ON u.id = d.run_id
    WHERE e.chain_id = :chain_id AND {period}
    GROUP BY d.run_id
),
each_redemption AS (
    SELECT DISTINCT d.run_id, r.id, r.checkout_id, r.discount_cents
    FROM deliveries d
    JOIN campaign_runs u ON u.id = d.run_id
    JOIN redemptions r ON r.coupon_id = d.coupon_id AND r.undone_at IS NULL AND r.redeemed_at IS NOT NULL
    WHERE {period} AND {FIRST_CAME}
),
used AS (
    SELECT run_id, COUNT(*) AS redemptions, SUM(discount_cents) AS discount_cents
    FROM each_redemption
    GROUP BY run_id
),
bought AS (
    SELECT v.run_id, SUM(h.payable_cents - h.refunded_cents) AS spend_cents
    FROM (SELECT DISTINCT run_id, checkout_id FROM each_redemption) v
    JOIN checkouts h ON h.id = v.checkout_id AND h.state = 'settled'
    GROUP BY v.run_id
)"""


CAMPAIGNS = Report(
    name="campaigns",
    title=Text("推送活动", "Campaigns"),
    about=Text(
        "每次推送一行。各状态相加等于推送总数。仅总部可导出。",
        "One row for each run of a campaign. The states add up to the deliveries. For head office only.",
    ),
    columns=(
        number("run_id", "u.id", "推送批次编号", "the run"),
        number("campaign_id", "u.campaign_id", "推送活动编号", "the campaign"),
        text("campaign", "c.name", "推送活动", "its name"),
        word("state", "u.state", "批次状态", "the state of the run"),
        time("due_at", "u.due_at", "计划时间", "when it was due"),
        day(zh="计划时间的日期（总部时区）", en="the day it was due, in the chain's zone"),
        time("started_at", "u.started_at", "开始时间", "when it started"),
        time("finished_at", "u.finished_at", "结束时间", "when it finished"),
        text("title", "u.title", "标题", "the title of the message"),
        number("offer_id", "u.offer_id", "随推送发放的券活动编号", "the offer handed out with it"),
        count("deliveries", "COALESCE(w.deliveries, 0)", "推送总数", "all deliveries"),
        *(
            count(state, f"COALESCE(w.{state}, 0)", f"状态为 {state} 的推送", f"deliveries in the state {state}")
            for state in DeliveryState
        ),
        *(
            count(
                f"skipped_{reason}",
                f"COALESCE(w.skipped_{reason}, 0)",
                f"因 {reason} 跳过",
                f"of the skipped: {reason}",
            )
            for reason in SkipReason
        ),
        count(
            "opened",
            "COALESCE(w.opened, 0)",
            "打开：在卡包里看到，或点过链接",
            "seen in the wallet, or a link was followed",
        ),
        count("clicked", "COALESCE(f.clicked, 0)", "点过链接的推送", "deliveries of which a link was followed"),
        count("clicks", "COALESCE(f.clicks, 0)", "点击次数", "how often links were followed"),
        count("coupons", "COALESCE(w.coupons, 0)", "发放的优惠券", "coupons handed out"),
        count("redemptions", "COALESCE(x.redemptions, 0)", "其中已核销", "of these, used and not undone"),
        cents("discount_cents", "COALESCE(x.discount_cents, 0)", "这些券的优惠金额", "what those coupons took off"),
        cents(
            "spend_cents",
            "COALESCE(b.spend_cents, 0)",
            "用了这些券的结账：实付减退款",
            "paid in the purchases with those coupons, less refunds",
        ),
        CURRENCY,
    ),
    parts=run_parts,
    tables="""campaign_runs u
    JOIN campaigns c ON c.id = u.campaign_id
    LEFT JOIN told w ON w.run_id = u.id
    LEFT JOIN followed f ON f.run_id = u.id
    LEFT JOIN used x ON x.run_id = u.id
    LEFT JOIN bought b ON b.run_id = u.id""",
    chain="u",
    store=None,
    moment="u.due_at",
    order="u.due_at, u.id",
    in_chain_zone=True,
)

DELIVERIES = Report(
    name="deliveries",
    title=Text("推送记录", "Deliveries"),
    about=Text(
        "每位会员、每个渠道的每条推送一行，按计划推送的日期。",
        "One row for each message to one member over one channel, by the day its run was due.",
    ),
    columns=(
        number("delivery_id", "d.id", "推送记录编号", "the delivery"),
        number("campaign_id", "d.campaign_id", "推送活动编号", "the campaign"),
        text("campaign", "c.name", "推送活动", "its name"),
        number("run_id", "d.run_id", "推送批次编号", "the run"),
        time("due_at", "u.due_at", "计划时间", "when the run was due"),
        day(zh="计划时间的日期（总部时区）", en="the day it was due, in the chain's zone"),
        number("member_id", "d.member_id", "会员编号", "the member"),
        word("card_number", "k.number", "卡号", "the number of the card"),
        *store_columns("会员的发卡门店", "the store that issued the card"),
        word("channel", "d.channel", "渠道，例如 inbox、email、gateway", "the channel, such as inbox, email, gateway"),
        word("variant", "d.variant", "版本：A 到 D", "the version of the message: A to D"),
        word("state", "d.state", "状态", "pending, sending, sent, delivered, failed or skipped"),
        word("reason", "d.reason", "跳过的原因", "why it was skipped"),
        count("attempts", "d.attempts", "发送次数", "how often it was tried"),
        text("error", "d.error", "失败的原因", "what went wrong"),
        time("sent_at", "d.sent_at", "发送时间", "when it was sent"),
        time("delivered_at", "d.delivered_at", "服务商确认送达的时间", "when the provider confirmed that it arrived"),
        time("read_at", "d.read_at", "打开时间", "when it was opened"),
        count(
            "arrived",
            "CASE WHEN d.state IN ('sent', 'delivered') THEN 1 ELSE 0 END",
            "已送出为 1",
            "1 when it was sent, else 0",
        ),
        count("opened", "CASE WHEN d.read_at IS NULL THEN 0 ELSE 1 END", "打开为 1", "1 when it was opened, else 0"),
        count(
            "clicked",
            "CASE WHEN EXISTS (SELECT 1 FROM clicks e WHERE e.delivery_id = d.id) THEN 1 ELSE 0 END",
            "点过链接为 1",
            "1 when a link was followed, else 0",
        ),
        count(
            "clicks",
            "COALESCE((SELECT SUM(e.count) FROM clicks e WHERE e.delivery_id = d.id), 0)",
            "点击次数",
            "how often its links were followed",
        ),
        number("coupon_id", "d.coupon_id", "发放的优惠券编号", "the coupon handed out"),
    ),
    tables="""deliveries d
    JOIN campaign_runs u ON u.id = d.run_id
    JOIN campaigns c ON c.id = d.campaign_id
    JOIN cards k ON k.id = d.card_id
    LEFT JOIN stores s ON s.id = k.store_id""",
    chain="d",
    store="k.store_id",
    moment="u.due_at",
    order="d.run_id, d.id",
    in_chain_zone=True,
)

CLICKS = Report(
    name="clicks",
    title=Text("推送点击", "Clicks"),
    about=Text(
        "每条推送里每个被点过的链接一行，按第一次点击的日期。不同意记录的会员不在内。",
        "One row for each link of a message that was followed, by the day it first was. Members who refused are not in"
        " it.",
    ),
    columns=(
        number("delivery_id", "e.delivery_id", "推送记录编号", "the delivery"),
        number("campaign_id", "e.campaign_id", "推送活动编号", "the campaign"),
        text("campaign", "c.name", "推送活动", "its name"),
        number("run_id", "d.run_id", "推送批次编号", "the run"),
        number("member_id", "d.member_id", "会员编号", "the member"),
        word("card_number", "k.number", "卡号", "the number of the card"),
        *store_columns("会员的发卡门店", "the store that issued the card"),
        word("channel", "d.channel", "渠道，例如 inbox、email、gateway", "the channel, such as inbox, email, gateway"),
        word("variant", "d.variant", "版本：A 到 D", "the version of the message: A to D"),
        number("link_id", "e.link_id", "链接编号", "the link"),
        text("url", "l.url", "链接通向哪里", "where it leads"),
        time("first_at", "e.first_at", "第一次点击的时间", "when it was first followed"),
        day(zh="第一次点击的日期（总部时区）", en="the day of that, in the chain's zone"),
        time("last_at", "e.last_at", "最后一次点击的时间", "when it was last followed"),
        count("clicks", "e.count", "点击次数", "how often it was followed"),
    ),
    tables="""clicks e
    JOIN deliveries d ON d.id = e.delivery_id
    JOIN campaign_links l ON l.id = e.link_id
    JOIN campaigns c ON c.id = e.campaign_id
    JOIN cards k ON k.id = d.card_id
    LEFT JOIN stores s ON s.id = k.store_id""",
    chain="e",
    store="k.store_id",
    moment="e.first_at",
    order="e.delivery_id, e.link_id",
    in_chain_zone=True,
)
