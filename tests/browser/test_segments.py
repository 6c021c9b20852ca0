"""Head office puts a segment together, sees whom it means while choosing, and finds it again."""

from playwright.sync_api import expect

from core.db import db
from push.audiences.models import Segment
from tests.factories import make_chain, make_staff, make_store, make_store_code
from tests.push.pushing import make_member


def test_a_segment_is_put_together_while_the_count_follows(site, desktop):
    chain = make_chain()
    here, there = (
        make_store_code(make_store(chain, name="南京东路店")),
        make_store_code(make_store(chain, name="徐家汇店")),
    )
    for code in (here, here, there):
        make_member(code, birthday="05-20" if code is here else None)
    site.sign_in(desktop, make_staff(chain))
    desktop.goto(f"{site.url}/dashboard/segments")
    desktop.get_by_role("link", name="新建人群").click()
    expect(desktop.locator("#reach")).to_contain_text("3")

    desktop.get_by_role("button", name="加一个条件").click()
    desktop.locator("#f-r_0-what").select_option("birthday.in_month")
    desktop.locator("[name=r_0-value][value='5']").check()
    expect(desktop.locator("#reach")).to_contain_text("2")
    desktop.locator("[name=r_0-out]").check()
    expect(desktop.locator("#reach")).to_contain_text("1")
    desktop.get_by_role("button", name="加一组条件").click()
    desktop.locator("#f-r_1_0-what").select_option("store.in")
    desktop.locator("#f-r-mode").select_option("any")
    desktop.get_by_label("南京东路店").check()
    expect(desktop.locator("#reach")).to_contain_text("3")
    desktop.get_by_role("button", name="去掉这一组").click()
    expect(desktop.locator("#f-r_1_0-what")).to_have_count(0)
    expect(desktop.locator("#reach")).to_contain_text("1")
    expect(desktop.locator("[name=r_0-value][value='5']")).to_be_checked()

    desktop.fill("[name=name]", "五月以外")
    desktop.keyboard.press("Enter")
    expect(desktop.locator("h1")).to_have_text("五月以外")
    expect(desktop.locator(".reach")).to_contain_text("不符合（5 月过生日）")
    db.session.rollback()
    month = {"field": "birthday", "op": "in_month", "value": [5]}
    assert db.session.scalars(db.select(Segment)).one().rules == {"any": [{"not": month}]}
    desktop.get_by_role("link", name="人群", exact=True).click()
    expect(desktop.get_by_role("row", name="五月以外")).to_contain_text("1")
