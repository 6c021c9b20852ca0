"""A reservation whose time is over may still keep the coupons of a card that stands at the till."""

from checkout.quoting import Standing
from checkout.reserving import release_overdue
from core.clock import utc_now
from core.db import transaction


def was_let_go(standing: Standing) -> bool:
    """Release what of this card is overdue; whether something was, so that the card is to be read anew."""
    if not standing.has_overdue:
        return False
    with transaction():
        return release_overdue(standing.card_id, now=utc_now()) > 0
