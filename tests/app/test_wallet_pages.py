"""The customer's pages: scan, wallet, friend, offer, inbox, settings."""

import gzip
import io
import re
from base64 import b64decode
from datetime import timedelta

import pytest
import zxingcpp
from flask.testing import FlaskClient
from PIL import Image
from sqlalchemy import func, select, update
from werkzeug.test import TestResponse

from cards import holding
from cards.models import Card, CardState, Member, Program, Wallet
from checkout import quoting
from core.audit import SYSTEM, AuditEntry
from core.clock import utc_now
from core.db import db, transaction
from core.hot import reading, this_transaction
from coupons.models import Coupon
from push.audiences.unsubscribing import Links
from push.models import Campaign, Delivery, Run
from sharing import linking
from sharing.models import Referral, ShareLink, ShareVisit
from stores.models import Scan, StoreCode
from stores.pictures import png
from tests import pages
from tests.factories import make_chain, make_offer, make_store, make_store_code, program_of

pytestmark = pytest.mark.usefixtures("app")

WEIGHT_LIMIT = 60_000  # bytes of the first visit, compressed
PHONE = {"User-Agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) MicroMessenger/8.0.50"}


@pytest.fixture
def chain():
    return make_chain()


@pytest.fixture
def code(chain):
    return make_store_code(make_store(chain, name="南京东路店", city="上海"))


@pytest.fixture
def friend(app):
    return app.test_client()


def take(client: FlaskClient, code: StoreCode) -> Card:
    """Take the card of a store code by the page; the card."""
    answer = pages.post(client, f"/q/{code.token}")
    assert answer.status_code == 303
    return db.session.get_one(Card, int(answer.location.rsplit("/", 1)[1]))


def share_link(card: Card, channel: str = "friend") -> ShareLink:
    with transaction():
        return linking.create_link(this_transaction(), card.chain_id, card.id, channel, now=utc_now())


def count(model: type) -> int:
    return db.session.scalar(select(func.count()).select_from(model)) or 0


def flashed(client: FlaskClient, answer: TestResponse) -> str:
    """The page a form led to."""
    return client.get(answer.location).text


# --- scanning ---


def test_a_code_that_opens_nothing_makes_no_wallet(client, chain):
    revoked = make_store_code(make_store(chain), revoked_at=utc_now())
    closed = make_store_code(make_store(chain, closed_at=utc_now()))
    paths = ["/q/unknown", "/s/unknown", f"/q/{revoked.token}", f"/q/{closed.token}"]

    assert [pages.post(client, path).status_code for path in paths] == [404] * 4
    assert count(Wallet) == 0


def test_looking_at_a_store_code_takes_nothing(client, code):
    page = client.get(f"/q/{code.token}")

    assert page.status_code == 200
    assert "南京东路店" in page.text
    assert (count(Card), count(Wallet), count(Scan)) == (0, 0, 0)


def test_the_card_of_a_chain_that_has_written_nothing_yet_gives_something(client, chain, code):
    with transaction():
        program = program_of(chain)
        program.benefits = program.benefits_en = ""
        program.points_per_unit = 2

    assert "消费 1 元积 2 分" in client.get(f"/q/{code.token}?lang=zh").text
    assert "2 points for every unit you pay" in client.get(f"/q/{code.token}?lang=en").text


def test_the_scan_page_shows_what_the_card_gives_and_the_welcome_gift(client, chain, code):
    make_offer(chain, program_id=program_of(chain).id)

    chinese = client.get(f"/q/{code.token}?lang=zh").text
    english = client.get(f"/q/{code.token}?lang=en").text

    assert "会员价 95 折" in chinese
    assert "满30元减5元" in chinese
    assert "¥5 off from ¥30" in english


def test_any_number_of_taps_give_one_card_and_one_welcome_coupon(client, chain, code):
    make_offer(chain, program_id=program_of(chain).id)

    first, again = take(client, code), take(client, code)

    assert first.id == again.id
    assert (count(Card), count(Coupon), count(Scan)) == (1, 1, 1)


