"""The channels of a chain: the usual five, and its own, such as a table card or a courier slip.

The code of an own channel is for good, because links and referrals carry it; its names may change, and an archived one
makes no new links while what came through it keeps its words.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import func, select

from core import audit
from core.audit import Author
from core.db import db, insert
from core.text import Text
from sharing import errors
from sharing.models import OwnChannel, ShareChannel, ShareLink

CODE = re.compile(r"[a-z][a-z0-9_-]{1,19}")
LONGEST_NAME, LONGEST_NAME_EN = 20, 30

WORDS = {
    ShareChannel.FRIEND: Text("朋友", "Friend"),
    ShareChannel.GROUP: Text("群", "Group"),
    ShareChannel.MOMENTS: Text("朋友圈", "Moments"),
    ShareChannel.POSTER: Text("海报", "Poster"),
    ShareChannel.COPY: Text("链接", "Link"),
}


class Channel(NamedTuple):
    """A channel to choose from."""

    code: str
    word: Text
    is_own: bool = False
    is_for_members: bool = True


USUAL = [Channel(str(code), word) for code, word in WORDS.items()]


def words_of(chain_id: int) -> dict[str, Text]:
    """Every channel that a link of this chain can have, by its code, archived ones too; the usual first."""
    own = db.session.execute(
        select(OwnChannel.code, OwnChannel.name, OwnChannel.name_en)
        .where(OwnChannel.chain_id == chain_id)
        .order_by(OwnChannel.id)
    )
    return {str(code): word for code, word in WORDS.items()} | {code: Text(name, en) for code, name, en in own}


def channels_for_members(chain_id: int) -> list[Channel]:
    """What stands in a member's sheet: the usual, and those of the chain's own that are made for members."""
    return [*USUAL, *(_channel(own) for own in list_own(chain_id) if own.is_for_members)]


def channels_for_staff(chain_id: int) -> list[Channel]:
    """What staff and the API may use: every one that is in use."""
    return [*USUAL, *map(_channel, list_own(chain_id))]


def list_own(chain_id: int, *, with_archived: bool = False) -> Sequence[OwnChannel]:
    """The chain's own channels, the oldest first."""
    query = select(OwnChannel).where(OwnChannel.chain_id == chain_id).order_by(OwnChannel.id)
    if not with_archived:
        query = query.where(OwnChannel.archived_at.is_(None))
    return db.session.scalars(query).all()


def count_links(chain_id: int) -> dict[int, int]:
    """How many links each own channel made, by the channel's id."""
    query = (
        select(OwnChannel.id, func.count())
        .join(ShareLink, ShareLink.own_channel_id == OwnChannel.id)
        .where(OwnChannel.chain_id == chain_id)
        .group_by(OwnChannel.id)
    )
    return {row[0]: row[1] for row in db.session.execute(query)}


def get_own(chain_id: int, channel_id: int) -> OwnChannel:
    """One of the chain's own channels. Raises ChannelNotFound."""
    channel = db.session.scalar(select(OwnChannel).filter_by(id=channel_id, chain_id=chain_id))
    if channel is None:
        raise errors.ChannelNotFound()
    return channel


def add_channel(
    chain_id: int, code: str, *, name: str, name_en: str, is_for_members: bool, by: Author, now: datetime
) -> OwnChannel:
    """Add a channel of the chain's own. Needs an open transaction.

    Raises ChannelCodeInvalid, ChannelCodeTaken (also by an archived one), ChannelNameInvalid.
    """
    if not CODE.fullmatch(code):
        raise errors.ChannelCodeInvalid()
    if code in list(ShareChannel):
        raise errors.ChannelCodeTaken()
    values = _values(name, name_en, is_for_members)
    channel: OwnChannel | None = db.session.scalar(
        insert(OwnChannel)
        .values(chain_id=chain_id, code=code, created_at=now, **values)
        .on_conflict_do_nothing(index_elements=["chain_id", "code"])
        .returning(OwnChannel)
    )
    if channel is None:
        raise errors.ChannelCodeTaken()
    _note("added", channel, {}, {"code": code, **values}, by, now)
    return channel


def change_channel(
    chain_id: int, channel_id: int, *, name: str, name_en: str, is_for_members: bool, by: Author, now: datetime
) -> OwnChannel:
    """Rename a channel, or make it for members or for staff alone. Needs an open transaction.

    Raises ChannelNotFound, ChannelNameInvalid.
    """
    channel, values = get_own(chain_id, channel_id), _values(name, name_en, is_for_members)
    before = {field: getattr(channel, field) for field in values}
    if before != values:
        for field, value in values.items():
            setattr(channel, field, value)
        _note("changed", channel, before, values, by, now)
    return channel


def archive_channel(chain_id: int, channel_id: int, *, by: Author, now: datetime) -> OwnChannel:
    """Make no new links by this channel. Needs an open transaction; raises ChannelNotFound."""
    channel = get_own(chain_id, channel_id)
    if channel.archived_at is None:
        channel.archived_at = now
        _note("archived", channel, {}, {"code": channel.code}, by, now)
    return channel


def restore_channel(chain_id: int, channel_id: int, *, by: Author, now: datetime) -> OwnChannel:
    """Use an archived channel again. Needs an open transaction; raises ChannelNotFound."""
    channel = get_own(chain_id, channel_id)
    if channel.archived_at is not None:
        channel.archived_at = None
        _note("restored", channel, {}, {"code": channel.code}, by, now)
    return channel


def _channel(own: OwnChannel) -> Channel:
    return Channel(own.code, Text(own.name, own.name_en), is_own=True, is_for_members=own.is_for_members)


def _values(name: str, name_en: str, is_for_members: bool) -> dict[str, Any]:
    """The names as they are kept; the English one is the Chinese one where none is given."""
    name = " ".join(name.split())
    name_en = " ".join(name_en.split()) or name
    if not 1 <= len(name) <= LONGEST_NAME or len(name_en) > LONGEST_NAME_EN:
        raise errors.ChannelNameInvalid()
    return {"name": name, "name_en": name_en, "is_for_members": is_for_members}


def _note(
    what: str, channel: OwnChannel, before: dict[str, Any], after: dict[str, Any], by: Author, now: datetime
) -> None:
    db.session.flush()
    audit.note(
        f"share channel {what}",
        chain_id=channel.chain_id,
        object_kind="share_channel",
        object_id=channel.id,
        by=by,
        at=now,
        before=before or None,
        after=after,
    )
