"""Openings of share links: which count, and how often."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from cards.models import Wallet
from core.db import db, transaction
from core.hot import one_action, this_transaction
from core.tokens import hashed
from sharing import joining, linking, visiting
from sharing.models import Referral, ShareLink, ShareVisit, ShareVisitor
from stores.models import Chain
from tests.factories import NOON, make_card, make_chain, make_store, make_store_code, make_wallet


@pytest.fixture
def link(app):
    card = make_card(make_store_code(make_store(make_chain())), wallet_id=make_wallet("the sharer's secret"))
    with transaction():
        return linking.create_link(this_transaction(), card.chain_id, card.id, "group", now=NOON)


def visit(link, visitor="a friend", now=NOON):
    with one_action() as hot:
        return visiting.count_visit(hot, link.token, visitor=visitor, now=now)


def counted(link) -> tuple[int, int]:
    rows = db.session.scalar(select(func.count(ShareVisit.id)).filter_by(share_link_id=link.id))
    return rows, db.session.scalar(select(ShareLink.visits).filter_by(id=link.id))


def test_a_visit_counts_once_in_half_an_hour(link):
    minutes = [0, 1, 29, 30, 31, 60]

    results = [visit(link, now=NOON + timedelta(minutes=m)) for m in minutes]

    assert results == [True, False, False, True, False, True]
    assert counted(link) == (3, 3)


def test_each_visitor_counts(link):
    assert [visit(link, visitor) for visitor in ("a", "b", "a")] == [True, True, False]
    assert counted(link) == (2, 2)


def test_the_sharers_own_opening_does_not_count(link):
    assert visit(link, hashed("the sharer's secret")) is False
    assert counted(link) == (0, 0)


def test_a_visitor_who_is_a_member_already_counts(link):
    make_wallet("another member")

    assert visit(link, hashed("another member")) is True
    assert db.session.scalar(select(func.count(Wallet.id))) == 2


def test_an_unknown_link_is_not_told_from_a_mistyped_one(app):
    with pytest.raises(joining.CodeUnknown), one_action() as hot:
        visiting.count_visit(hot, "x" * 13, visitor="a", now=NOON)


def openings(link) -> list:
    return db.session.execute(select(ShareVisitor.last_visit_at, ShareVisitor.opened_at)).all()


def test_an_opening_that_does_not_count_is_remembered(link):
    soon = NOON + timedelta(minutes=10)

    assert [visit(link), visit(link, now=soon)] == [True, False]

    assert counted(link) == (1, 1)
    assert openings(link) == [(NOON, soon)]


def test_an_opening_told_late_turns_no_clock_back(link):
    visit(link)
    visit(link, now=NOON + timedelta(minutes=10))
    visit(link, now=NOON + timedelta(minutes=5))

    assert openings(link) == [(NOON, NOON + timedelta(minutes=10))]


def test_the_sharers_own_opening_is_not_remembered(link):
    visit(link, hashed("the sharer's secret"))

    assert openings(link) == []


def test_a_link_opened_again_within_half_an_hour_is_the_last_one_opened(link):
    """A, B, A again: the card from the store's code is A's, and nothing is counted twice."""
    other = make_card(make_store_code(make_store(db.session.get_one(Chain, link.chain_id))))
    with transaction():
        b = linking.create_link(this_transaction(), other.chain_id, other.id, "friend", now=NOON)
    code = make_store_code(make_store(db.session.get_one(Chain, link.chain_id)))
    wallet_id = make_wallet("a friend's phone")

    visits = [visit(each, "v", NOON + timedelta(minutes=m)) for m, each in enumerate((link, b, link))]
    with one_action() as hot:
        joining.join_by_code(
            hot, code.token, wallet_id=wallet_id, visitor="v", language="zh", now=NOON + timedelta(minutes=9)
        )

    assert visits == [True, True, False]
    assert db.session.scalar(select(Referral.share_link_id)) == link.id
    assert (counted(link), counted(b)) == ((1, 1), (1, 1))
