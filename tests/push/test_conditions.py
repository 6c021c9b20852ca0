"""What each condition means, and that trees of them are sets put together."""

from datetime import datetime, timedelta
from itertools import count
from random import Random
from typing import Any

import pytest

from app.reports.question import Reader, ask
from app.reports.streaming import export
from cards.models import Card, CardState, Member, Program, Tier
from checkout.models import Checkout, CheckoutState
from core.audit import SYSTEM
from core.db import db, transaction
from coupons.models import CouponState
from push.audiences import consents
from push.audiences.conditions import CONDITIONS
from push.audiences.models import Segment
from push.audiences.saved_segments import create_segment
from push.audiences.segments import check_audience, count_reach, sample_members
from push.channels.models import WebPushSubscription, WechatUser
from push.errors import AudienceInvalid
from push.models import Delivery
from push.sentences import audience_sentence
from push.wording.models import CampaignLink, Click
from sharing.models import Referral, ShareLink
from tests.factories import (
    NOON,
    in_days,
    make_card,
    make_chain,
    make_coupon,
    make_offer,
    make_store,
    make_store_code,
    save,
)
from tests.push.pushing import make_campaign, make_member, send_all, start

pytestmark = pytest.mark.usefixtures("app")
numbers = count(1)
KINDS = (Program, Tier)


def one(field: str, op: str, value: Any) -> dict[str, Any]:
    return {"field": field, "op": op, "value": value}


def meant(chain, node) -> set[int]:
    """The members that rules mean."""
    rows = sample_members(chain, check_audience(chain.id, node), now=NOON, limit=1000)
    return {row.id for row in rows}


def buy(card, cents=1000, *, at=NOON, refunded=0, state=CheckoutState.SETTLED):
    store_id = card.store_id
    return save(
        Checkout(
            chain_id=card.chain_id, store_id=store_id, card_id=card.id, member_id=card.member_id, settled_by="key:1",
            request_id=f"r{next(numbers)}", fingerprint="f" * 64, amount_cents=cents, member_discount_cents=0,
            coupon_discount_cents=0, payable_cents=cents, refunded_cents=refunded, points_earned=0, state=state,
            settled_at=at, business_day=at.date(), voided_at=at if state == CheckoutState.VOIDED else None,
        )
    )  # fmt: skip


def bring(referrer, friend, *, depth=1, at=NOON):
    link = save(
        ShareLink(
            chain_id=friend.chain_id, program_id=friend.program_id, card_id=referrer.id, member_id=referrer.member_id,
            token=f"share-link-{next(numbers):06}", channel="friend", created_at=at,
        )
    )  # fmt: skip
    path = "".join(f"{each:010x}" for each in range(1, depth + 2))
    return save(
        Referral(
            chain_id=friend.chain_id, member_id=friend.member_id, referrer_id=referrer.member_id,
            root_id=referrer.member_id, card_id=friend.id, share_link_id=link.id, channel="friend", depth=depth,
            path=path, created_at=at,
        )
    )  # fmt: skip


@pytest.fixture
def chain():
    return make_chain()


@pytest.fixture
def code(chain):
    return make_store_code(make_store(chain))


def change(card, **values):
    with transaction():
        row = db.session.get_one(Card, card.id)
        for name, value in values.items():
            setattr(row, name, value)


def test_near_a_store_means_joined_in_a_store_within_so_many_kilometres(chain):
    here = make_store(chain, latitude=31.2304, longitude=121.4737)
    near = make_store(chain, latitude=31.2304, longitude=121.5262)  # 5 km east
    far = make_store(chain, latitude=31.2989, longitude=120.5853)  # Suzhou
    unknown = make_store(chain, latitude=None, longitude=None)
    at_home, close, *_ = [make_card(make_store_code(store)) for store in (here, near, far, unknown)]

    assert meant(chain, one("store", "within_km", {"store": here.id, "km": 4})) == {at_home.member_id}
    assert meant(chain, one("store", "within_km", {"store": here.id, "km": 6})) == {at_home.member_id, close.member_id}
    assert meant(chain, one("store", "within_km", {"store": unknown.id, "km": 500})) == set()


