"""Head office writes a push, looks at it, takes it back, sends it; the member finds it in his wallet."""

import re
from datetime import timedelta

from playwright.sync_api import expect

from core.clock import utc_now
from core.db import db, transaction
from push import runs
from push.models import Campaign
from push.sending import deliver_inbox_batch
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
