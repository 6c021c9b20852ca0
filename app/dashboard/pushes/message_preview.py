"""What is being written, as it will look: for a member, over a channel, in both languages; and whom it reaches."""

from collections.abc import Sequence
from datetime import datetime
from types import SimpleNamespace
from typing import Any, NamedTuple

import nh3
from flask import current_app
from flask_babel import gettext as _

from app.dashboard.personal import called_masked
from app.dashboard.pushes.audience_showing import whom
from app.dashboard.pushes.campaign_form import CampaignForm
from app.dashboard.pushes.message_form import Typed, labels_of, texts_of
from app.languages import say
from app.security import LARGEST
from core.clock import utc_now
from core.errors import DomainError
from core.text import Text
from coupons import terms
from coupons.models import Offer
from coupons.offers import get_offer
from push.audiences.unsubscribing import Links
from push.channels import Filled, Message
from push.channels.email import compose
from push.models import Purpose, PushChannel
from push.wording import link_checking, previewing, texts
from push.wording.previewing import Reader
from push.wording.vendor_templates import Templates
from stores.models import Chain

INBOX = Text("消息", "Inbox")  # on a phone of that language, whatever this page's is
FROM = Text("满{amount}可用", "from {amount}")
# A mail is somebody's HTML: it may show colours and pictures, and do nothing.
MAIL_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src https: data:; sandbox; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
MOST_READERS = 20
ONE_SMS, LONGER_SMS = 70, 67  # characters of an SMS, and of one of several
PLAIN_TAGS = texts.TAGS - {"img"}  # the pages allow no foreign pictures and no inline style


