"""What a segment may ask of a member: each condition with what it takes, the SQL it means and how people say it.

A condition is data, ``{"field": "joined", "op": "within_days", "value": 30}``. Only what is listed here is known.
"""

from push.audiences.conditions import cards, coupons, messages, purchases, sharing, who
from push.audiences.conditions.kinds import Condition, Frame

CONDITIONS: dict[tuple[str, str], Condition] = {
    **who.CONDITIONS,
    **cards.CONDITIONS,
    **coupons.CONDITIONS,
    **purchases.CONDITIONS,
    **sharing.CONDITIONS,
    **messages.CONDITIONS,
}

__all__ = ["CONDITIONS", "Condition", "Frame"]
