"""Counting scans, and finding stores nearby."""

from datetime import timedelta

import pytest

from core.db import db
from core.hot import one_action
from stores.models import Scan, StoreCode
from stores.nearby import Place, stores_named, stores_nearby
from stores.scanning import count_scan
from tests.factories import NOON, make_chain, make_store, make_store_code

pytestmark = pytest.mark.usefixtures("app")


def scan(code: StoreCode, visitor: str = "v" * 64, now=NOON) -> bool:
    with one_action() as hot:
        return count_scan(hot, code.token, visitor=visitor, now=now)


def test_a_scan_counts_once_per_visitor_in_half_an_hour():
    code = make_store_code(make_store(make_chain()))

    counted = [scan(code), scan(code), scan(code, "w" * 64), scan(code, now=NOON + timedelta(minutes=31))]

    assert counted == [True, False, True, True]
    assert db.session.query(Scan).filter_by(store_code_id=code.id, store_id=code.store_id).count() == 3


def test_a_revoked_code_is_not_counted():
    code = make_store_code(make_store(make_chain()), revoked_at=NOON)

    assert scan(code) is False


def test_stores_nearby_come_nearest_first_with_their_distance():
    chain = make_chain()
    make_store(chain, name="far", latitude=39.90, longitude=116.40)
    make_store(chain, name="near", latitude=31.23, longitude=121.48)
    make_store(chain, name="nowhere")
    make_store(chain, name="closed", latitude=31.23, longitude=121.47, closed_at=NOON)

    found = stores_nearby(chain.id, Place(31.23, 121.47))

    assert [near.store.name for near in found] == ["near", "far"]
    assert found[0].metres == pytest.approx(951, abs=5)
    assert found[1].metres == pytest.approx(1_067_000, rel=0.01)


def test_stores_are_found_by_words_with_home_first():
    chain, other = make_chain(), make_chain("other")
    home = make_store(chain, name="徐汇店", city="上海")
    make_store(chain, name="静安店", city="上海")
    make_store(chain, name="朝阳店", city="北京")
    make_store(other, name="静安店", city="上海")

    assert [near.store.name for near in stores_named(chain.id, home=home)] == ["徐汇店", "静安店", "朝阳店"]
    assert [near.store.name for near in stores_named(chain.id, "上海 静安")] == ["静安店"]
    assert stores_named(chain.id, "100%") == []
