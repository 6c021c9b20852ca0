"""How far a campaign's run came, for its page: what stands where, how fast it goes, what went wrong."""

from datetime import datetime
from typing import Any, NamedTuple

from flask import request
from flask_babel import gettext as _
from flask_babel import ngettext

from app.dashboard.pushes.campaign_showing import ARRIVED, WAITING, planned, share
from app.languages import language
from app.wallet.showing import moment_shown
from core.clock import utc_now
from push import runs
from push.delivering.pacing import resting
from push.models import Campaign, CampaignState, Run, RunState
from push.progress import Progress, is_stuck, progress_of, troubles_of
from push.runs import Sums
from push.watching import paused_itself, worst_part
from stores.models import Chain

RUNS = 12
LIVE = (CampaignState.SCHEDULED, CampaignState.RUNNING)
LARGE = 100_000  # messages; a larger run is counted less often


class TroubleLine(NamedTuple):
    """One kind of error: people's words, the machine's, and what becomes of the messages."""

    words: str
    error: str
    failed: int
    fate: str


def newest_runs(chain: Chain, campaign: Campaign) -> tuple[list[Run], Run | None]:
    """The campaign's last runs, and the one that is asked for or else the newest."""
    found = list(runs.list_runs(chain.id, campaign.id, limit=RUNS))
    asked = request.args.get("run", type=int)
    return found, next((each for each in found if each.id == asked), found[0] if found else None)


def progress_parts(chain: Chain, campaign: Campaign, run: Run | None) -> dict[str, Any]:
    """What the moving part of the page shows."""
    now = utc_now()
    progress = progress_of(run, now=now) if run else Progress(Sums(), now)
    sums = progress.sums
    return {
        "campaign": campaign,
        "run": run,
        "sums": sums,
        "waiting": progress.waiting,
        "arrived": sum(sums.states[state] for state in ARRIVED),
        "pace": _pace(chain, run, progress, now) if run else "",
        "paces": {name: _a_minute(pace.last_minute) for name, pace in progress.paces.items() if pace.last_minute},
        "stuck": run is not None and is_stuck(run, progress),
        "resting": _resting(chain, run, progress, now) if run else {},
        "troubles": _troubles(chain, run, now) if run else [],
        "paused_by": worst_part(run) if run and paused_itself(run) else None,
        "may_retry": run is not None and run.state != RunState.CANCELLED and run.send_until > now,
        "went_out": moment_shown(run.started_at, chain.timezone, now=now) if run else "",
        "goes_out": planned(campaign.next_run_at, chain) if campaign.next_run_at else "",
        "is_live": campaign.state in LIVE,
        "every": _every(campaign, sums),
        "share": share,
    }


def _resting(chain: Chain, run: Run, progress: Progress, now: datetime) -> dict[str, str]:
    """The channels with messages to send whose provider is in trouble, and when it is tried again."""
    if run.state != RunState.RUNNING:
        return {}
    return {
        channel: moment_shown(until, chain.timezone, now=now)
        for channel, until in resting(now=now).items()
        if channel in progress.paces and progress.paces[channel].due
    }


def run_lines(chain: Chain, found: list[Run]) -> list[dict[str, Any]]:
    """The campaign's last runs as rows: when, its state, how many were meant and reached."""
    sums, now = runs.count_states([each.id for each in found]), utc_now()
    return [
        {
            "run": run,
            "when": moment_shown(run.started_at, chain.timezone, now=now),
            "audience": sums[run.id].audience,
            "arrived": sum(sums[run.id].states[state] for state in ARRIVED),
        }
        for run in found
    ]


def _every(campaign: Campaign, sums: Sums) -> str:
    if campaign.state != CampaignState.RUNNING or not any(sums.states[state] for state in WAITING):
        return "10s"
    return "2s" if sums.audience < LARGE else "10s"


def _pace(chain: Chain, run: Run, progress: Progress, now: datetime) -> str:
    """How fast it goes and until when; or what it waits for."""
    if run.state != RunState.RUNNING or not progress.waiting:
        return ""
    parts = [_a_minute(progress.last_minute)] if progress.last_minute else []
    through_at, next_at = progress.through_at(), progress.next_at
    if not progress.last_minute and next_at is not None:
        parts.append(str(_("waits until %(moment)s", moment=moment_shown(next_at, chain.timezone, now=now))))
    elif through_at is not None:
        parts.append(str(_("done by about %(moment)s", moment=moment_shown(through_at, chain.timezone, now=now))))
    if progress.last_minute and progress.later:
        count = ngettext("%(num)s message waits for its hour", "%(num)s messages wait for their hour", progress.later)
        parts.append(str(count))
    return " · ".join(parts)


def _a_minute(count: int) -> str:
    shown = f"{count:,}"
    words = ngettext(
        "%(count)s message in the last minute", "%(count)s messages in the last minute", count, count=shown
    )
    return str(words)


def _troubles(chain: Chain, run: Run, now: datetime) -> list[TroubleLine]:
    return [
        TroubleLine(
            each.words.say(language()),
            each.error,
            each.failed,
            _fate(chain, each.failed, each.again, each.next_at, now),
        )
        for each in troubles_of(run.id)
    ]


def _fate(chain: Chain, failed: int, again: int, next_at: datetime | None, now: datetime) -> str:
    parts = [str(ngettext("%(count)s given up", "%(count)s given up", failed, count=f"{failed:,}"))] if failed else []
    if again and next_at is not None and next_at > now:
        moment = moment_shown(next_at, chain.timezone, now=now)
        words = ngettext(
            "%(count)s tried again from %(at)s",
            "%(count)s tried again from %(at)s",
            again,
            count=f"{again:,}",
            at=moment,
        )
        parts.append(str(words))
    elif again:
        parts.append(str(ngettext("%(count)s is tried again", "%(count)s are tried again", again, count=f"{again:,}")))
    return " · ".join(parts)
