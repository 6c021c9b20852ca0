"""What was shared, who brought whom, who brings most, and what was given for it.

Their days are the chain's, as on the dashboard's page of sharing, so that the figures of both are the same.
"""

from app.reports.columns import CURRENCY, Column, Kind, cents, count, day, number, store_columns, text, time, word
from app.reports.report import Report
from app.reports.spelling import Spelling
from core.text import Text

PAID = "('approved', 'clawed_back')"  # what of it could not be taken back is still committed
COST = f"CASE WHEN w.state IN {PAID} THEN w.committed_cents ELSE 0 END"
# A friend's first purchase that stands and was paid for.
FIRST_PURCHASE = """f.id = (
        SELECT h.id FROM cards own JOIN checkouts h ON h.card_id = own.id
        WHERE own.chain_id = r.chain_id AND own.member_id = r.member_id AND h.state = 'settled'
          AND h.settled_at >= r.created_at AND h.payable_cents > h.refunded_cents
        ORDER BY h.settled_at, h.id LIMIT 1)"""
NET = "f.payable_cents - f.refunded_cents"


def _states(side: str) -> str:
    """The states of one side's rewards: of the card, then of the first purchase. A referral has one rule for each."""
    return f"NULLIF(TRIM(COALESCE(g.{side}_card, '') || ' ' || COALESCE(g.{side}_purchase, '')), '')"


def _state(side: str, trigger: str, name: str) -> str:
    return f"MAX(CASE WHEN w.side = '{side}' AND u.trigger = '{trigger}' THEN w.state END) AS {side}_{name}"


def referral_parts(_: Spelling) -> str:
    """What was given for each referral, and what of it looked dishonest."""
    states = ", ".join(
        _state(side, trigger, name)
        for side in ("referrer", "friend")
        for trigger, name in (("card_issued", "card"), ("first_purchase", "purchase"))
    )
    return f"""
rewarded AS (
    SELECT w.referral_id AS id, SUM({COST}) AS cents, {states}
    FROM rewards w JOIN reward_rules u ON u.id = w.rule_id WHERE w.chain_id = :chain_id GROUP BY w.referral_id
),
suspected AS (
    SELECT each.referral_id AS id, string_agg(each.rule, ' ') AS rules
    FROM (SELECT x.referral_id, x.rule FROM fraud_findings x
          WHERE x.chain_id = :chain_id AND x.dismissed_at IS NULL ORDER BY x.referral_id, x.rule) each
    GROUP BY each.referral_id
)"""


CHANNEL = (
    word(
        "channel",
        "l.channel",
        "分享渠道：friend、group、moments、poster、copy，或连锁品牌自己的渠道代码",
        "the channel of the share: friend, group, moments, poster, copy, or the code of the chain's own",
    ),
    text("channel_name", "c.name", "自有渠道的名称", "the name of a channel of the chain's own"),
    word(
        "occasion",
        "l.occasion",
        "在哪里想到分享：wallet、joined、receipt、coupon、staff 或 api",
        "where the thought arose: wallet, joined, receipt, coupon, staff or api",
    ),
    text("offer", "o.name", "分享的券活动", "the offer whose coupon was shared"),
)
OF_LINK = """LEFT JOIN share_channels c ON c.id = l.own_channel_id
    LEFT JOIN offers o ON o.id = l.offer_id"""

