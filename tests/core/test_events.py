"""The outbox: nothing is told that did not happen, and nothing that happened is passed over."""

import pytest
from sqlalchemy import select, text

from core.db import db, transaction
from core.errors import Invalid
from core.events import START, Event, Position, mark_read, news_for, read_events, record
from tests.concurrency.racing import race
from tests.factories import NOON, in_days, make_chain


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


def read_once(chain, reader="rewards", kinds=("card.issued",), limit=100):
    """What this reader acts on, or None when another was faster."""
    news = news_for(reader, chain.id, kinds=kinds, limit=limit)
    if news is None:
        return []
    with transaction():
        return numbers(news.events) if mark_read(reader, chain.id, news) else None


def test_a_reader_gets_the_kinds_it_asked_for_each_once(chain):
    for n in range(5):
        note(chain, n=n)
        with transaction():
            record("coupon.claimed", chain_id=chain.id, at=NOON, n=100 + n)

    assert [read_once(chain, limit=3), read_once(chain, limit=3), read_once(chain)] == [[0, 1, 2], [3, 4], []]
    assert read_once(chain, "another") == [0, 1, 2, 3, 4]


def test_a_reader_passes_what_it_did_not_ask_for_only_once(chain):
    for n in range(3):
        note(chain, n=n)
    assert read_once(chain, kinds=("never.happened",)) == []

    assert news_for("rewards", chain.id, kinds=("never.happened",)) is None
    note(chain, n=3)
    assert read_once(chain) == [3]


def test_a_reader_passes_over_what_happened_before_his_time(chain):
    for n, day in enumerate((-2, -1, 0, 1)):
        with transaction():
            record("card.issued", chain_id=chain.id, at=in_days(day), n=n)

    news = news_for("rewards", chain.id, kinds=("card.issued",), since=NOON, limit=1)
    with transaction():
        mark_read("rewards", chain.id, news)

    assert (numbers(news.events), read_once(chain)) == ([2], [3])


def test_a_reader_may_take_only_the_first_of_its_news(chain):
    for n in range(3):
        note(chain, n=n)
    news = news_for("rewards", chain.id, kinds=("card.issued",))

    with transaction():
        assert mark_read("rewards", chain.id, news.first(1))

    assert read_once(chain) == [1, 2]


def test_of_two_who_read_the_same_the_second_is_told_that_he_is_late(chain):
    note(chain, n=1)
    first, second = (news_for("rewards", chain.id, kinds=("card.issued",)) for _ in range(2))
    with transaction():
        assert mark_read("rewards", chain.id, first)
    with transaction():
        assert not mark_read("rewards", chain.id, second)


def test_what_was_undone_is_read_again(chain):
    note(chain, n=1)
    news = news_for("rewards", chain.id, kinds=("card.issued",))
    with pytest.raises(ZeroDivisionError), transaction():
        mark_read("rewards", chain.id, news)
        1 / 0  # noqa: B018

    assert read_once(chain) == [1]


def test_parallel_readers_of_one_name_share_the_events(app, chain):
    for n in range(30):
        note(chain, n=n)

    def read(_number):
        seen = []
        while (got := read_once(chain, limit=3)) != []:
            seen += got or []
        return seen

    told = race(app, read, racers=6)

    assert sorted(n for seen in told for n in seen) == list(range(30))
