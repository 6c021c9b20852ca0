"""Campaigns in the words of the dashboard: the moments, the shares, where they stand past the second person."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from flask_babel import gettext as _
from flask_babel import ngettext

from app.wallet.showing import moment_shown
from core.clock import business_day, utc_now
from push import approving
from push.models import Campaign, CampaignState, DeliveryState
from push.timing.policies import get_oversight
from stores.models import Chain
from stores.staffing import list_staff

ARRIVED = (DeliveryState.SENT, DeliveryState.DELIVERED)
WAITING = (DeliveryState.PENDING, DeliveryState.SENDING)


def planned(moment: datetime, chain: Chain) -> str:
    """A moment near now as people say it: tomorrow 18:00."""
    now = utc_now()
    if business_day(moment, chain.timezone) == business_day(now, chain.timezone) + timedelta(days=1):
        return str(_("tomorrow %(time)s", time=f"{moment.astimezone(ZoneInfo(chain.timezone)):%H:%M}"))
    return moment_shown(moment, chain.timezone, now=now)


def share(part: int, whole: int) -> str:
    """A part as people say it: 42 %."""
    return f"{part / whole:.0%}" if whole else "–"


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


class Approval(NamedTuple):
    """Where a campaign stands on its way past the second person, and what its reader may do."""

    is_needed: bool
    submitted_by: str
    approved_by: str
    sent_back: str | None  # why
    may_approve: bool
    submitted_at: datetime | None

    @property
    def may_go(self) -> bool:
        return bool(self.approved_by) or not self.is_needed


def approval_of(campaign: Campaign, reader: str, *, may_edit: bool) -> Approval:
    """For this person, such as ``staff:7``."""
    is_needed = campaign.state in approving.READABLE and get_oversight(campaign.chain_id).needs_approval
    people = {f"staff:{person.id}": person.name for person in list_staff(campaign.chain_id)} if is_needed else {}
    names = [people.get(who or "", who or "") for who in (campaign.submitted_by, campaign.approved_by)]
    may_approve = is_needed and may_edit and approving.may_approve(campaign, reader)
    reason = approving.find_reason(campaign) if is_needed else None
    return Approval(is_needed, *names, reason, may_approve, campaign.submitted_at)