def test_a_birthday_is_counted_over_the_end_of_a_year_and_a_leap_day_is_kept_on_the_first_of_march(chain, code):
    today = make_member(code, birthday="05-20")  # NOON is 20 May 2026
    soon = make_member(code, birthday="05-27")
    leap = make_member(code, birthday="02-29")
    make_member(code)

    assert meant(chain, one("birthday", "within_days", 0)) == {today.member_id}
    assert meant(chain, one("birthday", "within_days", 7)) == {today.member_id, soon.member_id}
    assert leap.member_id in meant(chain, one("birthday", "within_days", 290))
    assert leap.member_id not in meant(chain, one("birthday", "within_days", 280))
    assert meant(chain, one("birthday", "in_month", [5])) == {today.member_id, soon.member_id}
    assert meant(chain, one("birthday", "in_month", [2, 12])) == {leap.member_id}


@pytest.mark.parametrize(
    ("today", "days", "is_meant"),
    [
        pytest.param("2027-02-20", 365, True, id="1 March of a common year, seen from before a leap year"),
        pytest.param("2028-03-01", 310, False, id="the day after, seen into a common year"),
        pytest.param("2028-03-01", 364, False, id="until the day before"),
        pytest.param("2028-03-01", 365, True, id="until 1 March of the common year"),
        pytest.param("2028-02-28", 1, True, id="the leap day itself"),
    ],
)
def test_a_leap_day_comes_on_the_first_of_march_of_the_common_years_ahead(chain, code, today, days, is_meant):
    leap = make_member(code, birthday="02-29")
    rules = check_audience(chain.id, one("birthday", "within_days", days))

    found = sample_members(chain, rules, now=datetime.fromisoformat(f"{today}T04:00+00:00"))

    assert [row.id for row in found] == ([leap.member_id] if is_meant else [])


def test_who_has_no_birthday_is_among_those_who_do_not_have_it_in_may(chain, code):
    make_member(code, birthday="05-20")
    december, nobody = make_member(code, birthday="12-01"), make_member(code)

    assert meant(chain, {"not": one("birthday", "in_month", [5])}) == {december.member_id, nobody.member_id}


def test_an_address_is_one_that_can_be_used(chain, code):
    mail = make_member(code, email="a@example.com")
    make_member(code, email="")
    phone = make_member(code, phone="+8613800000001")
    proven = make_member(code, phone="+8613800000002", phone_verified_at=NOON)
    browser, gone = make_member(code), make_member(code)
    for card, gone_at in ((browser, None), (gone, NOON)):
        save(
            WebPushSubscription(
                wallet_id=card.wallet_id, endpoint=f"https://push.example/{card.id}", p256dh="k", auth="a",
                created_at=NOON, gone_at=gone_at,
            )
        )  # fmt: skip
    save(WechatUser(member_id=mail.member_id, chain_id=chain.id, openid="o1", is_following=True, at=NOON))

    found = {kind: meant(chain, one("address", "has", kind)) for kind in ("email", "phone", "verified_phone")}
    assert found["email"] == {mail.member_id}
    assert found["phone"] == {phone.member_id, proven.member_id}
    assert found["verified_phone"] == {proven.member_id}
    assert meant(chain, one("address", "has", "web_push")) == {browser.member_id}
    assert meant(chain, one("address", "has", "wechat")) == {mail.member_id}


def test_points_language_and_state_are_those_of_the_member_and_his_card(chain, code):
    rich, poor = make_member(code), make_member(code, language="en")
    change(rich, points=500)
    change(poor, points=499, state=CardState.FROZEN)

    assert meant(chain, one("points", "at_least", 500)) == {rich.member_id}
    assert meant(chain, one("points", "at_most", 499)) == {poor.member_id}
    assert meant(chain, one("language", "in", ["en"])) == {poor.member_id}
    assert meant(chain, one("card_state", "in", ["frozen"])) == {poor.member_id}


