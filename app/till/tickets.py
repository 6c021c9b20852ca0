"""A card that was checked a moment ago needs no second code.

The code on a phone lives for a minute; ringing up a basket takes longer. So the answer to a quote brings a signed
ticket that stands for the card, for whoever got it, for a quarter of an hour.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from flask import current_app
from itsdangerous import BadSignature, SignatureExpired, URLSafeTimedSerializer

from app.auth.guard import actor
from app.security import note_wrong_code, slow_down_guessing
from cards.rotating_code import NUMBER_DIGITS, CardCodeUnknown
from checkout import quoting
from checkout.errors import CardCodeOutdated
from checkout.quoting import Presented

PREFIX = "ct_"
LASTS = timedelta(minutes=15)
LONGEST = 200  # characters of a code or ticket


def give_ticket(number: str) -> str:
    """A ticket for the card with this number, good for whoever sent this request."""
    return PREFIX + str(_signer().dumps([number, actor().author_name, actor().chain_id]))


def card_at_till(text: str) -> Presented:
    """The card that a code or a ticket stands for. Raises CardCodeUnknown, CardCodeOutdated."""
    text = text.strip()[:LONGEST]
    return _of_ticket(text.removeprefix(PREFIX)) if text.startswith(PREFIX) else quoting.presented(text)


def number_in(text: str) -> str:
    """The card number that a code or ticket speaks of, believed without a check: to tell two requests apart."""
    if not text.startswith(PREFIX):
        return "".join(text.split())[:NUMBER_DIGITS]
    _, payload = _signer().loads_unsafe(text.removeprefix(PREFIX))
    number = payload[0] if isinstance(payload, list) and payload else ""
    return number if isinstance(number, str) and number.isascii() and number.isdecimal() else ""


@contextmanager
def wrong_codes_counted() -> Iterator[None]:
    """Slow down whoever reads card codes and finds none."""
    guesser = actor().author_name
    slow_down_guessing(guesser)
    try:
        yield
    except (CardCodeUnknown, CardCodeOutdated):
        note_wrong_code(guesser)
        raise


def _of_ticket(text: str) -> Presented:
    try:
        number, holder, chain_id = _signer().loads(text, max_age=int(LASTS.total_seconds()))
    except SignatureExpired as error:
        raise CardCodeOutdated() from error
    except BadSignature as error:
        raise CardCodeUnknown() from error
    if (holder, chain_id) != (actor().author_name, actor().chain_id):
        raise CardCodeUnknown()
    return Presented(number, None)


def _signer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(current_app.config["SECRET_KEY"], salt="card-at-till")
