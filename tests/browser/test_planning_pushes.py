"""Head office says when a push goes out, and sees at once what that means; it stands in the calendar."""

from playwright.sync_api import expect
from sqlalchemy import update

from core.clock import utc_now
from core.db import db, transaction
from push.models import Campaign
from tests.factories import make_chain, make_staff
from tests.push.pushing import make_campaign


def test_a_push_that_recurs_is_planned_and_stands_in_the_calendar(site, desktop):
    site.sign_in(desktop, make_staff(make_chain()))
    desktop.goto(f"{site.url}/dashboard/campaigns/new")
    desktop.fill("[name=name]", "每天早上")
    desktop.fill("[name=title]", "早安")
    desktop.fill("[name=body]", "今天也来坐坐。")
    times = desktop.locator("#times")
    expect(times).to_contain_text("马上发")

    desktop.get_by_text("定期发").click()
    expect(times).to_contain_text("至少选一个星期几")
    for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun"):
        desktop.locator(f"[name=weekdays][value={day}]").check()
    desktop.fill("[name=time]", "09:30")
    expect(times).to_contain_text("每天 09:30")
    expect(times.locator("li")).to_have_count(5)

    desktop.get_by_label("多久一次").select_option("cron")
    desktop.fill("[name=cron]", "0 22 * * *")
    expect(times).to_contain_text("免打扰")
    desktop.get_by_label("多久一次").select_option("weekdays")
    expect(times).to_contain_text("每天 09:30")
    desktop.get_by_role("button", name="安排发送").click()
    expect(desktop.locator(".undo")).to_contain_text("09:30")

    desktop.goto(f"{site.url}/dashboard/campaigns/calendar?month={utc_now():%Y-%m}")
    expect(desktop.locator(".push").first).to_contain_text("每天早上")
    desktop.locator(".day:has(.push) .day__head a").first.click()
    expect(desktop.locator("#day")).to_contain_text("全体会员")


def test_one_channel_or_the_first_is_asked_only_where_several_are_chosen(site, desktop):
    site.sign_in(desktop, make_staff(make_chain()))
    desktop.goto(f"{site.url}/dashboard/campaigns/new")
    question = desktop.get_by_label("只发第一个能到的")
    expect(question).to_be_hidden()

    desktop.evaluate("document.querySelectorAll('.ways input[disabled]').forEach(way => { way.disabled = false })")
    desktop.locator(".ways .choice--off input").first.check()

    expect(question).to_be_visible()


def test_a_missed_push_asks_within_the_width_of_a_phone(site, phone):
    chain = make_chain()
    campaign = make_campaign(chain, schedule={"kind": "recurring", "weekdays": ["fri"], "time": "17:30"})
    with transaction():
        db.session.execute(update(Campaign).where(Campaign.id == campaign.id).values(state="missed"))
    site.sign_in(phone, make_staff(chain))

    phone.goto(f"{site.url}/dashboard/campaigns/{campaign.id}?lang=en")

    expect(phone.get_by_text("Drop it", exact=True)).to_be_visible()
    assert phone.evaluate("document.documentElement.scrollWidth - innerWidth") == 0


def test_what_an_empty_month_says_stands_within_its_panel(site, phone):
    site.sign_in(phone, make_staff(make_chain()))

    phone.goto(f"{site.url}/dashboard/campaigns/calendar")

    said, panel = (phone.locator(where).bounding_box() for where in (".panel .empty", ".panel:has(.empty)"))
    assert said["y"] + said["height"] <= panel["y"] + panel["height"]