class Look(NamedTuple):
    """A message in one language on one channel, its variables filled in."""

    language: str
    chain: str
    words: texts.Words
    values: dict[str, str]
    template: Filled | None
    ticket: dict[str, Any] | None

    @property
    def inbox(self) -> str:
        return INBOX.say(self.language)

    @property
    def plain_html(self) -> str:
        """The HTML part as far as this page may show it."""
        return nh3.clean(self.words.html, tags=PLAIN_TAGS, attributes={}, link_rel=None)

    @property
    def sms(self) -> str:
        return f"【{self.chain}】{self.words.title}{chr(10) if self.words.title else ''}{self.words.body}"

    @property
    def sms_count(self) -> int:
        length = len(self.sms)
        return 1 if length <= ONE_SMS else -(-length // LONGER_SMS)


class Shown(NamedTuple):
    """What was chosen to look at."""

    channel: PushChannel
    label: str
    reader: Reader


def reach_of(form: CampaignForm) -> dict[str, Any]:
    """Whom it reaches, for a message of its purpose."""
    purpose = form["purpose"] if form["purpose"] in set(Purpose) else Purpose.PROMOTION
    return whom(form.whom, form.channels(), purpose=Purpose(purpose))


def readers_of(typed: Typed) -> list[tuple[str, str]]:
    """With whose eyes it can be read: an imagined member, or a few of those meant, as the page has counted them."""
    few = [each.partition(":") for each in typed.getlist("readers")[:MOST_READERS]]
    return [("", str(_("an imagined member"))), *((number, called) for number, _colon, called in few)]


def looks_of(
    chain: Chain, typed: Typed, channels: Sequence[str], offer_id: str = "", *, imagines_coupon: bool = False
) -> dict[str, Any]:
    """The message as its reader gets it, and what is to be said of its links.

    ``imagines_coupon`` where it reminds of a coupon that each member has.
    """
    shown, offer = shown_of(chain, typed, channels), find_offer(chain, offer_id)
    now = utc_now()
    return {
        "looks": [
            look(chain, typed, shown, offer, code, now=now, imagines_coupon=imagines_coupon)
            for code in _languages(chain, typed, shown.label)
        ],
        "lacks_coupon": offer is None and not imagines_coupon and speaks_of_coupon(typed),
        "shown": shown,
        "labels": labels_of(typed),
        "channels_shown": [str(name) for name in channels] or [str(PushChannel.INBOX)],
        "links": judged_links(typed),
        "eyes": readers_of(typed),
        "reader_words": reader_words,
    }


def shown_of(chain: Chain, typed: Typed, channels: Sequence[str]) -> Shown:
    """What the reader of the page wants to look at; where that is not there, the first that is."""
    wanted = typed.get("shown_channel", "")
    channel = wanted if wanted in channels else next(iter(channels), PushChannel.INBOX)
    label = typed.get("shown_label", "")
    labels = labels_of(typed)
    return Shown(PushChannel(channel), label if label in labels else labels[0], _reader(chain, typed))


def _reader(chain: Chain, typed: Typed) -> Reader:
    number = typed.get("shown_reader", "")
    if number.isdecimal() and number.isascii() and int(number) <= LARGEST:
        try:
            return previewing.reader_of(chain, int(number))
        except DomainError:
            pass
    return previewing.somebody(chain)


def _languages(chain: Chain, typed: Typed, label: str) -> list[str]:
    """The chain's own language first; the other where something is written in it."""
    order = ["zh", "en"] if chain.language == "zh" else ["en", "zh"]
    written = texts_of(typed, with_own=True).get(label, {})
    return [code for code in order if code == order[0] or any(code in said for said in written.values())]


def speaks_of_coupon(typed: Typed) -> bool:
    return "{coupon" in str(texts_of(typed, with_own=True))


def look(
    chain: Chain,
    typed: Typed,
    shown: Shown,
    offer: Offer | None,
    code: str,
    *,
    now: datetime,
    imagines_coupon: bool = False,
) -> Look:
    """The message in one language."""
    said = _lenient(texts_of(typed, with_own=True))
    link = "" if shown.channel == PushChannel.INBOX else links().wallet  # who reads the inbox is in the wallet
    values = previewing.values_for(
        chain, shown.reader, offer, code, link=link, now=now, imagines_coupon=imagines_coupon
    )
    own = SimpleNamespace(title="", body="", title_en="", body_en="", texts=said)
    words = previewing.said(texts.choose(own, shown.label, shown.channel, code), values)
    words = words._replace(html=texts.clean_html(words.html) if words.html else "")
    template_code = texts.choose_template(said, shown.label, shown.channel, code)
    template = Templates(shown.channel, [chain.id]).find(chain.id, template_code, code)
    if template is not None:
        template = previewing.filled_template(template, words, values)
    return Look(code, values["chain"], words, values, template, _ticket(offer, chain, code) if offer else None)


def mail_page(seen: Look) -> str:
    """The HTML of the mail, as mail programs get it."""
    message = Message(
        key="kq-look",
        chain=seen.chain,
        to="you@example.com",
        language=seen.language,
        title=seen.words.title,
        body=seen.words.body,
        html=seen.words.html,
        coupon=seen.values["coupon"] or None,
        url=links().wallet,
        unsubscribe_url="#",
    )
    part = compose(message, "kaquan@example.com").get_body(("html",))
    return str(part.get_content()) if part is not None else ""


def _lenient(said: dict[str, Any]) -> dict[str, Any]:
    """Texts that are half written, so that a title without a body can be looked at."""
    for by_channel in said.values():
        for by_language in by_channel.values():
            for words in by_language.values():
                if words.keys() & {"title", "body", "html"}:
                    words.setdefault("title", "")
                    words.setdefault("body", "")
    return said


def judged_links(typed: Typed) -> list[link_checking.Judged]:
    """Every link that is written anywhere, with what is to be said of it."""
    own_url = str(current_app.extensions["settings"].public_url)
    return [link_checking.judge(url, own_url=own_url) for url in links_in(typed)]


def links_in(typed: Typed) -> list[str]:
    plain, html = [], []
    for by_channel in texts_of(typed, with_own=True).values():
        for by_language in by_channel.values():
            for words in by_language.values():
                plain += [words.get("title", ""), words.get("body", "")]
                html += [words.get("html", "")]
    return link_checking.find_links(plain, html)


def links() -> Links:
    """What makes the links of messages."""
    settings = current_app.extensions["settings"]
    return Links(settings.public_url, settings.secret_key)


def reader_words(reader: Reader) -> str:
    if reader.member_id is None:
        return str(_("an imagined member"))
    return called_masked(say(reader.name), reader.number)


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
