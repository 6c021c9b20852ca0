"""What the builder of audiences offers: each condition in words, and the inputs that its value is made of."""

from collections.abc import Iterator
from typing import NamedTuple

from core.text import Text

EVERYBODY = "everybody"  # no condition of the domain: an empty group


class Input(NamedTuple):
    """One input: the part of the value it stands for, and what kind of thing goes into it."""

    name: str
    kind: str
    label: Text
    after: Text | None = None


class Choice(NamedTuple):
    """A condition as it can be chosen: ``field.op``."""

    what: str
    words: Text
    inputs: tuple[Input, ...] = ()


VALUE = "value"  # the one part of a value that is no object
_DAYS = Input(VALUE, "whole", Text("天数", "Days"), Text("天", "days"))
_LATELY = Input("days", "lately", Text("在最近", "In the last"), Text("天", "days"))
_COUNT = Input("count", "whole", Text("次数", "Times"), Text("次", "times"))
_FRIENDS = Input("count", "whole", Text("朋友", "Friends"), Text("位", "friends"))
_CENTS = Input("cents", "money", Text("金额", "Amount"))
_POINTS = Input(VALUE, "whole", Text("积分", "Points"), Text("分", "points"))
_DAY = Input(VALUE, "day", Text("日期", "Day"))
_KM = Input("km", "whole", Text("距离", "Distance"), Text("公里", "km"))
_GENERATION = Input(VALUE, "whole", Text("第几代", "Generation"))


def _listed(kind: str, zh: str, en: str, name: str = VALUE) -> Input:
    return Input(name, kind, Text(zh, en))


_MONTHS = _listed("months", "月份", "Months")
_ADDRESS = _listed("address", "联系方式", "By what")
_SEGMENT = _listed("segment", "人群", "Segment")
_OFFERS = _listed("offers", "哪些券", "Which coupons")
_CAMPAIGNS = _listed("campaigns", "哪些推送", "Which pushes")

