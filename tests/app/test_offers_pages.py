"""The dashboard's pages for offers: list, editor, one offer."""

import re

import pytest
import zxingcpp
from PIL import Image
from sqlalchemy import func, select

from core.audit import AuditEntry
from core.db import db
from core.hot import one_action
from coupons.claiming import claim
from coupons.models import Offer, OfferSlot
from stores.models import Role
from tests.factories import (
    make_card,
    make_chain,
    make_offer,
    make_staff,
    make_store,
    make_store_code,
    program_of,
)
from tests.pages import post, sign_in

OFFERS = "/dashboard/offers"
TYPED = {
    "name": "满30减5",
    "name_en": "5 off",
    "kind": "cash",
    "value": "5",
    "minimum": "30",
    "stock": "1,000",
    "per_member_limit": "2",
    "validity": "days",
    "valid_days": "30",
    "program_id": "",
    "is_public": "yes",
    "request_id": "form-0001",
} | {f"weekday_{day}": "yes" for day in range(7)}


@pytest.fixture
def chain(app):
    return make_chain()


@pytest.fixture
def hq(chain, client):
    return sign_in(client, make_staff(chain))


def claim_one(chain, offer):
    card = make_card(make_store_code(make_store(chain)))
    from tests.factories import NOON

    with one_action() as hot:
        claim(hot, offer.id, card_id=card.id, now=NOON)


def english(path):
    return f"{path}{'&' if '?' in path else '?'}lang=en"


def count():
    return db.session.scalar(select(func.count(Offer.id)))


def test_an_empty_list_says_what_belongs_here_and_offers_the_first(hq):
    page = hq.get(english(OFFERS)).text

    assert "Here stand the offers" in page
    assert f'href="{OFFERS}/new"' in page


def test_the_list_shows_stock_funnel_and_sentence(hq, chain):
    offer = make_offer(chain, stock=1500)
    claim_one(chain, offer)

    english_page, chinese_page = hq.get(english(OFFERS)).text, hq.get(OFFERS + "?lang=zh").text

    assert "¥5 off from ¥30" in english_page
    assert re.search(r"1,499 <span class=\"muted\">/ 1,500", english_page)
    assert "满30元减5元" in chinese_page
    assert "领取后 30 天内有效" in chinese_page


def test_the_list_shows_one_state_and_its_csv_has_the_same_rows(hq, chain):
    make_offer(chain)
    draft = make_offer(chain, state="draft", name="=1+1")

    page = hq.get(f"{OFFERS}?state=draft&lang=en").text
    rows = hq.get(f"{OFFERS}/list.csv?state=draft").get_data(as_text=True).splitlines()

    assert page.count("/dashboard/offers/") - page.count("/dashboard/offers/new") == 2
    assert len(rows) == 2
    assert rows[1].startswith(f"{draft.id},draft,'=1+1,")


def test_the_list_asks_few_queries(hq, chain, count_queries):
    for _ in range(8):
        make_offer(chain, stock=5)
    count_queries.clear()

    hq.get(OFFERS)

    assert len(count_queries) <= 10


def test_what_was_typed_becomes_a_draft(hq, chain):
    answer = post(hq, OFFERS, TYPED)

    offer = db.session.scalars(select(Offer)).one()
    assert (answer.status_code, answer.location) == (303, f"{OFFERS}/{offer.id}")
    assert (offer.kind, offer.value_cents, offer.min_cents, offer.stock) == ("cash", 500, 3000, 1000)
    assert (offer.per_member_limit, offer.valid_days, offer.state, offer.is_public) == (2, 30, "draft", True)
    assert db.session.scalars(select(AuditEntry.actor).filter_by(action="offer created")).one().startswith("staff:")


def test_a_percentage_with_a_cap_and_fixed_days(hq, chain):
    post(
        hq,
        OFFERS,
        TYPED
        | {"kind": "percent", "percent": "12.5%", "cap": "20.50", "minimum": "", "stock": ""}
        | {"validity": "dates", "valid_from": "2026-05-01", "valid_to": "2026-05-31", "is_public": ""},
    )

    offer = db.session.scalars(select(Offer)).one()
    assert (offer.percent_bp, offer.cap_cents, offer.value_cents, offer.stock) == (1250, 2050, None, None)
    assert offer.valid_from.isoformat() == "2026-04-30T16:00:00+00:00"
    assert offer.valid_until.isoformat() == "2026-05-31T16:00:00+00:00"
    assert not offer.is_public


def test_the_same_form_sent_twice_is_one_offer(hq, chain):
    first, again = post(hq, OFFERS, TYPED), post(hq, OFFERS, TYPED)

    assert first.location == again.location
    assert count() == 1