def test_coupons_held_had_used_and_about_to_expire(chain, code):
    offer, other = make_offer(chain), make_offer(chain)
    holder, user, late, early = (make_member(code) for _ in range(4))
    make_coupon(holder, offer)
    tomorrow = make_coupon(early, offer)
    used = make_coupon(user, offer)
    soon = make_coupon(late, other)
    with transaction():
        used = db.session.get_one(type(used), used.id)
        used.state, used.redeemed_at = CouponState.REDEEMED, NOON
        db.session.get_one(type(soon), soon.id).valid_until = in_days(3)
        db.session.get_one(type(tomorrow), tomorrow.id).valid_from = in_days(1)

    assert meant(chain, one("coupon", "holds", [offer.id])) == {holder.member_id}
    assert meant(chain, one("coupon", "had", [offer.id])) == {c.member_id for c in (holder, user, early)}
    assert meant(chain, one("coupon", "redeemed", [offer.id, other.id])) == {user.member_id}
    assert meant(chain, one("coupon", "expires_within_days", 3)) == {late.member_id}
    assert meant(chain, one("coupon", "expires_within_days", 2)) == set()
    assert meant(chain, one("coupon", "count_at_least", 1)) == {holder.member_id, late.member_id}


def test_purchases_are_counted_without_the_voided_and_spend_without_what_was_refunded(chain, code):
    twice, once, never, void = (make_member(code) for _ in range(4))
    buy(twice, 3000, at=in_days(-40))
    buy(twice, 1000, at=in_days(-5))
    buy(once, 5000, at=in_days(-20), refunded=4500)
    buy(void, 9000, state=CheckoutState.VOIDED)

    who = lambda field, op, **value: meant(chain, one(field, op, value))  # noqa: E731
    assert who("purchases", "at_least", count=1, days=None) == {twice.member_id, once.member_id}
    assert who("purchases", "at_least", count=2, days=None) == {twice.member_id}
    assert who("purchases", "at_least", count=2, days=30) == set()
    assert who("purchases", "at_most", count=1, days=30) == {c.member_id for c in (twice, once, never, void)}
    assert who("purchases", "at_most", count=0, days=None) == {never.member_id, void.member_id}
    assert who("spend", "at_least", cents=4000, days=None) == {twice.member_id}
    assert who("spend", "at_least", cents=500, days=30) == {twice.member_id, once.member_id}
    assert who("spend", "at_most", cents=500, days=None) == {once.member_id, never.member_id, void.member_id}
    assert who("average", "at_least", cents=2000, days=None) == {twice.member_id}
    assert meant(chain, one("purchase", "within_days", 5)) == {twice.member_id}
    assert meant(chain, one("purchase", "before_days", 10)) == {once.member_id}


def test_sharing_is_how_many_one_brought_and_through_how_many_one_came(chain, code):
    star, first, second, alone = (make_member(code) for _ in range(4))
    bring(star, first, at=in_days(-100))
    bring(star, second, at=in_days(-2))

    assert meant(chain, one("brought", "at_least", {"count": 2, "days": None})) == {star.member_id}
    assert meant(chain, one("brought", "at_least", {"count": 2, "days": 30})) == set()
    assert meant(chain, one("brought", "at_least", {"count": 1, "days": 30})) == {star.member_id}
    assert meant(chain, one("generation", "is", 0)) == {star.member_id, alone.member_id}
    assert meant(chain, one("generation", "is", 1)) == {first.member_id, second.member_id}
    assert meant(chain, one("generation", "at_least", 1)) == {first.member_id, second.member_id}
    assert meant(chain, one("generation", "at_least", 2)) == set()


