"""Ways to reach a member outside his wallet: one module each, behind one small protocol."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol


@dataclass(frozen=True)
class Message:
    """What a channel hands over. ``key`` is the same at every attempt."""

    key: str
    chain: str  # its name in the reader's language
    to: str  # an address of this channel
    language: str
    title: str
    body: str
    coupon: str | None  # the name of the offer that comes with it
    url: str  # the wallet
    unsubscribe_url: str
    html: str = ""  # for e-mail: already clean


class ChannelError(Exception):
    """The provider did not take the message. The text goes into the row: no address, no name in it."""


class PermanentError(ChannelError):
    """It never will: do not try again."""


class RetryError(ChannelError):
    """It may later, perhaps not before ``after``."""

    def __init__(self, text: str, after: timedelta | None = None) -> None:
        super().__init__(text)
        self.after = after


class UnansweredError(RetryError):
    """It may have gone out: the provider was reached and did not answer."""


@dataclass(frozen=True)
class CodeMessage:
    """A one-time code on its way to the phone that it is to prove. ``key`` is the same at every attempt."""

    key: str
    chain: str  # its name in the reader's language
    to: str  # E.164
    language: str
    code: str
    valid_minutes: int
    body: str  # all of it as one sentence


class Channel(Protocol):
    """A way out. ``parallel`` says how many messages it may be handed at once, by as many threads."""

    parallel: int

    def send(self, message: Message) -> None:
        """Hand one message over, or raise ``PermanentError`` or ``RetryError``.

        The provider drops a second message with the same key.
        """

    def close(self) -> None:
        """Give connections back."""