@pytest.mark.parametrize(
    ("wrong", "zh", "en"),
    [
        ({"name": ""}, "起一个顾客看得懂的名称", "Give it a name"),
        ({"name": "长" * 61}, "最多 60 个字", "At most 60 characters"),
        ({"value": "a lot"}, "请填大于零的金额", "Write an amount above zero"),
        ({"value": "-5"}, "请填大于零的金额", "Write an amount above zero"),
        ({"value": "5.001"}, "请填大于零的金额", "Write an amount above zero"),
        ({"kind": "percent", "percent": "101"}, "请填减百分之几", "Write how many per cent"),
        ({"kind": "percent", "percent": "NaN"}, "请填减百分之几", "Write how many per cent"),
        ({"stock": "-1"}, "的整数", "Write a whole number from 1 to 1,000,000,000"),
        ({"stock": "10000000000000000000000"}, "的整数", "Write a whole number"),
        ({"per_member_limit": "0"}, "1 到 100 的整数", "from 1 to 100"),
        ({"valid_days": "4000"}, "1 到 3,650 的整数", "from 1 to 3,650"),
        ({"validity": "dates", "valid_from": "", "valid_to": "2026-05-31"}, "请选一个日期", "Choose a day"),
        (
            {"validity": "dates", "valid_from": "2026-06-01", "valid_to": "2026-05-31"},
            "结束日不能早于开始日",
            "The last day cannot come before",
        ),
        ({f"weekday_{day}": "" for day in range(7)}, "至少选一个星期几", "Choose at least one day of the week"),
        ({"program_id": "999999"}, "没有这种会员卡", "there is no such card"),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, dict) else "",
)
def test_a_refusal_is_in_the_readers_language_and_keeps_what_was_typed(hq, chain, wrong, zh, en):
    typed = TYPED | {"name_en": "typed with care"} | wrong

    chinese, other = post(hq, f"{OFFERS}?lang=zh", typed), post(hq, f"{OFFERS}?lang=en", typed)

    assert (chinese.status_code, other.status_code, count()) == (422, 422, 0)
    assert zh in chinese.text
    assert en in other.text
    assert 'value="typed with care"' in chinese.text


def test_the_preview_shows_the_coupon_and_its_sentence(hq):
    page = post(hq, f"{OFFERS}/preview?lang=zh", TYPED | {"minimum": "88"}).text

    assert "满88元减5元" in page
    assert "领取后 30 天内有效" in page
    assert "每人限领 2 张" in page
    assert "<html" not in page


def test_the_preview_waits_for_figures_that_make_a_coupon(hq):
    page = post(hq, f"{OFFERS}/preview?lang=en", {"kind": "cash", "name": "x"}).text

    assert "Write what comes off" in page


def test_without_scripts_a_button_shows_the_preview_and_saves_nothing(hq):
    page = post(hq, f"{OFFERS}?lang=en", TYPED | {"preview": "yes", "value": "7"})

    assert (page.status_code, count()) == (200, 0)
    assert "¥7 off from ¥30" in page.text
    assert 'value="7"' in page.text


def test_a_draft_is_changed(hq, chain):
    offer = make_offer(chain, state="draft", stock=10)

    page = hq.get(f"{OFFERS}/{offer.id}/edit").text
    post(hq, f"{OFFERS}/{offer.id}", TYPED | {"value": "8", "stock": "50"})

    changed = db.session.get_one(Offer, offer.id, populate_existing=True)
    assert 'value="30"' in page
    assert (changed.value_cents, changed.stock) == (800, 50)


def test_what_has_ended_is_not_changed_but_copied(hq, chain):
    offer = make_offer(chain, stock=10, state="ended")

    edit = hq.get(f"{OFFERS}/{offer.id}/edit")
    rewritten = post(hq, f"{OFFERS}/{offer.id}?lang=en", TYPED)
    copy = hq.get(f"{OFFERS}/new?copy={offer.id}&lang=en").text

    assert edit.location == f"{OFFERS}/{offer.id}"
    assert (rewritten.status_code, "has ended" in rewritten.text) == (422, True)
    assert 'value="满30减5 (copy)"' in copy


def test_publish_pause_and_end_say_what_they_do_in_numbers(hq, chain):
    offer = make_offer(chain, stock=100, state="draft")

    draft = hq.get(english(f"{OFFERS}/{offer.id}")).text
    post(hq, f"{OFFERS}/{offer.id}/publish")
    claim_one(chain, offer)
    running = hq.get(english(f"{OFFERS}/{offer.id}")).text

    assert "Members can claim 100 coupons, up to 1 each. Together they take off ¥500 at most." in draft
    assert "99 of 100 are left." in running
    assert state_of(offer) == "running"


