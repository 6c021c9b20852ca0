"""Effect: how far a campaign's messages came, and what it caused against those held out."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from flask import Blueprint, render_template, request, url_for
from flask_babel import gettext as _

from app.auth.guard import HQ, access, actor, require_staff
from app.dashboard.frame import local_day
from app.dashboard.pushes import effect_words as words
from app.security import row_number
from app.wallet.showing import moment_shown
from core.clock import business_day, utc_now
from core.intervals import newcombe
from push import campaigns, runs
from push.effects import funnel
from push.effects.definitions import DEFINITIONS
from push.effects.effect import DAYS, Against, Comparison, Difference, Effect, Group, measure, shares_of
from push.effects.funnel import Funnel, Part
from push.models import Campaign, Run
from stores.models import Chain
from stores.queries import get_chain

bp = Blueprint("effect", __name__, url_prefix="/dashboard/campaigns", template_folder="../templates")
bp.before_request(require_staff)

RUNS = 50  # to choose from
AT_ONCE = 50_000  # messages that are counted in no time
USUAL_DAYS = 7


class Asked(NamedTuple):
    """What the page is about."""

    chain: Chain
    campaign: Campaign
    runs: Sequence[Run]
    run: Run | None  # None: all of them
    days: int

    @property
    def run_id(self) -> int | None:
        return self.run.id if self.run else None

    @property
    def query(self) -> dict[str, Any]:
        """The same as parts of an address."""
        return {"campaign_id": self.campaign.id, "run": self.run_id, "days": self.days}


class Line(NamedTuple):
    """One figure of the comparison."""

    name: str
    one: str
    other: str
    difference: str
    verdict: str
    is_shown: bool


@bp.get("/<int:campaign_id>/effect")
@access(*HQ)
def show(campaign_id: int) -> str:
    """What became of the messages of all its runs or of one, and what they caused within some days.

    Where there is much to count, the page stands first and asks for its figures then; ``whole`` waits for them.
    """
    asked, now = _asked(campaign_id), utc_now()
    is_whole = "whole" in request.args or sum(each.audience_count for each in asked.runs) <= AT_ONCE
    return render_template(
        "dashboard/campaigns/effect.html",
        nav="pushes",
        campaign=asked.campaign,
        run=asked.run,
        runs=[(each.id, moment_shown(each.started_at, asked.chain.timezone, now=now)) for each in asked.runs],
        days=asked.days,
        is_whole=is_whole,
        figures_url=url_for("effect.figures", **asked.query),
        whole_url=url_for("effect.show", whole=1, **asked.query),
        **(_figures(asked) if is_whole and asked.runs else {}),
    )


@bp.get("/<int:campaign_id>/effect/figures")
@access(*HQ)
def figures(campaign_id: int) -> str:
    """The part of the page that counts."""
    asked = _asked(campaign_id)
    return render_template(
        "dashboard/campaigns/_effect.html", campaign=asked.campaign, days=asked.days, **_figures(asked)
    )


def _asked(campaign_id: int) -> Asked:
    chain = get_chain(actor().chain_id)
    campaign = campaigns.get_campaign(chain.id, campaign_id)
    found, number = runs.list_runs(chain.id, campaign.id, limit=RUNS), request.args.get("run", type=row_number)
    run = runs.find_run(chain.id, campaign.id, number) if number else None
    return Asked(chain, campaign, found, run, _days(found, run))


def _figures(asked: Asked) -> dict[str, Any]:
    found = funnel.funnel(asked.chain.id, asked.campaign.id, asked.run_id)
    effect = measure(asked.campaign, now=utc_now(), run_id=asked.run_id)
    compared = effect.comparison(asked.days)
    spans = [(span, url_for("effect.show", **asked.query | {"days": span})) for span in DAYS]
    return {
        "figures": found,
        "compared": compared,
        "spans": spans,
        "sentence": words.sentence(effect, compared, _soon(effect, asked.days)),
        "lines": _lines(compared),
        "groups": _groups(effect, asked.days),
        "versions": _versions(asked, effect),
        "by_chain": effect.against == Against.CHAIN,
        "is_compared": effect.against != Against.NOBODY,
        "steps": _steps(found),
        "file_query": _file_query(asked.chain, asked.runs),
        "words": words,
        "definitions": DEFINITIONS,
    }


def _days(found: Any, run: Run | None) -> int:
    """The span that is asked for; else the usual one, or a single day while that is not over."""
    asked = request.args.get("days", "")
    if asked in map(str, DAYS):
        return int(asked)
    began = run.started_at if run else min((each.started_at for each in found), default=None)
    is_over = began is not None and began <= utc_now() - timedelta(days=USUAL_DAYS)
    return USUAL_DAYS if is_over else DAYS[0]


def _soon(effect: Effect, days: int) -> str:
    if effect.first_complete_at is None:
        return ""
    return local_day(effect.first_complete_at + timedelta(days=days - DAYS[0]))


def _lines(found: Comparison) -> list[Line]:
    """Buyers, users of coupons, and what each spent."""
    return [
        _share_line(_("Bought something"), found.bought),
        _share_line(_("Used a coupon"), found.redeemed),
        _amount_line(_("Spent, each"), found.spend),
    ]


def _share_line(name: str, found: Difference) -> Line:
    one, other = words.per_cent(found.one), words.per_cent(found.other)
    return Line(name, one, other, words.shares(found), words.verdict_of_shares(found), found.is_shown)


def _amount_line(name: str, found: Difference) -> Line:
    one, other = words.cash(found.one), words.cash(found.other)
    return Line(name, one, other, words.amounts(found), words.verdict_of_amounts(found), found.is_shown)


def _groups(effect: Effect, days: int) -> list[tuple[str, Group, tuple[float, float, float]]]:
    """Each group with its share of buyers and the range of that, in per cent."""
    told = {label: group for label, group in sorted(effect.told[days].items()) if group.members}
    named = [(_("Those told"), sum(told.values(), Group()))]
    if len(told) > 1:
        named += [(_("Version %(label)s", label=label), group) for label, group in told.items()]
    named.append((_("Held out"), effect.held[days]))
    return [
        (name, group, words.share_and_range(*shares_of(group.buyers, group.members)))
        for name, group in named
        if group.members
    ]


def _versions(asked: Asked, effect: Effect) -> list[tuple[str, list[Line]]]:
    """Every version but A against A."""
    clickers = funnel.count_clickers(asked.chain.id, asked.campaign.id, asked.run_id)
    compared = []
    for label in sorted(clickers):
        if label == "A" or "A" not in clickers:
            continue
        found = effect.between_variants(label, "A", asked.days)
        compared.append((label, [_click_line(clickers[label], clickers["A"]), *_lines(found)]))
    return compared


def _click_line(one: tuple[int, int], other: tuple[int, int]) -> Line:
    """Members who followed a link, of those who were sent a message."""
    difference = Difference(one[0] / one[1], other[0] / other[1], newcombe(one, other))
    return _share_line(_("Followed a link"), difference)


def _steps(figures: Funnel) -> list[tuple[str, list[int]]]:
    """The steps of the funnel for the chart, each with a count for every version, or for all where there is one."""
    parts = list(figures.variants.values()) if len(figures.variants) > 1 else [figures.whole]
    names = [key for key in ("sent", "delivered", "opened", "clicked") if key != "delivered" or figures.whole.delivered]
    if figures.whole.coupons:
        names.append("redeemed")
    return [(name, [_count(part, name) for part in parts]) for name in names]


def _count(part: Part, name: str) -> int:
    return int(getattr(part, name))


def _file_query(chain: Chain, found: Any) -> dict[str, str]:
    """The days from its first run until today."""
    now = utc_now()
    first = min((each.due_at for each in found), default=now)
    days = [business_day(moment, chain.timezone, chain.cutoff_hour).isoformat() for moment in (first, now)]
    return dict(zip(("from", "to"), days, strict=True))
