"""Points make tiers."""

import pytest
from sqlalchemy import update

from cards.models import Card, Tier
from cards.tiering import recompute_tiers
from core.db import db, transaction
from tests.factories import make_card, make_chain, make_store, make_store_code


@pytest.fixture
def card(app):
    return make_card(make_store_code(make_store(make_chain())))


def recompute(points):
    with transaction():
        db.session.execute(update(Card).values(earned_points=points))
        changed = recompute_tiers(1)
    return changed, db.session.scalar(db.select(Tier.rank).join(Card, Card.tier_id == Tier.id))


@pytest.mark.parametrize(("points", "rank"), [(0, 0), (999, 0), (1000, 1), (5000, 1)])
def test_a_card_has_the_highest_tier_its_points_reach(card, points, rank):
    assert recompute(points) == (rank, rank)


def test_a_second_time_changes_nothing(card):
    recompute(1000)

    assert recompute(1000) == (0, 1)


def test_fewer_points_take_the_tier_back(card):
    recompute(1000)

    assert recompute(10) == (1, 0)


def test_another_chain_is_left_alone(card):
    with transaction():
        db.session.execute(update(Card).values(earned_points=1000))
        assert recompute_tiers(2) == 0
