"""What a till is refused is written down, in a transaction of its own, after the refused one is over."""

from collections.abc import Iterator
from contextlib import contextmanager

from app.auth.guard import actor
from checkout.attempts import note_refusal
from checkout.errors import CheckoutNotFound
from checkout.models import TillAction
from core.clock import utc_now
from core.db import transaction
from core.errors import DomainError, TooMany


@contextmanager
def refusals_noted(
    action: TillAction,
    *,
    store_id: int | None = None,
    card_number: str | None = None,
    checkout_id: int | None = None,
    amount_cents: int | None = None,
) -> Iterator[None]:
    """Note the refusal that leaves this block, and let it go on. Not inside ``transaction()``.

    Whoever asks too often is not written down each time; a checkout that is not his is not named.
    """
    try:
        yield
    except TooMany:
        raise
    except DomainError as refusal:
        with transaction():
            note_refusal(
                actor().chain_id,
                action,
                refusal,
                made_by=actor().author_name,
                now=utc_now(),
                store_id=store_id,
                card_number=card_number,
                checkout_id=None if isinstance(refusal, CheckoutNotFound) else checkout_id,
                amount_cents=amount_cents,
            )
        raise