def test_a_consent_is_the_newest_word(chain, code):
    yes, no = make_member(code, email="a@example.com"), make_member(code, email="b@example.com")
    with transaction():
        consents.withdraw(no.member_id, "email", "test", NOON)

    assert meant(chain, one("consent", "granted", "email")) == {yes.member_id}


def test_past_campaigns_by_what_became_of_them(chain, code):
    read, clicked, unread = (make_member(code) for _ in range(3))
    campaign = make_campaign(chain, "inbox")
    start(campaign)
    send_all()
    late = make_member(code)
    rows = {row.member_id: row for row in db.session.scalars(db.select(Delivery))}
    link = save(CampaignLink(chain_id=chain.id, campaign_id=campaign.id, url="https://example.com/"))
    with transaction():
        for card in (read, clicked):
            rows[card.member_id].read_at = NOON
    save(
        Click(
            delivery_id=rows[clicked.member_id].id, link_id=link.id, chain_id=chain.id, campaign_id=campaign.id,
            first_at=NOON, last_at=NOON, count=1,
        )
    )  # fmt: skip

    assert late.member_id not in meant(chain, one("campaign", "was_sent", [campaign.id]))
    assert meant(chain, one("campaign", "was_sent", [campaign.id])) == {c.member_id for c in (read, clicked, unread)}
    assert meant(chain, one("campaign", "opened", [campaign.id])) == {read.member_id, clicked.member_id}
    assert meant(chain, one("campaign", "clicked", [campaign.id])) == {clicked.member_id}
    assert meant(chain, one("campaign", "redeemed", [campaign.id])) == set()


def make_crowd(chain, code, random, size=25):
    """Members who differ in everything."""
    offer = make_offer(chain, per_member_limit=3)
    cards = []
    for _ in range(size):
        card = make_member(
            code,
            now=in_days(-random.randint(1, 300)),
            birthday=random.choice([None, "05-20", "06-01", "12-24"]),
            email=random.choice([None, "x@example.com"]),
            language=random.choice(["zh", "en"]),
        )
        change(card, points=random.choice([0, 100, 900]))
        for _ in range(random.choice([0, 0, 1, 3])):
            buy(card, random.choice([500, 4000]), at=in_days(-random.randint(0, 200)))
        if random.random() < 0.4:
            make_coupon(card, offer)
        if cards and random.random() < 0.5:
            bring(random.choice(cards), card, at=in_days(-random.randint(0, 60)))
        cards.append(card)
    return offer


def leaves(chain, offer, store):
    return [
        one("joined", "within_days", 120),
        one("birthday", "in_month", [5, 6]),
        one("address", "has", "email"),
        one("language", "in", ["zh"]),
        one("points", "at_least", 100),
        one("purchases", "at_least", {"count": 2, "days": None}),
        one("spend", "at_most", {"cents": 4000, "days": 90}),
        one("coupon", "holds", [offer.id]),
        one("brought", "at_least", {"count": 1, "days": None}),
        one("generation", "is", 1),
        one("store", "in", [store.id]),
        one("consent", "granted", "email"),
    ]


def tree(random, leaves, depth):
    if depth == 0 or random.random() < 0.3:
        return random.choice(leaves)
    kind = random.choice(["all", "any", "not"])
    if kind == "not":
        return {"not": tree(random, leaves, depth - 1)}
    return {kind: [tree(random, leaves, depth - 1) for _ in range(random.randint(1, 3))]}


def slowly(chain, node, everybody):
    """The same by sets."""
    if "not" in node:
        return everybody - slowly(chain, node["not"], everybody)
    if "all" in node:
        return everybody.intersection(*(slowly(chain, each, everybody) for each in node["all"]))
    if "any" in node:
        return set().union(*(slowly(chain, each, everybody) for each in node["any"]))
    return meant(chain, node)