def test_a_second_scan_opens_the_card(client, code):
    card = take(client, code)

    answer = client.get(f"/q/{code.token}")

    assert answer.status_code == 302
    assert answer.location.startswith(f"/wallet/cards/{card.id}")


def test_unknown_revoked_and_mistyped_codes_get_one_answer(client, code):
    revoked = make_store_code(make_store(make_chain("other")), revoked_at=utc_now())

    def plain(path: str) -> str:
        answer = client.get(path)
        assert answer.status_code == 404
        return re.sub(r"<code>[0-9a-f-]{8,}</code>", "", answer.text)

    answers = {plain(f"/q/{token}") for token in ("a" * 13, revoked.token, code.token[:-1], "%F0%9F%8D%A6")}
    assert len(answers) == 1


def test_taking_by_a_revoked_code_is_refused(client):
    revoked = make_store_code(make_store(make_chain()), revoked_at=utc_now())

    assert pages.post(client, f"/q/{revoked.token}").status_code == 404
    assert count(Card) == 0


def test_guessing_codes_is_slowed_down(client):
    statuses = [client.get(f"/q/{number:013d}").status_code for number in range(25)]

    assert statuses[0] == 404
    assert statuses[-1] == 429


def test_a_scan_counts_once_when_the_page_was_seen_and_never_for_a_bot(client, code):
    client.get(f"/q/{code.token}")
    bot = {"User-Agent": "Mozilla/5.0 (compatible; Googlebot/2.1)"}

    pages.post(client, f"/q/{code.token}/scan", headers=bot)
    assert count(Scan) == 0
    for _ in range(2):
        assert pages.post(client, f"/q/{code.token}/scan", headers=PHONE).status_code == 204
    assert count(Scan) == 1


def test_a_form_without_its_token_is_refused(client, code):
    assert client.post(f"/q/{code.token}").status_code == 400
    assert count(Card) == 0


def test_the_first_visit_weighs_less_than_its_limit(client, code):
    page = client.get(f"/q/{code.token}")
    addresses = set(re.findall(r'(?:href|src)="(/(?:static|accent)/[^"]+)"', page.text)) | {"/static/js/copy.js"}

    weight = len(gzip.compress(page.data))
    for address in addresses:
        with client.get(address) as file:
            weight += len(gzip.compress(file.data))

    assert len(addresses) >= 5
    assert weight < WEIGHT_LIMIT


def test_the_pages_need_no_inline_script_or_style(client, chain, code):
    make_offer(chain, program_id=program_of(chain).id)
    card = take(client, code)

    for path in (
        f"/wallet/cards/{card.id}",
        "/wallet/",
        "/wallet/settings",
        "/wallet/inbox",
        f"/s/{share_link(card).token}",
    ):
        text = client.get(path, follow_redirects=True).text
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|javascript:", text), path


# --- the wallet ---


def test_an_empty_wallet_says_how_to_get_a_card(client):
    page = client.get("/wallet/?lang=en")

    assert page.status_code == 200
    assert "No card here yet" in page.text
    assert count(Wallet) == 0


def test_a_phone_without_a_wallet_is_led_to_the_empty_one(client, friend, code):
    card = take(client, code)

    assert friend.get(f"/wallet/cards/{card.id}").location == "/wallet/"


def test_a_card_of_another_wallet_is_not_found(client, friend, code):
    card = take(client, code)
    take(friend, make_store_code(make_store(make_chain("other"))))

    paths = ["", "/code", "/coupons", "/coupons/1", "/stores", "/share"]
    assert {friend.get(f"/wallet/cards/{card.id}{path}").status_code for path in paths} == {404}
    posts = [f"/wallet/cards/{card.id}/close", f"/wallet/settings/{card.id}", f"/wallet/inbox/{card.id}/mute"]
    assert {pages.post(friend, path).status_code for path in posts} == {404}
    assert db.session.get_one(Card, card.id).state == CardState.ACTIVE


