"""The editor of campaigns: what was typed, as a draft; and a draft, as what could have been typed."""

from functools import cached_property

from werkzeug.datastructures import MultiDict

from app.dashboard.figures import plain_share
from app.dashboard.pushes import message_form
from app.dashboard.pushes.audience_form import AudienceForm, fill_audience
from app.dashboard.pushes.message_form import Typed
from app.dashboard.pushes.schedule_form import field_of_time, fill_schedule, schedule_of
from push.campaigns import Draft
from push.models import Campaign, ChannelMode, Purpose, PushChannel
from push.timing.scheduling import FRESH_HOURS
from push.wording.variants import LABELS
from stores.models import Chain

OWN = ("title", "title_en", "body", "body_en")
UNREADABLE = -1  # what the domain refuses, in its own words
FIELDS = {"holdout_bp": "holdout", "variants": f"share.{LABELS[0]}"}  # parts that are called otherwise here
NO_FIELDS = ("purpose", "channel_mode", "kind")  # one of them is always chosen


class CampaignForm:
    """The fields of the editor, by the names they have in it."""

    def __init__(self, chain: Chain, typed: Typed) -> None:
        self.chain = chain
        self.typed = typed

    def __getitem__(self, name: str) -> str:
        return self.typed.get(name, "")

    def chosen(self, name: str) -> list[str]:
        """The ticked values of a list."""
        return self.typed.getlist(name)

    def channels(self) -> list[str]:
        """Those that are ticked and known, in the order in which they are to be tried."""
        ticked = [str(name) for name in PushChannel if str(name) in self.chosen("channels")]
        return sorted(ticked, key=self._turn) if self["channel_mode"] == ChannelMode.FIRST else ticked

    def _turn(self, channel: str) -> int:
        turn = self[f"order.{channel}"]
        return int(turn) if turn.isascii() and turn.isdecimal() and len(turn) < 3 else len(PushChannel)

    def draft(self) -> Draft:
        """What it says. Nonsense is passed on, for the domain to refuse with its reason."""
        own = {name: self[name].replace("\r\n", "\n") for name in OWN}
        offer = self["offer_id"]
        unknown = [name for name in self.chosen("channels") if name not in set(PushChannel)]
        return Draft(
            name=self["name"],
            audience=self.whom.chosen_audience(),
            channels=[*self.channels(), *unknown],
            offer_id=_whole(offer) if offer else None,
            purpose=self["purpose"] or Purpose.PROMOTION,
            channel_mode=self["channel_mode"] or ChannelMode.EVERY,
            holdout_bp=message_form.share_of(self.typed, "holdout"),
            variants=message_form.variants_of(self.typed),
            texts=message_form.texts_of(self.typed),
            schedule=schedule_of(self.typed, self.chain),
            **own,
        )

    @property
    def reminds_of_coupon(self) -> bool:
        """Whether each member has a coupon that the words may speak of, though none comes with them."""
        return self["kind"] == "event" and self["event"] == "coupon_expiring"

    @cached_property
    def whom(self) -> AudienceForm:
        """To whom: everybody, a saved segment, or conditions of its own."""
        return AudienceForm(self.chain, self.typed)

    def field_of(self, part: str) -> str:
        """What a part of the campaign is called here; nothing where it is no field of the page."""
        if "." in part:
            return message_form.field_of_words(part, self.chain.language)
        part = FIELDS.get(part, part)
        return "" if part in NO_FIELDS else field_of_time(self.typed, part)


def fresh_form(chain: Chain) -> CampaignForm:
    """An empty editor."""
    return CampaignForm(chain, MultiDict({"kind": "now", "channels": "inbox", "fresh_hours": str(FRESH_HOURS)}))


def form_of(chain: Chain, campaign: Campaign) -> CampaignForm:
    """The editor filled with a campaign."""
    typed: Typed = MultiDict((name, getattr(campaign, name)) for name in ("name", *OWN))
    typed.setlist("channels", list(campaign.channels))
    for turn, channel in enumerate(campaign.channels, 1):
        typed[f"order.{channel}"] = str(turn)
    typed["offer_id"] = str(campaign.offer_id or "")
    typed["purpose"], typed["channel_mode"] = campaign.purpose, campaign.channel_mode
    typed["holdout"] = plain_share(campaign.holdout_bp) if campaign.holdout_bp else ""
    message_form.fill_texts(typed, campaign.texts)
    message_form.fill_variants(typed, campaign.variants)
    fill_audience(chain, typed, campaign.audience)
    fill_schedule(typed, chain, campaign.schedule)
    return CampaignForm(chain, typed)


def _whole(text: str) -> int:
    text = text.strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 16 else UNREADABLE
