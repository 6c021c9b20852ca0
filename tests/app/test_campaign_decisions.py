"""A second person's word, what was missed, new words and another try, on the pages; and the calendar."""

import re
from datetime import timedelta

import pytest

from core.audit import SYSTEM, Author
from core.clock import utc_now
from core.db import db, insert, transaction
from push import approving, campaigns, runs
from push.models import Campaign, CampaignState, Delivery, DeliveryState, PushPolicy, Run
from push.timing.policies import Oversight, get_oversight, set_oversight
from stores.models import Role
from tests.factories import make_chain, make_staff, make_store, make_store_code
from tests.pages import post, sign_in
from tests.push.pushing import make_campaign, make_member, newest_run, schedule, send_all, state_of

pytestmark = pytest.mark.usefixtures("app")
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
WAITS = "已暂停，没发出的先等着。"
FRIDAYS = {"kind": "recurring", "weekdays": ["fri"], "time": "17:30"}


@pytest.fixture
def chain():
    return make_chain()


@pytest.fixture
def hq(client, chain):
    return sign_in(client, make_staff(chain))


@pytest.fixture
def watched(chain):
    """A chain in which a second person reads every push."""
    with transaction():
        set_oversight(chain.id, Oversight(needs_approval=True), by=SYSTEM, now=utc_now())
    return chain


def start_now(campaign, *, now=None):
    now = now or utc_now()
    schedule(campaign, {"kind": "now"}, now=now - 10 * MINUTE)
    runs.start_due_batch(now=now)
    return newest_run(campaign)


def as_it_is(campaign):
    db.session.commit()
    return campaigns.get_campaign(campaign.chain_id, campaign.id)


def page(client, campaign, path=""):
    return client.get(f"/dashboard/campaigns/{campaign.id}{path}")


def act(client, campaign, verb, form=None, **more):
    return post(client, f"/dashboard/campaigns/{campaign.id}/{verb}", form or {}, follow_redirects=True, **more)


# --- the second person


def test_one_submits_and_another_approves_and_schedules(hq, watched):
    campaign = make_campaign(watched)
    assert "提交审批" in page(hq, campaign).text
    assert "正等待总部另一位同事审批" in act(hq, campaign, "submit").text
    assert "批准并安排发送" not in page(hq, campaign).text

    sign_in(hq, make_staff(watched, name="何一鸣"))
    seen = page(hq, campaign).text
    assert "请您审阅" in seen
    submitted_at = re.search(r'name="submitted_at" value="([^"]+)"', seen)[1]
    after = act(hq, campaign, "approve", {"submitted_at": submitted_at, "schedule": "yes"}).text

    assert "还有 10 分钟可以撤回" in after
    assert as_it_is(campaign).state == CampaignState.SCHEDULED


def test_without_approval_the_button_is_not_there_and_the_address_refuses(hq, watched):
    campaign = make_campaign(watched)

    assert "/schedule" not in page(hq, campaign).text
    assert "由另一个人批准" in act(hq, campaign, "schedule").text
    assert as_it_is(campaign).state == CampaignState.DRAFT


def test_nobody_approves_his_own_on_the_page(hq, watched):
    campaign = make_campaign(watched)
    act(hq, campaign, "submit")

    answer = act(hq, campaign, "approve", {"submitted_at": as_it_is(campaign).submitted_at.isoformat()})

    assert "另一个人" in answer.text
    assert as_it_is(campaign).approved_at is None


def test_what_was_changed_meanwhile_is_not_approved(hq, watched):
    campaign = make_campaign(watched)
    with transaction():
        approving.submit_campaign(watched.id, campaign.id, by=Author("staff:99"), now=utc_now())

    answer = act(hq, campaign, "approve", {"submitted_at": "2020-01-01T00:00:00+00:00"})

    assert "您看过之后它又改了" in answer.text


def test_it_is_sent_back_with_a_word_for_the_writer(hq, watched):
    campaign = make_campaign(watched)
    with transaction():
        approving.submit_campaign(watched.id, campaign.id, by=Author("staff:99"), now=utc_now())

    answer = act(hq, campaign, "send-back", {"reason": "少一个价格"})

    assert "少一个价格" in answer.text
    assert "提交审批" in answer.text


