"""A message as one member, or an imagined one, would read it: before anything is sent."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select

from cards.models import Card, Member, Program, Tier
from core.db import db
from core.text import Text
from coupons.models import Offer
from coupons.terms import day_text, end_text
from coupons.validity import validity
from push.channels import Filled
from push.errors import ReaderUnknown
from push.wording import texts
from stores.models import Chain, Store

SOMEBODY = Text("林小雪", "Lin")  # the reader nobody is
HIS_POINTS = 320
SOME_COUPON = Text("满30减5", "5 off from 30")  # the coupon that nobody has
ITS_DAYS = timedelta(days=7)


@dataclass(frozen=True)
class Reader:
    """Whose name, store, tier and points stand in the message; ``member_id`` None is an imagined one."""

    member_id: int | None
    name: Text
    number: str
    store: Text
    tier: Text
    points: int
    timezone: str


def somebody(chain: Chain) -> Reader:
    """An imagined member: a name that is nobody's, the first store, the lowest tier."""
    store = db.session.scalar(select(Store).where(Store.chain_id == chain.id).order_by(Store.id).limit(1))
    tier = db.session.scalar(
        select(Tier)
        .join(Program, Program.id == Tier.program_id)
        .where(Program.chain_id == chain.id, Program.is_default)
        .order_by(Tier.rank)
        .limit(1)
    )
    return Reader(
        None,
        SOMEBODY,
        "",
        _named(store) if store else _named(chain),
        _named(tier) if tier else Text("", ""),
        HIS_POINTS,
        store.timezone if store else chain.timezone,
    )


def reader_of(chain: Chain, member_id: int) -> Reader:
    """A member of the chain, by the card that campaigns speak of. Raises ReaderUnknown."""
    row = db.session.execute(
        select(Member, Card, Tier, Store)
        .join(Card, Card.member_id == Member.id)
        .join(Program, Program.id == Card.program_id)
        .join(Tier, Tier.id == Card.tier_id)
        .outerjoin(Store, Store.id == Member.store_id)
        .where(Member.id == member_id, Member.chain_id == chain.id, Program.is_default)
        .order_by(Card.id.desc())
        .limit(1)
    ).one_or_none()
    if row is None:
        raise ReaderUnknown()
    member, card, tier, store = row
    return Reader(
        member.id,
        Text(member.name, member.name),
        card.number,
        _named(store or chain),
        _named(tier),
        card.points,
        store.timezone if store else chain.timezone,
    )


def _named(thing: Chain | Store | Tier) -> Text:
    return Text(thing.name, getattr(thing, "name_en", "") or thing.name)


def values_for(
    chain: Chain,
    reader: Reader,
    offer: Offer | None,
    language: str,
    *,
    link: str,
    now: datetime,
    imagines_coupon: bool = False,
) -> dict[str, str]:
    """What the variables of a message stand for; ``imagines_coupon`` where the message reminds of one."""
    coupon, until = Text("", ""), Text("", "")
    if offer is not None:
        coupon, until = Text(offer.name, offer.name_en or offer.name), _until(chain, offer, now)
    elif imagines_coupon:
        coupon, until = SOME_COUPON, day_text((now + ITS_DAYS).astimezone(ZoneInfo(chain.timezone)))
    return {
        "name": reader.name.say(language),
        "chain": _named(chain).say(language),
        "store": reader.store.say(language),
        "tier": reader.tier.say(language),
        "points": f"{reader.points:,}",
        "coupon": coupon.say(language),
        "coupon_until": until.say(language),
        "link": link,
    }


def _until(chain: Chain, offer: Offer, now: datetime) -> Text:
    """The last day of a coupon that were handed out now."""
    _, until = validity(
        offer.valid_from,
        offer.valid_until,
        offer.valid_days,
        offer.valid_delay_days,
        timezone=chain.timezone,
        cutoff_hour=chain.cutoff_hour,
        now=now,
    )
    return end_text(until, chain.timezone, cutoff_hour=chain.cutoff_hour)


def said(message: texts.Words, values: dict[str, str]) -> texts.Words:
    """The words with the reader's values in them; an unknown variable stays as it was typed, for the eye to catch."""
    unknown = {name: f"{{{name}}}" for part in message for name in texts.VARIABLE.findall(part)}
    return texts.filled(message, unknown | values)


def filled_template(template: Filled, words: texts.Words, values: dict[str, str]) -> Filled:
    """A vendor's template with the message in its fields; the words are filled in already."""
    said_too = values | {"title": words.title, "body": words.body}
    return Filled(template.code, {name: texts.fill_in(text, said_too) for name, text in template.fields.items()})