def test_the_shown_code_is_the_one_the_till_reads(client, code):
    card = take(client, code)
    shown = client.get(f"/wallet/cards/{card.id}/code").json
    digits = shown["value"].replace(" ", "")

    with reading() as hot:
        standing = quoting.find_standing(hot, card.chain_id, card.store_id, quoting.presented(digits), now=utc_now())
    assert standing.card_id == card.id
    assert 0 < shown["seconds"] <= 30
    assert b64decode(shown["image"].split(",")[1]).startswith(b"<svg")
    read = zxingcpp.read_barcode(Image.open(io.BytesIO(png(digits))))
    assert read.text == digits


def test_the_card_says_what_its_points_are_worth_where_they_can_be_spent(client, chain, code):
    path = f"/wallet/cards/{take(client, code).id}"
    before = client.get(path).text
    with transaction():
        db.session.execute(update(Program).values(spend_points=100, spend_cents=150))

    assert "积分可抵" not in before
    assert "结账时 100 积分可抵1.5元。" in client.get(path).text
    assert "At the till, 100 points take ¥1.5 off." in client.get(f"{path}?lang=en").text


def test_the_card_shows_points_tier_and_coupons(client, chain, code):
    make_offer(chain, program_id=program_of(chain).id)
    make_offer(chain, name="夏日九折", name_en="Summer", kind="percent")
    card = take(client, code)

    page = client.get(f"/wallet/cards/{card.id}?lang=zh").text

    assert "银卡" in page
    assert "满30减5" in page  # held
    assert "夏日九折" in page  # to be claimed
    assert " ".join(re.findall("....", card.number)) in page


def test_leaving_closes_the_card_and_the_undo_brings_it_back(client, code):
    card = take(client, code)

    left = pages.post(client, f"/wallet/cards/{card.id}/close")
    assert db.session.get_one(Card, card.id, populate_existing=True).state == CardState.CLOSED
    assert f"/wallet/cards/{card.id}/restore" in flashed(client, left)
    assert client.get(f"/wallet/cards/{card.id}/code").status_code == 409

    pages.post(client, f"/wallet/cards/{card.id}/restore")
    assert db.session.get_one(Card, card.id, populate_existing=True).state == CardState.ACTIVE
    of_cards = select(AuditEntry.action).where(AuditEntry.object_kind == "card").order_by(AuditEntry.id)
    assert list(db.session.scalars(of_cards)) == ["card closed", "card restored"]


def test_a_card_closed_too_long_ago_stays_closed(client, code):
    card = take(client, code)
    with transaction():
        holding.close_card(card.wallet_id, card.id, by=SYSTEM, now=utc_now() - timedelta(days=31))

    assert pages.post(client, f"/wallet/cards/{card.id}/restore").status_code == 409
    assert client.get(f"/wallet/cards/{card.id}").status_code == 200


def test_stores_are_sorted_by_distance_when_the_phone_tells_its_place(client, chain, code):
    make_store(chain, name="静安寺店", latitude=31.224, longitude=121.446)
    make_store(chain, name="五角场店", latitude=31.300, longitude=121.514)
    card = take(client, code)

    page = client.get(f"/wallet/cards/{card.id}/stores?lat=31.305&lng=121.51&lang=en").text

    assert page.index("五角场店") < page.index("静安寺店")
    assert "670 m" in page or "680 m" in page
    assert "静安寺店" not in client.get(f"/wallet/cards/{card.id}/stores?q=五角场").text


# --- sharing ---


