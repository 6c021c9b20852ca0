"""A reward that looked odd: its evidence is read, it is let through, and the member has it; by mouse and by keys."""

from playwright.sync_api import Page, expect
from sqlalchemy import select, update

from cards.models import Card, Member
from core.audit import SYSTEM
from core.clock import utc_now
from core.db import db, transaction
from core.hot import one_action
from coupons.models import Coupon
from sharing import joining, linking, reward_rules, rewarding
from sharing.reward_models import Reward
from sharing.reward_rules import RuleDraft
from stores.models import Staff
from tests.browser.conftest import Site
from tests.factories import make_card, make_chain, make_offer, make_staff, make_store, make_store_code, make_wallet


def flagged_rewards(friends: int = 1) -> str:
    """The card number of a referrer whose friends all have his phone number."""
    now = utc_now()
    chain = make_chain()
    code = make_store_code(make_store(chain))
    thanks = make_offer(chain, name="谢礼", name_en="Thanks", is_public=False, per_member_limit=9)
    draft = RuleDraft("荐友有礼", "Bring a friend", "card_issued", hold_days=0, referrer_offer_id=thanks.id)
    with transaction():
        rule = reward_rules.create_rule(chain.id, draft, by=SYSTEM, now=now)
        reward_rules.start_rule(chain.id, rule.id, by=SYSTEM, now=now)
    card = make_card(code, now=now)
    chain_id, card_id = chain.id, card.id
    for _ in range(friends):
        wallet_id = make_wallet()
        with one_action() as hot:
            token = linking.create_link(hot, chain_id, card_id, "friend", now=now).token
            joining.join_by_link(hot, token, wallet_id=wallet_id, visitor="v", language="zh", now=now)
    with transaction():
        db.session.execute(update(Member).values(phone="+8613800000001"))
    while rewarding.earn_batch(chain_id, now=utc_now()):
        pass
    make_staff(chain, login="hq@example.com")
    return card.number


def head_office() -> Staff:
    return db.session.scalars(select(Staff)).one()


def test_a_flagged_reward_is_read_approved_and_the_member_has_it(site: Site, desktop: Page):
    number = flagged_rewards()
    site.sign_in(desktop, head_office())

    desktop.goto(f"{site.url}/dashboard/rewards/queue?lang=en")
    case = desktop.locator(".case")
    expect(case).to_contain_text("Friend and referrer have the same phone number.")
    case.get_by_text("Who stands behind it").click()
    expect(case.locator("table")).to_contain_text(number[-4:])
    case.locator(".decide > summary").first.click()
    case.get_by_role("button", name="One family").click()

    expect(desktop.locator(".notice--good")).to_contain_text("1 reward is given.")
    expect(desktop.locator(".case")).to_have_count(0)
    db.session.rollback()
    coupon = db.session.scalars(select(Coupon)).one()
    assert (coupon.source, db.session.get_one(Card, coupon.card_id).number) == ("share_reward", number)


def test_several_are_decided_by_keys_alone(site: Site, phone: Page):
    flagged_rewards(friends=2)
    site.sign_in(phone, head_office())

    phone.goto(f"{site.url}/dashboard/rewards/queue?lang=en")
    for tick in phone.locator(".case__tick input").all():
        tick.focus()
        phone.keyboard.press("Space")
    phone.locator("#decide-ticked input[name=reason]").focus()
    phone.keyboard.type("Looks like one person")
    phone.keyboard.press("Tab")
    phone.keyboard.press("Tab")
    expect(phone.get_by_role("button", name="Reject the ticked")).to_be_focused()
    phone.keyboard.press("Enter")

    expect(phone.locator(".notice--good")).to_contain_text("2 rewards are rejected.")
    db.session.rollback()
    assert {reward.state for reward in db.session.scalars(select(Reward))} == {"rejected"}
    assert db.session.scalar(select(Coupon.id)) is None


def test_the_sentences_follow_what_is_typed(site: Site, desktop: Page):
    flagged_rewards()
    site.sign_in(desktop, head_office())

    desktop.goto(f"{site.url}/dashboard/rewards/rules/new?lang=en")
    desktop.select_option("select[name=referrer_offer]", label="Thanks")
    desktop.fill("input[name=minimum]", "25")
    expect(desktop.locator("#rule-preview")).to_contain_text("a first purchase of ¥25 or more within 30 days")
    desktop.check("input[name=trigger][value=card_issued]")
    expect(desktop.locator("#rule-preview")).to_contain_text("For each friend who takes the card you get a coupon")
    expect(desktop.locator("input[name=minimum]")).to_be_hidden()
