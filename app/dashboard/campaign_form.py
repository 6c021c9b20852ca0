"""The editor of campaigns: what was typed, as a draft; and a draft, as what could have been typed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select
from werkzeug.datastructures import MultiDict

from cards.models import Tier
from cards.programs import default_program, tiers_of
from core.db import db
from push.campaigns import Draft
from push.models import Campaign
from push.scheduling import FRESH_HOURS
from stores.models import Chain, Store

MOST_LISTED = 100  # stores to tick; with more, their codes are typed
TEXTS = ("name", "title", "title_en", "body", "body_en")
UNREADABLE = -1  # what the domain refuses, in its own words


class CampaignForm:
    """The fields of the editor, by the names they have in it."""

    def __init__(self, chain: Chain, typed: "MultiDict[str, str]") -> None:
        self.chain = chain
        self.typed = typed

    def __getitem__(self, name: str) -> str:
        return self.typed.get(name, "")

    def chosen(self, name: str) -> list[str]:
        """The ticked values of a list."""
        return self.typed.getlist(name)

    def draft(self) -> Draft:
        """What it says. Nonsense is passed on, for the domain to refuse with its reason."""
        texts = {name: self[name].replace("\r\n", "\n") for name in TEXTS}
        offer = self["offer_id"]
        return Draft(
            audience=self.audience(),
            channels=self.chosen("channels"),
            offer_id=_whole(offer) if offer else None,
            schedule=self.schedule(),
            **texts,
        )

    def audience(self) -> dict[str, Any]:
        conditions = [
            *self._listed("store", self._store_ids()),
            *self._listed("tier", [_whole(value) for value in self.chosen("tiers")]),
            *self._dated("joined"),
            *self._dated("last_visit"),
        ]
        return {"all": conditions}

    def _store_ids(self) -> list[int]:
        ids = [_whole(value) for value in self.chosen("stores")]
        codes = [code for code in self["store_codes"].replace("，", ",").replace("\n", ",").split(",") if code.strip()]
        known = _ids_of_codes(self.chain, [code.strip() for code in codes])
        return ids + [known.get(code.strip(), UNREADABLE) for code in codes]

    def _listed(self, field: str, values: list[int]) -> list[dict[str, Any]]:
        return [{"field": field, "op": "in", "value": values}] if values else []

    def _dated(self, field: str) -> list[dict[str, Any]]:
        op = self[f"{field}_op"]
        if not op:
            return []
        value = _whole(self[f"{field}_days"]) if op.endswith("_days") else self[f"{field}_day"]
        return [{"field": field, "op": op, "value": value}]

    def schedule(self) -> dict[str, Any]:
        kind = self["kind"] or "now"
        schedule: dict[str, Any] = {"kind": kind}
        if self["fresh_hours"]:
            schedule["fresh_hours"] = _whole(self["fresh_hours"])
        if kind == "at":
            schedule["at"] = self["at"]
        if kind == "recurring":
            schedule |= {"weekdays": self.chosen("weekdays"), "time": self["time"]}
            if self["until"]:
                schedule["until"] = self["until"]
        return schedule


def fresh_form(chain: Chain) -> CampaignForm:
    """An empty editor."""
    return CampaignForm(chain, MultiDict({"kind": "now", "channels": "inbox", "fresh_hours": str(FRESH_HOURS)}))


def form_of(chain: Chain, campaign: Campaign) -> CampaignForm:
    """The editor filled with a campaign."""
    typed: MultiDict[str, str] = MultiDict((name, getattr(campaign, name)) for name in TEXTS)
    typed.setlist("channels", list(campaign.channels))
    typed["offer_id"] = str(campaign.offer_id or "")
    for condition in campaign.audience.get("all", []):
        _fill_condition(chain, typed, **condition)
    schedule = campaign.schedule
    typed["kind"] = schedule["kind"]
    typed["fresh_hours"] = str(schedule.get("fresh_hours", FRESH_HOURS))
    if "at" in schedule:
        at = datetime.fromisoformat(schedule["at"])
        local = at.astimezone(ZoneInfo(chain.timezone)) if at.tzinfo else at
        typed["at"] = local.replace(tzinfo=None).isoformat(timespec="minutes")
    typed.setlist("weekdays", schedule.get("weekdays", []))
    typed["time"], typed["until"] = schedule.get("time", ""), schedule.get("until", "")
    return CampaignForm(chain, typed)


def _fill_condition(chain: Chain, typed: "MultiDict[str, str]", *, field: str, op: str, value: Any) -> None:
    if field == "store" and len(stores_to_tick(chain.id)) == 0:
        codes = db.session.scalars(select(Store.code).where(Store.chain_id == chain.id, Store.id.in_(value)))
        typed["store_codes"] = ", ".join(codes)
    elif op == "in":
        typed.setlist(f"{field}s", [str(each) for each in value])
    else:
        typed[f"{field}_op"] = op
        typed[f"{field}_days" if op.endswith("_days") else f"{field}_day"] = str(value)


def stores_to_tick(chain_id: int) -> Sequence[Store]:
    """The stores as a list; none when the chain has too many for one."""
    stores = db.session.scalars(
        select(Store).where(Store.chain_id == chain_id).order_by(Store.id).limit(MOST_LISTED + 1)
    ).all()
    return stores if len(stores) <= MOST_LISTED else []


def tiers_to_tick(chain_id: int) -> Sequence[Tier]:
    return tiers_of(default_program(chain_id).id)


def _ids_of_codes(chain: Chain, codes: list[str]) -> dict[str, int]:
    if not codes:
        return {}
    rows = db.session.execute(select(Store.code, Store.id).where(Store.chain_id == chain.id, Store.code.in_(codes)))
    return {row.code: row.id for row in rows}


def _whole(text: str) -> int:
    text = text.strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 16 else UNREADABLE
