"""What a friend sees of a link: the page, what chat apps read, the pictures."""

import io
import re

import pytest
import zxingcpp
from limits import parse
from PIL import Image
from sqlalchemy import func, select

from app import security
from app.models import metadata
from app.wallet import invitation_pictures
from cards.models import Card, Member
from core.audit import SYSTEM
from core.clock import utc_now
from core.db import db, transaction
from coupons import offers
from coupons.models import Coupon, CouponSource
from sharing import naming, reward_rules
from sharing.models import Referral, ShareVisit
from tests import pages
from tests.app.wallet_steps import come, link_of, take
from tests.factories import make_chain, make_offer, make_store, make_store_code, program_of

pytestmark = pytest.mark.usefixtures("app")


@pytest.fixture
def chain():
    return make_chain()


@pytest.fixture
def code(chain):
    return make_store_code(make_store(chain, name="南京东路店"))


@pytest.fixture
def sharer(client, code):
    card = take(client, code)
    name(card, "王小雪")
    return card


@pytest.fixture
def friend(app):
    return app.test_client()


def name(card, words):
    with transaction():
        db.session.get_one(Member, card.member_id).name = words


def choose(card, shown_as, nickname=""):
    with transaction():
        naming.choose(card.chain_id, card.member_id, shown_as, nickname, by=SYSTEM, now=utc_now())


def rows():
    """How many rows every table has."""
    return {t.name: db.session.scalar(select(func.count()).select_from(t)) for t in metadata.sorted_tables}


def meta(page):
    return dict(re.findall(r'<meta (?:property|name)="((?:og|twitter):[\w:]+)" content="([^"]*)">', page))


def test_chat_apps_read_who_invites_to_what_at_absolute_addresses(chain, sharer, friend):
    make_offer(chain, program_id=program_of(chain).id, is_public=False)
    link = link_of(sharer)

    said = meta(friend.get(f"/s/{link.token}?lang=zh").text)

    assert said["og:title"] == "王小雪 送你一张雪山冰品会员卡"
    assert said["og:description"] == "领卡即得：满30元减5元"
    assert said["og:url"] == f"http://localhost/s/{link.token}"
    assert said["og:image"].startswith(f"http://localhost/s/{link.token}/preview-zh.png?v=")
    assert (said["og:image:width"], said["og:image:height"]) == ("1200", "630")
    assert (said["og:site_name"], said["og:locale"], said["twitter:card"]) == (
        "雪山冰品",
        "zh_CN",
        "summary_large_image",
    )
    assert meta(friend.get(f"/s/{link.token}?lang=en").text)["og:locale"] == "en_US"


def test_the_preview_is_a_wide_picture_that_may_be_kept_and_changes_its_address_with_the_name(sharer, friend):
    link = link_of(sharer)
    first = meta(friend.get(f"/s/{link.token}?lang=zh").text)["og:image"]
    choose(sharer, "nobody")
    second = meta(friend.get(f"/s/{link.token}?lang=zh").text)["og:image"]

    answer = friend.get(first.removeprefix("http://localhost"))
    again = friend.get(first.removeprefix("http://localhost"), headers={"If-None-Match": answer.headers["ETag"]})

    assert first != second
    assert Image.open(io.BytesIO(answer.data)).size == (1200, 630)
    assert answer.headers["Cache-Control"] == "public, max-age=3600"
    assert "Set-Cookie" not in answer.headers
    assert again.status_code == 304


def test_unknown_and_revoked_links_have_one_picture_that_names_nobody(client, sharer, friend):
    link = link_of(sharer)
    known = friend.get(f"/s/{link.token}/preview-zh.png").data
    pages.post(client, f"/wallet/cards/{sharer.id}/close")

    revoked, unknown = (friend.get(f"/s/{token}/preview-zh.png") for token in (link.token, "zzzzzzzzzzzzz"))

    assert (revoked.status_code, unknown.status_code) == (404, 404)
    assert revoked.data == unknown.data != known
    assert Image.open(io.BytesIO(unknown.data)).size == (1200, 630)
    assert friend.get(f"/s/{link.token}/preview-fr.png").status_code == 404
    assert "王小雪" not in friend.get(f"/s/{link.token}").text


def test_looking_writes_and_counts_nothing(sharer, friend):
    link = link_of(sharer)
    before = rows()

    for agent in ("WeChat MicroMessenger iPhone", "facebookexternalhit/1.1", ""):
        friend.get(f"/s/{link.token}", headers={"User-Agent": agent})
        friend.get(f"/s/{link.token}/preview-en.png", headers={"User-Agent": agent})

    assert rows() == before


@pytest.mark.parametrize(
    ("shown_as", "nickname", "said"),
    [
        ("name", "", "王小雪 送你"),
        ("masked", "", "王** 送你"),
        ("nickname", "雪糕控", "雪糕控 送你"),
        ("nobody", "", "朋友送你"),
    ],
)
def test_a_link_that_was_sent_before_names_the_sharer_as_he_chose_since(sharer, friend, shown_as, nickname, said):
    link = link_of(sharer)
    choose(sharer, shown_as, nickname)

    page = friend.get(f"/s/{link.token}?lang=zh").text

    assert said in page
    assert shown_as == "name" or "王小雪" not in page


