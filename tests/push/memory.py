"""A channel that takes everything and keeps it."""

from threading import Lock

from push.channels import Handed, Message


class MemoryChannel:
    """Everything that was handed over, in order."""

    def __init__(self, parallel: int = 1) -> None:
        self.parallel = parallel
        self.sent: list[Message] = []
        self._lock = Lock()

    async def send(self, message: Message) -> Handed:
        with self._lock:
            self.sent.append(message)
        return Handed()

    async def close(self) -> None:
        """Nothing to give back."""
