"""The messages of a batch: each in its reader's words, with the variables of one member in it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select

from core.db import db
from coupons.models import Coupon
from coupons.terms import day_text
from push.audiences.unsubscribing import Links
from push.channels import Filled, Message
from push.delivering.deciding import Facts
from push.delivering.needs import Needed
from push.models import Delivery, PushChannel
from push.wording import texts
from push.wording.links import prepare_batch, shortened, without_addresses
from push.wording.reminding import reminded_of, speaks_of_one


class Writer:
    """Writes messages of one channel. What they have in common it looks up once."""

    def __init__(self, name: PushChannel, links: Links, rows: Sequence[Facts]) -> None:
        self._name = name
        self._links = links
        self._untils = _coupons_until(rows)
        reminding = {run_id for run_id, run in {row.run_id: row.run for row in rows}.items() if speaks_of_one(run)}
        self._reminded = reminded_of(
            (row.chain_id, row.run_id, row.member_id) for row in rows if row.run_id in reminding
        )
        self._said: dict[tuple[int, str, str], texts.Words] = {}
        self._shortener = prepare_batch(rows, links.short, wallet=links.wallet)

    def write(self, row: Facts, needed: Needed) -> Message:
        """The message of one delivery."""
        chain, coupon = _chosen(row, row.chain, row.chain_en), _chosen(row, row.offer, row.offer_en)
        shorten, template = self._shortener.of(row), needed.template
        words = shortened(self._words(row), shorten)
        wallet = shorten(self._links.wallet)
        if template is not None or "{" in words.title + words.body + words.html:
            values = self._values(row, chain, coupon, wallet)
            words = texts.filled(words, values)
            if template is not None:
                said = values | {"title": words.title, "body": words.body}
                fields = {name: texts.fill_in(text, said) for name, text in template.fields.items()}
                template = Filled(template.code, fields)
        return Message(
            key=_key_of(row),
            chain=chain,
            to=needed.to or row.address,
            language=row.language,
            title=words.title,
            body=words.body,
            html=words.html,
            coupon=coupon or None,
            url=wallet,
            unsubscribe_url=self._links.unsubscribe(row.member_id, self._name, row.purpose),
            fresh_until=row.send_until,
            browsers=needed.browsers,
            template=template,
        )

    def _words(self, row: Facts) -> texts.Words:
        key = row.run_id, row.variant, row.language
        if key not in self._said:
            self._said[key] = texts.choose(row, row.variant, self._name, row.language)
        return self._said[key]

    def _values(self, row: Facts, chain: str, coupon: str, wallet: str) -> dict[str, str]:
        reminded = self._reminded.get((row.run_id, row.member_id))
        return {
            "name": without_addresses(row.member),
            "chain": chain,
            "store": row.store or chain,
            "tier": _chosen(row, row.tier, row.tier_en),
            "points": f"{row.points:,}",
            "coupon": reminded.name.say(row.language) if reminded else coupon,
            "coupon_until": _last_day(row, reminded.until if reminded else self._untils.get(row.id)),
            "link": wallet,
        }


def _last_day(row: Facts, until: datetime | None) -> str:
    """The last day of the coupon that the message speaks of, in the member's zone."""
    if until is None:
        return ""
    return day_text((until - timedelta(microseconds=1)).astimezone(ZoneInfo(row.timezone))).say(row.language)


def message_key(moment: datetime, delivery_id: int) -> str:
    """The same at every attempt. With the run's time in it, since a database put back gives its numbers out again."""
    return f"kq-{int(moment.timestamp()):x}-{delivery_id}"


def _key_of(row: Facts) -> str:
    """Of what the provider took and reported as failed he has the key: sent again under it, it would be dropped."""
    return message_key(row.due_at if row.sent_at is None else row.first_tried_at, row.id)


def _chosen(row: Facts, zh: str | None, en: str | None) -> str:
    return (zh or en or "") if row.language == "zh" else (en or zh or "")


def _coupons_until(rows: Sequence[Facts]) -> dict[int, datetime]:
    with_coupon = [row.id for row in rows if row.offer_id is not None]
    if not with_coupon:
        return {}
    found = db.session.execute(
        select(Delivery.id, Coupon.valid_until)
        .join(Coupon, Coupon.id == Delivery.coupon_id)
        .where(Delivery.id.in_(with_coupon))
    )
    return {row[0]: row[1] for row in found}
