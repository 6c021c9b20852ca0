"""What a share link says to a friend: who invites, what he gets, on which terms; in words and as a picture.

It is always said anew from the link: a choice of name, a gift that ran out or a reward that ended holds at once, also
for links that were sent before.
"""

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from flask import current_app, url_for

from app.languages import language, say
from app.security import count_poster, count_preview
from app.wallet.invitation_pictures import Words, poster_picture, preview_picture
from app.wallet.showing import lines, program_shown, public_url
from cards.models import Program
from core.text import Text
from coupons import terms
from coupons.models import Offer
from sharing import reward_terms
from sharing.linking import LinkView
from stores.models import DEFAULT_ACCENT, Chain

LOCALES = {"zh": "zh_CN", "en": "en_US"}  # as Open Graph calls them

FRIEND = Text("朋友", "A friend")
SENDS_CARD = Text("{name}送你一张会员卡", "{name} sends you a membership card")
SENDS_CARD_OF = Text("{name}送你一张{chain}会员卡", "{name} sends you a membership card of {chain}")
SENDS_COUPON = Text("{name}请你领券：{offer}", "{name} has a coupon for you: {offer}")
WITH_CARD = Text("领卡即得：{gift}", "With the card: {gift}")
CALL = Text("扫码或长按领取", "Scan it, or press and hold")
HOW = Text("点一下就能领，不用下载", "One tap, no app needed")
GONE = Text("这个邀请现在不能用", "This invitation is not in use")
CARD = Text("会员卡", "Membership card")


@dataclass(frozen=True)
class Invitation:
    """What a friend is invited to."""

    chain: Chain
    program: Program
    sharer: Text  # as he chose to be named
    welcome: Offer | None  # comes with the card
    offer: Offer | None  # the coupon that was shared, while it can be had
    is_offer_gone: bool  # it was shared, and can no longer be had
    rewards: tuple[Text, ...]  # what the friend gets for coming through somebody, whole sentences

    @property
    def title(self) -> Text:
        """Who invites to what; the chain is named beside it."""
        if self.offer is not None:
            return _said(SENDS_COUPON, name=self.sharer, offer=Text(self.offer.name, _en(self.offer)))
        return _said(SENDS_CARD, name=self.sharer)

    @property
    def full_title(self) -> Text:
        """The same for a message, where nothing stands beside it."""
        return self.title if self.offer is not None else _sends_card(self.chain, self.sharer)

    @property
    def gift(self) -> Text | None:
        """What comes with the card itself."""
        return terms.sentence(self.welcome, self.chain.currency) if self.welcome else None

    @property
    def gifts(self) -> list[Text]:
        """What he gets, the best first."""
        found = [terms.sentence(self.offer, self.chain.currency)] if self.offer else []
        if self.gift is not None:
            found.append(_said(WITH_CARD, gift=self.gift))
        return [*found, *self.rewards]

    @property
    def message(self) -> Text:
        """One sentence to go with the link."""
        gifts = self.gifts
        return gifts[0] if gifts else HOW

    def words(self, reader: str, *, url: str = "") -> Words:
        """For a picture in the reader's language; ``url`` stands in its code."""
        benefits = lines(self.program.benefits, self.program.benefits_en, reader)
        return Words(
            chain_name=_of(self.chain).say(reader),
            program_name=_of(self.program).say(reader),
            colour=self.program.face_color,
            pattern=self.program.face_pattern,
            title=self.title.say(reader),
            gifts=(*(gift.say(reader) for gift in self.gifts), *benefits),
            call=CALL.say(reader),
            how=HOW.say(reader),
            url=url,
        )


def invitation_of(shared: LinkView) -> Invitation:
    """What a link that was found invites to."""
    return Invitation(
        chain=shared.chain,
        program=shared.program,
        sharer=named(shared.sharer_name),
        welcome=shared.welcome,
        offer=shared.offer,
        is_offer_gone=shared.link.offer_id is not None and shared.offer is None,
        rewards=tuple(friend_rewards(shared.chain)),
    )


def named(name: str) -> Text:
    """A sharer's name, in Chinese set off from the sentence; nameless he is a friend."""
    return Text(f"{name} ", name) if name else FRIEND


def sends_card(chain: Chain, name: str) -> Text:
    """What a friend reads of somebody with this name."""
    return _sends_card(chain, named(name))


def _sends_card(chain: Chain, sharer: Text) -> Text:
    return _said(SENDS_CARD_OF, name=sharer, chain=_of(chain))


def friend_rewards(chain: Chain) -> list[Text]:
    """What whoever joins through a friend gets by the rules that run, with their terms."""
    said = (reward_terms.friend_sentence(rule, chain.currency) for rule in reward_terms.running_rules(chain.id))
    return [sentence for sentence in said if sentence is not None]


def referrer_rewards(chain: Chain) -> list[Text]:
    """What a member gets for each friend by the rules that run, with their terms."""
    said = (reward_terms.referrer_sentence(rule, chain.currency) for rule in reward_terms.running_rules(chain.id))
    return [sentence for sentence in said if sentence is not None]


def poster(shared: LinkView, reader: str) -> bytes:
    """The PNG of a link with its code, for an album or a printer; ``reader`` is its language. Raises TooMany."""
    words = invitation_of(shared).words(reader, url=address_of(shared.link.token))
    return poster_picture(words, _font(), count_poster)


def preview(shared: LinkView | None, reader: str) -> bytes:
    """The PNG that chat apps show beside the link; of a link that opens nothing one that says nothing.

    Raises TooMany.
    """
    words = invitation_of(shared).words(reader) if shared else _nothing(reader)
    return preview_picture(words, _font(), count_preview)


def address_of(token: str) -> str:
    """The address of a link, as it is sent."""
    return public_url(url_for("scanning.friend", token=token))


def preview_address(token: str, invited: Invitation) -> str:
    """Where the preview picture is. What it says is in the address, because chat apps keep pictures for long."""
    reader = language()
    mark = mark_of(invited.words(reader))
    return public_url(url_for("scanning.preview_picture", token=token, language=reader, v=mark))


def mark_of(words: Words) -> str:
    """Changes with what a picture says."""
    return sha256(repr(words).encode()).hexdigest()[:10]


def open_graph(token: str, invited: Invitation) -> dict[str, Any]:
    """What chat apps read of the page."""
    return {
        "title": say(invited.full_title),
        "description": say(invited.message),
        "url": address_of(token),
        "image": preview_address(token, invited),
        "image_size": (1200, 630),
        "image_alt": say(invited.full_title),
        "site_name": say(_of(invited.chain)),
        "locale": LOCALES[language()],
    }


def card_of(invited: Invitation) -> dict[str, Any]:
    """The card that is given, for the macro card_face."""
    return program_shown(invited.chain, invited.program)


def _nothing(reader: str) -> Words:
    """One picture for unknown, revoked and mistyped links."""
    return Words(
        chain_name="",
        program_name=CARD.say(reader),
        colour=DEFAULT_ACCENT,
        pattern="plain",
        title=GONE.say(reader),
        gifts=(),
        call="",
        how="",
    )


def _font() -> str:
    return str(current_app.extensions["settings"].poster_font)


def _of(thing: Any) -> Text:
    """The name of a chain or a program."""
    return Text(thing.name, _en(thing))


def _en(thing: Any) -> str:
    return str(thing.name_en or thing.name)


def _said(sentence: Text, **values: Text) -> Text:
    """A sentence with its values, in both languages."""
    return Text(sentence.say("zh", **values), sentence.say("en", **values))