GROUPS: tuple[tuple[Text, tuple[Choice, ...]], ...] = (
    (
        Text("入会", "Joining"),
        (
            Choice("joined.within_days", Text("最近几天入会", "Joined in the last … days"), (_DAYS,)),
            Choice("joined.before_days", Text("入会超过几天", "Joined more than … days ago"), (_DAYS,)),
            Choice("joined.after", Text("某天起入会", "Joined on or after a day"), (_DAY,)),
            Choice("joined.before", Text("某天前入会", "Joined before a day"), (_DAY,)),
            Choice("store.in", Text("在某些门店入会", "Joined at some stores"), (_listed("stores", "门店", "Stores"),)),
            Choice(
                "store.within_km",
                Text("在某家店附近入会", "Joined near a store"),
                (_listed("store", "门店", "Store", "store"), _KM),
            ),
            Choice(
                "place.within_km",
                Text("在某个地点附近入会", "Joined near a place"),
                (
                    Input("latitude", "degrees", Text("纬度", "Latitude")),
                    Input("longitude", "degrees", Text("经度", "Longitude")),
                    _KM,
                ),
            ),
        ),
    ),
    (
        Text("会员", "The member"),
        (
            Choice("birthday.in_month", Text("几月过生日", "Birthday in a month"), (_MONTHS,)),
            Choice("birthday.within_days", Text("几天内过生日", "Birthday within … days"), (_DAYS,)),
            Choice("language.in", Text("读哪种语言", "Reads a language"), (_listed("languages", "语言", "Languages"),)),
            Choice("address.has", Text("留了哪种联系方式", "Can be reached by"), (_ADDRESS,)),
            Choice(
                "consent.granted",
                Text("同意接收", "Agreed to be written to"),
                (
                    _listed("channel", "渠道", "Channel", "channel"),
                    _listed("purpose", "用途", "Purpose", "purpose"),
                ),
            ),
        ),
    ),
    (
        Text("会员卡", "The card"),
        (
            Choice("tier.in", Text("等级", "Holds a tier"), (_listed("tiers", "等级", "Tiers"),)),
            Choice("points.at_least", Text("积分不少于", "Points at least"), (_POINTS,)),
            Choice("points.at_most", Text("积分不超过", "Points at most"), (_POINTS,)),
            Choice("program.in", Text("持有哪种卡", "Holds a kind of card"), (_listed("programs", "会员卡", "Cards"),)),
            Choice("card_state.in", Text("卡的状态", "State of the card"), (_listed("states", "状态", "States"),)),
        ),
    ),
    (
        Text("消费", "Buying"),
        (
            Choice("purchase.within_days", Text("最近几天买过", "Bought in the last … days"), (_DAYS,)),
            Choice("purchase.before_days", Text("买过，但几天没再买", "Bought, but not for … days"), (_DAYS,)),
            Choice(
                "purchase.at_stores",
                Text("在某些门店买过", "Bought at some stores"),
                (_listed("stores", "门店", "Stores", "stores"), _LATELY),
            ),
            Choice("purchases.at_least", Text("消费不少于几次", "Bought at least … times"), (_COUNT, _LATELY)),
            Choice("purchases.at_most", Text("消费不超过几次", "Bought at most … times"), (_COUNT, _LATELY)),
            Choice("spend.at_least", Text("消费金额不少于", "Spent at least"), (_CENTS, _LATELY)),
            Choice("spend.at_most", Text("消费金额不超过", "Spent at most"), (_CENTS, _LATELY)),
            Choice("average.at_least", Text("平均每次不少于", "Spent at least, each time"), (_CENTS, _LATELY)),
            Choice("last_visit.within_days", Text("最近几天来过", "Came in the last … days"), (_DAYS,)),
            Choice("last_visit.before_days", Text("几天没来（含从没来过）", "Has not come for … days"), (_DAYS,)),
        ),
    ),
    (
        Text("优惠券", "Coupons"),
        (
            Choice("coupon.holds", Text("手里有可用的券", "Holds a usable coupon"), (_OFFERS,)),
            Choice("coupon.had", Text("领过券", "Has had a coupon"), (_OFFERS,)),
            Choice("coupon.redeemed", Text("用过券", "Has used a coupon"), (_OFFERS,)),
            Choice("coupon.expires_within_days", Text("有券几天内到期", "Has a coupon that expires soon"), (_DAYS,)),
            Choice(
                "coupon.count_at_least",
                Text("手里至少有几张可用的券", "Holds at least … coupons"),
                (Input(VALUE, "whole", Text("张数", "Coupons"), Text("张", "coupons")),),
            ),
        ),
    ),
    (
        Text("朋友", "Friends"),
        (
            Choice("brought.at_least", Text("带来过朋友", "Brought friends"), (_FRIENDS, _LATELY)),
            Choice("generation.at_least", Text("朋友带来的，第几代起", "Came through friends, from …"), (_GENERATION,)),
            Choice("generation.is", Text("正好第几代（0：自己来的）", "Generation (0: came alone)"), (_GENERATION,)),
        ),
    ),
    (
        Text("收到的推送", "Pushes received"),
        (
            Choice("campaign.was_sent", Text("收到过", "Was sent"), (_CAMPAIGNS,)),
            Choice("campaign.opened", Text("打开过", "Opened"), (_CAMPAIGNS,)),
            Choice("campaign.clicked", Text("点过里面的链接", "Followed a link of"), (_CAMPAIGNS,)),
            Choice("campaign.redeemed", Text("用了送的券", "Used the coupon of"), (_CAMPAIGNS,)),
        ),
    ),
    (
        Text("其他", "Others"),
        (
            Choice("segment.is", Text("属于一个保存的人群", "Belongs to a saved segment"), (_SEGMENT,)),
            Choice(EVERYBODY, Text("每一位会员", "Every member")),
        ),
    ),
)  # fmt: skip


def each_choice() -> Iterator[Choice]:
    for _words, choices in GROUPS:
        yield from choices


CHOICES = {choice.what: choice for choice in each_choice()}
