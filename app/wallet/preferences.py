"""What may reach a member: each channel for each purpose, since when and by what word of his; and what is measured."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import ngettext
from werkzeug import Response

from app.auth.guard import WALLET, access, actor
from app.languages import language
from app.wallet.browsers import browser_shown
from app.wallet.phone import held_card, require_wallet
from app.wallet.showing import day_shown, name_of
from cards.contacts import spoken
from cards.holding import HeldCard
from core.clock import utc_now
from core.db import transaction
from push.audiences import consents
from push.audiences.consents import Word
from push.channels import browsers, wechat_users
from push.models import ConsentPurpose, Purpose, PushChannel
from push.timing.policies import Policy, get_policy

bp = Blueprint(
    "wallet_preferences", __name__, url_prefix="/wallet/cards/<int:card_id>/messages", template_folder="templates"
)
bp.before_request(require_wallet)

SOURCE = "wallet settings"
MEASUREMENT = ConsentPurpose.MEASUREMENT.value


class Way(NamedTuple):
    """What a member thinks of as one way to reach him."""

    name: str
    channels: tuple[PushChannel, ...]


WAYS = (
    Way("inbox", (PushChannel.INBOX,)),
    Way("web_push", (PushChannel.WEB_PUSH,)),
    Way("email", (PushChannel.EMAIL,)),
    Way("gateway", (PushChannel.GATEWAY,)),
    Way("wechat", (PushChannel.WECHAT_TEMPLATE, PushChannel.WECHAT_SUBSCRIPTION)),
)


@bp.get("")
@access(WALLET)
def show(card_id: int) -> str:
    """The switches, and what each stands on."""
    held = held_card(card_id)
    said = consents.words_of(held.member.id)
    browser_count = len(browsers.endpoints_of(actor().id))
    ways = _ways_of(held, said, browser_count)
    return render_template(
        "wallet/preferences.html",
        held=held,
        chain_name=name_of(held.chain),
        manners=_manners(get_policy(held.chain.id)),
        sections=[(purpose.value, _rows(held, ways, purpose, said, browser_count)) for purpose in Purpose],
        may_measure=consents.may_measure(held.member.id),
        measurement_word=_spoken_word(held, said.get((MEASUREMENT, PushChannel.INBOX))),
        lacks_address=not (held.member.email and held.member.phone),
        browser=browser_shown(held),
        chain_accent=held.chain.accent,
    )


@bp.post("")
@access(WALLET)
def save(card_id: int) -> Response:
    """Write down what was changed; a switch that was left as it was is no word of the member."""
    held, now = held_card(card_id), utc_now()
    member_id, wanted = held.member.id, set(request.form.getlist("yes"))
    asked = set(request.form.getlist("asked"))
    with transaction():
        for purpose in Purpose:
            standing = consents.current_consents(member_id, purpose)
            for way in WAYS:
                key = f"{purpose}:{way.name}"
                if key in asked and (key in wanted) != any(standing[channel] for channel in way.channels):
                    change = consents.grant if key in wanted else consents.withdraw
                    for channel in way.channels:
                        change(member_id, channel, SOURCE, now, ConsentPurpose(purpose))
        if MEASUREMENT in asked and (MEASUREMENT in wanted) != consents.may_measure(member_id):
            consents.say_measurement(member_id, is_granted=MEASUREMENT in wanted, source=SOURCE, now=now)
    flash(_("Saved."), "good")
    return redirect(url_for("wallet_preferences.show", card_id=card_id), 303)


def channels_like(channel: str) -> tuple[PushChannel, ...]:
    """The channels that are one way to the member: whoever stops one of WeChat's means both."""
    return next(way.channels for way in WAYS if channel in way.channels)


def summary(held: HeldCard) -> str:
    """By which ways offers may come, in a line."""
    standing = consents.current_consents(held.member.id)
    words = _labels()
    ways = [words[way.name] for way in WAYS if any(standing[channel] for channel in way.channels)]
    return ("、" if language() == "zh" else ", ").join(ways) if ways else _("Nothing at present")


def _ways_of(held: HeldCard, said: dict[tuple[str, str], Word], browser_count: int) -> list[Way]:
    """Everybody's ways, and those that the member has or once spoke of."""
    spoken_of = {channel for _purpose, channel in said}
    has = {
        "web_push": browser_count > 0,
        "wechat": wechat_users.find_user(held.chain.id, held.member.id) is not None,
    }
    return [way for way in WAYS if has.get(way.name, True) or spoken_of.intersection(way.channels)]


def _rows(
    held: HeldCard, ways: Sequence[Way], purpose: Purpose, said: dict[tuple[str, str], Word], browser_count: int
) -> list[dict[str, Any]]:
    standing = consents.current_consents(held.member.id, purpose)
    labels = _labels()
    return [
        {
            "key": f"{purpose}:{way.name}",
            "label": labels[way.name],
            "is_on": any(standing[channel] for channel in way.channels),
            "where": _where(held, way, browser_count),
            "word": _spoken_word(held, _last(said, purpose, way)),
        }
        for way in ways
    ]


def _labels() -> dict[str, str]:
    return {
        "inbox": _("Messages in the wallet"),
        "web_push": _("Browser notifications"),
        "email": _("E-mail"),
        "gateway": _("SMS"),
        "wechat": _("WeChat"),
    }


def _where(held: HeldCard, way: Way, browser_count: int) -> str:
    """The member's address of this way, or that there is none."""
    if way.name == "email":
        return held.member.email or _("No address is known yet.")
    if way.name == "gateway":
        return spoken(held.member.phone, currency=held.chain.currency) or _("No number is known yet.")
    if way.name == "web_push":
        in_some = ngettext("In %(num)d browser", "In %(num)d browsers", browser_count)
        return in_some if browser_count else _("In no browser yet.")
    return _("They wait here and never disturb.") if way.name == "inbox" else ""


def _last(said: dict[tuple[str, str], Word], purpose: Purpose, way: Way) -> Word | None:
    words = [said[key] for channel in way.channels if (key := (purpose.value, channel.value)) in said]
    return max(words, key=lambda word: word.at) if words else None


def _spoken_word(held: HeldCard, word: Word | None) -> str:
    """When and where the member said yes or no; nothing where he never did."""
    if word is None:
        return ""
    day = day_shown(word.at, held.chain.timezone, now=utc_now())
    sources = {
        "wallet settings": _("in the settings"),
        "wallet inbox": _("in the inbox"),
        "unsubscribe link": _("by the link in a message"),
        "browser": _("when notifications were turned on"),
    }
    where = sources.get(word.source, "")
    if not where:
        return _("Yes since %(day)s.", day=day) if word.is_granted else _("No since %(day)s.", day=day)
    if word.is_granted:
        return _("You said yes on %(day)s %(where)s.", day=day, where=where)
    return _("You said no on %(day)s %(where)s.", day=day, where=where)


def _manners(policy: Policy) -> str:
    """How often and when the chain speaks at most, by its own rules."""
    most = _("At most %(day)s a day and %(week)s a week.", day=policy.cap_per_day, week=policy.cap_per_week)
    if policy.quiet_from == policy.quiet_until:
        return most
    quiet = _(
        "Nothing rings between %(start)s and %(end)s.",
        start=f"{policy.quiet_from}:00",
        end=f"{policy.quiet_until}:00",
    )
    return _("%(most)s %(quiet)s", most=most, quiet=quiet)
