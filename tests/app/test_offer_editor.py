"""The editor of offers: every rule as it is typed, what runs made more generous, the second person."""

import re

import pytest

from app.dashboard.offer_times import dates_text, hours_text, read_dates, read_hours
from core.audit import Author
from core.clock import utc_now
from core.db import db, transaction
from coupons import approval
from coupons.models import Offer
from coupons.offers import draft_of
from tests.app.test_offers_pages import OFFERS, TYPED, count
from tests.factories import make_chain, make_offer, make_staff, make_store
from tests.pages import post, sign_in

WEEKEND = {f"weekday_{day}": "" for day in range(5)}
SUBMITTED = re.compile(r'name="submitted_at" value="([^"]+)"')
SEEN = re.compile(r'name="seen" value="(\w+)"')


@pytest.fixture
def chain(app):
    return make_chain()


@pytest.fixture
def hq(chain, client):
    return sign_in(client, make_staff(chain))


def written(hq, typed):
    answer = post(hq, f"{OFFERS}?lang=en", typed)
    assert answer.status_code == 303, answer.text
    return draft_of(db.session.get_one(Offer, int(answer.location.rsplit("/", 1)[1])))


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("", []),
        ("14:00-17:00", [[840, 1020]]),
        ("9:30–11:00，20：00到22:00", [[570, 660], [1200, 1320]]),
        ("00:00-24:00", [[0, 1440]]),
        ("14-17", None),
        ("14:00-17:00 and so on", None),
        ("14:70-17:00", None),
    ],
)
def test_hours_are_read_as_people_write_them(text, hours):
    assert read_hours(text) == hours
    if hours:
        assert read_hours(hours_text(hours)) == hours


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("", []),
        ("2026-10-01..2026-10-03\n2026-12-31", ["2026-10-01", "2026-10-02", "2026-10-03", "2026-12-31"]),
        ("2026/2/9、2026.2.11", ["2026-02-09", "2026-02-11"]),
        ("2026-02-30", None),
        ("2026-10-07..2026-10-01", None),
        ("tomorrow", None),
    ],
)
def test_dates_are_read_as_people_write_them(text, days):
    assert read_dates(text) == days
    if days:
        assert read_dates(dates_text(days)) == days


def test_every_rule_that_is_typed_becomes_a_rule(hq, chain):
    store, other = make_store(chain), make_store(chain)
    item = {"kind": "fixed_price", "item_name": "圣代", "item_price": "12", "price": "6", "minimum": "12"}
    limits = {"per_day_limit": "100", "per_phone_limit": "1", "budget": "5,000", "staff_gift_limit": "3"}
    times = WEEKEND | {"hours": "14:00-17:00", "blackout_dates": "2026-10-01..2026-10-02", "valid_delay": "1"}
    ways = {"claim_word": " 雪山 ", "stacking": "stackable", "stack_group": "饮品", "member_price": "instead"}
    scope = {f"store_{store.id}": "yes", "hq_share": "60"}

    draft = written(hq, TYPED | item | limits | times | ways | scope)

    assert (draft.item_name, draft.item_name_en, draft.item_cents, draft.price_cents) == ("圣代", "圣代", 1200, 600)
    assert (draft.per_day_limit, draft.per_phone_limit, draft.budget_cents) == (100, 1, 500_000)
    assert (draft.weekdays, draft.hours, draft.valid_delay_days) == (0b110_0000, [[840, 1020]], 1)
    assert draft.blackout_dates == ["2026-10-01", "2026-10-02"]
    assert (draft.claim_word, draft.stack_group, draft.member_price) == ("雪山", "饮品", "instead")
    assert (draft.store_ids, draft.hq_share_bp, draft.staff_gift_limit) == ((store.id,), 6000, 3)
    assert (draft.is_public, draft.may_be_given) == (True, False)
    assert other.id not in draft.store_ids


def test_what_was_saved_is_typed_again_alike(hq, chain):
    store = make_store(chain)
    typed = TYPED | WEEKEND | {"hours": "14:00-17:00", f"store_{store.id}": "yes", "budget": "500"}
    first = written(hq, typed)
    offer = db.session.query(Offer).one()
    page = hq.get(f"{OFFERS}/{offer.id}/edit?lang=en").text
    again = dict(re.findall(r'name="([\w]+)"[^>]*? value="([^"]*)"', page)) | typed | {"validity": "days"}

    post(hq, f"{OFFERS}/{offer.id}", again)

    assert draft_of(db.session.get_one(Offer, offer.id, populate_existing=True)) == first


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"hours": "afternoon"}, "Write hours like 14:00-17:00"),
        ({"blackout_dates": "soon"}, "Write days like 2026-10-01"),
        ({"store_codes": "S-404"}, "There is no store S-404."),
        ({"kind": "gift", "item_price": "12"}, "Say what the item is."),
        ({"kind": "fixed_price", "item_name": "x", "item_price": "12", "price": "12"}, "below the usual price"),
        ({"kind": "percent", "percent": "10", "budget": "100"}, "With a budget, say how much"),
        ({"hq_share": "101"}, "Write 0 to 100 per cent."),
        ({"valid_delay": "400"}, "Write a whole number from 0 to 365."),
        ({"tier_999999": "yes"}, "The offer is not valid"),
        ({"store_999999": "yes"}, "The offer is not valid"),
        ({"claim_word": "x"}, "a claim word has 2 to 40 characters"),
    ],
)
def test_what_cannot_be_is_refused_beside_its_field(hq, wrong, says):
    answer = post(hq, f"{OFFERS}?lang=en", TYPED | wrong)

    assert (answer.status_code, count()) == (422, 0)
    assert says in answer.text


