"""Prints messages to the terminal, in place of a provider that is not set up. For looking, never for members."""

import sys
from typing import TextIO

from push.channels import Message


class ConsoleChannel:
    """One line a message, without the address."""

    parallel = 1

    def __init__(self, name: str, out: TextIO | None = None) -> None:
        self._name = name
        self._out = out or sys.stderr

    def send(self, message: Message) -> None:
        self._out.write(f"[{self._name}] {message.key} {message.chain}: {message.title}\n")

    def close(self) -> None:
        self._out.flush()