def test_every_act_of_sharing_makes_a_link_of_its_channel(client, code):
    card = take(client, code)

    as_json = pages.post(
        client, f"/wallet/cards/{card.id}/share", {"channel": "group"}, headers={"Accept": "application/json"}
    )
    as_page = pages.post(client, f"/wallet/cards/{card.id}/share", {"channel": "poster"})

    links = db.session.scalars(select(ShareLink).order_by(ShareLink.id)).all()
    assert [link.channel for link in links] == ["group", "poster"]
    assert as_json.json["url"] == f"http://localhost/s/{links[0].token}"
    assert links[1].token in flashed(client, as_page)


def test_an_unknown_channel_is_refused(client, code):
    card = take(client, code)

    assert pages.post(client, f"/wallet/cards/{card.id}/share", {"channel": "smoke"}).status_code == 422


def test_a_friend_sees_who_sent_it_and_what_it_gives(client, friend, chain, code):
    make_offer(chain, program_id=program_of(chain).id)
    card = take(client, code)
    pages.post(client, f"/wallet/settings/{card.id}", {"name": "小<林>"})

    page = friend.get(f"/s/{share_link(card).token}?lang=zh").text

    assert "小&lt;林&gt; 送你一张会员卡" in page
    assert "满30元减5元" in page
    assert '<meta property="og:title" content="小&lt;林&gt; 送你一张雪山冰品会员卡">' in page
    assert '<meta property="og:site_name" content="雪山冰品">' in page
    assert (count(Card), count(ShareVisit)) == (1, 0)


def test_a_friend_takes_the_card_by_one_tap_and_the_sharer_is_credited(client, friend, code):
    card = take(client, code)
    link = share_link(card)

    for _ in range(2):
        assert pages.post(friend, f"/s/{link.token}").status_code == 303

    assert count(Card) == 2
    edge = db.session.scalars(select(Referral)).one()
    assert (edge.referrer_id, edge.share_link_id, edge.depth) == (card.member_id, link.id, 1)
    assert friend.get(f"/s/{link.token}").location == f"/wallet/cards/{edge.card_id}"


def test_a_visit_counts_once_and_neither_the_sharer_nor_a_preview_counts(client, friend, code):
    card = take(client, code)
    link = share_link(card)
    preview = {"User-Agent": "facebookexternalhit/1.1"}

    assert client.get(f"/s/{link.token}").location == f"/wallet/cards/{card.id}"
    pages.post(client, f"/s/{link.token}/visit", headers=PHONE)
    pages.post(friend, f"/s/{link.token}/visit", headers=preview)
    assert count(ShareVisit) == 0

    friend.get(f"/s/{link.token}")
    for _ in range(2):
        pages.post(friend, f"/s/{link.token}/visit", headers=PHONE)
    assert count(ShareVisit) == 1


def test_the_link_of_a_closed_card_is_like_an_unknown_one(client, friend, code):
    card = take(client, code)
    link = share_link(card)
    pages.post(client, f"/wallet/cards/{card.id}/close")

    assert friend.get(f"/s/{link.token}").status_code == 404
    assert pages.post(friend, f"/s/{link.token}").status_code == 404
    assert pages.post(friend, f"/s/{link.token}/visit", headers=PHONE).status_code == 204


def test_the_picture_for_previews_is_a_png_of_the_face(client, chain):
    answer = client.get(f"/face/{chain.slug}.png")

    assert answer.data.startswith(b"\x89PNG")
    assert client.get("/face/nobody.png").status_code == 404


# --- offers ---


def test_the_same_claim_form_sent_twice_is_one_claim(client, chain, code):
    offer = make_offer(chain, per_member_limit=2)
    take(client, code)

    for _ in range(2):
        assert pages.post(client, f"/o/{offer.token}", {"request_id": "form-1"}).status_code == 303
    assert count(Coupon) == 1
    pages.post(client, f"/o/{offer.token}", {"request_id": "form-2"})
    assert count(Coupon) == 2


