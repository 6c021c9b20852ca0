"""The page that says what an offer brought and cost."""

import re
from html import unescape

import pytest

from core.clock import utc_now
from core.hot import one_action
from coupons.claiming import claim
from stores.models import Role
from tests.factories import make_card, make_chain, make_offer, make_staff, make_store, make_store_code
from tests.pages import sign_in

OFFERS = "/dashboard/offers"


@pytest.fixture
def chain(app):
    return make_chain()


def claimed_at(chain, offer, store):
    card = make_card(make_store_code(store))
    with one_action() as hot:
        claim(hot, offer.id, card_id=card.id, store_id=store.id, now=utc_now())


def test_what_happened_stands_by_store_and_by_source(client, chain):
    offer, store = make_offer(chain, stock=10), make_store(chain)
    claimed_at(chain, offer, store)
    hq = sign_in(client, make_staff(chain))

    page = hq.get(f"{OFFERS}/{offer.id}/account?lang=en").text

    assert store.name in page
    assert "Claim page" in page
    assert "Can take off at most" in page
    assert "/reports/offers_daily.csv" in page


def test_days_without_anything_say_so(client, chain):
    offer = make_offer(chain, stock=10)
    hq = sign_in(client, make_staff(chain))

    page = hq.get(f"{OFFERS}/{offer.id}/account?lang=en&from=2020-01-01&to=2020-01-02").text

    assert "In these days nobody did." in page


def test_a_manager_sees_his_own_stores_only(client, chain):
    offer, own, other = make_offer(chain, stock=10), make_store(chain), make_store(chain)
    for store in (own, other):
        claimed_at(chain, offer, store)
    manager = sign_in(client, make_staff(chain, role=Role.STORE_MANAGER, stores=[own]))

    page = manager.get(f"{OFFERS}/{offer.id}/account?lang=en").text

    cells = page[page.index('id="stores"') :]
    assert (f"<td>{own.name}" in cells, f"<td>{other.name}" in cells) == (True, False)
    assert "Can take off at most" not in page
    assert "offers_daily.csv" not in page  # head office's


def test_an_offer_with_many_coupons_shows_its_page_first_and_the_figures_then(client, chain, monkeypatch):
    monkeypatch.setattr("app.dashboard.offer_account.AT_ONCE", 1)
    offer, store = make_offer(chain, stock=10), make_store(chain)
    hq = sign_in(client, make_staff(chain))
    path = f"{OFFERS}/{offer.id}/account"
    claimed_at(chain, offer, store)
    assert store.name in hq.get(path).text
    claimed_at(chain, offer, store)

    page = hq.get(f"{path}?lang=en&from=2020-01-01&to=2030-01-01").text
    figures, whole = (unescape(re.search(rf'{name}="([^"]+)"', page)[1]) for name in ("hx-get", 'hint"><a href'))

    assert "Adding up many coupons" in page
    assert store.name not in page
    assert figures == f"{path}/figures?from=2020-01-01&to=2030-01-01"
    assert store.name in (part := hq.get(figures).text)
    assert "<html" not in part
    assert store.name in hq.get(whole).text


def test_the_figures_alone_are_of_a_managers_own_stores_too(client, chain):
    offer, own, other = make_offer(chain, stock=10), make_store(chain), make_store(chain)
    claimed_at(chain, offer, other)
    manager = sign_in(client, make_staff(chain, role=Role.STORE_MANAGER, stores=[own]))

    part = manager.get(f"{OFFERS}/{offer.id}/account/figures?lang=en").text

    assert other.name not in part
    assert "Can take off at most" not in part
