"""Telling workers on any machine that a channel has work: by Dramatiq over Redis or RabbitMQ.

A message says "work this channel" and nothing more; what there is to do stands in the database. So a message that is
lost, comes twice or comes late does no harm, and a broker that is away costs time alone: the next tick of the clock
tells again, and workers look by themselves now and then.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import dramatiq

SCHEMES = {"redis": "redis", "rediss": "redis", "unix": "redis", "amqp": "amqp", "amqps": "amqp"}
NAMESPACE = "kaquan"
HEARTBEAT_MS = 15_000  # without one for so long a worker counts as dead, and another gets what it had in its hands
PATIENCE_SECONDS = 3  # with a broker that does not answer

log = logging.getLogger("kaquan.broker")


def queue_name(channel: str) -> str:
    """Each channel has its own, so that a slow one holds up nobody."""
    return f"{NAMESPACE}-{channel}"


def connect(url: str) -> dramatiq.Broker:
    """A broker by its address; nothing is asked of it yet.

    No middleware: what is tried again, how often and how long, stands with the deliveries.
    """
    if SCHEMES[urlsplit(url).scheme] == "redis":
        import redis
        from dramatiq.brokers.redis import RedisBroker

        client = redis.Redis.from_url(url, socket_connect_timeout=PATIENCE_SECONDS, socket_timeout=PATIENCE_SECONDS)
        return RedisBroker(client=client, middleware=[], namespace=NAMESPACE, heartbeat_timeout=HEARTBEAT_MS)
    from dramatiq.brokers.rabbitmq import RabbitmqBroker

    logging.getLogger("pika").setLevel(logging.WARNING)  # it tells of every step of every connection
    return RabbitmqBroker(url=_patient(url), middleware=[])


class Teller:
    """Says that there is work. It never raises: when the broker is away, it is told again at the next tick."""

    def __init__(self, broker: dramatiq.Broker) -> None:
        self._broker = broker
        self._is_away = False

    def tell(self, shares: Mapping[str, int]) -> None:
        """Wake as many workers as there are shares of work, channel by channel; who was told already counts."""
        try:
            for channel, count in shares.items():
                self._tell(channel, count)
        except Exception as problem:  # each broker has its own
            if not self._is_away:
                log.warning("the broker is away (%s); workers look by themselves", type(problem).__name__)
            self._is_away = True
        else:
            self._is_away = False
        finally:
            _hang_up(self._broker)

    def close(self) -> None:
        self._broker.close()

    def _tell(self, channel: str, count: int) -> None:
        name = queue_name(channel)
        self._broker.declare_queue(name)
        for _ in range(count - _count_told(self._broker, name)):
            message: dramatiq.Message[Any] = dramatiq.Message(
                queue_name=name, actor_name=name, args=(), kwargs={}, options={}
            )
            self._broker.enqueue(message)


class Listener:
    """Hears for a worker process that its channels have work."""

    def __init__(self, broker: dramatiq.Broker, work: Mapping[str, Callable[[], None]]) -> None:
        """``work`` by channel; until it returns, words about that channel are left for other workers."""
        self._broker = broker
        for channel, do in work.items():
            name = queue_name(channel)
            dramatiq.Actor(do, broker=broker, actor_name=name, queue_name=name, priority=0, options={})
        self._worker = dramatiq.Worker(broker, worker_threads=len(work), worker_timeout=500)
        self._worker.queue_prefetch = 1

    def start(self) -> None:
        self._worker.start()

    def stop(self) -> None:
        self._worker.stop(timeout=PATIENCE_SECONDS * 1000)
        self._broker.close()


def _count_told(broker: Any, queue: str) -> int:
    """How many words about a queue nobody has acted on yet."""
    if hasattr(broker, "do_qsize"):  # Redis: with those that workers have in their hands
        return int(broker.do_qsize(queue))
    if hasattr(broker, "get_queue_message_counts"):
        return int(broker.get_queue_message_counts(queue)[0])
    return 0


def _hang_up(broker: Any) -> None:
    """Give this thread's connection to RabbitMQ back: idle, it is dropped within minutes, and would stay dropped."""
    if hasattr(type(broker), "connection"):
        del broker.connection


def _patient(url: str) -> str:
    """RabbitMQ's address with limits to waiting, unless it has its own."""
    if "socket_timeout" in url:
        return url
    limits = f"connection_attempts=1&socket_timeout={PATIENCE_SECONDS}&blocked_connection_timeout={PATIENCE_SECONDS}"
    return f"{url}{'&' if '?' in url else '?'}{limits}"