REFERRALS = Report(
    name="referrals",
    title=Text("推荐关系", "Referrals"),
    about=Text(
        "每位由会员带来的新会员一行：传播树的一条边。营业日按连锁品牌的时区。",
        "One row for each member who came through another: an edge of the propagation tree. Its days are the chain's.",
    ),
    columns=(
        number("referral_id", "r.id", "推荐编号", "the referral"),
        time("created_at", "r.created_at", "时间", "when the new member joined"),
        day(),
        number("member_id", "r.member_id", "新会员的编号", "the new member"),
        word("card_number", "k.number", "新会员的卡号", "the number of the new card"),
        text("program", "p.name", "会员卡方案", "the program of the card"),
        number("referrer_id", "r.referrer_id", "推荐人的编号", "the member who brought him"),
        number("root_id", "r.root_id", "源头会员的编号", "the member at the root of the tree"),
        number("depth", "r.depth", "第几代", "the generation below the root"),
        number("share_link_id", "r.share_link_id", "分享编号", "the share link"),
        *CHANNEL,
        *store_columns("新会员的门店", "the store of the new member"),
        time("first_purchase_at", "f.settled_at", "首次消费的时间", "when he first bought something that stands"),
        count(
            "bought",
            "CASE WHEN f.id IS NULL THEN 0 ELSE 1 END",
            "已消费为 1",
            "1 when he has bought something, else 0",
        ),
        cents(
            "first_purchase_cents", f"COALESCE({NET}, 0)", "首次消费的净额", "what he paid for it, refunds taken off"
        ),
        word(
            "referrer_rewards",
            _states("referrer"),
            "推荐人奖励的状态",
            "the states of the referrer's rewards: pending, approved, rejected, flagged, clawed_back",
        ),
        word("friend_rewards", _states("friend"), "新会员奖励的状态", "the states of the new member's rewards"),
        cents(
            "rewards_cents",
            "COALESCE(g.cents, 0)",
            "双方奖励的花费：已发的，以及没能收回的",
            "what the rewards of both cost: those given, and what could not be taken back",
        ),
        CURRENCY,
        word(
            "findings",
            "z.rules",
            "还没有人排除的风险提示",
            "what looked dishonest and nobody has dismissed",
        ),
    ),
    parts=referral_parts,
    tables=f"""referrals r
    JOIN cards k ON k.id = r.card_id
    JOIN programs p ON p.id = k.program_id
    JOIN share_links l ON l.id = r.share_link_id
    {OF_LINK}
    LEFT JOIN checkouts f ON {FIRST_PURCHASE}
    LEFT JOIN rewarded g ON g.id = r.id
    LEFT JOIN suspected z ON z.id = r.id
    LEFT JOIN stores s ON s.id = r.store_id""",
    chain="r",
    store="r.store_id",
    moment="r.created_at",
    order="r.created_at, r.id",
    in_chain_zone=True,
)


def link_parts(_: Spelling) -> str:
    """Whom each link brought, since ever."""
    return """
brought AS (
    SELECT r.share_link_id AS id, COUNT(*) AS joined, MAX(r.created_at) AS last_at
    FROM referrals r WHERE r.chain_id = :chain_id GROUP BY r.share_link_id
)"""


SHARE_LINKS = Report(
    name="share_links",
    title=Text("分享链接", "Share links"),
    about=Text(
        "每次分享一行，按分享的营业日（连锁品牌的时区）：访问和带来的会员是至今的总数。",
        "One row for each act of sharing, by its business day in the chain's zone. Visits and members are those of the"
        " link so far.",
    ),
    columns=(
        number("share_link_id", "l.id", "分享编号", "the share link"),
        time("created_at", "l.created_at", "分享时间", "when it was made"),
        day(),
        number("member_id", "l.member_id", "分享者的会员编号", "the member who shared"),
        word("card_number", "k.number", "分享者的卡号", "the number of his card"),
        text("program", "p.name", "会员卡方案", "the program of the card"),
        *store_columns("分享者的门店", "the store where he joined"),
        *CHANNEL,
        number("parent_id", "l.parent_id", "分享者自己来自的分享", "the share link by which he came himself"),
        count(
            "visits",
            "l.visits",
            "访问（30 分钟内同一人算一次）",
            "visits (one visitor counts once in 30 minutes)",
        ),
        count("joined", "COALESCE(b.joined, 0)", "带来的新会员", "new members who came by it"),
        time("last_joined_at", "b.last_at", "最近一次带来新会员", "when the last of them joined"),
    ),
    parts=link_parts,
    tables=f"""share_links l
    JOIN cards k ON k.id = l.card_id
    JOIN programs p ON p.id = l.program_id
    {OF_LINK}
    LEFT JOIN brought b ON b.id = l.id
    LEFT JOIN stores s ON s.id = l.store_id""",
    chain="l",
    store="l.store_id",
    moment="l.created_at",
    order="l.created_at, l.id",
    in_chain_zone=True,
)

FIGURES = ("links", "visits", "joined", "bought", "first_purchase_cents", "findings")
FIGURES += ("rewards", "reward_cents", "friend_reward_cents")


def _figures(**given: str) -> str:
    """All figures of one part of the union, zero where the part has none."""
    return ", ".join(f"{given.get(name, '0')} AS {name}" for name in FIGURES)


