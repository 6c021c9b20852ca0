"""What each figure of sharing means, in the words of whoever reads it: on the page, in the API, in the manual."""

from typing import NamedTuple

from core.text import Text


class Definition(NamedTuple):
    """A figure's name, and one or two sentences that leave nothing open."""

    name: Text
    meaning: Text


DEFINITIONS: dict[str, Definition] = {
    "referred": Definition(
        Text("朋友带来的会员", "Members through friends"),
        Text(
            "这段时间入会、并且是通过朋友分享来的会员：在分享页面领的卡，或者打开分享链接之后、在归因期限内扫门店码领"
            "的卡。每人只有一位推荐人，写下就不再改。",
            "New members of the period who came by a share link: on the friend's page, or by a store code within the"
            " window after opening a link. Each has one referrer, written once.",
        ),
    ),
    "reach": Definition(
        Text("触达", "Reach"),
        Text(
            "这段时间打开过分享链接、或者通过分享领了卡的人数，每人只算一次。同一个人 30 分钟内重复打开算一次访问；预"
            "览、机器人和分享者自己不算。",
            "Different people who opened a share link or took the card by one in the period. A visit counts once per"
            " person and link in 30 minutes; previews, bots and the sharer himself do not count.",
        ),
    ),
    "sharers": Definition(
        Text("分享者", "Sharers"),
        Text(
            "这段时间至少分享过一次的会员。每次分享生成一条自己的链接；人均分享次数 = 链接数 ÷ 分享者。",
            "Members who shared at least once in the period. Every act of sharing makes a link of its own; links per"
            " sharer = links ÷ sharers.",
        ),
    ),
    "visits_per_link": Definition(
        Text("每次分享的访问", "Visits per link"),
        Text(
            "这段时间的访问 ÷ 这段时间的分享。更早的链接在这段时间被打开，访问也算在内。",
            "Visits of the period ÷ links made in it. A visit to an earlier link counts on the day of the visit.",
        ),
    ),
    "conversion": Definition(
        Text("转化率", "Conversion"),
        Text(
            "触达的人里成为会员的比例。区间是 95% 威尔逊区间：人少的时候，真实的比例可能在这个范围里的任何地方。",
            "Of the people reached, the part that became members. The interval is Wilson's at 95 %: with few people"
            " the true share may lie anywhere in it.",
        ),
    ),
    "k_factor": Definition(
        Text("K 系数", "K-factor"),
        Text(
            "这段时间入会的会员，平均每人到期末带来多少位新会员 = 人均分享 × 每次分享带来的新会员。大于 1，卡就会自"
            "己传开。区间：平均值 ± 1.96 × 标准差 ÷ √人数，按每位会员各自带来的人数计算。入会晚的会员来不及分享，"
            "所以期末附近会偏低。",
            "Of those who joined in the period: how many members each brought by its end = links per member ×"
            " members per link. Above 1 the card spreads by itself. The interval is mean ± 1.96 × standard"
            " deviation ÷ √members, from what each member brought. Whoever joined late has had little time to"
            " share.",
        ),
    ),
    "time_to_convert": Definition(
        Text("转化时间", "Time to convert"),
        Text(
            "从发出分享到朋友领卡的时间，取中位数：一半的新会员比它快，一半比它慢。",
            "From making the link to the new member's card, the median: half came faster, half slower.",
        ),
    ),
    "generation": Definition(
        Text("代", "Generation"),
        Text(
            "0 代是自己来的，1 代由 0 代带来，2 代由 1 代带来，依此类推。",
            "0 came by themselves, 1 through one of those, 2 through one of generation 1, and so on.",
        ),
    ),
    "days": Definition(
        Text("每天的新会员", "New members by day"),
        Text(
            "按连锁品牌的营业日计算。时间长的话，每周或每四周合成一柱。",
            "By business day of the chain. Of a long period a bar stands for a week, or for four.",
        ),
    ),
    "branching": Definition(
        Text("分支", "Branching"),
        Text(
            "每位分享者带来的会员 = 这段时间来的会员 ÷ 这段时间的分享者。渠道和场景按新会员所用的链接计算；门店按分"
            "享者的门店计算，“在本店入会”则按新会员的门店。",
            "Members brought per sharer = members who came in the period ÷ members who shared in it. Channel and"
            " occasion are those of the link they came by; a store's are what its members shared and brought, while"
            " “joined here” counts who joined there through anybody.",
        ),
    ),
    "flow": Definition(
        Text("从门店到第几代", "From store to generation"),
        Text(
            "朋友带来的会员：在哪家门店入会，通过什么渠道，是第几代。各段加起来就是朋友带来的会员总数。",
            "The members through friends: at which store they joined, through which channel, in which generation."
            " They add up to all of them.",
        ),
    ),
    "spending": Definition(
        Text("同龄消费对比", "Spend at equal age"),
        Text(
            "这段时间入会、并且已满 7、30 或 90 天的会员，比较各自入会后头 7、30 或 90 天（每天 24 小时）的实付，退款"
            "已减，撤销的不算。区间是两组平均值之差的 95% 韦尔奇区间；包含 0 就说明看不出差别。这是比较，不是因果。",
            "Members who joined in the period and are at least 7, 30 or 90 days old: what they paid in their own"
            " first 7, 30 or 90 days of 24 hours, refunds taken off, voided purchases left out. The interval is"
            " Welch's at 95 % for the difference of the two means; where it holds 0, no difference is shown. It"
            " compares; it does not say why.",
        ),
    ),
    "spreaders": Definition(
        Text("传播达人", "Top spreaders"),
        Text(
            "这段时间直接带来新会员最多的会员。“至今共带来”是他往下所有各代，不限时间。奖励是这段时间得到、已经发给"
            "他本人的；花费是为他的朋友发出的全部奖励，双方都算。待查是还没有人排除的风险提示。",
            "Who brought most members himself in the period. “All below so far” counts every generation below him"
            " since ever. Rewards are those he earned in the period and was given; their cost is that of both sides,"
            " for his friends. Findings are those that nobody has dismissed.",
        ),
    ),
}
