"""A card is shared on one phone and taken on another; head office sees the edge and walks through the tree."""

import json
import re

from playwright.sync_api import Page, expect
from sqlalchemy import select

from cards.models import Card, Member
from core.audit import SYSTEM
from core.clock import utc_now
from core.db import db, transaction
from core.hot import one_action, this_transaction
from sharing import joining, linking, reward_rules, rewarding
from sharing.models import Referral, ShareLink, ShareVisit
from sharing.reward_rules import RuleDraft
from stores.models import Chain
from tests.browser.conftest import Site
from tests.factories import (
    make_chain,
    make_offer,
    make_staff,
    make_store,
    make_store_code,
    make_wallet,
    program_of,
)


def test_a_shared_card_is_taken_on_a_friends_phone(site: Site, phone: Page, friends_phone: Page):
    chain = make_chain()
    make_offer(chain, program_id=program_of(chain).id, is_public=False)
    code = make_store_code(make_store(chain))

    phone.goto(f"{site.url}/q/{code.token}")
    phone.click(".action button")
    phone.wait_for_url("**/wallet/cards/*")
    phone.click("[data-opens=share]")
    phone.click("#share button[value=copy]")
    link = phone.locator("#share-link input")
    expect(link).to_have_value(re.compile(re.escape(f"{site.url}/s/") + r"\w{13}"))
    url = link.input_value()

    friends_phone.goto(url)
    expect(friends_phone.locator("h1")).to_contain_text("送你")
    expect(friends_phone.locator("body")).to_contain_text("满30元减5元")
    friends_phone.wait_for_timeout(2_500)  # the page tells that it was really seen
    friends_phone.click(".action button")
    friends_phone.wait_for_url("**/wallet/cards/*")

    with transaction():
        edge = db.session.scalars(select(Referral)).one()
        shared = db.session.scalars(select(ShareLink)).one()
        visits = db.session.scalars(select(ShareVisit)).all()
    assert (edge.share_link_id, edge.channel, edge.depth) == (shared.id, "copy", 1)
    assert len(visits) == shared.visits == 1


SHEET = """
navigator.canShare = (data) => Boolean(data.files?.length);
navigator.share = async (data) => {
  const files = (data.files ?? []).map((file) => [file.type, file.size]);
  document.documentElement.dataset.shared = JSON.stringify({ ...data, files });
};
"""


def test_a_card_goes_from_hand_to_hand_and_both_see_their_reward(site: Site, phone: Page, friends_phone: Page):
    chain = make_chain()
    code = make_store_code(make_store(chain))
    reward_both_sides(chain)
    phone.add_init_script(SHEET)  # the phone's own sheet

    phone.goto(f"{site.url}/q/{code.token}")
    phone.click(".action button")
    phone.wait_for_url("**/wallet/cards/*")
    card_url = phone.url
    phone.get_by_role("button", name="发给朋友").tap()
    expect(phone.locator("html")).to_have_attribute("data-shared", re.compile("files"))
    sent = json.loads(phone.locator("html").get_attribute("data-shared") or "")
    assert "送你一张雪山冰品会员卡" in sent["text"]
    assert [kind for kind, size in sent["files"] if size > 1000] == ["image/png"]

    friends_phone.goto(sent["url"])
    expect(friends_phone.locator("body")).to_contain_text("领卡即送20积分")
    friends_phone.click(".action button")
    friends_phone.wait_for_url("**/wallet/cards/*")
    while rewarding.earn_batch(chain.id, now=utc_now()) or rewarding.give_due_batch(chain.id, now=utc_now()):
        pass

    phone.goto(f"{card_url}/friends")
    expect(phone.locator("h1")).to_have_text("您带来了 1 位朋友")
    expect(phone.locator("main")).to_contain_text("50积分")
    expect(phone.locator("main .tag")).to_have_text("已到账")
    friends_phone.click("a.row[href$='/friends']")
    expect(friends_phone.locator("main")).to_contain_text("因为您通过朋友领卡")
    expect(friends_phone.locator("main .tag")).to_have_text("已到账")
    friends_phone.click(".page__top a")
    expect(friends_phone.locator(".stats")).to_contain_text("20")
    with transaction():
        link = db.session.scalars(select(ShareLink)).one()
    assert (link.channel, link.occasion) == ("friend", "joined")


def test_the_example_follows_the_choice_of_a_name(site: Site, phone: Page):
    code = make_store_code(make_store(make_chain()))
    phone.goto(f"{site.url}/q/{code.token}")
    phone.click(".action button")
    phone.wait_for_url("**/wallet/cards/*")

    phone.goto(f"{phone.url}/name")
    expect(phone.locator("[name=nickname]")).to_be_hidden()
    phone.get_by_label("昵称").first.check()
    phone.fill("[name=nickname]", "雪糕控")
    expect(phone.locator("[data-naming-example]")).to_have_text("雪糕控 送你一张雪山冰品会员卡")
    phone.click("#naming button[type=submit]")
    expect(phone.locator(".notice")).to_contain_text("已保存")
    expect(phone.locator("[name=nickname]")).to_have_value("雪糕控")


def reward_both_sides(chain: Chain) -> None:
    """50 points for whoever brings a friend, 20 for the friend, at once."""
    now = utc_now()
    draft = RuleDraft("荐友有礼", "Bring a friend", "card_issued", hold_days=0, referrer_points=50, friend_points=20)
    with transaction():
        rule = reward_rules.create_rule(chain.id, draft, by=SYSTEM, now=now)
        reward_rules.start_rule(chain.id, rule.id, by=SYSTEM, now=now)


def test_the_editor_shows_the_coupon_while_it_is_typed(site: Site, desktop: Page):
    chain = make_chain()
    site.sign_in(desktop, make_staff(chain))
    desktop.goto(f"{site.url}/dashboard/offers/new")

    desktop.fill("[name=name]", "夏日券")
    desktop.fill("[name=value]", "8")
    desktop.fill("[name=minimum]", "50")
    expect(desktop.locator("#preview")).to_contain_text("满50元减8元")
    desktop.check("[name=kind][value=percent]")
    desktop.fill("[name=percent]", "15")
    expect(desktop.locator("#preview")).to_contain_text("满50元打85折")
    expect(desktop.locator("[name=value]")).to_be_hidden()
    desktop.click("button.button--primary:has-text('存为草稿')")
    desktop.wait_for_url("**/dashboard/offers/*")
    desktop.click(".confirm summary:has-text('发布')")
    desktop.click(".confirm__panel button:has-text('发布')")
    expect(desktop.locator(".notice")).to_contain_text("可以领取了")


def accept(card: Card) -> Card:
    with transaction():
        link = linking.create_link(this_transaction(), card.chain_id, card.id, "friend", now=utc_now())
    wallet_id = make_wallet()
    with one_action() as hot:
        joined = joining.join_by_link(hot, link.token, wallet_id=wallet_id, visitor="v", language="zh", now=utc_now())
    return db.session.get_one(Card, joined.card_id)


def rename(card: Card, name: str) -> None:
    with transaction():
        db.session.get_one(Member, card.member_id).name = name
