"""Today: the sentence, the numbers, the live board, what is to be decided, the search."""

from datetime import timedelta

import pytest
import time_machine
from flask_babel import refresh
from sqlalchemy import update

from app.dashboard.home import pace_words, sentence_of
from app.reports.board import read_board
from app.reports.control import quick_totals
from app.reports.decisions import Matter, list_decisions
from app.reports.question import Reader, ask
from cards.models import Card
from core.audit import SYSTEM, Author
from core.db import db, transaction
from coupons import approval
from coupons.models import OfferBudget, OfferSlot
from push.models import Campaign, Run
from stores.models import Chain, Role, Store, StoreCode
from tests.factories import NOON, make_card, make_chain, make_offer, make_staff, make_store, make_store_code, save
from tests.pages import sign_in
from tests.push.pushing import make_campaign
from tests.reports import story

EVENING = story.hours(15)  # 03:00 in Shanghai: still the business day of 20 May


@pytest.fixture
def chain(app) -> Chain:
    return story.tell()


def test_the_board_adds_up_to_the_report(chain):
    board = read_board(Reader(1), now=story.hours(15.9))

    totals = quick_totals(ask("stores_daily", Reader(1), first="2026-05-20", last="2026-05-20", now=EVENING))
    today = board.this_day

    assert (today.cards, today.cards_by_share) == (totals["cards"], totals["cards_by_share"])
    assert (today.checkouts, today.payable_cents) == (totals["checkouts"], totals["net_cents"])
    assert today.redemptions == totals["redemptions"]
    assert sum(store.payable_cents for store in board.stores) == totals["net_cents"]


def test_a_manager_sees_the_board_of_his_stores(chain):
    board = read_board(Reader(1, frozenset([2])), now=EVENING)

    assert [store.store_id for store in board.stores] == [2]
    assert (board.this_day.cards, board.this_day.payable_cents) == (0, 5700)


def test_the_sentence_says_how_many_how_fast_and_against_last_week(app):
    chain = make_chain()
    code = make_store_code(make_store(chain))
    for minutes in (0, 30, 60):
        make_card(code, now=NOON + timedelta(minutes=minutes))
    for minutes in (0, 40, 300):  # the last one came later in the day than now
        make_card(code, now=NOON - timedelta(days=7) + timedelta(minutes=minutes))

    with app.test_request_context(headers={"Accept-Language": "en"}):
        said = sentence_of(read_board(Reader(chain.id), now=NOON + timedelta(hours=1)))
    with app.test_request_context(headers={"Accept-Language": "zh-CN"}):
        refresh()  # the context of the test has remembered English
        chinese = sentence_of(read_board(Reader(chain.id), now=NOON + timedelta(hours=1)))

    assert said == "3 new cards today, one every 20 minutes, 50% more than last Wednesday by this time."
    assert chinese == "今天 3 张新卡，每 20 分钟一张，比上周三此时多 50%。"


def test_the_sentence_counts_in_times_what_no_percentage_makes_plain(app):
    chain = make_chain()
    code = make_store_code(make_store(chain))
    for minutes in range(9):
        make_card(code, now=NOON + timedelta(minutes=minutes))
    for minutes in (0, 5):
        make_card(code, now=NOON - timedelta(days=7) + timedelta(minutes=minutes))

    with app.test_request_context(headers={"Accept-Language": "zh-CN"}):
        said = sentence_of(read_board(Reader(chain.id), now=NOON + timedelta(hours=1)))

    assert said.endswith("是上周三此时的 4 倍。")


def test_the_sentence_of_a_quiet_day(app):
    chain = make_chain()
    make_card(make_store_code(make_store(chain)), now=NOON - timedelta(days=1))

    with app.test_request_context(headers={"Accept-Language": "en"}):
        said = sentence_of(read_board(Reader(chain.id), now=NOON))

    assert said == "No new card yet today; yesterday there was 1."


@pytest.mark.parametrize(
    ("seconds", "words"), [(1, "1 second"), (84, "84 seconds"), (720, "12 minutes"), (10_800, "3 hours")]
)
def test_the_pace_in_words(app, seconds, words):
    with app.test_request_context(headers={"Accept-Language": "en"}):
        assert pace_words(seconds) == words


