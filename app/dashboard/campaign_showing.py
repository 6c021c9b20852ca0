"""Campaigns in the words and shapes of the dashboard: the phones that show them, the moments, the shares."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flask_babel import gettext as _
from flask_babel import ngettext

from app.dashboard.campaign_form import CampaignForm
from app.languages import language
from app.security import LARGEST
from app.wallet.showing import moment_shown
from cards.contacts import masked_name
from core.clock import business_day, utc_now
from core.errors import DomainError
from core.text import Text
from coupons import terms
from coupons.models import Offer
from coupons.offers import get_offer
from push import segments, sentences
from push.models import Campaign, CampaignState, DeliveryState, PushChannel
from stores.models import Chain

INBOX = Text("消息", "Inbox")  # on a phone of that language, whatever this page's is
FROM = Text("满{amount}可用", "from {amount}")


def planned(moment: datetime, chain: Chain) -> str:
    """A moment near now as people say it: tomorrow 18:00."""
    now = utc_now()
    if business_day(moment, chain.timezone) == business_day(now, chain.timezone) + timedelta(days=1):
        return str(_("tomorrow %(time)s", time=f"{moment.astimezone(ZoneInfo(chain.timezone)):%H:%M}"))
    return moment_shown(moment, chain.timezone, now=now)


def share(part: int, whole: int) -> str:
    """A part as people say it: 42 %."""
    return f"{part / whole:.0%}" if whole else "–"


def preview_of(form: CampaignForm) -> dict[str, Any]:
    """The count, a few of those meant, and the phones; with the problem when the conditions make no sense yet."""
    chain, now = form.chain, utc_now()
    shown: dict[str, Any] = {"phones": phones_of(chain, form.typed, find_offer(chain, form["offer_id"]))}
    try:
        audience = segments.check_audience(chain.id, form.audience())
    except DomainError as refusal:
        return shown | {"audience_problem": refusal.say(language())}
    channels = [name for name in PushChannel if str(name) in form.chosen("channels")]
    return shown | {
        "reach": segments.count_reach(chain, audience, [str(name) for name in channels], now=now),
        "sentence": sentences.audience_sentence(chain, audience),
        "sample": [called_masked(row.name, row.number) for row in segments.sample_members(chain, audience, now=now)],
    }


def called_masked(name: str, number: str) -> str:
    """A member in a list that anybody might look at: 林**, or the end of his card's number."""
    return masked_name(name) or str(_("Member %(ending)s", ending=number[-4:]))


def phones_of(chain: Chain, texts: Any, offer: Offer | None) -> list[dict[str, Any]]:
    """The message as each language's reader gets it, in the chain's own language first."""
    written = {
        "zh": (chain.name, texts.get("title", ""), texts.get("body", "")),
        "en": (chain.name_en or chain.name, texts.get("title_en", ""), texts.get("body_en", "")),
    }
    order = ("zh", "en") if chain.language == "zh" else ("en", "zh")
    return [
        {
            "language": code,
            "chain": written[code][0],
            "inbox": INBOX.say(code),
            "title": title,
            "body": body,
            "ticket": _ticket(offer, chain, code) if offer else None,
        }
        for code in order
        for title, body in [written[code][1:]]
        if title or body or code == order[0]
    ]


def _ticket(offer: Offer, chain: Chain, code: str) -> dict[str, Any]:
    """The coupon that comes with it, for the macro coupon_row."""
    least = terms.amount(offer.min_cents, chain.currency).say(code)
    return {
        "value": terms.worth(offer, chain.currency).say(code),
        "kind": FROM.say(code, amount=least) if offer.min_cents else "",
        "title": Text(offer.name, offer.name_en or offer.name).say(code),
    }


def find_offer(chain: Chain, offer_id: str) -> Offer | None:
    """The offer that was chosen in the form, if it is one."""
    if not offer_id.isdecimal() or len(offer_id) > len(str(LARGEST)) or int(offer_id) > LARGEST:
        return None
    try:
        return get_offer(chain.id, int(offer_id))
    except DomainError:
        return None


def stale_sentence(campaign: Campaign) -> str:
    hours = int(campaign.schedule.get("fresh_hours", 24))
    return str(ngettext("%(num)d hour after its time", "%(num)d hours after its time", hours))


def moment_of(row: Any, chain: Chain, now: datetime) -> str:
    if row.sent_at is not None:
        return moment_shown(row.sent_at, chain.timezone, now=now)
    if row.state == DeliveryState.PENDING:
        return str(_("due %(moment)s", moment=moment_shown(row.due_at, chain.timezone, now=now)))
    return ""


def seconds_left(campaign: Campaign) -> int:
    """How long a manual send can still be taken back."""
    if campaign.state != CampaignState.SCHEDULED or campaign.next_run_at is None:
        return 0
    return max(0, int((campaign.next_run_at - utc_now()).total_seconds()))