def test_who_has_no_card_takes_card_and_coupon_by_one_tap(client, chain, code):
    offer = make_offer(chain)
    page = client.get(f"/o/{offer.token}?lang=en").text
    assert "The coupon lies in a membership card" in page
    assert (count(Card), count(Coupon)) == (0, 0)

    answer = pages.post(client, f"/o/{offer.token}", {"store_id": code.store_id, "request_id": "form"})

    card = db.session.scalars(select(Card)).one()
    assert answer.location == f"/wallet/cards/{card.id}"
    assert card.store_id == code.store_id
    assert db.session.scalars(select(Coupon)).one().card_id == card.id


def test_who_chooses_no_store_is_asked_for_one(client, chain, code):
    offer = make_offer(chain)

    answer = pages.post(client, f"/o/{offer.token}", {"request_id": "form"})

    assert "先选一家" in client.get(answer.location + "?lang=zh").text
    assert count(Card) == 0


def test_the_claim_page_says_why_there_is_nothing_to_take(client, chain, code):
    once, none_left = make_offer(chain), make_offer(chain, stock=1)
    paused = make_offer(chain, state="paused")
    take(client, code)
    pages.post(client, f"/o/{once.token}", {"request_id": "form"})
    other = client.application.test_client()
    take(other, code)
    pages.post(other, f"/o/{none_left.token}", {"request_id": "form"})

    said = {offer.id: client.get(f"/o/{offer.token}?lang=zh").text for offer in (once, none_left, paused)}

    assert "您已经领过了，每人限领 1 张。" in said[once.id]
    assert "已经领完了。" in said[none_left.id]
    assert "这个活动现在不能领取。" in said[paused.id]
    assert not any('name="request_id"' in text for text in said.values())


def test_drafts_and_hidden_offers_have_no_page(client, chain):
    offers = [make_offer(chain, state="draft"), make_offer(chain, is_public=False)]

    assert {client.get(f"/o/{offer.token}").status_code for offer in offers} == {404}


# --- settings and inbox ---


def test_settings_keep_what_a_member_says_of_himself(client, code):
    card = take(client, code)
    said = {
        "name": "小林",
        "phone": "138 0000 0000",
        "email": "Lin@Example.com",
        "birth_month": "2",
        "birth_day": "29",
    }

    pages.post(client, f"/wallet/settings/{card.id}", said)

    member = db.session.get_one(Member, card.member_id, populate_existing=True)
    assert (member.name, member.phone, member.email) == ("小林", "+8613800000000", "lin@example.com")
    assert member.birthday == "02-29"
    page = client.get(f"/wallet/settings?card={card.id}&lang=en").text
    assert '<option value="2" selected>February</option>' in page
    assert '<option value="29" selected>29</option>' in page

    pages.post(client, f"/wallet/settings/{card.id}", said | {"birth_month": "", "birth_day": ""})
    assert db.session.get_one(Member, card.member_id, populate_existing=True).birthday is None


@pytest.mark.parametrize(("month", "day"), [("2", "30"), ("4", "31"), ("5", ""), ("", "1"), ("13", "1"), ("五", "1")])
def test_a_day_that_is_none_is_no_birthday(client, code, month, day):
    card = take(client, code)

    said = {"name": "小林", "birth_month": month, "birth_day": day}
    answer = pages.post(client, f"/wallet/settings/{card.id}?lang=en", said)

    assert answer.status_code == 422
    assert "There is no such day" in answer.text
    assert 'value="小林"' in answer.text


def test_a_wrong_phone_is_named_and_nothing_typed_is_lost(client, code):
    card = take(client, code)

    answer = pages.post(client, f"/wallet/settings/{card.id}?lang=en", {"name": "小林", "phone": "12"})

    assert answer.status_code == 422
    assert "This is not a phone number" in answer.text
    assert 'value="小林"' in answer.text
    assert db.session.get_one(Member, card.member_id, populate_existing=True).name == ""