def test_the_list_and_the_front_page_say_what_waits(hq, watched):
    make_member(make_store_code(make_store(watched)))
    campaign = make_campaign(watched)
    with transaction():
        approving.submit_campaign(watched.id, campaign.id, by=Author("staff:99"), now=utc_now())

    assert "等待批准" in hq.get("/dashboard/campaigns").text
    assert "等待批准" in page(hq, campaign).text
    front = hq.get("/dashboard/").text
    assert "等您批准" in front
    assert f'href="/dashboard/campaigns/{campaign.id}"' in front


def test_the_settings_keep_who_looks_and_what_stops(hq, chain):
    form = {"quiet_from": "21", "quiet_until": "9", "cap_per_day": "1", "cap_per_week": "3"}
    form |= {"needs_approval": "yes", "global_holdout_bp": "2.5", "error_pause_bp": "15", "error_pause_after": "80"}

    shown = post(hq, "/dashboard/settings/push", form, follow_redirects=True).text

    assert get_oversight(chain.id) == Oversight(True, 250, 1500, 80)
    assert 'value="2.5"' in shown
    assert "没有人能批准" in shown


def test_settings_that_make_no_sense_stay_typed(hq, chain):
    form = {"quiet_from": "21", "quiet_until": "9", "cap_per_day": "1", "cap_per_week": "3"}
    form |= {"global_holdout_bp": "50", "error_pause_bp": "20", "error_pause_after": "50"}

    answer = post(hq, "/dashboard/settings/push", form)

    assert answer.status_code == 422
    assert 'value="50"' in answer.text
    assert get_oversight(chain.id) == Oversight()


# --- missed


@pytest.fixture
def missed(chain):
    campaign = make_campaign(chain, schedule=FRIDAYS)
    schedule(campaign, FRIDAYS, now=utc_now() - timedelta(days=8))
    runs.start_due_batch(now=utc_now())
    assert state_of(campaign) == CampaignState.MISSED
    return campaign


def test_a_missed_one_that_recurs_is_sent_now_and_goes_on(hq, missed):
    assert "等下一次" in page(hq, missed).text

    act(hq, missed, "missed", {"do": "now"})

    campaign = as_it_is(missed)
    assert (campaign.state, campaign.schedule["kind"]) == (CampaignState.SCHEDULED, "recurring")
    assert campaign.next_run_at < utc_now() + HOUR


def test_a_missed_one_waits_for_its_next_time(hq, missed):
    act(hq, missed, "missed", {"do": "next"})

    campaign = as_it_is(missed)
    assert campaign.state == CampaignState.SCHEDULED
    assert campaign.next_run_at > utc_now()


def test_a_missed_one_is_dropped(hq, missed):
    assert "已放弃" in act(hq, missed, "missed", {"do": "drop"}).text
    assert as_it_is(missed).state == CampaignState.CANCELLED


def test_a_choice_that_nobody_offered_is_not_there(hq, missed):
    assert act(hq, missed, "missed", {"do": "?"}).status_code == 404


# --- another try


@pytest.fixture
def failing(chain):
    """A run by e-mail of which three failed for two reasons."""
    code = make_store_code(make_store(chain))
    for n in range(4):
        make_member(code, email=f"m{n}@example.com")
    campaign = make_campaign(chain, "email")
    start_now(campaign)
    with transaction():
        rows = db.session.scalars(db.select(Delivery).order_by(Delivery.id)).all()
        for row, error in zip(rows, ("smtp 550", "smtp 550", "gateway 400"), strict=False):
            row.state, row.error, row.attempts = DeliveryState.FAILED, error, 1
    return campaign


def states(campaign):
    db.session.commit()
    rows = db.session.scalars(db.select(Delivery).order_by(Delivery.id).execution_options(populate_existing=True))
    return [row.state for row in rows]


