"""Many threads at once, each with a session of its own."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

from flask import Flask

from core.db import db
from core.errors import DomainError


def race(app: Flask, attempt: Callable[[int], Any], *, racers: int) -> list[Any]:
    """Run ``attempt(number)`` in every racer at once; return what each got, refusals as their codes."""
    start = Barrier(racers)

    def one(number: int) -> Any:
        with app.app_context():
            start.wait()
            try:
                return attempt(number)
            except DomainError as refusal:
                return refusal.code
            finally:
                db.session.remove()

    with ThreadPoolExecutor(racers) as pool:
        return list(pool.map(one, range(racers)))
