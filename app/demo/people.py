"""Names and habits of people who do not exist."""

from dataclasses import dataclass
from random import Random

from sharing.traces import Trace

SURNAMES = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕"
GIVEN = (
    "小雪 子涵 雨桐 浩然 欣怡 一诺 思远 佳怡 梓萱 俊杰 晓明 静 磊 婷 敏 芳 洋 勇 艳 杰 娟 涛 明 超 霞 平 刚 桂英"
).split()
STORE_WEIGHTS = [18, 13, 12, 11, 10, 8, 8, 6, 5, 4, 3, 2]  # the first store is the busy one
HOURS = list(range(7, 22))  # the stores also sell breakfast
HOUR_WEIGHTS = [2, 3, 3, 3, 4, 6, 6, 7, 9, 8, 7, 8, 10, 9, 5]
WEEKDAY_WEIGHTS = [0.75, 0.75, 0.8, 0.9, 1.2, 1.55, 1.45]  # Monday first
SHARE_CHANNELS = ["friend", "group", "moments", "poster", "copy", "table_card", "courier_slip"]
SHARE_WEIGHTS = [42, 25, 18, 5, 10, 4, 3]
CONVERSION = {
    "friend": 0.34,
    "group": 0.12,
    "moments": 0.07,
    "poster": 0.2,
    "copy": 0.18,
    "table_card": 0.25,
    "courier_slip": 0.1,
}
OPENINGS = {"friend": 2, "group": 6, "moments": 5, "poster": 3, "copy": 3, "table_card": 3, "courier_slip": 4}


@dataclass
class Habits:
    """How one member behaves."""

    visits_a_week: float
    likes_sharing: bool
    spends: float  # times the usual basket


@dataclass
class Person:
    """A member of the story: the ids that the domain gave him, and his habits."""

    card_id: int
    member_id: int
    wallet_id: int
    number: str
    code_secret: bytes
    store: int
    habits: Habits
    trace: Trace  # of his phone


def draw_name(random: Random) -> str:
    return random.choice(SURNAMES) + random.choice(GIVEN)


def draw_phone(number: int) -> str:
    """A number in a block that no operator has given out."""
    return f"+86199000{number:05d}"


def draw_birthday(number: int) -> str:
    """Two of three tell it."""
    return f"{number * 7 % 12 + 1}-{number * 11 % 28 + 1}" if number % 3 else ""


def draw_habits(random: Random) -> Habits:
    return Habits(
        visits_a_week=random.choices([0.0, 0.25, 0.6, 1.4], [30, 35, 25, 10])[0],
        likes_sharing=random.random() < 0.22,
        spends=random.lognormvariate(0, 0.25),
    )


def draw_amount(random: Random, habits: Habits) -> int:
    """A basket in fen: mostly between 18 and 90 yuan, in half yuans."""
    yuan = min(400.0, max(9.0, random.lognormvariate(3.55, 0.5) * habits.spends))
    return round(yuan * 2) * 50