def test_errors_are_said_in_plain_words_and_one_kind_is_tried_again(hq, failing):
    run = newest_run(failing)
    shown = page(hq, failing).text
    assert "对方邮箱拒收" in shown
    assert "2 条已放弃" in shown

    answer = act(hq, failing, f"runs/{run.id}/retry", {"error": "smtp 550"})

    assert "正在重试 2 条" in answer.text
    assert states(failing) == ["pending", "pending", "failed", "pending"]


def test_all_that_failed_is_tried_again(hq, failing):
    act(hq, failing, f"runs/{newest_run(failing).id}/retry")

    assert set(states(failing)) == {"pending"}


def test_a_run_of_another_campaign_is_not_there(hq, failing, chain):
    other = make_campaign(chain)

    assert act(hq, other, f"runs/{newest_run(failing).id}/retry").status_code == 404


def test_a_run_that_paused_by_itself_says_why(hq, failing):
    run = newest_run(failing)
    with transaction():
        with_run = db.session.merge(run)
        with_run.state, with_run.pause_reason = "paused", "errors"
        db.session.get_one(Campaign, failing.id).state = CampaignState.PAUSED

    assert "试发 3 条，3 条出错" in page(hq, failing).text
    act(hq, failing, "resume")
    by_hand = act(hq, failing, "pause").text
    assert ("试发 3 条，3 条出错" in by_hand, by_hand.count(WAITS)) == (False, 1)


def test_a_run_that_paused_for_one_channel_names_it_with_its_numbers(hq, chain):
    code = make_store_code(make_store(chain))
    with transaction():
        db.session.execute(insert(PushPolicy).values(chain_id=chain.id, error_pause_bp=5000, error_pause_after=2))
    for each in range(5):
        make_member(code, email=f"m{each}@example.com" if each < 2 else None)
    campaign = make_campaign(chain, "inbox", "email")
    run = start_now(campaign)
    with transaction():
        for row in db.session.scalars(db.select(Delivery).where(Delivery.state == DeliveryState.PENDING)).all():
            is_mail = row.channel == "email"
            row.state = DeliveryState.FAILED if is_mail else DeliveryState.DELIVERED
            row.error, row.sent_at = ("smtp 550", None) if is_mail else (None, utc_now())
        paused = db.session.get_one(Run, run.id)
        paused.state, paused.pause_reason = "paused", "errors"
        db.session.get_one(Campaign, campaign.id).state = CampaignState.PAUSED

    assert "电子邮件：试发 2 条，2 条出错" in page(hq, campaign).text


def test_the_rows_of_what_failed_say_why_in_words(hq, failing):
    rows = hq.get(f"/dashboard/campaigns/{failing.id}/deliveries?state=failed").text

    assert "对方邮箱拒收" in rows
    assert "smtp 550" in rows


def test_what_the_page_says_of_pausing_it_says_once(hq, chain):
    make_member(make_store_code(make_store(chain)))
    campaign = make_campaign(chain)
    start_now(campaign)

    paused = act(hq, campaign, "pause").text

    assert paused.count(WAITS) == 1
    assert f'action="/dashboard/campaigns/{campaign.id}/resume"' in paused  # the way back


def test_what_the_page_says_of_an_approval_it_says_once(hq, watched):
    campaign = make_campaign(watched)
    submitted = act(hq, campaign, "submit").text
    assert submitted.count("等待") == 2  # the badge and the sentence
    sign_in(hq, make_staff(watched, name="何一鸣"))

    assert act(hq, campaign, "send-back", {"reason": "少一个价格"}).text.count("少一个价格") == 1
    act(hq, campaign, "submit")
    sign_in(hq, make_staff(watched, name="林小满"))
    submitted_at = as_it_is(campaign).submitted_at.isoformat()
    approved = act(hq, campaign, "approve", {"submitted_at": submitted_at}).text

    assert re.findall(r"[^>]*已批准[^<]*", approved) == ["何一鸣 提交，林小满 已批准，可以发送。"]


# --- new words