def test_any_tree_is_its_sets_put_together(chain, code):
    random = Random(7)
    offer = make_crowd(chain, code, random)
    choices = leaves(chain, offer, db.session.get_one(type(make_store(chain)), code.store_id))
    everybody = meant(chain, {})
    for _ in range(40):
        rules = tree(random, choices, 3)

        assert meant(chain, rules) == slowly(chain, rules, everybody), rules


def sample_values(chain, code) -> dict[tuple[str, str], Any]:
    """A value for every condition there is."""
    offer, campaign = make_offer(chain), make_campaign(chain, "inbox")
    program, tier = (db.session.scalars(db.select(model.id).filter_by(chain_id=chain.id)).first() for model in KINDS)
    samples = {
        "store": [code.store_id], "tier": [tier], "coupon": [offer.id], "campaign": [campaign.id],
        "program": [program],
    }  # fmt: skip
    special: dict[tuple[str, str], Any] = {
        ("store", "within_km"): {"store": code.store_id, "km": 3},
        ("joined", "after"): "2026-05-01",
        ("joined", "before"): "2026-05-01",
        ("language", "in"): ["zh", "en"],
        ("birthday", "in_month"): [1, 5],
        ("address", "has"): "wechat",
        ("card_state", "in"): ["active", "closed"],
        ("consent", "granted"): {"channel": "email", "purpose": "service"},
        ("place", "within_km"): {"latitude": 31.2, "longitude": 121, "km": 3},
        ("purchase", "at_stores"): {"stores": [code.store_id], "days": 30},
        ("brought", "at_least"): {"count": 2, "days": 30},
        ("purchases", "at_least"): {"count": 1, "days": None},
        ("purchases", "at_most"): {"count": 0, "days": 30},
        ("spend", "at_least"): {"cents": 5000, "days": 30},
        ("spend", "at_most"): {"cents": 0, "days": None},
        ("average", "at_least"): {"cents": 5000, "days": None},
    }
    by_number = ("_days", "least", "most", "is")
    return {
        (field, op): special.get((field, op), 3 if op.endswith(by_number) else samples.get(field))
        for field, op in CONDITIONS
    }


def test_every_condition_says_itself_in_both_languages(chain, code):
    for (field, op), value in sample_values(chain, code).items():
        condition = CONDITIONS[field, op]
        said = condition.words(condition.check(chain.id, value), chain)
        assert said.zh, (field, op)
        assert said.en, (field, op)
        assert "{" not in said.zh + said.en, (field, op)


def test_every_condition_narrows_a_file_as_it_narrows_a_push(chain, code):
    """The file's driver takes it as text: the values stand in it, and nothing in it looks like a parameter."""
    make_crowd(chain, code, Random(3))
    for (field, op), value in sample_values(chain, code).items():
        rules = {"all": [one(field, op, value)]}
        with transaction():
            segment = create_segment(chain.id, f"{field} {op}", rules, by=SYSTEM, now=NOON)
        asked = ask("members", Reader(chain.id), segment=str(segment.id), bom="0", now=NOON)
        with export(asked) as answer:
            lines = b"".join(answer.lines()).decode().splitlines()

        assert {int(line.split(",")[0]) for line in lines[1:]} == meant(chain, rules), (field, op)


def test_a_tree_reads_with_brackets(chain):
    rules = {
        "all": [
            one("points", "at_least", 100),
            {"any": [one("birthday", "in_month", [5]), {"not": one("address", "has", "email")}]},
        ]
    }

    said = audience_sentence(chain, check_audience(chain.id, rules))

    assert said.zh == "积分不少于 100，（5 月过生日，或不符合（留了邮箱））"
    assert said.en == (
        "Members who have at least 100 points and (have their birthday in May or are not among those who gave an"
        " e-mail address)"
    )


def keep(chain, name, rules):
    return save(Segment(chain_id=chain.id, name=name, rules=rules, created_by="test", created_at=NOON))


