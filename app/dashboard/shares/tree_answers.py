"""What the picture of the tree is drawn from: members, branches and days, as far as the reader may know them."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from itertools import dropwhile
from typing import Any

from flask import url_for
from flask_babel import gettext as _

from app.auth.guard import actor
from app.dashboard import personal
from app.languages import language
from app.reports.views import reader_of
from sharing import channels
from sharing.drawing import Drawn, GenerationChannel, Joined
from stores.models import Chain

MOST_STEPS = 60  # of a replay


def may_see(store_id: int | None) -> bool:
    return actor().may_see_store(store_id)


def called(member: Any) -> str:
    """A member's name; a manager learns of other stores' members only that they exist."""
    if not may_see(member.store_id):
        return _("Member of another store")
    return personal.called(member, reader_of(actor()))


def member_url(member_id: int) -> str:
    """The page of a member."""
    return url_for("members.show", member_id=member_id)


def tree_url(member_id: int) -> str:
    """The page of the tree below a member."""
    return url_for("sharing_tree.show", member_id=member_id)


def drawn(member: Drawn) -> dict[str, Any]:
    """One member of the picture. Of another store's member only his place, his day and his channel."""
    shown: dict[str, Any] = {
        "id": member.member_id,
        "up": member.referrer_id,
        "name": called(member),
        "channel": member.channel,
        "at": int(member.joined_at.timestamp()),
        "brought": member.brought,
        "reach": member.below,
    }
    if may_see(member.store_id):
        shown |= {
            "number": personal.card_number(member.number, short=True),
            "store": member.store_name,
            "spent": member.spent_cents,
            "tree": tree_url(member.member_id),
            "url": member_url(member.member_id),
        }
    return shown


def manners(chain: Chain) -> dict[str, Any]:
    """How the picture spells days, money and channels."""
    words = list(channel_words(chain.id).items())  # in this order: it decides the colours
    return {"zone": chain.timezone, "currency": chain.currency, "language": language(), "channels": words}


def channel_words(chain_id: int) -> dict[str, str]:
    """Every way to share, by its code: the usual ones and the chain's own."""
    return {code: word.say(language()) for code, word in channels.words_of(chain_id).items()}


def page_of(members: Sequence[Drawn], most: int) -> dict[str, Any]:
    """Members of one branch; ``next`` asks for those after them."""
    last = members[-1] if len(members) == most else None
    return {"members": [drawn(each) for each in members], "next": last and f"{last.below}-{last.member_id}"}


def generation_rows(counts: Iterable[GenerationChannel]) -> list[dict[str, Any]]:
    """One row for each generation: all its members, and those of each channel."""
    rows: dict[int, dict[str, int]] = {}
    for each in counts:
        rows.setdefault(each.generation, {})[each.channel] = each.members
    return [{"generation": at, "members": sum(row.values()), "channels": row} for at, row in sorted(rows.items())]


def replay(joined: Sequence[Joined]) -> dict[str, Any]:
    """The days of a growth, as at most sixty steps of equal length, and who came in each."""
    if not joined:
        return {"days": [], "rows": [], "channels": []}
    first = joined[0].day
    length = -(-((joined[-1].day - first).days + 1) // MOST_STEPS)
    codes = sorted({each.channel for each in joined})
    counts: dict[tuple[int, int, int], int] = {}
    for each in joined:
        key = ((each.day - first).days // length, each.generation, codes.index(each.channel))
        counts[key] = counts.get(key, 0) + each.members
    steps = (joined[-1].day - first).days // length + 1
    days = [min(first + timedelta(days=length * (step + 1) - 1), joined[-1].day) for step in range(steps)]
    return {
        "days": [day.isoformat() for day in days],
        "channels": codes,
        "rows": [[*key, members] for key, members in sorted(counts.items())],
    }


def from_first_seen(line: Sequence[Drawn]) -> list[Drawn]:
    """A line of ancestors from the first one whom the reader may know."""
    return list(dropwhile(lambda each: not may_see(each.store_id), line))


def hit(member: Drawn, line: Sequence[Drawn], root: Drawn | None) -> dict[str, Any]:
    """A member who was looked for, and the page on which his place in the tree is seen."""
    return {
        "id": member.member_id,
        "name": called(member),
        "number": personal.card_number(member.number, short=True),
        "store": member.store_name,
        "generation": member.spot.depth,
        "isHere": root is None or member.path.startswith(root.path),
        "page": url_for("sharing_tree.show", member_id=line[0].member_id, to=member.member_id),
    }
