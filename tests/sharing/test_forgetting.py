"""What devices and networks looked like is forgotten after ninety days."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from core.db import db
from sharing import forgetting
from sharing.forgetting import forget_traces_batch
from sharing.models import Referral, ShareLink
from sharing.traces import Trace
from tests.factories import NOON, in_days
from tests.sharing.referring import Circle

pytestmark = pytest.mark.usefixtures("app")

SECOND = timedelta(seconds=1)


def traces(model, chain):
    rows = db.session.execute(select(model.device, model.network).filter_by(chain_id=chain.id).order_by(model.id))
    return [tuple(row) for row in rows]


def test_traces_are_forgotten_when_they_are_ninety_days_old():
    circle = Circle()
    seen = Trace("phone", "home")
    for now in (NOON, NOON + SECOND):
        circle.friend(circle.share(circle.member(now), trace=seen, now=now), trace=seen, now=now)

    assert forget_traces_batch(circle.chain.id, now=in_days(90)) == 2
    for model in (Referral, ShareLink):
        assert traces(model, circle.chain) == [(None, None), seen]
    assert forget_traces_batch(circle.chain.id, now=in_days(90)) == 0


def test_half_a_trace_is_forgotten_as_well():
    circle = Circle()
    circle.share(circle.member(), trace=Trace(None, "home"))
    circle.share(circle.member(), trace=Trace("phone", None))

    assert forget_traces_batch(circle.chain.id, now=in_days(91)) == 2
    assert traces(ShareLink, circle.chain) == [(None, None)] * 2


def test_many_are_forgotten_in_short_transactions(monkeypatch):
    monkeypatch.setattr(forgetting, "IN_ONE_GO", 2)
    circle = Circle()
    card = circle.member()
    for _ in range(5):
        circle.share(card, trace=Trace("phone", "home"))

    assert [forget_traces_batch(circle.chain.id, now=in_days(91)) for _ in range(4)] == [2, 2, 1, 0]


def test_each_chain_forgets_its_own():
    circle, other = Circle(), Circle("other")
    for each in (circle, other):
        each.share(each.member(), trace=Trace("phone", "home"))
    forget_traces_batch(circle.chain.id, now=in_days(91))

    assert traces(ShareLink, other.chain) == [("phone", "home")]
