"""Offers through the API: listing them, claiming coupons."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select, update

from core.audit import SYSTEM
from core.clock import utc_now
from core.db import db, transaction
from coupons.models import Coupon, Offer, OfferSlot
from coupons.offers import publish
from stores.models import Role
from tests.concurrency.racing import race
from tests.factories import make_card, make_chain, make_key, make_offer, make_store, make_store_code, make_wallet

API = "/api/v1"


@pytest.fixture
def chain(app):
    return make_chain()


@pytest.fixture
def code(chain):
    return make_store_code(make_store(chain))


@pytest.fixture
def card(code):
    return make_card(code, wallet_id=make_wallet("phone"))


def claim(client, offer, secret="phone", **headers):
    return client.post(f"{API}/offers/{offer.id}/coupons", headers={"Authorization": f"Bearer {secret}"} | headers)


def count():
    return db.session.scalar(select(func.count(Coupon.id)))


def test_a_wallet_claims_a_coupon_for_its_card(client, chain, card):
    offer = make_offer(chain, stock=10)

    answer = claim(client, offer)

    coupon = db.session.scalars(select(Coupon)).one()
    assert answer.status_code == 201
    assert answer.json == {
        "id": coupon.id,
        "code": coupon.code,
        "offer_id": offer.id,
        "card_id": card.id,
        "state": "claimed",
        "valid_from": coupon.valid_from.isoformat(),
        "valid_until": coupon.valid_until.isoformat(),
    }
    assert coupon.source == "api"


@pytest.mark.parametrize(
    ("rules", "refusal", "status"),
    [
        ({"state": "paused"}, "offer_not_running", 409),
        ({"state": "draft"}, "offer_not_running", 409),
        ({"is_public": False}, "offer_not_found", 404),
    ],
    ids=["paused", "draft", "not public"],
)
def test_what_cannot_be_claimed_is_refused_with_its_reason(client, chain, card, rules, refusal, status):
    answer = claim(client, make_offer(chain, **rules))

    assert (answer.status_code, answer.json["code"], count()) == (status, refusal, 0)


def test_an_offer_that_is_over_is_refused(client, chain, card):
    offer = make_offer(chain)
    long_ago = {"valid_from": datetime(2020, 1, 1, tzinfo=UTC), "valid_until": datetime(2020, 2, 1, tzinfo=UTC)}
    with transaction():
        db.session.execute(update(Offer).values(valid_days=None, **long_ago))

    answer = claim(client, offer)

    assert (answer.status_code, answer.json["code"], count()) == (409, "offer_not_running", 0)


def test_stock_limits_and_cards_are_kept(client, chain, code, card):
    offer = make_offer(chain, stock=2, per_member_limit=1)
    make_card(code, wallet_id=make_wallet("second"))
    make_card(code, wallet_id=make_wallet("third"))
    make_wallet("no card")

    answers = [claim(client, offer, who) for who in ("no card", "phone", "phone", "second", "third")]

    assert [(answer.status_code, answer.json.get("code")) for answer in answers if answer.status_code != 201] == [
        (409, "card_needed"),
        (409, "offer_limit_reached"),
        (409, "offer_sold_out"),
    ]
    assert count() == 2


def test_a_card_of_another_chain_is_no_card_here(client, card):
    answer = claim(client, make_offer(make_chain("other")))

    assert (answer.status_code, answer.json["code"]) == (409, "card_needed")


def test_a_repeat_with_its_key_gets_the_first_coupon(client, chain, card):
    offer = make_offer(chain, stock=10, per_member_limit=5)
    key = {"Idempotency-Key": "claim-0001"}

    first, again, another = claim(client, offer, **key), claim(client, offer, **key), claim(client, offer)

    assert (again.status_code, again.json) == (201, first.json)
    assert again.headers["Idempotent-Replay"] == "true"
    assert another.json["id"] != first.json["id"]
    assert count() == 2


def test_a_key_for_another_offer_is_refused(client, chain, card):
    first, second = make_offer(chain), make_offer(chain)
    key = {"Idempotency-Key": "claim-0001"}
    claim(client, first, **key)

    answer = claim(client, second, **key)

    assert (answer.status_code, answer.json["code"], count()) == (409, "idempotency_key_reused", 1)


def test_a_refusal_is_not_kept_under_its_key(client, chain, card):
    offer = make_offer(chain, state="paused")
    key = {"Idempotency-Key": "claim-0001"}
    refused = claim(client, offer, **key)
    with transaction():
        publish(chain.id, offer.id, by=SYSTEM, now=utc_now())

    assert (refused.status_code, claim(client, offer, **key).status_code) == (409, 201)


def test_parallel_repeats_with_one_key_claim_once(app, chain, card):
    offer = make_offer(chain, stock=100, per_member_limit=50)

    def ask(_):
        answer = claim(app.test_client(), offer, **{"Idempotency-Key": "claim-0001"})
        return answer.status_code, answer.json.get("id")

    assert len(set(race(app, ask, racers=16))) == 1
    assert count() == 1
    assert db.session.scalar(select(func.sum(OfferSlot.claimed))) == 1


def test_parallel_claims_with_keys_of_their_own_stop_at_the_limit(app, chain, card):
    offer = make_offer(chain, stock=100, per_member_limit=3)

    def ask(number):
        return claim(app.test_client(), offer, **{"Idempotency-Key": f"claim-{number:04}"}).status_code

    assert sorted(race(app, ask, racers=16)) == [201] * 3 + [409] * 13
    assert count() == 3
    assert db.session.scalar(select(func.sum(OfferSlot.claimed))) == 3


def test_the_list_shows_rules_sentence_stock_and_funnel(client, chain, card):
    offer = make_offer(chain, stock=10)
    make_offer(chain, kind="percent", percent_bp=1500, cap_cents=2000, is_public=False, state="draft")
    make_offer(make_chain("other"))
    claim(client, offer)

    answer = client.get(f"{API}/offers", headers={"Authorization": f"Bearer {make_key(chain)}"})

    percent, cash = answer.json["items"]
    assert answer.json["next_cursor"] is None
    assert percent["sentence"] == {"zh": "满30元打85折，最多减20元", "en": "15% off from ¥30, at most ¥20 off"}
    assert (percent["state"], percent["left"], percent["url"]) == ("draft", None, None)
    assert (cash["value_cents"], cash["stock"], cash["left"], cash["claimed"], cash["redeemed"]) == (500, 10, 9, 1, 0)
    assert cash["url"] == f"http://localhost/o/{offer.token}"


def test_the_list_pages_by_key_and_filters_by_state(client, chain):
    made = [make_offer(chain).id for _ in range(3)]
    make_offer(chain, state="draft")
    headers = {"Authorization": f"Bearer {make_key(chain, Role.CLERK, make_store(chain))}"}

    first = client.get(f"{API}/offers?state=running&limit=2", headers=headers).json
    second = client.get(f"{API}/offers?state=running&limit=2&cursor={first['next_cursor']}", headers=headers).json

    assert [item["id"] for item in first["items"] + second["items"]] == made[::-1]


def test_a_list_asks_few_queries(client, chain, count_queries):
    for _ in range(5):
        make_offer(chain, stock=5)
    headers = {"Authorization": f"Bearer {make_key(chain)}"}
    count_queries.clear()

    client.get(f"{API}/offers", headers=headers)

    assert len(count_queries) <= 6
