"""How a chain counts who brought whom."""

from datetime import datetime
from typing import NamedTuple

from core import audit
from core.audit import Author
from core.db import db, insert
from core.errors import Invalid
from core.text import Text
from sharing.models import DEFAULT_WINDOW_DAYS, SharingPolicy

LONGEST_WINDOW = 90  # days


class WindowInvalid(Invalid):
    """The window is from one day to ninety."""

    code = "sharing_window_invalid"
    sentence = Text("归因窗口要在 1 到 90 天之间。", "The window has 1 to 90 days.")


class Policy(NamedTuple):
    """How long a link is remembered, and whether a store code scanned after it wins."""

    window_days: int = DEFAULT_WINDOW_DAYS
    store_code_wins: bool = False


DEFAULT = Policy()


def get_policy(chain_id: int) -> Policy:
    """The chain's own rules, or the ones every chain begins with."""
    row = db.session.get(SharingPolicy, chain_id)
    return DEFAULT if row is None else Policy(row.window_days, row.store_code_wins)


def set_policy(chain_id: int, policy: Policy, *, by: Author, now: datetime) -> None:
    """Write the chain's rules down; what was credited stays. Needs an open transaction; raises WindowInvalid."""
    if not 1 <= policy.window_days <= LONGEST_WINDOW:
        raise WindowInvalid()
    before, values = get_policy(chain_id), policy._asdict()
    db.session.execute(
        insert(SharingPolicy)
        .values(chain_id=chain_id, **values)
        .on_conflict_do_update(index_elements=["chain_id"], set_=values)
    )
    if before != policy:
        audit.note(
            "sharing policy changed",
            chain_id=chain_id,
            object_kind="sharing_policy",
            object_id=chain_id,
            by=by,
            at=now,
            before=before._asdict(),
            after=values,
        )
