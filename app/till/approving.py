"""A manager's PIN, given with a request: it is counted before it is looked at, and never inside the business action."""

from app.auth.guard import actor
from checkout.policies import Approval
from core.clock import utc_now
from core.db import transaction
from stores import pins


def approval_of(store_id: int, *, staff_id: int | None = None, login: str = "", pin: str) -> Approval:
    """Whoever this PIN is of may allow what his role may do in this store. Raises PinWrong."""
    with transaction():
        attempt = pins.take_try(actor().chain_id, store_id, staff_id=staff_id, login=login, now=utc_now())
    if not pins.is_pin_of(attempt, pin) or attempt is None:
        raise pins.PinWrong()
    with transaction():
        pins.forget_tries(attempt.staff_id)
    return Approval(attempt.author_name, attempt.role)
