"""One event loop for each thread that sends: its channels keep their connections on it."""

import asyncio
import atexit
from collections.abc import Coroutine
from contextvars import copy_context
from threading import local
from typing import Any, TypeVar

Answer = TypeVar("Answer")


class _Loop:
    """The loop of a thread; it ends with the thread."""

    def __init__(self) -> None:
        self.runner = asyncio.Runner()

    def __del__(self) -> None:
        self.runner.close()


_of_thread = local()


def run_here(doing: Coroutine[Any, Any, Answer]) -> Answer:
    """Run it to its end on the loop of this thread, which is made when first asked for."""
    loop: _Loop | None = getattr(_of_thread, "loop", None)
    if loop is None:
        loop = _of_thread.loop = _Loop()
    return loop.runner.run(doing, context=copy_context())


def close_here() -> None:
    """End the loop of this thread; whoever keeps connections on it gives them back before."""
    loop: _Loop | None = _of_thread.__dict__.pop("loop", None)
    if loop is not None:
        loop.runner.close()  # now: a traceback may hold it until another loop runs


atexit.register(close_here)
