"""The filter for one store: a select for few, a box that searches for thousands."""

import pytest

from app.dashboard import store_choice
from core.db import db, transaction
from stores.models import Role, Store
from tests.factories import NOON, make_card, make_chain, make_staff, make_store, make_store_code
from tests.pages import sign_in

MANY = 2_734
PAGES = ["/dashboard/members", "/dashboard/reports", "/dashboard/sharing", "/dashboard/reports/stores_daily"]


@pytest.fixture
def chain(app):
    return make_chain()


@pytest.fixture
def large(chain):
    """A chain with thousands of stores; one member, who joined in the last of them."""
    with transaction():
        db.session.add_all(
            Store(
                chain_id=chain.id,
                code=f"N{number:04}",
                name=f"人民路{number}号店",
                city="上海",
                timezone="Asia/Shanghai",
                created_at=NOON,
            )
            for number in range(MANY)
        )
    last = db.session.scalars(db.select(Store).filter_by(code=f"N{MANY - 1:04}")).one()
    make_card(make_store_code(last))
    return last


@pytest.fixture
def hq(client, chain):
    return sign_in(client, make_staff(chain))


@pytest.mark.parametrize("path", PAGES)
def test_few_stores_are_a_select(hq, chain, path):
    first, second = make_store(chain, name="甲店"), make_store(chain, name="乙店")
    make_card(make_store_code(first))
    page = hq.get(f"{path}?store={second.code}").text

    assert f'<option value="{second.code}" selected>乙店</option>' in page
    assert f'<option value="{first.code}">甲店</option>' in page


@pytest.mark.parametrize("path", PAGES)
def test_thousands_of_stores_are_searched(hq, large, path):
    page = hq.get(path)

    assert len(page.data) < 100_000
    assert "store-options" in page.text
    assert ">人民路7号店</option>" not in page.text


@pytest.mark.parametrize("words", [f"N{MANY - 1}", f"人民路{MANY - 1}", f"上海 n{MANY - 1}"])
def test_the_last_of_thousands_of_stores_is_found_by_number_or_name(hq, large, words):
    assert "1 位会员" in hq.get(f"/dashboard/members?lang=zh&store={words}").text
    assert "/reports/members.csv?store=N2733" in hq.get(f"/dashboard/members?store={words}").text


def test_words_that_fit_several_stores_ask_for_one(hq, large):
    page = hq.get("/dashboard/members?lang=zh&store=人民路").text

    assert "请从找到的门店中选一家" in page
    assert "store=%E4" not in page.split("members.csv")[1].split('"')[0]


def test_what_is_typed_finds_the_first_stores(hq, large):
    options = hq.get("/dashboard/store-options?store=人民路27").text

    assert options.count("<option") == store_choice.MOST_FOUND
    assert '<option value="N0027">人民路27号店 · 上海</option>' in options


def test_a_manager_finds_his_own_stores_only(client, chain, large):
    own = make_store(chain, code="OWN", name="人民路我的店")
    sign_in(client, make_staff(chain, Role.STORE_MANAGER, (own,)))
    options = client.get("/dashboard/store-options?store=人民路").text

    assert options.count("<option") == 1
    assert "OWN" in options
    assert "1 位会员" not in client.get(f"/dashboard/members?lang=zh&store=N{MANY - 1}").text
