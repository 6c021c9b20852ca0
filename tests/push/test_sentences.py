"""Who and when, as head office reads it."""

import pytest

from cards.models import Tier
from core.db import db
from push.sentences import audience_sentence, schedule_sentence
from push.timing.scheduling import check_schedule
from tests.factories import make_chain, make_store


@pytest.mark.parametrize(
    ("schedule", "zh", "en"),
    [
        ({"kind": "now"}, "马上发（先等 10 分钟）", "At once, after ten minutes"),
        ({"kind": "at", "at": "2026-05-21T18:00"}, "2026年5月21日 18:00", "21 May 2026, 18:00"),
        ({"kind": "at", "at": "2026-05-21T18:00Z"}, "2026年5月22日 02:00", "22 May 2026, 02:00"),
        (
            {"kind": "recurring", "weekdays": ["fri", "mon"], "time": "17:30"},
            "每周一、周五 17:30",
            "Every Monday and Friday at 17:30",
        ),
        (
            {"kind": "recurring", "weekdays": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "time": "09:00",
             "until": "2026-12-31"},
            "每天 09:00，到2026年12月31日为止",
            "Every day at 09:00, until 31 December 2026",
        ),
        (
            {"kind": "recurring", "monthdays": [1, 15], "time": "10:00", "zone": "member"},
            "每月 1、15 日 10:00（各会员当地时间）",
            "Every month on day 1 and 15 at 10:00, by each member's own clock",
        ),
        ({"kind": "cron", "cron": "0 18 * * mon"}, "按 cron：0 18 * * mon", "By cron: 0 18 * * mon"),
        ({"kind": "event", "event": "birthday", "days": 0}, "生日当天，10:00", "On the birthday, at 10:00"),
        (
            {"kind": "event", "event": "lapsed", "days": 30, "time": "11:00"},
            "30 天没来，11:00",
            "After 30 days without a visit, at 11:00",
        ),
        ({"kind": "event", "event": "joined", "days": 1}, "入会后 1 天", "One day after joining"),
    ],
)  # fmt: skip
def test_when(schedule, zh, en):
    assert schedule_sentence(check_schedule(schedule), "Asia/Shanghai") == (zh, en)


def test_whom(app):
    chain = make_chain()
    stores = [make_store(chain, name=f"{name}店") for name in "东南西北"]
    tiers = db.session.scalars(db.select(Tier).filter_by(chain_id=chain.id).order_by(Tier.rank)).all()

    def say(*conditions):
        rules = [dict(zip(("field", "op", "value"), condition, strict=True)) for condition in conditions]
        return audience_sentence(chain, {"all": rules})

    assert say() == ("全体会员", "All members")
    assert say(("store", "in", [stores[0].id, stores[1].id]), ("last_visit", "before_days", 21)) == (
        "在东店、南店入会，超过 21 天没来",
        "Members who joined at 东店 or 南店 and have not come for 21 days",
    )
    assert say(("store", "in", [store.id for store in stores])).zh == "在东店、南店、西店等 4 家门店入会"
    assert say(("tier", "in", [tier.id for tier in tiers]), ("joined", "after", "2026-05-01")) == (
        "银卡或金卡等级，2026年5月1日 起入会",
        "Members who hold the tier Silver or Gold and joined on or after 1 May 2026",
    )