def test_a_ready_made_offer_fills_the_editor(hq):
    page = hq.get(f"{OFFERS}/new?ready=happy_hour&lang=en").text

    assert 'value="14:00-17:00"' in page
    assert 'name="weekday_0" value="yes" checked' in page
    assert 'name="weekday_6" value="yes" checked' not in page
    assert "Usable Monday to Friday" in page


def test_an_offer_that_runs_is_made_more_generous(hq, chain):
    offer = make_offer(chain, stock=10)
    page = hq.get(f"{OFFERS}/{offer.id}/edit?lang=en").text
    typed = TYPED | {"seen": SEEN.search(page)[1], "may_be_given": "yes", "value": "8", "stock": "20"}

    answer = post(hq, f"{OFFERS}/{offer.id}", typed | {"minimum": "20"})

    changed = db.session.get_one(Offer, offer.id, populate_existing=True)
    assert answer.status_code == 303
    assert (changed.value_cents, changed.min_cents, changed.stock) == (800, 2000, 20)


def test_what_would_be_worse_is_named_and_not_saved(hq, chain):
    offer = make_offer(chain, stock=10)
    page = hq.get(f"{OFFERS}/{offer.id}/edit?lang=en").text

    answer = post(hq, f"{OFFERS}/{offer.id}?lang=en", TYPED | {"seen": SEEN.search(page)[1], "value": "1"})

    assert (answer.status_code, "the amount off" in answer.text) == (422, True)
    assert db.session.get_one(Offer, offer.id, populate_existing=True).value_cents == offer.value_cents


def test_of_two_editors_the_second_is_told(hq, chain):
    offer = make_offer(chain, stock=10)
    seen = SEEN.search(hq.get(f"{OFFERS}/{offer.id}/edit").text)[1]
    typed = TYPED | {"seen": seen, "may_be_given": "yes", "stock": "20"}
    post(hq, f"{OFFERS}/{offer.id}", typed)

    second = post(hq, f"{OFFERS}/{offer.id}?lang=en", typed | {"stock": "30"})

    assert second.status_code == 422
    assert db.session.get_one(Offer, offer.id, populate_existing=True).stock == 20


@pytest.fixture
def approving(chain):
    with transaction():
        approval.set_needs_approval(chain.id, True, by=Author("staff:0"), now=utc_now())


def test_a_second_person_approves_before_it_runs(hq, chain, approving, app):
    offer = make_offer(chain, stock=10, state="draft")
    page = f"{OFFERS}/{offer.id}"
    alone = post(hq, f"{page}/publish")
    post(hq, f"{page}/submit")
    mine = hq.get(f"{page}?lang=en").text
    post(hq, f"{page}/approve")
    still = db.session.get_one(Offer, offer.id, populate_existing=True).approved_at
    second = sign_in(app.test_client(), make_staff(chain))

    theirs = second.get(f"{page}?lang=en").text
    post(second, f"{page}/approve", {"submitted_at": SUBMITTED.search(theirs)[1]})
    post(hq, f"{page}/publish")

    assert (alone.status_code, still) == (303, None)
    assert ("waits for a second person" in mine, "asks you to read it" in theirs) == (True, True)
    assert db.session.get_one(Offer, offer.id, populate_existing=True).state == "running"


def test_what_was_rewritten_since_it_was_read_is_not_approved(hq, chain, approving, app):
    offer = make_offer(chain, stock=10, state="draft")
    page = f"{OFFERS}/{offer.id}"
    second = sign_in(app.test_client(), make_staff(chain))
    post(hq, f"{page}/submit")
    read = SUBMITTED.search(second.get(page).text)[1]
    post(hq, page, TYPED | {"value": "20", "minimum": "30"})
    post(hq, f"{page}/submit")

    for sent in ({"submitted_at": read}, {"submitted_at": "yesterday"}, {}):
        post(second, f"{page}/approve", sent)

    assert db.session.get_one(Offer, offer.id, populate_existing=True).approved_at is None


def test_a_draft_is_sent_back_with_the_reason(hq, chain, approving, app):
    offer = make_offer(chain, stock=10, state="draft")
    page = f"{OFFERS}/{offer.id}"
    post(hq, f"{page}/submit")
    second = sign_in(app.test_client(), make_staff(chain))

    post(second, f"{page}/send-back", {"reason": "Too dear"})

    assert "It was sent back: Too dear" in hq.get(f"{page}?lang=en").text