def test_what_has_not_gone_of_a_paused_campaign_says_new_words(hq, chain):
    code = make_store_code(make_store(chain))
    for n in range(3):
        make_member(code, email=f"m{n}@example.com", language="zh")
    campaign = make_campaign(chain, "email")
    start_now(campaign)
    act(hq, campaign, "pause")
    assert "还有 3 条没发出" in page(hq, campaign, "/words").text

    form = {"title": "改好了", "title_en": "Put right", "body": "新的内容。", "body_en": "New words."}
    answer = act(hq, campaign, "words", form)
    assert "3 条会用新的内容发出" in answer.text
    act(hq, campaign, "resume")
    sent = send_all(now=utc_now() + HOUR)["email"].sent

    assert {message.title for message in sent} <= {"改好了"}
    assert newest_run(campaign).title == "改好了"


def test_words_that_lack_something_stay_typed(hq, chain):
    campaign = make_campaign(chain)
    start_now(campaign)
    act(hq, campaign, "pause")

    answer = act(hq, campaign, "words", {"title": "只有标题", "body": ""})

    assert answer.status_code == 422
    assert "只有标题" in answer.text


def test_what_is_not_paused_keeps_its_words(hq, chain):
    campaign = make_campaign(chain)

    assert page(hq, campaign, "/words").status_code == 302


# --- the calendar


def test_the_calendar_shows_the_month(hq, chain):
    schedule(make_campaign(chain, schedule=FRIDAYS), FRIDAYS, now=utc_now())
    start_now(make_campaign(chain))

    shown = hq.get("/dashboard/campaigns/calendar").text

    assert shown.count('class="push ') >= 1
    assert "上个月" in shown


def test_the_calendar_says_which_push_paused_on_its_way(hq, chain):
    make_member(make_store_code(make_store(chain)))
    campaign = make_campaign(chain)
    start_now(campaign)
    act(hq, campaign, "pause")

    shown = hq.get("/dashboard/campaigns/calendar").text

    assert re.search(r'push--warn push--past".*?<span class="push__end">已暂停', shown, re.S)


def test_a_day_of_the_calendar_says_whom_and_how_many(hq, chain):
    make_member(make_store_code(make_store(chain)))
    at = (utc_now() + timedelta(days=3)).replace(hour=4)
    campaign = make_campaign(chain)
    schedule(campaign, {"kind": "at", "at": at.isoformat()}, now=utc_now())

    shown = hq.get(f"/dashboard/campaigns/calendar?day={at.date()}").text

    assert "全体会员" in shown
    assert "1 位会员" in shown


def test_a_day_on_which_too_much_is_planned_says_so(hq, chain):
    at = (utc_now() + timedelta(days=3)).replace(hour=4)
    for _ in range(2):
        schedule(make_campaign(chain, "email"), {"kind": "at", "at": at.isoformat()}, now=utc_now())

    shown = hq.get(f"/dashboard/campaigns/calendar?day={at.date()}").text

    assert "2 条促销" in shown
    assert "不会全部收到" in shown


@pytest.mark.parametrize("asked", ["month=2026-13", "month=x", "day=0000-01-01", "month=9999-12", "day=2020-01-01"])
def test_months_that_there_are_not_show_this_one(hq, asked):
    assert hq.get(f"/dashboard/campaigns/calendar?{asked}").status_code == 200


def test_an_analyst_sees_the_calendar_and_cannot_write(client, chain):
    sign_in(client, make_staff(chain, Role.HQ_ANALYST))

    shown = client.get("/dashboard/campaigns/calendar")

    assert shown.status_code == 200
    assert "新建推送" not in shown.text


def test_every_word_is_there_in_english(hq, watched):
    campaign = make_campaign(watched)
    with transaction():
        approving.submit_campaign(watched.id, campaign.id, by=Author("staff:99"), now=utc_now())
    written = (campaign.title, campaign.body, campaign.name, "中文", "消息", "雪山冰品", "周五")

    for path in ("", "/calendar", f"/{campaign.id}", f"/calendar?day={utc_now().date()}"):
        sign = "&" if "?" in path else "?"
        shown = hq.get(f"/dashboard/campaigns{path}{sign}lang=en").text
        words = re.sub(r"<[^>]+>", " ", re.search(r"<main.*</main>", shown, re.S)[0])
        for text in written:
            words = words.replace(text, "")
        assert re.findall(r"[\u4e00-\u9fff]+", words) == [], path