def test_the_live_board_tells_the_pace_of_the_last_hour(app):
    chain = make_chain()
    store = make_store(chain)
    code = make_store_code(store)
    for minutes in (-90, -40, -20, -1):
        make_card(code, now=NOON + timedelta(minutes=minutes))

    board = read_board(Reader(chain.id), now=NOON)

    assert [(row.store_id, row.cards, row.pace_seconds) for row in board.stores] == [(store.id, 4, 1200)]
    assert board.new_cards[0].at == NOON - timedelta(minutes=1)


def test_the_feed_knows_no_person(chain, client):
    sign_in(client, make_staff(chain))

    with time_machine.travel(EVENING, tick=False):
        page = client.get("/dashboard/live").text

    assert "南京东路店" in page
    assert "林小雪" not in page
    assert "6200" not in page


def test_the_page_keeps_itself_up_to_date(chain, client):
    sign_in(client, make_staff(chain))

    page = client.get("/dashboard/").text

    assert 'hx-get="/dashboard/live"' in page
    assert "every 12s" in page


def test_the_day_takes_few_queries(chain, client, count_queries):
    sign_in(client, make_staff(chain))
    count_queries.clear()

    client.get("/dashboard/live")

    assert len(count_queries) <= 12


def test_a_fresh_chain_learns_its_first_three_steps(app, client):
    chain = make_chain()
    sign_in(client, make_staff(chain))

    before = client.get("/dashboard/?lang=en").text
    make_store(chain)
    after = client.get("/dashboard/?lang=en").text

    assert "Three steps" in before
    assert ("Done" in before, "Done" in after) == (False, True)


def test_a_clerk_belongs_to_the_till(chain, client):
    sign_in(client, make_staff(chain, Role.CLERK, (db.session.get_one(Store, 1),)))

    assert client.get("/dashboard/").status_code == 403


def test_low_stock_asks_for_a_decision(app):
    chain = make_chain()
    full, low = make_offer(chain, stock=100), make_offer(chain, stock=100)
    with transaction():
        slot = db.session.scalars(db.select(OfferSlot).filter_by(offer_id=low.id)).all()
        for each in slot:
            each.claimed = each.stock
        slot[0].claimed = 0

    decisions = list_decisions(chain.id, now=NOON)

    assert [(each.matter, each.object_id, each.of) for each in decisions] == [(Matter.LOW_STOCK, low.id, 100)]
    assert full.id != low.id


def test_a_low_budget_asks_for_a_decision(app, client):
    chain = make_chain()
    make_card(make_store_code(make_store(chain)))
    low, spent = (make_offer(chain, budget_cents=10_000, name_en=name) for name in ("Low", "Spent"))
    with transaction():
        db.session.get_one(OfferBudget, low.id).committed_cents = 8_500
        db.session.get_one(OfferBudget, spent.id).committed_cents = 9_900

    decisions = list_decisions(chain.id, now=NOON)
    page = sign_in(client, make_staff(chain)).get("/dashboard/?lang=en").text

    assert [(each.matter, each.object_id, each.number, each.is_gone) for each in decisions] == [
        (Matter.LOW_BUDGET, spent.id, 100, True),
        (Matter.LOW_BUDGET, low.id, 1_500, False),
    ]
    assert "“Low”: ¥15.00 of its budget of ¥100.00 left." in page
    assert "“Spent”: its budget does not cover another coupon." in page


def test_a_draft_that_waits_for_a_second_person_is_shown_to_those_who_may_approve(app):
    chain = make_chain()
    make_card(make_store_code(make_store(chain)))
    writer, second, analyst = make_staff(chain), make_staff(chain), make_staff(chain, Role.HQ_ANALYST)
    draft = make_offer(chain, name_en="Unread", state="draft")
    with transaction():
        approval.set_needs_approval(chain.id, True, by=SYSTEM, now=NOON)
        approval.submit(chain.id, draft.id, by=Author(f"staff:{writer.id}"), now=NOON)

    pages = [sign_in(app.test_client(), who).get("/dashboard/?lang=en").text for who in (writer, second, analyst)]

    assert ["“Unread” waits for you to approve it." in page for page in pages] == [False, True, False]
    assert f'href="/dashboard/offers/{draft.id}"' in pages[1]


