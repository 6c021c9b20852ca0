"""Limits that processes keep together where they share a Redis."""

import pytest
from limits import parse

from app.counting import Limiter
from tests.push.brokers import redis_server
from tests.push.servers import free_port

THREE = parse("3/minute")


@pytest.fixture
def broker_url(tmp_path):
    with redis_server(tmp_path) as url:
        yield url


@pytest.mark.parametrize("broker_url", ["", "amqp://localhost:5672"])
def test_without_a_redis_each_process_counts_for_itself(broker_url):
    one, other = Limiter(broker_url), Limiter(broker_url)

    assert [one.hit(THREE, "guess", "1.2.3.4") for _ in range(4)] == [True, True, True, False]
    assert other.hit(THREE, "guess", "1.2.3.4")


def test_with_a_redis_they_count_together(broker_url):
    one, other = Limiter(broker_url), Limiter(broker_url)

    assert [each.hit(THREE, "guess", "1.2.3.4") for each in (one, other, one)] == [True] * 3
    assert not other.test(THREE, "guess", "1.2.3.4")
    assert not other.hit(THREE, "guess", "1.2.3.4")
    assert other.free_at(THREE, "guess", "1.2.3.4") == pytest.approx(one.free_at(THREE, "guess", "1.2.3.4"), abs=1)
    assert other.test(THREE, "guess", "5.6.7.8")
    assert other.test(THREE, "login", "1.2.3.4")


def test_a_redis_that_is_away_refuses_nobody_and_limits_hold_meanwhile(caplog):
    limiter = Limiter(f"redis://127.0.0.1:{free_port()}/0")

    assert [limiter.hit(THREE, "guess", "1.2.3.4") for _ in range(4)] == [True, True, True, False]
    assert [record.name for record in caplog.records] == ["kaquan.counting"]


def test_a_redis_that_comes_back_counts_again(tmp_path, monkeypatch):
    monkeypatch.setattr("app.counting.AWAY_SECONDS", 0.0)
    port = free_port()
    limiter = Limiter(f"redis://127.0.0.1:{port}/0")
    assert [limiter.hit(THREE, "guess", "1.2.3.4") for _ in range(4)] == [True, True, True, False]

    with redis_server(tmp_path, port) as url:
        assert limiter.hit(THREE, "guess", "1.2.3.4")
        Limiter(url).hit(THREE, "guess", "1.2.3.4")
        assert limiter.hit(THREE, "guess", "1.2.3.4")
        assert not limiter.test(THREE, "guess", "1.2.3.4")
