"""The dashboard's pages for sharing: numbers, spreaders, trees."""

import pytest
from markupsafe import escape
from sqlalchemy import update

from cards.models import Card, Member
from core.clock import utc_now
from core.db import db, transaction
from core.hot import one_action, this_transaction
from sharing import joining, linking, visiting
from sharing.definitions import DEFINITIONS
from stores.models import Role
from tests.factories import make_card, make_chain, make_staff, make_store, make_store_code, make_wallet
from tests.pages import sign_in

SHARING = "/dashboard/sharing"


def share(card, channel="group"):
    with transaction():
        return linking.create_link(this_transaction(), card.chain_id, card.id, channel, now=utc_now())


def accept(link):
    wallet_id = make_wallet()
    with one_action() as hot:
        joined = joining.join_by_link(hot, link.token, wallet_id=wallet_id, visitor="v", language="zh", now=utc_now())
    return db.session.get_one(Card, joined.card_id)


def name(card, words):
    with transaction():
        db.session.execute(update(Member).where(Member.id == card.member_id).values(name=words))


@pytest.fixture
def chain(app):
    return make_chain()


@pytest.fixture
def store(chain):
    return make_store(chain, name="南京东路店")


@pytest.fixture
def family(store):
    root = make_card(make_store_code(store), now=utc_now())
    name(root, "林小雪")
    link = share(root)
    child, other = accept(link), accept(link)
    grandchild = accept(share(child, "moments"))
    with transaction():
        for visitor in ("a", "b"):
            visiting.count_visit(this_transaction(), link.token, visitor=visitor, now=utc_now())
    return {"root": root, "child": child, "other": other, "grandchild": grandchild}


@pytest.fixture
def hq(chain, client):
    return sign_in(client, make_staff(chain))


def test_an_empty_page_says_how_it_begins(hq):
    page = hq.get(f"{SHARING}?lang=en")

    assert page.status_code == 200
    assert "Nobody joined in this period." in page.text
    assert "Here stands who brought whom." in page.text


def test_the_numbers_stand_with_their_definitions_in_both_languages(hq, family):
    english, chinese = hq.get(f"{SHARING}?lang=en").text, hq.get(f"{SHARING}?lang=zh").text

    assert "Of 4 new members 75% came through a friend; each new member brings 0.75 more." in english
    assert "4 位新会员里有 75% 是朋友带来的；每位新会员平均再带来 0.75 位。" in chinese
    for name, page in (("K-factor", english), ("K 系数", chinese)):
        assert f'<span class="tile__label">{name}</span>' in page
        assert '<span class="tile__value">0.75</span>' in page
    for definition in DEFINITIONS.values():
        assert escape(definition.meaning.en) in english
        assert escape(definition.meaning.zh) in chinese
    assert "林小雪" in chinese


def test_the_csv_links_carry_the_period_and_the_store(hq, store, family):
    page = hq.get(f"{SHARING}?from=2026-01-01&to=2099-12-31&store={store.code}").text

    address = f"?from=2026-01-01&amp;to=2099-12-31&amp;store={store.code}"
    assert f"/reports/referrals.csv{address}" in page
    assert f"/reports/spreaders.csv{address}" in page


@pytest.mark.parametrize("asked", ["from=x&to=y", "from=2026-13-01", "from=2027-01-01&to=2026-01-01", "store=nowhere"])
def test_a_period_that_makes_no_sense_shows_a_usual_one(hq, asked):
    assert hq.get(f"{SHARING}?{asked}").status_code == 200


def test_spreaders_link_to_the_member_and_to_his_tree(hq, family):
    page = hq.get(f"{SHARING}/spreaders").text

    root = family["root"].member_id
    assert f'href="/dashboard/members/{root}"' in page
    assert f'href="{SHARING}/tree/{root}"' in page
    assert page.index(f"/tree/{root}") < page.index(f"/tree/{family['child'].member_id}")


def test_the_page_asks_few_queries(hq, family, count_queries):
    hq.get(SHARING)

    assert len(count_queries) <= 50


def test_a_manager_sees_the_numbers_of_his_stores_only(client, chain, store, family):
    other = make_store(chain)
    make_card(make_store_code(other), now=utc_now())
    manager = sign_in(client, make_staff(chain, Role.STORE_MANAGER, (other,)))

    page = manager.get(f"{SHARING}?lang=en").text

    assert "1 member joined, nobody through a friend." in page
    assert "林小雪" not in page
    assert manager.get(f"{SHARING}?store={store.code}").text.count("南京东路店") == 0


def test_another_chains_members_are_not_there(client, family):
    foreign = sign_in(client, make_staff(make_chain("other")))

    assert "林小雪" not in foreign.get(SHARING).text


def test_a_period_without_anything_shows_no_numbers_made_of_nothing(hq):
    page = hq.get(f"{SHARING}?lang=en&from=2020-01-01&to=2020-01-31").text

    assert "Nobody joined in this period." in page
    assert "1 Jan 2020 – 31 Jan 2020" in page
    for words in ("0% of 0", "0.00", "–: half", "by 0 members"):
        assert words not in page


def test_one_is_not_several(hq, store):
    link = share(make_card(make_store_code(store), now=utc_now()))
    with transaction():
        visiting.count_visit(this_transaction(), link.token, visitor="a", now=utc_now())
    page = hq.get(f"{SHARING}?lang=en").text

    for words in ("of 1 new member<", "people opened it or joined, 1 visit<", "1 person opened them<"):
        assert words in page
