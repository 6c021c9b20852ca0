"""The outbox: nothing is told that did not happen, and nothing that happened is passed over."""

import pytest
from sqlalchemy import select, text

from core.db import db, transaction
from core.errors import Invalid
from core.events import START, Event, Position, read_events, record
from tests.concurrency.racing import race
from tests.factories import NOON, make_chain


@pytest.fixture
def chain(app):
    return make_chain()


def note(chain, **payload):
    with transaction():
        record("card.issued", chain_id=chain.id, at=NOON, **payload)


def numbers(events) -> list[int]:
    return [event.payload["n"] for event in events]


def test_an_event_is_read_as_it_was_recorded(chain):
    note(chain, n=1, name="小雪")

    event = read_events(chain.id)[0]
    assert (event.kind, event.payload, event.at) == ("card.issued", {"n": 1, "name": "小雪"}, NOON)


def test_what_was_undone_is_not_told(chain):
    with pytest.raises(ZeroDivisionError), transaction():
        record("card.issued", chain_id=chain.id, at=NOON)
        1 / 0  # noqa: B018

    assert read_events(chain.id) == []


def test_a_reader_goes_on_where_he_stopped(chain):
    for n in range(5):
        note(chain, n=n)

    first = read_events(chain.id, limit=2)
    position = Position(first[-1].transaction_no, first[-1].id)
    rest = read_events(chain.id, after=Position.parse(str(position)))
    assert (numbers(first), numbers(rest)) == ([0, 1], [2, 3, 4])


def test_another_chains_events_are_not_read(chain):
    note(make_chain("other"), n=1)

    assert read_events(chain.id) == []


@pytest.mark.parametrize("words", ["", "1", "a-b", "1-2-3", "-1-2", "1-" + "9" * 19, "１-2"])
def test_a_position_that_makes_no_sense_is_refused(words):
    with pytest.raises(Invalid):
        Position.parse(words)


def test_parallel_writers_are_all_read_once(app, chain):
    """Seven write, one reads all the while and never looks back."""
    each, writers = 15, 7

    def write_or_read(number):
        if number < writers:
            for n in range(each):
                with transaction():
                    record("card.issued", chain_id=chain.id, at=NOON, n=number * each + n)
                    db.session.flush()
                    record("coupon.claimed", chain_id=chain.id, at=NOON, n=1000 + number * each + n)
            return []
        seen, position = [], START
        while len(seen) < 2 * each * writers:
            for event in read_events(chain.id, after=position, limit=7):
                seen.append(event.payload["n"])
                position = Position(event.transaction_no, event.id)
            db.session.rollback()
        return seen

    told = race(app, write_or_read, racers=writers + 1)[-1]

    assert sorted(told) == sorted([*range(each * writers), *range(1000, 1000 + each * writers)])


@pytest.fixture
def overtaken(app, chain):
    """PostgreSQL: a transaction that began first and ends last. Its event has the lower id."""
    with db.engine.connect() as slow, db.engine.connect() as quick:
        write = text("INSERT INTO events (chain_id, kind, payload, at) VALUES (:chain, 'card.issued', :payload, now())")
        slow.execute(write, {"chain": chain.id, "payload": '{"n": 1}'})
        quick.execute(write, {"chain": chain.id, "payload": '{"n": 2}'})
        quick.commit()
        yield slow
        slow.rollback()


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_reader_waits_for_a_transaction_that_was_overtaken(chain, overtaken):
    before = numbers(read_events(chain.id))
    db.session.rollback()
    overtaken.commit()

    assert (before, numbers(read_events(chain.id))) == ([], [1, 2])


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_control_reading_by_id_passes_an_event_over(chain, overtaken):
    """The naive reader. If this fails, the test above proves nothing."""
    after = max(db.session.scalars(select(Event.id)))
    db.session.rollback()
    overtaken.commit()

    assert db.session.scalars(select(Event).where(Event.id > after)).all() == []