def test_the_page_says_what_a_friend_is_rewarded_with_and_on_which_terms(chain, sharer, friend):
    draft = reward_rules.RuleDraft(
        "首单有礼", "First purchase", "first_purchase", min_cents=2000, within_days=30, hold_days=7, friend_points=100
    )
    with transaction():
        rule = reward_rules.create_rule(chain.id, draft, by=SYSTEM, now=utc_now())
        reward_rules.start_rule(chain.id, rule.id, by=SYSTEM, now=utc_now())
    link = link_of(sharer)

    chinese, english = (friend.get(f"/s/{link.token}?lang={lang}").text for lang in ("zh", "en"))

    assert "领卡后30天内首次消费满20元，送100积分。7天后到账。" in chinese
    assert "first purchase of ¥20 or more within 30 days" in english


def test_one_tap_gives_the_card_and_the_coupon_that_was_shared(chain, sharer, friend):
    offer = make_offer(chain, name="满60减12", value_cents=1200, min_cents=6000)
    link = link_of(sharer, offer=offer, occasion="coupon")

    page = friend.get(f"/s/{link.token}?lang=zh").text
    card = come(friend, link.token)
    come(friend, link.token)

    coupon = db.session.scalars(select(Coupon)).one()
    edge = db.session.scalars(select(Referral)).one()
    assert "王小雪 请你领券：满60减12" in page
    assert "满60元减12元" in page
    assert "领取会员卡和券" in page or "卡" in page
    assert (coupon.offer_id, coupon.card_id, coupon.source) == (offer.id, card.id, CouponSource.CLAIM_PAGE)
    assert (edge.share_link_id, edge.member_id) == (link.id, card.member_id)


def test_when_the_coupon_has_run_out_the_card_is_given_alone_and_the_page_says_so(chain, sharer, friend):
    offer = make_offer(chain, name="满60减12", value_cents=1200, min_cents=6000)
    link = link_of(sharer, offer=offer, occasion="coupon")
    with transaction():
        offers.pause(chain.id, offer.id, by=SYSTEM, now=utc_now())

    page = friend.get(f"/s/{link.token}?lang=zh").text
    card = come(friend, link.token)
    then = friend.get(f"/wallet/cards/{card.id}?lang=zh").text

    assert "朋友分享的券已经领完了，会员卡仍可以领。" in page
    assert "满60减12" not in page
    assert "朋友分享的券已经领完了。" in then
    assert db.session.scalars(select(Coupon)).all() == []


def test_the_last_coupon_goes_to_one_of_two_friends_and_both_have_the_card(app, chain, sharer):
    offer = make_offer(chain, name="满60减12", value_cents=1200, min_cents=6000, stock=1)
    link = link_of(sharer, offer=offer, occasion="coupon")

    cards = [come(app.test_client(), link.token) for _ in range(2)]

    assert [coupon.card_id for coupon in db.session.scalars(select(Coupon))] == [cards[0].id]
    assert db.session.scalar(select(func.count()).select_from(Card)) == 3


def test_a_member_who_opens_a_shared_coupon_is_led_to_it_and_the_sharer_to_his_card(
    client, chain, sharer, friend, code
):
    offer = make_offer(chain)
    link = link_of(sharer, offer=offer, occasion="coupon")
    take(friend, code)

    assert friend.get(f"/s/{link.token}").location == f"/o/{offer.token}"
    assert client.get(f"/s/{link.token}").location == f"/wallet/cards/{sharer.id}"


def test_a_coupon_counted_by_phone_asks_the_friend_for_his_first(chain, sharer, friend):
    offer = make_offer(chain, per_phone_limit=1)
    link = link_of(sharer, offer=offer, occasion="coupon")

    answer = pages.post(friend, f"/s/{link.token}")

    card = db.session.scalars(select(Card).order_by(Card.id.desc())).first()
    assert answer.location == f"/wallet/cards/{card.id}/phone?offer={offer.token}"
    assert db.session.scalars(select(ShareVisit)).one()


def test_the_poster_carries_the_members_own_link_and_is_for_him_alone(client, sharer, friend, code):
    link = link_of(sharer, "poster")
    path = f"/wallet/cards/{sharer.id}/share/{link.token}/poster.png"

    answer, saved = client.get(path), client.get(f"{path}?download=1")

    read = zxingcpp.read_barcode(Image.open(io.BytesIO(answer.data)))
    assert read is not None
    assert read.text == f"http://localhost/s/{link.token}"
    assert "attachment" in saved.headers["Content-Disposition"]
    assert "private" in answer.headers["Cache-Control"]
    other = take(friend, code)
    assert friend.get(path).status_code == 404
    assert friend.get(f"/wallet/cards/{other.id}/share/{link.token}/poster.png").status_code == 404


@pytest.mark.parametrize("picture", ["poster", "preview"])
def test_an_address_has_only_so_many_pictures_drawn_but_gets_those_that_are_kept(client, sharer, picture, monkeypatch):
    monkeypatch.setattr(security, f"{picture.upper()}S", parse("1/minute"))
    getattr(invitation_pictures, f"{picture}_picture").cache_clear()
    choose(sharer, "nickname", f"画{picture[1]}")
    kept, other = link_of(sharer), link_of(sharer)

    def drawn(link):
        poster = f"/wallet/cards/{sharer.id}/share/{link.token}/poster.png"
        return client.get(poster if picture == "poster" else f"/s/{link.token}/preview-zh.png").status_code

    first = drawn(kept)
    choose(sharer, "nickname", f"描{picture[1]}")
    another = drawn(other)
    choose(sharer, "nickname", f"画{picture[1]}")

    assert (first, another, drawn(kept)) == (200, 429, 200)