def test_a_push_that_paused_by_itself_is_said_to_have_paused(chain):
    with transaction():
        campaign = db.session.scalars(db.select(story.Campaign)).one()
        campaign.state = "paused"
        db.session.execute(update(Run).values(state="paused", finished_at=None, pause_reason="errors"))

    decisions = list_decisions(1, now=story.hours(10))

    assert [(each.matter, each.object_id) for each in decisions] == [(Matter.PAUSED, 1)]


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        pytest.param({"kind": "now"}, "“周五” goes out tomorrow 02:00.", id="one that goes out"),
        pytest.param({"kind": "event", "event": "birthday"}, "“周五” begins tomorrow 02:00.", id="one on birthdays"),
    ],
)
def test_what_goes_out_soon_is_said_with_its_day(app, plan, words):
    chain = make_chain()
    make_card(make_store_code(make_store(chain)))
    campaign = make_campaign(chain)
    with transaction():
        due_at = NOON + timedelta(hours=14)
        values = {"state": "scheduled", "schedule": plan, "next_run_at": due_at}
        db.session.execute(update(Campaign).where(Campaign.id == campaign.id).values(values))

    with time_machine.travel(NOON, tick=False):
        page = sign_in(app.test_client(), make_staff(chain)).get("/dashboard/?lang=en").text

    assert words in page


def test_failed_messages_and_missed_campaigns_ask_for_a_decision(chain):
    with transaction():
        db.session.execute(update(StoreCode).where(StoreCode.id == 2).values(revoked_at=NOON))
        campaign = db.session.scalars(db.select(story.Campaign)).one()
        campaign.state = "missed"

    decisions = list_decisions(1, now=story.hours(10))

    assert [(each.matter, each.object_id, each.number) for each in decisions] == [
        (Matter.MISSED, 1, 0),
        (Matter.FAILED, 1, 1),
        (Matter.NO_CODE, 2, 0),
    ]


@pytest.mark.parametrize(
    ("text", "path"),
    [
        pytest.param("6200 0000 0000 0016", "/dashboard/members/1", id="a card number"),
        pytest.param("138 0000 0000", "/dashboard/members/1", id="a phone"),
        pytest.param("林小", "/dashboard/members/1", id="a name"),
    ],
)
def test_a_single_hit_opens_at_once(chain, client, text, path):
    sign_in(client, make_staff(chain))

    assert client.get("/dashboard/search", query_string={"q": text}).location == path


@pytest.mark.parametrize(
    ("text", "found"),
    [("南京", "/dashboard/stores/1"), ("满30", "/dashboard/offers/1"), ("周末", "/dashboard/campaigns/1")],
)
def test_the_search_finds_everything(chain, client, text, found):
    sign_in(client, make_staff(chain))

    assert f'href="{found}"' in client.get("/dashboard/search", query_string={"q": text}).text


def test_the_search_does_not_mind_capitals(chain, client):
    with transaction():
        db.session.get_one(Store, 1).name = "Nanjing Road"
    sign_in(client, make_staff(chain))

    assert 'href="/dashboard/stores/1"' in client.get("/dashboard/search?q=nanjing+ROAD").text


def test_the_beginning_of_a_number_finds_its_stores(chain, client):
    sign_in(client, make_staff(chain))

    assert 'href="/dashboard/stores/1"' in client.get("/dashboard/search?q=s00").text
    assert 'href="/dashboard/stores/3"' not in client.get("/dashboard/search?q=s00").text  # another chain's


def test_a_manager_finds_only_what_is_his(chain, client):
    sign_in(client, make_staff(chain, Role.STORE_MANAGER, (db.session.get_one(Store, 2),)))

    for text in ("林小雪", "南京", "周末", "别家"):
        assert 'href="/dashboard/members/' not in client.get("/dashboard/search", query_string={"q": text}).text
        assert "/dashboard/stores/1" not in client.get("/dashboard/search", query_string={"q": text}).text


def test_a_search_for_nothing_says_what_can_be_found(chain, client):
    sign_in(client, make_staff(chain))

    assert client.get("/dashboard/search?q=").status_code == 200
    assert client.get("/dashboard/search", query_string={"q": "%_\\'"}).status_code == 200


def test_the_board_counts_no_card_of_tomorrow(chain):
    save(db.session.get_one(Card, 5))

    board = read_board(Reader(1), now=EVENING)

    assert board.this_day.cards == 2