def test_the_language_is_kept_for_pages_and_messages(client, code):
    card = take(client, code)

    pages.post(client, "/wallet/settings/language", {"language": "en"})

    assert "What may reach you" in client.get("/wallet/settings").text
    assert db.session.get_one(Member, card.member_id, populate_existing=True).language == "en"


def test_the_download_holds_the_own_data_and_nobody_elses(client, friend, code):
    card, others = take(client, code), take(friend, code)

    answer = client.get("/wallet/settings/data.json")

    assert "attachment" in answer.headers["Content-Disposition"]
    assert [row["number"] for row in answer.json["cards"]] == [card.number]
    assert [row["store"] for row in answer.json["scans"]] == ["南京东路店"]
    assert others.number not in answer.text


def send_message(card: Card) -> Delivery:
    """A message of a finished campaign, lying in the card's inbox."""
    now = utc_now()
    message = {"title": "半价", "title_en": "Half price", "body": "周末来", "body_en": "Come at the weekend"}
    campaign = Campaign(
        chain_id=card.chain_id,
        name="weekend",
        audience={},
        channels=["inbox"],
        schedule={"kind": "now"},
        state="finished",
        created_by="staff:1",
        created_at=now,
        **message,
    )
    with transaction():
        db.session.add(campaign)
        db.session.flush()
        run = Run(
            chain_id=card.chain_id,
            campaign_id=campaign.id,
            due_at=now,
            send_until=now + timedelta(days=1),
            state="finished",
            started_at=now,
            finished_at=now,
            **message,
        )
        db.session.add(run)
        db.session.flush()
        delivery = Delivery(
            chain_id=card.chain_id,
            campaign_id=campaign.id,
            run_id=run.id,
            member_id=card.member_id,
            card_id=card.id,
            channel="inbox",
            state="delivered",
            due_at=now,
            sent_at=now,
        )
        db.session.add(delivery)
    return delivery


def test_a_message_is_read_when_the_page_says_so_not_by_looking(client, code):
    delivery = send_message(take(client, code))

    page = client.get("/wallet/inbox?lang=en").text
    assert "Half price" in page
    assert "Come at the weekend" in page
    assert db.session.get_one(Delivery, delivery.id, populate_existing=True).read_at is None

    pages.post(client, "/wallet/inbox/read")
    assert db.session.get_one(Delivery, delivery.id, populate_existing=True).read_at is not None


def test_a_forged_way_out_is_like_an_unknown_code(client):
    forged = Links("", "another key" * 4).unsubscribe(1, "email")

    assert client.get(forged).status_code == 404
    assert client.post(forged).status_code == 404


def test_numbers_that_no_row_can_have_and_nul_signs_are_no_failure(client, chain, code):
    card, huge = take(client, code), 10**25
    offer = make_offer(chain)

    looked = [
        f"/wallet/cards/{huge}",
        f"/wallet/settings?card={huge}",
        f"/wallet/inbox?after={huge}",
        f"/wallet/cards/{card.id}/stores?q=%00&lat=nan&lng=1",
        "/q/%00abc",
        f"/wallet/cards/{card.id}?scan=%00/../x",
    ]
    sent = [
        (f"/wallet/settings/{card.id}", {"name": "a\0b"}),
        (f"/wallet/cards/{card.id}/share", {"channel": "\0"}),
        (f"/o/{offer.token}", {"store_id": huge, "request_id": "\0"}),
        ("/s/%00/visit", {}),
    ]
    statuses = {client.get(path).status_code for path in looked}
    statuses |= {pages.post(client, path, data).status_code for path, data in sent}

    assert statuses <= {200, 400, 404}


def test_a_store_of_another_chain_cannot_be_chosen(app, chain, code):
    offer, foreign = make_offer(chain), make_store_code(make_store(make_chain("other")))

    answer = pages.post(app.test_client(), f"/o/{offer.token}", {"store_id": foreign.store_id, "request_id": "form"})

    assert answer.status_code == 404
    assert count(Card) == 0
