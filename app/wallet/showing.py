"""Cards and coupons in the words and shapes of the customer's pages."""

from base64 import b64encode
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from flask import current_app
from flask_babel import format_date, format_time, ngettext
from flask_babel import gettext as _

from app.languages import language, say
from cards.holding import HeldCard
from cards.models import Program
from cards.rotating_code import STEP, ShownCode, shown_code
from core.clock import business_day
from coupons import terms
from coupons.models import CouponState, Offer
from coupons.queries import HeldCoupon
from stores.models import Chain
from stores.pictures import svg

QUIET_MODULES = 2  # the white of the panel adds the rest
SOON_DAYS = 3


def in_language(zh: str, en: str, reader: str = "") -> str:
    """What the chain wrote in the reader's language; the Chinese where it wrote no English."""
    return zh if (reader or language()) == "zh" else en or zh


def name_of(thing: Any) -> str:
    """The name of a chain, program, tier or offer."""
    return in_language(thing.name, thing.name_en)


def points_worth(held: HeldCard) -> str:
    """What the points of the card do at the till; nothing where they cannot be spent."""
    points, cents = held.program.spend_points, held.program.spend_cents
    if points is None or cents is None:
        return ""
    amount = say(terms.amount(cents, held.chain.currency))
    return _("At the till, %(points)s points take %(amount)s off.", points=f"{points:,}", amount=amount)


def public_url(path: str) -> str:
    """An address of this site as others must write it."""
    return str(current_app.extensions["settings"].public_url).rstrip("/") + path


def program_shown(chain: Chain, program: Program) -> dict[str, Any]:
    """A card that can be taken, for the macro card_face."""
    return {
        "chain": name_of(chain),
        "program": name_of(program),
        "colour": program.face_color,
        "pattern": program.face_pattern,
    }


def card_shown(held: HeldCard) -> dict[str, Any]:
    """A card that is held, for the macro card_face."""
    return program_shown(held.chain, held.program) | {
        "id": held.card.id,
        "number": held.card.number,
        "tier": name_of(held.tier),
        "holder": held.member.name,
        "state": held.card.state,
    }


def lines(zh: str, en: str, reader: str = "") -> list[str]:
    """Benefits or terms, which a chain writes one on a line."""
    return [line.strip() for line in in_language(zh, en, reader).splitlines() if line.strip()]


def code_shown(held: HeldCard, *, now: datetime) -> dict[str, Any]:
    """The code for the till: a picture that needs no request of its own, its digits, and how long it lasts."""
    code = shown_code(held.card.number, held.card.code_secret, held.program.code_mode, now=now)
    return {"image": picture(code.value), "value": _grouped(code.value), "seconds": _seconds_left(code, now)}


def picture(text: str) -> str:
    """A QR as an address that holds the picture itself."""
    return "data:image/svg+xml;base64," + b64encode(svg(text, quiet_modules=QUIET_MODULES).encode()).decode()


def _grouped(digits: str) -> str:
    return " ".join(digits[start : start + 4] for start in range(0, len(digits), 4))


def _seconds_left(code: ShownCode, now: datetime) -> int:
    """Rounded up, so that a page asks when the next code is really there; 0 for a code that stays."""
    if code.expires_at is None:
        return 0
    left = (code.expires_at - now).total_seconds()
    return min(int(left) + 1, int(STEP.total_seconds()))


def day_shown(moment: datetime, zone: str, *, now: datetime) -> str:
    """A day as people say it: without the year when it is this one."""
    return _day_words(moment.astimezone(ZoneInfo(zone)), this_year=now.astimezone(ZoneInfo(zone)).year)


def _day_words(day: date, *, this_year: int) -> str:
    same_year = day.year == this_year
    if language() == "zh":
        return str(format_date(day, "M月d日" if same_year else "y年M月d日", rebase=False))
    return str(format_date(day, "d MMMM" if same_year else "d MMMM y", rebase=False))


def moment_shown(moment: datetime, zone: str, *, now: datetime) -> str:
    """A moment near now: yesterday, today and tomorrow by the clock, else the day."""
    local, today = moment.astimezone(ZoneInfo(zone)), now.astimezone(ZoneInfo(zone)).date()
    clock = format_time(local, "HH:mm", rebase=False)
    days = (today - local.date()).days
    if days == 0:
        return str(_("today %(time)s", time=clock))
    if days == 1:
        return str(_("yesterday %(time)s", time=clock))
    if days == -1:
        return str(_("tomorrow %(time)s", time=clock))
    return f"{day_shown(moment, zone, now=now)} {clock}"


def distance_shown(metres: int | None) -> str:
    if metres is None:
        return ""
    if metres < 1000:
        return str(_("%(metres)s m", metres=round(metres, -1)))
    return str(_("%(kilometres)s km", kilometres=f"{metres / 1000:.1f}"))


def days_left(until: datetime, chain: Chain, *, now: datetime) -> str:
    """How long a coupon still lasts, when that is soon; else nothing. ``until`` is exclusive."""
    last = terms.last_day(until, chain.timezone, cutoff_hour=chain.cutoff_hour)
    days = (last - business_day(now, chain.timezone, chain.cutoff_hour)).days
    if until <= now or days > SOON_DAYS:
        return ""
    return str(_("last day today") if days <= 0 else ngettext("%(num)d day left", "%(num)d days left", days + 1))


def offer_shown(offer: Offer, chain: Chain, when: str = "") -> dict[str, Any]:
    """An offer as a ticket, for the macro coupon_row."""
    least = say(terms.amount(offer.min_cents, chain.currency)) if offer.min_cents else ""
    return {
        "value": say(terms.worth(offer, chain.currency)),
        "kind": _("from %(amount)s", amount=least) if least else "",
        "title": name_of(offer),
        "when": when,
    }


def coupon_shown(held: HeldCoupon, chain: Chain, *, now: datetime, given: str = "") -> dict[str, Any]:
    """A member's coupon as a ticket: how long it lasts, or what became of it; ``given`` says to whom it went."""
    coupon = held.coupon
    soon = days_left(coupon.valid_until, chain, now=now) if held.is_usable else ""
    when = soon or say(terms.validity_sentence(coupon, chain.timezone, cutoff_hour=chain.cutoff_hour))
    if coupon.redeemed_at is not None:
        when = _("used on %(day)s", day=day_shown(coupon.redeemed_at, chain.timezone, now=now))
    elif held.state == CouponState.EXPIRED:
        last = terms.last_day(coupon.valid_until, chain.timezone, cutoff_hour=chain.cutoff_hour)
        when = _("ended on %(day)s", day=_day_words(last, this_year=now.astimezone(ZoneInfo(chain.timezone)).year))
    elif held.state == CouponState.VOID:
        when = given or _("no longer good")
    elif held.state == CouponState.GIFTING:
        when = _("waiting for a friend")
    is_over = held.state not in (CouponState.CLAIMED, CouponState.GIFTING)
    return offer_shown(held.offer, chain, when) | {"id": coupon.id, "soon": bool(soon), "used": is_over}