def test_pausing_can_be_undone(hq, chain):
    offer = make_offer(chain)

    paused = post(hq, f"{OFFERS}/{offer.id}/pause?lang=en", follow_redirects=True).text
    was = state_of(offer)
    post(hq, f"{OFFERS}/{offer.id}/publish")

    assert f'action="{OFFERS}/{offer.id}/publish"' in paused
    assert (was, state_of(offer)) == ("paused", "running")


def test_ending_twice_is_told_in_words(hq, chain):
    offer = make_offer(chain)
    post(hq, f"{OFFERS}/{offer.id}/end")

    page = post(hq, f"{OFFERS}/{offer.id}/end?lang=en", follow_redirects=True)

    assert page.status_code == 200
    assert "Somebody changed its state meanwhile" in page.text


def test_a_second_welcome_gift_is_refused_in_words(hq, chain):
    make_offer(chain, program_id=program_of(chain).id)
    second = make_offer(chain, program_id=program_of(chain).id, state="draft")

    page = post(hq, f"{OFFERS}/{second.id}/publish", follow_redirects=True, headers={"Accept-Language": "zh-CN"})

    assert "请先暂停那一个" in page.text
    assert state_of(second) == "draft"


def test_stock_is_compared_before_it_is_set(hq, chain):
    offer = make_offer(chain, stock=10)

    saved = post(hq, f"{OFFERS}/{offer.id}/stock", {"stock": "20", "seen_stock": "10"})
    late = post(hq, f"{OFFERS}/{offer.id}/stock?lang=en", {"stock": "35", "seen_stock": "10"})
    nonsense = post(hq, f"{OFFERS}/{offer.id}/stock?lang=en", {"stock": "many", "seen_stock": "20"})

    none = post(hq, f"{OFFERS}/{offer.id}/stock?lang=en", {"stock": "0", "seen_stock": "20"})

    assert saved.status_code == 303
    assert "The stock is a whole number above zero." in none.text
    assert (late.status_code, "Somebody just changed this offer" in late.text) == (409, True)
    assert 'value="35"' in late.text
    assert 'value="many"' in nonsense.text
    assert db.session.scalar(select(func.sum(OfferSlot.stock))) == 20


def test_the_claim_link_is_shown_and_its_qr_can_be_read(hq, chain, tmp_path):
    offer = make_offer(chain)

    page = hq.get(f"{OFFERS}/{offer.id}").text
    picture = hq.get(f"{OFFERS}/{offer.id}/code.png")
    path = tmp_path / "code.png"
    path.write_bytes(picture.data)

    url = f"http://localhost/o/{offer.token}"
    assert url in page
    assert zxingcpp.read_barcodes(Image.open(path))[0].text == url
    assert hq.get(f"{OFFERS}/{offer.id}/code.svg").mimetype == "image/svg+xml"


def test_an_offer_that_is_not_public_shows_no_link(hq, chain):
    offer = make_offer(chain, is_public=False)

    assert offer.token not in hq.get(f"{OFFERS}/{offer.id}").text


@pytest.mark.parametrize("role", [Role.HQ_ANALYST, Role.STORE_MANAGER])
def test_others_look_and_change_nothing(client, chain, role):
    offer = make_offer(chain)
    stores = (make_store(chain),) if role == Role.STORE_MANAGER else ()
    person = sign_in(client, make_staff(chain, role, stores))

    page = person.get(f"{OFFERS}/{offer.id}")
    answers = [post(person, f"{OFFERS}/{offer.id}/{what}") for what in ("publish", "pause", "end", "stock")]

    assert page.status_code == 200
    assert "/pause" not in page.text
    assert {answer.status_code for answer in answers} == {403}
    assert person.get(f"{OFFERS}/new").status_code == 403


def test_another_chains_offer_is_not_there(hq):
    foreign = make_offer(make_chain("other"), stock=5)

    answers = [
        hq.get(f"{OFFERS}/{foreign.id}"),
        hq.get(f"{OFFERS}/{foreign.id}/edit"),
        hq.get(f"{OFFERS}/new?copy={foreign.id}"),
        hq.get(f"{OFFERS}/{foreign.id}/code.png"),
        post(hq, f"{OFFERS}/{foreign.id}", TYPED),
        post(hq, f"{OFFERS}/{foreign.id}/pause"),
        post(hq, f"{OFFERS}/{foreign.id}/stock", {"stock": "9", "seen_stock": "5"}),
    ]

    assert {answer.status_code for answer in answers} == {404}
    assert hq.get(f"{OFFERS}/99999999999999999999").status_code in (404, 405)


def state_of(offer):
    db.session.rollback()
    return db.session.scalar(select(Offer.state).filter_by(id=offer.id))
