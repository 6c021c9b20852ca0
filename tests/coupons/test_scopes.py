"""The names of what an offer is for."""

import pytest

from cards.models import Tier
from core.db import db
from coupons import offers, scopes
from tests.factories import make_chain, make_offer, make_store, program_of

pytestmark = pytest.mark.usefixtures("app")


@pytest.fixture
def chain():
    return make_chain()


def tiers_of(chain):
    return db.session.scalars(db.select(Tier).filter_by(chain_id=chain.id).order_by(Tier.rank)).all()


def test_stores_cards_and_tiers_are_named_in_their_order(chain):
    one, two = make_store(chain, "S2", name="徐汇店"), make_store(chain, "S1", name="静安店")
    silver, gold = tiers_of(chain)
    program = program_of(chain)
    offer = make_offer(chain, store_ids=(one.id, two.id), tier_ids=(gold.id, silver.id), program_ids=(program.id,))

    scope = scopes.scope_of(offer)

    assert [name.zh for name in scope.stores] == ["静安店", "徐汇店"]
    assert [name.en for name in scope.tiers] == ["Silver", "Gold"]
    assert list(scope.programs) == [("雪山会员", "Snow Peak Club")]
    assert scopes.scope_of_draft(chain.id, offers.draft_of(offer)) == scope


def test_what_is_for_all_names_nothing(chain):
    assert scopes.scope_of(make_offer(chain)) == ([], [], [], True)


def test_a_member_price_is_there_where_a_tier_of_the_offer_has_one(chain):
    silver, gold = tiers_of(chain)
    gold.discount_bp = 0
    db.session.commit()

    assert scopes.scope_of(make_offer(chain, tier_ids=(gold.id,))).has_member_price is False
    assert scopes.scope_of(make_offer(chain, tier_ids=(silver.id,))).has_member_price is True


def test_a_list_takes_as_many_queries_as_one_offer(chain, count_queries):
    store, tier = make_store(chain), tiers_of(chain)[0]
    made = [make_offer(chain, store_ids=(store.id,), tier_ids=(tier.id,)) for _ in range(5)]

    before = len(count_queries)

    found = scopes.scopes_of(made)

    assert len([query for query in count_queries[before:] if query != "BEGIN"]) == 3
    assert {len(scope.stores) for scope in found.values()} == {1}
    assert scopes.scopes_of([]) == {}
