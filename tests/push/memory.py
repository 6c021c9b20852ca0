"""A channel that takes everything and keeps it."""

from threading import Lock

from push.channels import Message


class MemoryChannel:
    """Everything that was handed over, in order."""

    def __init__(self, parallel: int = 1) -> None:
        self.parallel = parallel
        self.sent: list[Message] = []
        self._lock = Lock()

    def send(self, message: Message) -> None:
        with self._lock:
            self.sent.append(message)

    def close(self) -> None:
        """Nothing to give back."""
