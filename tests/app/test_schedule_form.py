"""When a campaign goes out, as it is typed and as it is shown."""

from datetime import timedelta

import pytest
from werkzeug.datastructures import MultiDict

from app.dashboard.pushes.schedule_form import fill_schedule, schedule_of, times_of
from core.clock import utc_now
from push.timing.scheduling import check_schedule
from stores.models import Role
from tests.factories import NOON, make_chain, make_staff, make_store
from tests.pages import post, sign_in

pytestmark = pytest.mark.usefixtures("app")
SCHEDULES = [
    {"kind": "now"},
    {"kind": "now", "fresh_hours": 6},
    {"kind": "at", "at": "2030-05-20T18:00"},
    {"kind": "at", "at": "2030-05-20T18:00", "zone": "member"},
    {"kind": "at", "at": "2030-05-20T18:00+02:00"},
    {"kind": "at", "at": "2030-11-03T01:30-05:00"},
    {"kind": "recurring", "weekdays": ["mon", "fri"], "time": "17:30", "until": "2031-01-31"},
    {"kind": "recurring", "monthdays": [1, 15, 31], "time": "09:00", "zone": "member"},
    {"kind": "cron", "cron": "0 18 * * mon,fri", "until": "2031-01-31"},
    {"kind": "cron", "cron": "30 9 1 1,7 *", "zone": "member", "fresh_hours": 48},
    {"kind": "event", "event": "birthday", "days": 3, "time": "10:00"},
    {"kind": "event", "event": "joined", "days": 0},
    {"kind": "event", "event": "joined", "days": 7, "time": "18:00", "zone": "member", "until": "2031-01-31"},
    {"kind": "event", "event": "coupon_expiring", "days": 2, "time": "11:30"},
    {"kind": "event", "event": "lapsed", "days": 60, "time": "10:00"},
    {"kind": "event", "event": "tier_reached", "days": 1},
]


@pytest.fixture
def chain():
    return make_chain()


@pytest.fixture
def hq(client, chain):
    return sign_in(client, make_staff(chain))


def typed(**values):
    return MultiDict(
        [(name, each) for name, value in values.items() for each in ([value] if type(value) is str else value)]
    )


@pytest.mark.parametrize("given", SCHEDULES)
def test_a_schedule_comes_out_of_the_form_as_it_went_in(chain, given):
    checked, form = check_schedule(given), MultiDict()

    fill_schedule(form, chain, checked)

    assert check_schedule(schedule_of(form, chain)) == checked


def test_another_time_takes_the_place_of_the_exact_one(chain):
    form = MultiDict()
    fill_schedule(form, chain, check_schedule({"kind": "at", "at": "2030-05-20T18:00+02:00"}))

    form["at"] = "2030-05-21T12:00"

    assert schedule_of(form, chain)["at"] == "2030-05-21T12:00"


def test_fields_of_another_kind_are_left_alone(chain):
    form = typed(
        kind="now", at="2030-05-20T18:00", weekdays=["mon"], cron="x", event="birthday", zone="member", until="?"
    )

    assert schedule_of(form, chain) == {"kind": "now"}


@pytest.mark.parametrize(
    ("form", "problem"),
    [
        ({"kind": "recurring", "time": "10:00"}, "至少选一个星期几"),
        ({"kind": "recurring", "pattern": "monthdays", "time": "10:00"}, "至少选一天"),
        ({"kind": "recurring", "pattern": "cron", "cron": "0 18 * * 1"}, "星期要写"),
        ({"kind": "at"}, "请填日期和时间"),
        ({"kind": "at", "at": "2020-01-01T10:00"}, "已经过去"),
        ({"kind": "event", "event": "lapsed", "event_days": "many"}, "天数要在"),
        ({"kind": "recurring", "weekdays": ["mon"], "time": "10:00", "fresh_hours": "x"}, "有效小时数"),
    ],
)
def test_nonsense_is_said_while_it_is_typed(hq, form, problem):
    answer = post(hq, "/dashboard/campaigns/times", form)

    assert answer.status_code == 200
    assert problem in answer.text


def test_the_sentence_and_the_next_five_times_are_shown(hq):
    form = {"kind": "recurring", "weekdays": ["mon", "fri"], "time": "17:30"}

    page = post(hq, "/dashboard/campaigns/times", form).text

    assert "每周一、周五 17:30" in page
    assert page.count("<li>") == 5
    assert page.count("17:30") == 6


def test_what_falls_into_the_quiet_hours_says_until_when_it_waits(chain, app):
    form = typed(kind="recurring", weekdays=["mon"], time="22:00")
    with app.test_request_context("/?lang=zh"):
        found = times_of(form, chain, now=NOON)

    assert all("周二 09:00" in each.held_until for each in found.times)


def test_members_own_clocks_are_said_place_by_place(chain, app):
    make_store(chain, timezone="Asia/Tokyo")
    form = typed(kind="recurring", weekdays=["mon"], time="10:00", zone="member")
    with app.test_request_context("/?lang=zh"):
        first = times_of(form, chain, now=NOON).times[0]

    assert [(place, words[-5:]) for place, words in first.places] == [("Shanghai", "10:00"), ("Tokyo", "10:00")]


def test_only_who_may_write_asks_for_times(client, chain):
    sign_in(client, make_staff(chain, Role.HQ_ANALYST))

    assert post(client, "/dashboard/campaigns/times", {"kind": "now"}).status_code == 403


def test_a_time_that_is_chosen_is_kept_and_shown_again(hq):
    at = (utc_now() + timedelta(days=3)).strftime("%Y-%m-%dT18:00")
    form = {
        "name": "生日",
        "channels": "inbox",
        "title": "生日快乐",
        "body": "送您一份礼。",
        "kind": "event",
        "event": "birthday",
        "event_days": "3",
        "event_time": "09:30",
        "fresh_hours": "24",
        "at": at,
        "request_id": "form-000001",
        "do": "save",
    }

    page = post(hq, "/dashboard/campaigns", form, follow_redirects=True).text

    assert "生日前 3 天，09:30" in page
