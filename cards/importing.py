"""Taking members of another system in: each gets a wallet, a card and his points.

Whoever the chain knows already (by phone, e-mail or card number) keeps what he has; what the file says of his name and
addresses is brought up to date. A line that cannot be kept is left out and reported; the others go in together.
Nobody has agreed to messages by being imported, and nobody gets a welcome gift.
"""

import re
import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, TypeVar

from sqlalchemy import insert, select, update

from cards.contacts import parse_email, parse_phone
from cards.issuing import SECRET_BYTES, fresh_number
from cards.member_files import MemberFile, MemberRow
from cards.models import Card, CardChannel, Member, PointEntry, Program, Tier, Wallet
from core import audit
from core.audit import Author
from core.clock import business_day, day_start
from core.db import db
from core.errors import Conflict, DomainError, Invalid
from core.events import Event
from core.text import Text
from core.tokens import hashed, is_luhn_valid, new_secret
from stores.models import Chain, Store

AT_ONCE = 500  # rows of one statement
LONGEST_NAME = 60
MOST_POINTS = 10**9
DAY = re.compile(r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?(?:[T ].*)?")
Item = TypeVar("Item")


class NothingToRecognise(Invalid):
    code = "nothing_to_recognise"
    sentence = Text("没有手机、邮箱，也没有卡号。", "There is neither phone nor e-mail nor card number.")


class MemberRepeated(Invalid):
    code = "member_repeated"
    sentence = Text("这个人在第 {first_line} 行已经出现过。", "This person is already in line {first_line}.")


class StoreCodeUnknown(Invalid):
    code = "store_code_unknown"
    sentence = Text("没有编号为“{given}”的门店。", "There is no store with the code “{given}”.")


class TierUnknown(Invalid):
    code = "tier_unknown"
    sentence = Text("没有“{given}”这个等级。", "There is no tier “{given}”.")


class CardNumberInvalid(Invalid):
    code = "card_number_invalid"
    sentence = Text("卡号要 16 位数字，且校验位正确。", "A card number has 16 digits with a right check digit.")


class CardNumberTaken(Conflict):
    code = "card_number_taken"
    sentence = Text("这个卡号已经有人用了。", "Somebody else has this card number.")


class PointsNotANumber(Invalid):
    code = "points_not_a_number"
    sentence = Text("积分“{given}”不是整数。", "“{given}” points is no whole number.")


class DayInvalid(Invalid):
    code = "day_invalid"
    sentence = Text("日期“{given}”读不懂，或者在将来。", "The day “{given}” cannot be read, or lies ahead.")


class NameUnfit(Invalid):
    code = "name_unfit"
    sentence = Text("姓名最多 60 个字，不含控制字符。", "A name has at most 60 characters, and no control characters.")


@dataclass(frozen=True)
class Person:
    """A line that can be kept."""

    line: int
    phone: str | None
    email: str | None
    name: str
    language: str | None
    card_number: str | None
    store_id: int | None
    tier_id: int
    points: int
    joined_at: datetime
    joined_on: date

    @property
    def keys(self) -> list[str]:
        """What he is recognised by, the surest first. An e-mail address may be shared by a family."""
        return [key for key in (self.card_number, self.phone, None if self.phone else self.email) if key]


@dataclass(frozen=True)
class Change:
    """A known member of whom the file says something new."""

    member_id: int
    values: dict[str, Any]


@dataclass(frozen=True)
class RefusedLine:
    line: int
    reason: DomainError


@dataclass
class ImportPlan:
    """What an import does, worked out without doing it."""

    chain_id: int
    program_id: int
    encoding: str
    columns: dict[str, str]
    unused: list[str]
    created: list[Person] = field(default_factory=list)
    updated: list[Change] = field(default_factory=list)
    unchanged: int = 0
    refused: list[RefusedLine] = field(default_factory=list)


@dataclass
class _Known:
    """What the chain has: for looking lines up without a query each."""

    chain: Chain
    stores: dict[str, Store]
    tiers: dict[str, int]
    first_tier: int
    members: dict[str, Any]  # by phone, e-mail and card number
    taken_numbers: set[str]
    now: datetime


def lock_members(chain_id: int) -> None:
    """Let imports of one chain come one after the other: call first in the transaction."""
    db.session.execute(select(Chain.id).where(Chain.id == chain_id).with_for_update(key_share=True))


def plan_import(
    chain_id: int, file: MemberFile, *, now: datetime, rows: Iterable[MemberRow] | None = None
) -> ImportPlan:
    """Say what importing the file would do; changes nothing. ``rows`` may be wrapped by whoever shows progress."""
    program = db.session.scalars(select(Program).filter_by(chain_id=chain_id, is_default=True)).one()
    plan = ImportPlan(chain_id, program.id, file.encoding, file.columns, file.unused)
    known = _known(chain_id, program.id, file.rows, now)
    first_lines: dict[str, int] = {}
    for row in file.rows if rows is None else rows:
        try:
            person = _person(row, known)
            _meet_once(person, first_lines)
            _sort_in(plan, person, known)
        except DomainError as reason:
            plan.refused.append(RefusedLine(row.line, reason))
    return plan


def import_members(plan: ImportPlan, *, by: Author, now: datetime) -> None:
    """Do what was planned, in the open transaction."""
    for people in _parts(plan.created):
        _create(plan, people, now)
    for change in plan.updated:
        unproved = {"phone_verified_at": None} if "phone" in change.values else {}  # what the file says is not proved
        db.session.execute(update(Member).where(Member.id == change.member_id).values(change.values | unproved))
        _note(plan, "member imported", "member", change.member_id, {"fields": sorted(change.values)}, by, now)
    _note(plan, "members imported", "chain", plan.chain_id, counts(plan), by, now)


def counts(plan: ImportPlan) -> dict[str, int]:
    return {
        "created": len(plan.created),
        "updated": len(plan.updated),
        "unchanged": plan.unchanged,
        "refused": len(plan.refused),
    }


def _known(chain_id: int, program_id: int, rows: Sequence[MemberRow], now: datetime) -> _Known:
    tiers = db.session.scalars(select(Tier).filter_by(program_id=program_id).order_by(Tier.rank)).all()
    stores = db.session.scalars(select(Store).filter_by(chain_id=chain_id)).all()
    found = db.session.execute(
        select(Member.id, Member.name, Member.phone, Member.email, Member.language, Card.number)
        .outerjoin(Card, (Card.member_id == Member.id) & (Card.program_id == program_id))
        .where(Member.chain_id == chain_id)
    )
    members = {key: row for row in found for key in (row.phone, row.email, row.number) if key}
    given = {"".join(row.cells.get("card_number", "").split()) for row in rows} - {""}
    taken = {
        number
        for part in _parts(sorted(given))
        for number in db.session.scalars(select(Card.number).where(Card.number.in_(part)))
    }
    names = {name.casefold(): tier.id for tier in tiers for name in (tier.name, tier.name_en)}
    return _Known(
        chain=db.session.get_one(Chain, chain_id),
        stores={store.code: store for store in stores},
        tiers=names,
        first_tier=tiers[0].id,
        members=members,
        taken_numbers=taken,
        now=now,
    )


def _person(row: MemberRow, known: _Known) -> Person:
    """The line as we keep it; raises the first reason why it cannot be kept."""
    cells = {name: " ".join(cell.split()) for name, cell in row.cells.items()}
    phone = parse_phone(cells.get("phone", "").removeprefix("'"), currency=known.chain.currency)
    email = parse_email(cells.get("email", ""))
    number = _number(cells.get("card_number", ""))
    if not (phone or email or number):
        raise NothingToRecognise
    store = _store(cells.get("store_code", ""), known)
    zone = store.timezone if store else known.chain.timezone
    joined_at, joined_on = _joined(cells.get("joined_on", ""), zone, known)
    return Person(
        line=row.line,
        phone=phone,
        email=email,
        name=_name(cells.get("name", "")),
        language={"zh": "zh", "en": "en"}.get(cells.get("language", "")[:2].lower()),
        card_number=number,
        store_id=store.id if store else None,
        tier_id=_tier(cells.get("tier", ""), known),
        points=_points(cells.get("points", "")),
        joined_at=joined_at,
        joined_on=joined_on,
    )


def _number(given: str) -> str | None:
    digits = "".join(given.removeprefix("'").split())
    if digits and (len(digits) != 16 or not is_luhn_valid(digits)):
        raise CardNumberInvalid
    return digits or None


def _store(code: str, known: _Known) -> Store | None:
    if code and code not in known.stores:
        raise StoreCodeUnknown(given=code[:40])
    return known.stores[code] if code else None


def _tier(name: str, known: _Known) -> int:
    if name and name.casefold() not in known.tiers:
        raise TierUnknown(given=name[:40])
    return known.tiers[name.casefold()] if name else known.first_tier


def _points(given: str) -> int:
    if not given:
        return 0
    plain = given.replace(",", "").removesuffix(".0").removesuffix(".00")
    if not (plain.isascii() and plain.isdecimal()) or int(plain) > MOST_POINTS:
        raise PointsNotANumber(given=given[:40])
    return int(plain)


def _joined(given: str, zone: str, known: _Known) -> tuple[datetime, date]:
    """When and on which business day; now, when the file does not say."""
    today = business_day(known.now, zone, known.chain.cutoff_hour)
    if not given:
        return known.now, today
    try:
        parts = DAY.fullmatch(given)
        day = date(*map(int, parts.groups())) if parts else None
    except ValueError:
        day = None
    if day is None or day > today or day.year < 1990:
        raise DayInvalid(given=given[:40])
    return min(day_start(day, zone, known.chain.cutoff_hour), known.now), day


def _name(given: str) -> str:
    if len(given) > LONGEST_NAME or not given.isprintable():
        raise NameUnfit
    return given


def _meet_once(person: Person, first_lines: dict[str, int]) -> None:
    """Refuse somebody whom an earlier line has named."""
    if earlier := [first_lines[key] for key in person.keys if key in first_lines]:
        raise MemberRepeated(first_line=min(earlier))
    first_lines.update(dict.fromkeys(person.keys, person.line))


def _sort_in(plan: ImportPlan, person: Person, known: _Known) -> None:
    member = next((known.members[key] for key in person.keys if key in known.members), None)
    if member is None:
        if person.card_number in known.taken_numbers:
            raise CardNumberTaken
        plan.created.append(person)
        return
    said = {"name": person.name, "phone": person.phone, "email": person.email, "language": person.language}
    values = {name: value for name, value in said.items() if value and value != getattr(member, name)}
    if values:
        plan.updated.append(Change(member.id, values))
    else:
        plan.unchanged += 1


def _create(plan: ImportPlan, people: Sequence[Person], now: datetime) -> None:
    """Wallets that nobody holds yet, members, cards, their points, and the events that tell of them."""
    wallets = _ids(
        Wallet, [{"key_hash": hashed(new_secret()), "language": _language(p), "created_at": now} for p in people]
    )
    members = _ids(
        Member,
        [
            {
                "chain_id": plan.chain_id,
                "wallet_id": wallet_id,
                "store_id": person.store_id,
                "name": person.name,
                "phone": person.phone,
                "email": person.email,
                "language": _language(person),
                "joined_at": person.joined_at,
            }
            for person, wallet_id in zip(people, wallets, strict=True)
        ],
    )
    numbers = _numbers(people)
    cards = _ids(
        Card,
        [
            {
                "chain_id": plan.chain_id,
                "program_id": plan.program_id,
                "wallet_id": wallet_id,
                "member_id": member_id,
                "tier_id": person.tier_id,
                "number": number,
                "code_secret": secrets.token_bytes(SECRET_BYTES),
                "points": person.points,
                "earned_points": person.points,
                "channel": CardChannel.IMPORT,
                "store_id": person.store_id,
                "issued_at": person.joined_at,
                "issued_on": person.joined_on,
            }
            for person, wallet_id, member_id, number in zip(people, wallets, members, numbers, strict=True)
        ],
    )
    _book_points(plan, people, cards, now)
    _tell(plan, cards, members, now)


def _book_points(plan: ImportPlan, people: Sequence[Person], cards: Sequence[int], now: datetime) -> None:
    entries = [
        {
            "chain_id": plan.chain_id,
            "card_id": card_id,
            "delta": p.points,
            "balance": p.points,
            "cause": "import",
            "at": now,
        }
        for p, card_id in zip(people, cards, strict=True)
        if p.points
    ]
    if entries:
        db.session.execute(insert(PointEntry), entries)


def _tell(plan: ImportPlan, cards: Sequence[int], members: Sequence[int], now: datetime) -> None:
    told = [
        {
            "chain_id": plan.chain_id,
            "kind": "card.imported",
            "payload": {"card_id": card_id, "member_id": member_id},
            "at": now,
        }
        for card_id, member_id in zip(cards, members, strict=True)
    ]
    db.session.execute(insert(Event), told)


def _ids(model: Any, rows: list[dict[str, Any]]) -> list[int]:
    """Insert rows; their ids in the same order."""
    return list(db.session.scalars(insert(model).returning(model.id, sort_by_parameter_order=True), rows))


def _numbers(people: Sequence[Person]) -> list[str]:
    """The number each brings, or a new one that no card has."""
    drawn = [person.card_number or fresh_number() for person in people]
    while True:
        mine = {number for number, person in zip(drawn, people, strict=True) if not person.card_number}
        taken = set(db.session.scalars(select(Card.number).where(Card.number.in_(mine))))
        if not taken and len(set(drawn)) == len(drawn):
            return drawn
        drawn = [person.card_number or fresh_number() for person in people]


def _language(person: Person) -> str:
    return person.language or "zh"


def _parts(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), AT_ONCE):
        yield items[start : start + AT_ONCE]


def _note(
    plan: ImportPlan, action: str, kind: str, object_id: int, after: dict[str, Any], by: Author, now: datetime
) -> None:
    audit.note(action, chain_id=plan.chain_id, object_kind=kind, object_id=object_id, by=by, at=now, after=after)
