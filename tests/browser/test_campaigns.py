"""Head office writes a push, looks at it, takes it back, sends it; the member finds it in his wallet."""

import re
from datetime import timedelta

import pytest
from playwright.sync_api import expect

from core.clock import utc_now
from core.db import db, transaction
from push import runs
from push.delivering.sending import deliver_inbox_batch
from push.models import Campaign
from tests.factories import make_chain, make_offer, make_staff, make_store, make_store_code
from tests.push.pushing import make_member


def let_time_pass():
    """Ten minutes, a tick of the clock and a round of the worker."""
    db.session.commit()
    with transaction():
        campaign = db.session.scalars(db.select(Campaign).execution_options(populate_existing=True)).one()
        campaign.next_run_at = utc_now() - timedelta(seconds=1)
    runs.start_due_batch(now=utc_now())
    while deliver_inbox_batch(now=utc_now()):
        pass


def test_a_push_from_the_first_word_to_the_last_number(site, desktop, phone):
    chain = make_chain()
    store = make_store(chain, name="南京东路店")
    code = make_store_code(store)
    make_offer(chain)
    for _ in range(3):
        make_member(code)
    phone.goto(f"{site.url}/q/{code.token}")
    phone.locator("form[method=post] button").last.click()
    phone.wait_for_url("**/wallet/cards/**")
    site.sign_in(desktop, make_staff(chain))

    desktop.goto(f"{site.url}/dashboard/campaigns/new")
    desktop.fill("[name=name]", "周末")
    desktop.fill("[name=title]", "周末第二份半价")
    desktop.fill("[name=body]", "出示会员码即可。")
    desktop.select_option("[name=offer_id]", index=1)
    expect(desktop.locator("#preview .phone__title")).to_have_text("周末第二份半价")
    expect(desktop.locator("#reach")).to_contain_text("4")
    desktop.get_by_role("button", name="安排发送").click()
    expect(desktop.locator(".undo")).to_contain_text("还有 10 分钟可以撤回")

    desktop.get_by_role("button", name="撤回").click()
    expect(desktop.locator(".notice--good")).to_contain_text("已撤回")
    desktop.get_by_role("button", name="安排发送").click()
    expect(desktop.locator(".undo")).to_be_visible()
    let_time_pass()
    desktop.reload()

    expect(desktop.locator("#progress .tile__value")).to_have_text(["4", "4", "0", "0", "0"])
    phone.goto(f"{site.url}/wallet/inbox")
    expect(phone.get_by_text("周末第二份半价")).to_be_visible()
    expect(phone.get_by_text(re.compile("满30减5"))).to_be_visible()


def test_a_push_is_written_in_versions_and_looked_at_on_every_channel(site, desktop):
    chain = make_chain()
    code = make_store_code(make_store(chain, name="五角场店"))
    make_member(code, name="王小雪", email="w@example.com")
    site.sign_in(desktop, make_staff(chain))
    desktop.goto(f"{site.url}/dashboard/campaigns/new")
    asked = []
    desktop.on("request", lambda request: asked.append(request.url.rpartition("/")[2]))

    desktop.fill("[name=title]", "周末")
    desktop.fill("[name=body]", "你好 ")
    desktop.focus("[name=body]")
    desktop.keyboard.press("End")
    desktop.get_by_role("button", name="称呼").first.click()
    expect(desktop.locator("#preview .phone__body")).to_have_text("你好 林小雪")
    assert "whom" not in asked  # words change nothing about whom it reaches

    desktop.select_option("[name=shown_reader]", label="王**")
    expect(desktop.locator("#preview .phone__body")).to_have_text("你好 王小雪")
    desktop.check("[name=channels][value=inbox]")
    desktop.click("button[value=add_variant]")
    desktop.fill("[name='B.any.zh.title']", "两个人更划算")
    desktop.locator("#preview label", has_text="版本 B").click()
    expect(desktop.locator("#preview .phone__title")).to_have_text("两个人更划算")
    expect(desktop.locator("[name='share.B']")).to_have_value("50")

    desktop.check("[name=audience][value=own]")
    desktop.click("button[value='add:r']")
    desktop.select_option("[name='r_0-what']", "points.at_least")
    desktop.fill("[name='r_0-value']", "100")
    expect(desktop.locator("#reach")).to_contain_text("0")
    desktop.fill("[name='r_0-value']", "0")
    expect(desktop.locator("#reach")).to_contain_text("1")

    desktop.fill("[name=name]", "周末")
    desktop.get_by_role("button", name="存为草稿").click()
    desktop.wait_for_url("**/dashboard/campaigns/1")
    campaign = db.session.scalars(db.select(Campaign)).one()
    assert campaign.audience == {"all": [{"field": "points", "op": "at_least", "value": 0}]}
    assert campaign.texts["B"]["any"]["zh"]["title"] == "两个人更划算"
    assert [each["share_bp"] for each in campaign.variants] == [5000, 5000]


def test_words_are_kept_as_a_template_and_begin_the_next_push(site, desktop):
    site.sign_in(desktop, make_staff(make_chain()))
    desktop.goto(f"{site.url}/dashboard/templates")
    desktop.get_by_role("link", name="写第一个模板").click()
    desktop.fill("[name=name]", "生日")
    desktop.fill("[name=title]", "生日快乐")
    desktop.fill("[name=body]", "{name}，今天有礼物")
    expect(desktop.locator("#preview .phone__body")).to_have_text("林小雪，今天有礼物")
    desktop.get_by_role("button", name="保存").click()

    desktop.get_by_role("link", name="使用").click()
    expect(desktop.locator("[name=title]")).to_have_value("生日快乐")
    desktop.goto(f"{site.url}/dashboard/templates")
    desktop.get_by_role("button", name="收起来").click()
    desktop.get_by_role("button", name="撤销").click()

    expect(desktop.locator("#templates")).to_contain_text("生日快乐")


@pytest.mark.parametrize("scripts", [True, False])
def test_what_is_wrong_stands_at_its_field_with_the_cursor_in_it(site, browser, scripts):
    chain = make_chain()
    make_store(chain)
    context = browser.new_context(
        java_script_enabled=scripts, viewport={"width": 390, "height": 844}, locale="zh-CN", reduced_motion="reduce"
    )
    page = context.new_page()
    site.sign_in(page, make_staff(chain))
    page.goto(f"{site.url}/dashboard/campaigns/new")
    page.fill("[name=name]", "周末")
    page.fill("[name=title]", "周末第二份半价")
    page.fill("[name=body]", "出示会员码即可，{nmae}。")

    page.get_by_role("button", name="存为草稿").click()

    body = page.locator("#f-body")
    expect(body).to_be_focused()
    expect(body).to_be_in_viewport()
    expect(body).to_have_value("出示会员码即可，{nmae}。")
    expect(body).to_have_accessible_description(re.compile("不认识变量 {nmae}"))
    expect(page.locator("[name=title]")).to_have_value("周末第二份半价")
    page.keyboard.press("Tab")
    page.get_by_role("link", name=re.compile("推送活动还差一点")).click()
    expect(body).to_be_focused()
    context.close()
