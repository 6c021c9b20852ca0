"""A wallet and its cards: what it holds, what the member says of himself, leaving and coming back."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Select, case, or_, select, update

from cards.contacts import parse_email, parse_phone
from cards.models import Card, CardState, Member, Program, Tier, Wallet
from core import audit, events
from core.audit import Author
from core.db import db
from core.errors import Conflict, Invalid, NotFound
from core.text import Text
from stores.models import Chain

RESTORABLE_FOR = timedelta(days=30)
LONGEST_NAME = 60
SHOWN = (CardState.ACTIVE, CardState.FROZEN)
A_LEAP_YEAR = 2024  # so that 29 February is a day
BIRTHDAY = re.compile(r"([0-9]{1,2})-([0-9]{1,2})")


class CardNotHeld(NotFound):
    """This wallet holds no such card."""

    code = "card_not_held"
    sentence = Text("卡包里没有这张卡。", "This wallet holds no such card.")


class CardFrozen(Conflict):
    """The chain has frozen the card."""

    code = "own_card_frozen"
    sentence = Text("这张卡已被冻结，请联系门店。", "This card is frozen. Please ask the store.")


class CardNotRestorable(Conflict):
    """The card was closed more than 30 days ago."""

    code = "card_not_restorable"
    sentence = Text("关闭超过 30 天，不能恢复了。", "It was closed more than 30 days ago and cannot be restored.")


class NameTooLong(Invalid):
    """A name has at most 60 characters."""

    code = "name_too_long"
    sentence = Text("称呼最多 60 个字。", "A name has at most 60 characters.")


class BirthdayInvalid(Invalid):
    """A month and a day that is in it."""

    code = "birthday_invalid"
    sentence = Text("没有这一天，请检查生日。", "There is no such day. Please check the birthday.")


class HeldCard(NamedTuple):
    """A card with all that its page shows."""

    card: Card
    program: Program
    tier: Tier
    chain: Chain
    member: Member


@dataclass(frozen=True)
class Profile:
    """What a member says of himself, as typed."""

    name: str = ""
    phone: str = ""
    email: str = ""
    birthday: str = ""  # month and day: "5-31"


def cards_of_wallet(wallet_id: int, *, now: datetime) -> Sequence[HeldCard]:
    """The cards to be shown, newest first; closed ones as long as they can be restored."""
    rows = db.session.execute(
        _held(wallet_id)
        .where(or_(Card.state.in_(SHOWN), (Card.state == CardState.CLOSED) & (Card.closed_at > now - RESTORABLE_FOR)))
        .order_by(Card.state == CardState.CLOSED, Card.id.desc())
    )
    return [HeldCard(*row) for row in rows]


def card_of_wallet(wallet_id: int, card_id: int) -> HeldCard:
    """One card of a wallet, in whatever state it is. Raises CardNotHeld."""
    row = db.session.execute(_held(wallet_id).where(Card.id == card_id)).one_or_none()
    if row is None or row[0].state in (CardState.MERGED, CardState.ERASED):
        raise CardNotHeld()
    return HeldCard(*row)


def _held(wallet_id: int) -> Select[Card, Program, Tier, Chain, Member]:
    return (
        select(Card, Program, Tier, Chain, Member)
        .join(Program, Program.id == Card.program_id)
        .join(Tier, Tier.id == Card.tier_id)
        .join(Chain, Chain.id == Card.chain_id)
        .join(Member, Member.id == Card.member_id)
        .where(Card.wallet_id == wallet_id)
    )


def update_profile(held: HeldCard, profile: Profile, *, by: Author, now: datetime) -> None:
    """Write down what the member says of himself. Needs an open transaction.

    Another phone than before is not verified. Raises NameTooLong, PhoneInvalid, EmailInvalid, BirthdayInvalid.
    The audit names the fields, not what stands in them.
    """
    name = " ".join(profile.name.split())
    if len(name) > LONGEST_NAME:
        raise NameTooLong()
    said = {
        "name": name,
        "phone": parse_phone(profile.phone, currency=held.chain.currency),
        "email": parse_email(profile.email),
        "birthday": parse_birthday(profile.birthday),
    }
    changed = sorted(field for field, value in said.items() if getattr(held.member, field) != value)
    if not changed:
        return
    # Another number than the one that was proved has to be proved anew.
    still_verified = case((Member.phone == said["phone"], Member.phone_verified_at), else_=None)
    db.session.execute(
        update(Member).where(Member.id == held.member.id).values(**said, phone_verified_at=still_verified)
    )
    audit.note(
        "member profile",
        chain_id=held.chain.id,
        object_kind="member",
        object_id=held.member.id,
        by=by,
        at=now,
        after={"fields": changed},
    )


def parse_birthday(text: str) -> str | None:
    """ "05-31" from a month and a day, None from nothing. Raises BirthdayInvalid."""
    if not text.strip("- "):
        return None
    found = BIRTHDAY.fullmatch(text.strip())
    try:
        day = date(A_LEAP_YEAR, int(found[1]), int(found[2])) if found else None
    except ValueError:
        day = None
    if day is None:
        raise BirthdayInvalid()
    return f"{day:%m-%d}"


def choose_language(wallet_id: int, language: str) -> None:
    """The language of the wallet and of all that its chains write to it. Needs an open transaction."""
    db.session.execute(update(Wallet).where(Wallet.id == wallet_id).values(language=language))
    db.session.execute(update(Member).where(Member.wallet_id == wallet_id).values(language=language))


def close_card(wallet_id: int, card_id: int, *, by: Author, now: datetime) -> None:
    """The member leaves; for 30 days he can come back. Needs an open transaction. A closed card stays as it is.

    Raises CardNotHeld, CardFrozen.
    """
    closed = db.session.scalar(
        update(Card)
        .where(Card.id == card_id, Card.wallet_id == wallet_id, Card.state == CardState.ACTIVE)
        .values(state=CardState.CLOSED, closed_at=now)
        .returning(Card.chain_id)
    )
    if closed is not None:
        _tell("card.closed", closed, card_id, by, now)
        return
    if card_of_wallet(wallet_id, card_id).card.state == CardState.FROZEN:
        raise CardFrozen()


def restore_card(wallet_id: int, card_id: int, *, by: Author, now: datetime) -> None:
    """The member comes back. Needs an open transaction. An active card stays as it is.

    Raises CardNotHeld, CardNotRestorable, CardFrozen.
    """
    restored = db.session.scalar(
        update(Card)
        .where(
            Card.id == card_id,
            Card.wallet_id == wallet_id,
            Card.state == CardState.CLOSED,
            Card.closed_at > now - RESTORABLE_FOR,
        )
        .values(state=CardState.ACTIVE, closed_at=None)
        .returning(Card.chain_id)
    )
    if restored is not None:
        _tell("card.restored", restored, card_id, by, now)
        return
    state = card_of_wallet(wallet_id, card_id).card.state
    if state == CardState.CLOSED:
        raise CardNotRestorable()
    if state == CardState.FROZEN:
        raise CardFrozen()


def _tell(kind: str, chain_id: int, card_id: int, by: Author, now: datetime) -> None:
    events.record(kind, chain_id=chain_id, at=now, card_id=card_id)
    audit.note(kind.replace(".", " "), chain_id=chain_id, object_kind="card", object_id=card_id, by=by, at=now)


def chain_of_member(member_id: int) -> Chain | None:
    """The chain that knows this member."""
    return db.session.scalar(select(Chain).join(Member, Member.chain_id == Chain.id).where(Member.id == member_id))