def test_a_saved_segment_stands_for_its_rules_and_an_archived_one_for_nobody(chain, code):
    member = make_member(code, birthday="05-20")
    make_member(code)
    saved = keep(chain, "五月", {"all": [one("birthday", "in_month", [5])]})
    rules = check_audience(chain.id, one("segment", "is", saved.id))

    assert count_reach(chain, rules, [], now=NOON).members == 1
    assert meant(chain, {"not": one("segment", "is", saved.id)}) == meant(chain, {}) - {member.member_id}
    with transaction():
        saved.archived_at = NOON
    assert count_reach(chain, rules, [], now=NOON).members == 0


def test_a_segment_cannot_contain_itself_nor_another_chains(chain):
    inner = keep(chain, "甲", {"all": []})
    outer = keep(chain, "乙", {"all": [one("segment", "is", inner.id)]})
    foreign = keep(make_chain("other"), "丙", {"all": []})

    for node, within in (
        (one("segment", "is", outer.id), frozenset({inner.id})),
        (one("segment", "is", inner.id), frozenset({inner.id})),
        (one("segment", "is", foreign.id), frozenset()),
        (one("segment", "is", "1"), frozenset()),
    ):
        with pytest.raises(AudienceInvalid):
            check_audience(chain.id, node, within=within)


@pytest.mark.parametrize(
    "node",
    [
        pytest.param({"not": {"not": {"not": {"not": {"not": {"not": one("points", "at_least", 1)}}}}}}, id="too deep"),
        pytest.param({"all": [one("points", "at_least", 1)] * 61}, id="too many"),
        pytest.param({"any": [{"not": {"all": []}}] * 100}, id="too many groups"),
        pytest.param({"all": [], "any": []}, id="two groups in one"),
        pytest.param({"any": []}, id="any of nothing"),
        pytest.param(one("spend", "at_least", {"cents": 1.5, "days": None}), id="half a cent"),
        pytest.param(one("spend", "at_least", {"cents": 1, "days": None, "sql": "1"}), id="another part"),
        pytest.param(one("purchases", "at_least", 3), id="a number for an object"),
        pytest.param(one("birthday", "in_month", [13]), id="a thirteenth month"),
        pytest.param(one("birthday", "in_month", [True]), id="true for a month"),
        pytest.param(one("language", "in", ["fr"]), id="another language"),
        pytest.param(one("address", "has", ["email"]), id="a list for a word"),
        pytest.param(one("points", "at_least", 10**40), id="a number no database holds"),
        pytest.param(one(["points"], "at_least", 1), id="a list for a field"),
    ],
)
def test_rules_that_are_not_on_the_list_are_refused(chain, node):
    with pytest.raises(AudienceInvalid):
        check_audience(chain.id, node)


def test_members_of_another_chain_are_never_meant(chain, code):
    other = make_chain("other")
    theirs = make_member(make_store_code(make_store(other)), birthday="05-20")
    buy(theirs, 9000, at=NOON - timedelta(days=1))
    mine = make_member(code)

    assert meant(chain, {"not": one("spend", "at_least", {"cents": 1, "days": None})}) == {mine.member_id}
    assert meant(chain, one("birthday", "in_month", [5])) == set()
    assert db.session.get_one(Member, theirs.member_id).chain_id == other.id


@pytest.mark.parametrize(
    ("field", "op", "value", "said"),
    [
        ("joined", "within_days", 1, "joined in the last 1 day"),
        ("purchase", "within_days", 1, "bought in the last 1 day"),
        ("purchases", "at_least", {"count": 2, "days": 1}, "bought at least 2 times in the last 1 day"),
        ("coupon", "expires_within_days", 2, "hold a coupon that expires within 2 days"),
        ("birthday", "within_days", 1, "have their birthday within 1 day"),
    ],
)
def test_one_day_is_no_days(chain, field, op, value, said):
    rules = {"all": [{"field": field, "op": op, "value": value}]}

    assert audience_sentence(chain, check_audience(chain.id, rules)).en == f"Members who {said}"
