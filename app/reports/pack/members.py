"""Members, their cards and their points."""

from app.reports.columns import CURRENCY, Column, Kind, cents, count, day, number, store_columns, text, time, word
from app.reports.report import Report
from core.text import Text

MEMBERS = Report(
    name="members",
    title=Text("会员", "Members"),
    about=Text(
        "每位会员一行，按入会的营业日。店长导出时姓名、手机和邮箱是隐去的。",
        "One row for each member, by the business day of joining. Store managers get names, phones and e-mails masked.",
    ),
    columns=(
        number("member_id", "m.id", "会员编号", "the member"),
        word("card_number", "k.number", "主会员卡的卡号", "the number of the main card"),
        Column("name", "m.name", Text("姓名", "the name"), Kind.NAME),
        Column("phone", "m.phone", Text("手机号（E.164）", "the phone (E.164)"), Kind.PHONE),
        Column("email", "m.email", Text("邮箱", "the e-mail address"), Kind.EMAIL),
        word("language", "m.language", "语言：zh 或 en", "the language: zh or en"),
        text("tier", "t.name", "等级", "the tier"),
        word("card_state", "k.state", "会员卡状态", "the state of the card"),
        count("points", "COALESCE(k.points, 0)", "积分余额", "points on the card"),
        word(
            "channel", "k.channel", "入会方式：scan、share 或 import", "how the card was come by: scan, share or import"
        ),
        *store_columns("入会门店", "the store of joining"),
        number("referrer_id", "r.referrer_id", "推荐人的会员编号", "the member who brought this one"),
        time("joined_at", "m.joined_at", "入会时间", "when the member joined"),
        day(zh="入会的营业日", en="the business day of joining"),
        time("last_visit_at", "m.last_visit_at", "最近一次到店", "the last visit to a till"),
    ),
    tables="""members m
    LEFT JOIN cards k ON k.chain_id = m.chain_id AND k.program_id = :program_id AND k.wallet_id = m.wallet_id
    LEFT JOIN tiers t ON t.id = k.tier_id
    LEFT JOIN stores s ON s.id = m.store_id
    LEFT JOIN referrals r ON r.chain_id = m.chain_id AND r.member_id = m.id""",
    chain="m",
    store="m.store_id",
    moment="m.joined_at",
    member="m.id",
    order="m.joined_at, m.id",
)

CARDS = Report(
    name="cards",
    title=Text("会员卡", "Cards"),
    about=Text(
        "每张会员卡一行，按发卡的营业日：卡从哪里来。",
        "One row for each card, by the business day of issue: where the card came from.",
    ),
    columns=(
        number("card_id", "k.id", "会员卡编号", "the card"),
        word("card_number", "k.number", "卡号（16 位）", "its number, 16 digits"),
        number("member_id", "k.member_id", "会员编号", "the member"),
        text("program", "p.name", "会员卡方案", "the program"),
        text("tier", "t.name", "等级", "the tier"),
        word("state", "k.state", "状态", "the state: active, frozen, closed, merged or erased"),
        count("points", "k.points", "积分余额", "points on the card"),
        cents("value_cents", "k.value_cents", "储值余额", "stored value on the card"),
        CURRENCY,
        word("channel", "k.channel", "领取方式：scan、share 或 import", "how it was come by: scan, share or import"),
        *store_columns("发卡门店", "the store that issued it"),
        number("store_code_id", "k.store_code_id", "门店码编号", "the store code that was scanned"),
        text("label", "q.label", "门店码的标签", "the label of that store code"),
        number("share_link_id", "k.share_link_id", "分享编号", "the share link it was taken on"),
        time("issued_at", "k.issued_at", "发卡时间", "when it was issued"),
        day("k.issued_on", zh="发卡的营业日", en="the business day of issue"),
        time("closed_at", "k.closed_at", "注销时间", "when the member closed it"),
    ),
    tables="""cards k
    JOIN programs p ON p.id = k.program_id
    JOIN tiers t ON t.id = k.tier_id
    LEFT JOIN stores s ON s.id = k.store_id
    LEFT JOIN store_codes q ON q.id = k.store_code_id""",
    chain="k",
    store="k.store_id",
    day="k.issued_on",
    order="k.issued_on, k.id",
)

POINTS = Report(
    name="points",
    title=Text("积分流水", "Points"),
    about=Text("积分账本的每一笔一行。", "One row for each line of the points ledger."),
    columns=(
        number("entry_id", "e.id", "流水编号", "the line"),
        time("at", "e.at", "时间", "when"),
        day(),
        number("card_id", "e.card_id", "会员卡编号", "the card"),
        word("card_number", "k.number", "卡号", "its number"),
        number("member_id", "k.member_id", "会员编号", "the member"),
        *store_columns("发卡门店", "the store that issued the card"),
        count("delta", "e.delta", "变动", "points given (above zero) or taken"),
        number("balance", "e.balance", "变动后的余额", "the balance after it"),
        word("cause", "e.cause", "原因，如 checkout:17", "the cause, such as checkout:17"),
    ),
    tables="point_entries e JOIN cards k ON k.id = e.card_id LEFT JOIN stores s ON s.id = k.store_id",
    chain="e",
    store="k.store_id",
    moment="e.at",
    order="e.id",
)