def spreading_parts(sql: Spelling) -> str:
    """What each member did and caused in the period, and his place in the tree."""
    joined = _figures(
        joined="COUNT(*)",
        bought="COUNT(f.id)",
        first_purchase_cents=f"COALESCE(SUM({NET}), 0)",
        findings="SUM((SELECT COUNT(*) FROM fraud_findings x WHERE x.referral_id = r.id AND x.dismissed_at IS NULL))",
    )
    earned = _figures(
        rewards="SUM(CASE WHEN w.side = 'referrer' AND w.state = 'approved' THEN 1 ELSE 0 END)",
        reward_cents=f"SUM(CASE WHEN w.side = 'referrer' THEN {COST} ELSE 0 END)",
        friend_reward_cents=f"SUM(CASE WHEN w.side = 'friend' THEN {COST} ELSE 0 END)",
    )
    sums = ", ".join(f"SUM({name}) AS {name}" for name in FIGURES)
    return f"""
counted AS (
    SELECT r.referrer_id AS member_id, MAX(r.created_at) AS last_at, {joined}
    FROM referrals r LEFT JOIN checkouts f ON {FIRST_PURCHASE}
    WHERE r.chain_id = :chain_id AND r.created_at >= :start AND r.created_at < :end
    GROUP BY r.referrer_id
    UNION ALL
    SELECT l.member_id, NULL, {_figures(links="COUNT(*)")}
    FROM share_links l
    WHERE l.chain_id = :chain_id AND l.created_at >= :start AND l.created_at < :end
    GROUP BY l.member_id
    UNION ALL
    SELECT l.member_id, NULL, {_figures(visits="COUNT(*)")}
    FROM share_visits v JOIN share_links l ON l.id = v.share_link_id
    WHERE v.chain_id = :chain_id AND v.at >= :start AND v.at < :end
    GROUP BY l.member_id
    UNION ALL
    SELECT r.referrer_id, NULL, {earned}
    FROM rewards w JOIN referrals r ON r.id = w.referral_id
    WHERE w.chain_id = :chain_id AND w.earned_on BETWEEN :first AND :last
    GROUP BY r.referrer_id
),
summed AS (SELECT member_id, MAX(last_at) AS last_at, {sums} FROM counted GROUP BY member_id),
placed AS (
    SELECT w.*, COALESCE(r.depth, 0) AS own_depth, COALESCE(r.path, {sql.path_step("w.member_id")}) AS path
    FROM summed w LEFT JOIN referrals r ON r.chain_id = :chain_id AND r.member_id = w.member_id
)"""


SPREADERS = Report(
    name="spreaders",
    title=Text("传播达人", "Spreaders"),
    about=Text(
        "每位在这段时间分享过、带来新会员或为此得到奖励的会员一行，带来最多的在前。营业日按连锁品牌的时区。",
        "One row for each member who shared, brought members or earned rewards for it in the period, those who brought"
        " most first. Its days are the chain's.",
    ),
    columns=(
        number("member_id", "w.member_id", "会员编号", "the member"),
        word("card_number", "k.number", "卡号", "the number of the card"),
        Column("name", "m.name", Text("姓名", "the name"), Kind.NAME),
        *store_columns("会员的门店", "the member's store"),
        count("links", "w.links", "分享次数", "share links made"),
        count(
            "visits",
            "w.visits",
            "带来的访问（30 分钟内同一人算一次）",
            "visits (one visitor counts once in 30 minutes)",
        ),
        count("joined", "w.joined", "直接带来的新会员", "new members brought directly"),
        number(
            "reach",
            "(SELECT COUNT(*) FROM referrals b"
            " WHERE b.chain_id = :chain_id AND b.path >= w.path || '0' AND b.path < w.path || 'g')",
            "至今往下各代的会员，不限时间",
            "members of every generation below him, since ever",
        ),
        count("bought", "w.bought", "其中已消费的新会员", "of those who joined, how many have bought something"),
        cents(
            "first_purchase_cents",
            "w.first_purchase_cents",
            "他们首次消费的净额",
            "what they paid for their first purchases, refunds taken off",
        ),
        count("rewards", "w.rewards", "这段时间得到并已发放的奖励", "rewards earned in the period and given to him"),
        cents("reward_cents", "w.reward_cents", "他的奖励的花费", "what his rewards of the period cost"),
        cents(
            "friend_reward_cents",
            "w.friend_reward_cents",
            "他的朋友的奖励的花费",
            "what the rewards of those he brought cost",
        ),
        CURRENCY,
        count(
            "findings",
            "w.findings",
            "他带来的会员还没有人排除的风险提示",
            "what looked dishonest of those he brought, and nobody has dismissed",
        ),
        number("own_depth", "w.own_depth", "自己是第几代，0 为源头", "his own generation, 0 at a root"),
        time("last_joined_at", "w.last_at", "最近一次带来新会员", "when the last of them joined"),
    ),
    parts=spreading_parts,
    tables="""placed w
    JOIN members m ON m.id = w.member_id
    LEFT JOIN cards k ON k.chain_id = m.chain_id AND k.program_id = :program_id AND k.wallet_id = m.wallet_id
    LEFT JOIN stores s ON s.id = m.store_id""",
    chain="",
    store="m.store_id",
    order="w.joined DESC, w.visits DESC, w.links DESC, w.member_id",
    in_chain_zone=True,
)

