"""Counting calls against their limits: each process for itself, or all together in Redis where that is the broker."""

import logging
from collections.abc import Callable
from time import monotonic
from typing import Any, TypeVar
from urllib.parse import urlsplit

from limits import RateLimitItem
from limits.errors import StorageError
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import MovingWindowRateLimiter

from app.broker import SCHEMES

PATIENCE_SECONDS = 0.5  # with a Redis that does not answer: a customer waits meanwhile
AWAY_SECONDS = 30.0  # so long it is not asked again
PREFIX = "kaquan-limits"

Answer = TypeVar("Answer")

log = logging.getLogger("kaquan.counting")


class Limiter:
    """Says whether one more call is within a limit. When Redis is away, this process counts alone meanwhile."""

    def __init__(self, broker_url: str = "") -> None:
        self.storage = MemoryStorage()
        self._own = MovingWindowRateLimiter(self.storage)
        self._shared = _in_redis(broker_url)
        self._away_until = 0.0

    def hit(self, limit: RateLimitItem, *counted: str) -> bool:
        """Count a call of whoever is ``counted``; False when it is one too many, and not counted."""
        return self._ask(lambda limiter: limiter.hit(limit, *counted))

    def test(self, limit: RateLimitItem, *counted: str) -> bool:
        """Whether one more call would be taken."""
        return self._ask(lambda limiter: limiter.test(limit, *counted))

    def free_at(self, limit: RateLimitItem, *counted: str) -> float:
        """When the next call is taken, in seconds since 1970."""
        return self._ask(lambda limiter: limiter.get_window_stats(limit, *counted).reset_time)

    def _ask(self, asking: Callable[[MovingWindowRateLimiter], Answer]) -> Answer:
        if self._shared is not None and monotonic() >= self._away_until:
            try:
                return asking(self._shared)
            except StorageError as problem:
                self._away_until = monotonic() + AWAY_SECONDS
                log.warning("Redis is away (%s); each process counts for itself", type(problem.storage_error).__name__)
        return asking(self._own)


def _in_redis(broker_url: str) -> MovingWindowRateLimiter | None:
    if SCHEMES.get(urlsplit(broker_url).scheme) != "redis":
        return None
    patience: dict[str, Any] = {"socket_timeout": PATIENCE_SECONDS, "socket_connect_timeout": PATIENCE_SECONDS}
    return MovingWindowRateLimiter(RedisStorage(broker_url, key_prefix=PREFIX, wrap_exceptions=True, **patience))
