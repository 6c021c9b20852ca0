"""People in the words of the dashboard: names, phones and e-mails as far as the reader may see them."""

from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from flask import Flask
from flask_babel import format_date, gettext

from app.dashboard.frame import local_day
from app.languages import language
from app.reports.people import Friend, may_see
from app.reports.question import Reader
from cards.contacts import masked_name, masked_phone


class Called(NamedTuple):
    """What somebody can be called by."""

    name: str
    number: str


def init_app(app: Flask) -> None:
    """Teach the templates these words."""
    for word in (called, phone_shown, email_shown, card_number, day_words, last_day, cause_words):
        app.jinja_env.filters[word.__name__] = word
    app.jinja_env.filters["is_seen"] = is_seen


def called_masked(name: str, number: str) -> str:
    """A member in a list that anybody might look at: 林**, or the end of his card's number."""
    return masked_name(name) or str(gettext("Member %(ending)s", ending=number[-4:]))


def called(person: Any, reader: Reader) -> str:
    """What to call a member: his name, or the end of his card's number."""
    if person.name:
        return person.name if reader.shows_personal else masked_name(person.name)
    if person.number:
        return gettext("Member %(ending)s", ending=person.number[-4:])
    return gettext("Member")


def phone_shown(phone: str | None, reader: Reader) -> str:
    return (phone or "") if reader.shows_personal else masked_phone(phone)


def email_shown(email: str | None, reader: Reader) -> str:
    if not email or reader.shows_personal:
        return email or ""
    name, _, domain = email.partition("@")
    return f"{name[:1]}***@{domain}"


def card_number(number: str | None, short: bool = False) -> str:
    """6210 0000 0000 0016, or only its end."""
    if not number:
        return "–"
    return f"•••• {number[-4:]}" if short else " ".join(number[at : at + 4] for at in range(0, len(number), 4))


def is_seen(friend: Friend, reader: Reader) -> bool:
    return may_see(reader, friend)


def day_words(day: date) -> str:
    """5月20日星期三; Wednesday, 20 May"""
    return format_date(day, "M月d日EEEE" if language() == "zh" else "EEEE, d MMMM")


def last_day(until: datetime) -> str:
    """The last day of something that ends at a moment (exclusive)."""
    return local_day(until - timedelta(seconds=1))


def cause_words(cause: str) -> str:
    """Why points moved: "checkout:17" in words."""
    kind, number, *_ = [*cause.split(":"), ""]
    words = {
        "checkout": gettext("Checkout %(number)s", number=number),
        "spend": gettext("Spent on checkout %(number)s", number=number),
        "reserve": gettext("Reserved for checkout %(number)s", number=number),
        "release": gettext("Checkout %(number)s released", number=number),
        "refund": gettext("Checkout %(number)s refunded", number=number),
        "void": gettext("Checkout %(number)s voided", number=number),
        "reward": gettext("Reward %(number)s for bringing a friend", number=number),
        "clawback": gettext("Reward %(number)s taken back", number=number),
        "import": gettext("Brought along"),
    }
    return words.get(kind, cause)
