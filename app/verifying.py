"""Every balance, counter and total of the books, against its rows."""

from collections.abc import Iterator

from cards import verifying as cards
from checkout import verifying as checkout
from core.verifying import Finding, verify
from coupons import verifying as coupons
from sharing import verifying as sharing

CHECKS = cards.CHECKS + coupons.CHECKS + checkout.CHECKS + sharing.CHECKS


def verify_books(*, chain_id: int | None = None, most: int = 20) -> Iterator[Finding]:
    """Run every check, for one chain or for all, and list at most so many differences of each."""
    return verify(CHECKS, chain_id=chain_id, most=most)
