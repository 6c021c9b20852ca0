"""Booking a purchase for a till, whether it is a page or a machine."""

from collections.abc import Sequence
from hashlib import sha256

from app.auth.guard import actor
from app.till.tickets import card_at_till, wrong_codes_counted
from checkout import settling
from checkout.reserving import end_of
from core.clock import utc_now
from core.errors import DomainError
from core.hot import one_action, reading
from coupons.applicability import Item

LONGEST_REQUEST_ID = 80


def book(
    card_text: str,
    *,
    store_id: int,
    amount_cents: int,
    coupon_ids: Sequence[int],
    seen_payable_cents: int | None,
    key: str,
    fingerprint: str,
    use_points: int = 0,
    items: tuple[Item, ...] | None = None,
    reserve_minutes: int | None = None,
) -> settling.Settled:
    """Settle (or reserve) for whoever sent this; under the same ``key`` he gets his first checkout, however late."""
    who = actor()
    request_id = request_id_of(who.author_name, key)
    with wrong_codes_counted():
        try:
            card = card_at_till(card_text)
        except DomainError:
            with reading() as hot:
                earlier = settling.find_earlier(
                    hot, who.chain_id, store_id, request_id=request_id, fingerprint=fingerprint
                )
            if earlier is None:
                raise
            return earlier
        sale = settling.Sale(
            chain_id=who.chain_id,
            store_id=store_id,
            card=card,
            amount_cents=amount_cents,
            coupon_ids=tuple(coupon_ids),
            seen_payable_cents=seen_payable_cents,
            request_id=request_id,
            fingerprint=fingerprint,
            settled_by=who.author_name,
            use_points=use_points,
            items=items,
        )
        now = utc_now()
        until = None if reserve_minutes is None else end_of(reserve_minutes, now)
        with one_action(durable=True) as hot:
            if until is not None:
                return settling.reserve(hot, sale, until=until, now=now)
            return settling.settle(hot, sale, now=now)


def request_id_of(author_name: str, key: str) -> str:
    """A request id that nobody else in the store can take, short enough for its column."""
    request_id = f"{author_name}:{key}"
    return request_id if len(request_id) <= LONGEST_REQUEST_ID else sha256(request_id.encode()).hexdigest()
