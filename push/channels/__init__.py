"""Ways to reach a member outside his wallet: one module each, behind one small protocol."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol


@dataclass(frozen=True)
class Browser:
    """A browser that a member let us wake (RFC 8030): where its push service listens, and its keys in base64url."""

    endpoint: str
    p256dh: str
    auth: str


@dataclass(frozen=True)
class Filled:
    """A template that a vendor approved, by the vendor's code, with what stands in each of its fields."""

    code: str
    fields: Mapping[str, str]


@dataclass(frozen=True)
class Message:
    """What a channel hands over. ``key`` is the same at every attempt."""

    key: str
    chain: str  # its name in the reader's language
    to: str  # an address of this channel; empty for browsers
    language: str
    title: str
    body: str
    coupon: str | None  # the name of the offer that comes with it
    url: str  # the wallet
    unsubscribe_url: str
    html: str = ""  # for e-mail: already clean
    fresh_until: datetime | None = None  # a provider that keeps it need not keep it longer
    browsers: tuple[Browser, ...] = ()  # for Web Push: all that the member has
    template: Filled | None = None  # for vendors that take nothing but templates


@dataclass(frozen=True)
class Handed:
    """The provider took it. ``ref``: how it calls the message in what it tells later; ``gone``: endpoints that are."""

    ref: str | None = None
    gone: tuple[str, ...] = ()


class ChannelError(Exception):
    """The provider did not take the message. The text goes into the row: no address, no name in it."""

    def __init__(self, text: str, *, gone: tuple[str, ...] = ()) -> None:
        super().__init__(text)
        self.gone = gone  # endpoints of browsers that are no more


class PermanentError(ChannelError):
    """It never will: do not try again. ``address_is_dead``: nothing must go to that address any more."""

    def __init__(self, text: str, *, gone: tuple[str, ...] = (), address_is_dead: bool = False) -> None:
        super().__init__(text, gone=gone)
        self.address_is_dead = address_is_dead


class NotAllowedError(PermanentError):
    """The member allows no message of this kind any more, whatever we counted."""


class MayHaveGoneError(PermanentError):
    """It may have gone out, and the provider would not drop a second one: so it is not tried again."""


class RetryError(ChannelError):
    """It may later, perhaps not before ``after``. ``is_provider``: the provider has trouble, not this one message."""

    def __init__(
        self, text: str, after: timedelta | None = None, *, gone: tuple[str, ...] = (), is_provider: bool = True
    ) -> None:
        super().__init__(text, gone=gone)
        self.after = after
        self.is_provider = is_provider


class UnansweredError(RetryError):
    """It may have gone out: the provider was reached and did not answer.

    ``drops_within``: so long it drops a second one; later none must be sent. None where it always does.
    """

    drops_within: timedelta | None = None


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
    """A way out, used on one event loop. ``parallel`` says how many messages it may be handed at once."""

    parallel: int

    async def send(self, message: Message) -> Handed:
        """Hand one message over, or raise ``PermanentError`` or ``RetryError``.

        The provider drops a second message with the same key.
        """

    async def close(self) -> None:
        """Give connections back."""
