"""Prints messages to the terminal, in place of a provider that is not set up. For looking, never for members."""

import sys
from typing import TextIO

from push.channels import Handed, Message


class ConsoleChannel:
    """One line a message, without the address."""

    parallel = 1

    def __init__(self, name: str, out: TextIO | None = None) -> None:
        self._name = name
        self._out = out or sys.stderr

    async def send(self, message: Message) -> Handed:
        self._out.write(f"[{self._name}] {message.key} {message.chain}: {message.title}\n")
        return Handed()

    async def close(self) -> None:
        self._out.flush()