REWARDS = Report(
    name="rewards",
    title=Text("分享奖励", "Share rewards"),
    about=Text(
        "每份奖励一行，按得到的营业日（连锁品牌的时区）：给谁、为谁、现在的状态和花费。",
        "One row for each reward, by the business day of the chain on which it was earned: to whom, for whom, its state"
        " now and what it costs.",
    ),
    columns=(
        number("reward_id", "w.id", "奖励编号", "the reward"),
        time("created_at", "w.created_at", "得到的时间", "when it was earned"),
        day("w.earned_on"),
        number("rule_id", "w.rule_id", "奖励规则编号", "the reward rule"),
        text("rule", "u.name", "奖励规则", "its name"),
        word(
            "trigger", "u.trigger", "因为什么：card_issued 或 first_purchase", "what for: card_issued, first_purchase"
        ),
        number("referral_id", "w.referral_id", "推荐编号", "the referral"),
        number("referrer_id", "r.referrer_id", "推荐人的编号", "the member who brought the friend"),
        number("friend_id", "r.member_id", "新会员的编号", "the friend"),
        word("side", "w.side", "给哪一方：referrer 或 friend", "whose it is: referrer or friend"),
        number("member_id", "w.member_id", "得到奖励的会员", "the member who gets it"),
        word("card_number", "k.number", "他的卡号", "the number of his card"),
        Column("name", "m.name", Text("姓名", "his name"), Kind.NAME),
        *store_columns("得到奖励的会员的门店", "the store where this member joined"),
        number("offer_id", "w.offer_id", "券活动编号", "the offer of the coupon"),
        text("offer", "o.name", "券活动", "its name"),
        number("coupon_id", "w.coupon_id", "发出的优惠券", "the coupon that was given"),
        number("points", "w.points", "积分", "the points"),
        word(
            "state",
            "w.state",
            "状态：pending、approved、rejected、flagged 或 clawed_back",
            "pending, approved, rejected, flagged or clawed_back",
        ),
        word(
            "reason",
            "w.reason",
            "拒绝、待定或收回的原因",
            "why it is rejected, flagged or clawed back: a fraud rule, voided, refunded, cap, budget, card_closed,"
            " not_given or person",
        ),
        time("due_at", "w.due_at", "等待期结束", "the end of its holding days"),
        time("decided_at", "w.decided_at", "决定的时间", "when it was decided"),
        word("decided_by", "w.decided_by", "谁决定的", "who decided"),
        number("checkout_id", "w.checkout_id", "首次消费的结账编号", "the first purchase that earned it"),
        count("given", "CASE WHEN w.state = 'approved' THEN 1 ELSE 0 END", "已发放为 1", "1 when it is given, else 0"),
        cents(
            "reserved_cents",
            "CASE WHEN w.state IN ('pending', 'flagged') THEN w.committed_cents ELSE 0 END",
            "待定期间占用的预算",
            "what it holds of the budget while it is undecided",
        ),
        cents(
            "spent_cents",
            COST,
            "花费：已发的，以及没能收回的",
            "what it costs: when given, and what could not be taken back",
        ),
        CURRENCY,
        number("points_short", "w.points_short", "收回前已花掉的积分", "points spent before they could be taken back"),
        number(
            "coupon_lost",
            "CASE WHEN w.is_coupon_lost THEN 1 ELSE 0 END",
            "收回前已用掉的券为 1",
            "1 when the coupon was used before it could be taken back",
        ),
    ),
    tables="""rewards w
    JOIN reward_rules u ON u.id = w.rule_id
    JOIN referrals r ON r.id = w.referral_id
    JOIN members m ON m.id = w.member_id
    JOIN cards k ON k.id = w.card_id
    LEFT JOIN offers o ON o.id = w.offer_id
    LEFT JOIN stores s ON s.id = m.store_id""",
    chain="w",
    store="m.store_id",
    day="w.earned_on",
    order="w.id",
    in_chain_zone=True,
)
