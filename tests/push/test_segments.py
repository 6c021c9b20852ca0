"""Who is meant by which conditions."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from cards.models import Card, CardState, Member, Tier
from core.db import db, transaction
from push.audiences.segments import check_audience, count_reach, narrowed, sample_members
from push.errors import AudienceInvalid
from stores.models import Store
from tests.factories import NOON, in_days, make_chain, make_store, make_store_code
from tests.push.pushing import make_member

pytestmark = pytest.mark.usefixtures("app")


def meant(chain, *conditions, channels=()):
    audience = {"all": [dict(zip(("field", "op", "value"), condition, strict=True)) for condition in conditions]}
    return count_reach(chain, check_audience(chain.id, audience), channels, now=NOON)


def make_code(chain):
    return make_store_code(make_store(chain))


def test_no_condition_means_everybody_of_this_chain():
    chain, other = make_chain(), make_chain("other")
    make_member(make_code(chain))
    make_member(make_code(other))

    assert meant(chain).members == 1


def test_a_store_is_where_the_member_joined():
    chain = make_chain()
    here, there = make_code(chain), make_code(chain)
    make_member(here)
    make_member(there)
    make_member(there)

    assert meant(chain, ("store", "in", [here.store_id])).members == 1
    assert meant(chain, ("store", "in", [here.store_id, there.store_id])).members == 3


def test_a_tier_is_that_of_the_card():
    chain = make_chain()
    code = make_code(chain)
    make_member(code)
    gold = db.session.scalars(db.select(Tier).filter_by(chain_id=chain.id, rank=1)).one()
    card = make_member(code)
    with transaction():
        db.session.get_one(Card, card.id).tier_id = gold.id

    assert meant(chain, ("tier", "in", [gold.id])).members == 1


@pytest.mark.parametrize(
    ("condition", "count"),
    [
        pytest.param(("joined", "within_days", 10), 1, id="joined lately"),
        pytest.param(("joined", "before_days", 10), 2, id="joined long ago"),
        pytest.param(("joined", "after", "2026-05-15"), 1, id="joined on or after a day"),
        pytest.param(("joined", "before", "2026-05-15"), 2, id="joined before a day"),
        pytest.param(("last_visit", "within_days", 7), 1, id="came lately"),
        pytest.param(("last_visit", "before_days", 7), 2, id="has not come, also who never came"),
        pytest.param(("last_visit", "before_days", 50), 1, id="only who never came is away that long"),
    ],
)
def test_days_are_counted_back_from_now(condition, count):
    chain = make_chain()
    code = make_code(chain)
    make_member(code, now=in_days(-5), last_visit_at=in_days(-3))
    make_member(code, now=in_days(-40), last_visit_at=in_days(-20))
    make_member(code, now=in_days(-60))

    assert meant(chain, condition).members == count


def test_a_day_begins_when_the_chain_says():
    chain = make_chain(timezone="Asia/Shanghai", cutoff_hour=4)
    make_member(make_code(chain), now=NOON.replace(day=19, hour=19, minute=59))  # 03:59 on the 20th: still the 19th

    assert meant(chain, ("joined", "after", "2026-05-20")).members == 0
    assert meant(chain, ("joined", "after", "2026-05-19")).members == 1


def test_every_condition_must_hold():
    chain = make_chain()
    here, there = make_code(chain), make_code(chain)
    make_member(here, now=in_days(-5))
    make_member(there, now=in_days(-5))
    make_member(here, now=in_days(-50))

    assert meant(chain, ("store", "in", [here.store_id]), ("joined", "within_days", 10)).members == 1


def test_the_reach_says_how_many_each_channel_gets_to():
    chain = make_chain()
    code = make_code(chain)
    make_member(code, email="a@example.com", phone="+8613800000001")
    make_member(code, email="b@example.com", agrees_to=())
    frozen = make_member(code, email="c@example.com")
    with transaction():
        db.session.get_one(Card, frozen.id).state = CardState.FROZEN

    reach = meant(chain, channels=("inbox", "email", "gateway"))

    assert reach == (3, {"inbox": 2, "email": 1, "gateway": 1})


def test_an_erased_card_is_nobody():
    chain = make_chain()
    card = make_member(make_code(chain))
    with transaction():
        db.session.get_one(Card, card.id).state = CardState.ERASED

    assert meant(chain).members == 0


def test_the_sample_shows_the_newest():
    chain = make_chain()
    code = make_code(chain)
    cards = [make_member(code, now=NOON - timedelta(days=day)) for day in (3, 1, 2)]

    rows = sample_members(chain, {}, now=NOON, limit=2)

    assert [row.id for row in rows] == [cards[1].member_id, cards[2].member_id]


@pytest.mark.parametrize(
    "audience",
    [
        pytest.param({"any": []}, id="an unknown rule"),
        pytest.param({"all": [{"field": "phone", "op": "in", "value": ["1"]}]}, id="a field not on the list"),
        pytest.param({"all": [{"field": "joined", "op": "in", "value": [1]}]}, id="an op the field has not"),
        pytest.param({"all": [{"field": "joined", "op": "within_days", "value": "1; DROP TABLE"}]}, id="text for days"),
        pytest.param({"all": [{"field": "joined", "op": "within_days", "value": True}]}, id="true for days"),
        pytest.param({"all": [{"field": "joined", "op": "within_days", "value": 0}]}, id="no days"),
        pytest.param({"all": [{"field": "joined", "op": "after", "value": "yesterday"}]}, id="no date"),
        pytest.param({"all": [{"field": "store", "op": "in", "value": []}]}, id="no store"),
        pytest.param({"all": [{"field": "store", "op": "in", "value": [999]}]}, id="a store that is not there"),
        pytest.param({"all": [{"field": "store", "op": "in", "value": [2**70]}]}, id="a number no database holds"),
        pytest.param({"all": [{"field": "store", "op": "in"}]}, id="half a condition"),
        pytest.param({"all": "everybody"}, id="no list"),
        pytest.param([], id="no object"),
    ],
)
def test_what_is_not_on_the_list_is_refused(audience):
    chain = make_chain()

    with pytest.raises(AudienceInvalid):
        check_audience(chain.id, audience)


def test_another_chains_store_is_refused():
    chain, other = make_chain(), make_chain("other")
    foreign = make_store(other)

    with pytest.raises(AudienceInvalid):
        check_audience(chain.id, {"all": [{"field": "store", "op": "in", "value": [foreign.id]}]})


def test_a_members_name_is_never_part_of_the_statement():
    chain = make_chain()
    card = make_member(make_code(chain), name="Robert'); DROP TABLE members;--")

    assert sample_members(chain, {}, now=NOON)[0].name == db.session.get_one(Member, card.member_id).name


@pytest.mark.parametrize(
    ("field", "op", "value"),
    [
        ("campaign", "was_sent", [1]),
        ("campaign", "redeemed", [1]),
        ("coupon", "had", [1]),
        ("coupon", "count_at_least", 2),
        ("program", "in", [1]),
        ("brought", "at_least", {"count": 2, "days": None}),
    ],
)
def test_sqlite_does_not_go_through_all_who_are_found_for_each_card(database, field, op, value):
    """With an index for it, it does: 40,000 members of an earlier campaign took two minutes."""
    query = narrowed(select(Member.id), make_chain(), {"field": field, "op": op, "value": value}, now=NOON)

    assert ("members.id IN (SELECT" in str(query.compile(db.engine))) == (database == "postgresql")


def test_an_audience_may_name_more_ids_than_a_statement_has_places():
    chain = make_chain()
    code = make_code(chain)
    make_member(code)
    others = [
        Store(chain_id=chain.id, code=f"N{number}", name="x", timezone=chain.timezone, created_at=NOON)
        for number in range(2_000)
    ]
    with transaction():
        db.session.add_all(others)
    stores = {"field": "store", "op": "in", "value": [code.store_id, *(store.id for store in others)]}
    rules = check_audience(chain.id, {"all": [stores] * 40})

    assert 40 * len(others) > 65_535  # of PostgreSQL
    assert count_reach(chain, rules, [], now=NOON).members == 1
