"""How a member is named to the friends he shares with: as he chose, by his name where he chose nothing."""

import re
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select

from cards.contacts import masked_name
from cards.models import Member
from core import audit
from core.audit import Author
from core.db import db, insert
from sharing.errors import NamingInvalid, NicknameInvalid
from sharing.models import SharerName, ShownAs

LONGEST_NICKNAME = 20
CONTACT = re.compile(r"[@/\\]|www|[a-z0-9]\.[a-z]{2,}|\d(?:[ -]?\d){4,}", re.IGNORECASE)  # what leads elsewhere


class Choice(NamedTuple):
    """What a member chose; the nickname only where that is it."""

    shown_as: ShownAs = ShownAs.NAME
    nickname: str | None = None

    def of(self, name: str) -> str:
        """What friends read of somebody of this name; "" where they read "a friend".

        Whose name leads elsewhere is a friend too.
        """
        if self.shown_as == ShownAs.NOBODY:
            return ""
        if self.shown_as == ShownAs.NICKNAME:
            return self.nickname or ""
        if self.shown_as == ShownAs.MASKED:
            return masked_name(_printable(name))
        return "" if CONTACT.search(name) else _printable(name)


DEFAULT = Choice()


def find_choice(member_id: int) -> Choice:
    """What the member chose, or what everybody begins with."""
    row = db.session.execute(
        select(SharerName.shown_as, SharerName.nickname).where(SharerName.member_id == member_id)
    ).first()
    return DEFAULT if row is None else Choice(ShownAs(row[0]), row[1])


def shown_name(member: Member) -> str:
    """What the member's friends read; "" where they read "a friend"."""
    return find_choice(member.id).of(member.name)


def choose(chain_id: int, member_id: int, shown_as: str, nickname: str = "", *, by: Author, now: datetime) -> Choice:
    """Name the member so from now on, also on links he sent before. Needs an open transaction.

    A nickname counts only where it is chosen. Raises NamingInvalid, NicknameInvalid.
    """
    if shown_as not in list(ShownAs):
        raise NamingInvalid()
    choice = Choice(ShownAs(shown_as), _nickname(nickname) if shown_as == ShownAs.NICKNAME else None)
    before, values = find_choice(member_id), choice._asdict()
    db.session.execute(
        insert(SharerName)
        .values(member_id=member_id, chain_id=chain_id, **values)
        .on_conflict_do_update(index_elements=["member_id"], set_=values)
    )
    if before != choice:
        audit.note(
            "sharer named",
            chain_id=chain_id,
            object_kind="member",
            object_id=member_id,
            by=by,
            at=now,
            before={"shown_as": before.shown_as},
            after={"shown_as": choice.shown_as},  # not the nickname: it is the member's own
        )
    return choice


def _nickname(text: str) -> str:
    nickname = _printable(text)
    if not 1 <= len(nickname) <= LONGEST_NICKNAME or CONTACT.search(nickname):
        raise NicknameInvalid()
    return nickname


def _printable(text: str) -> str:
    """Without what turns the direction of writing or cannot be seen."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
