"""An audience for people: how many it is, in which words, a few of them; and what its builder needs on the page."""

from collections.abc import Sequence
from typing import Any

from babel.numbers import get_currency_symbol
from flask import current_app

from app.dashboard.frame import local_day
from app.dashboard.personal import called_masked
from app.dashboard.pushes.audience_form import SAVED_ONE, AudienceForm
from app.dashboard.pushes.condition_inputs import GROUPS
from app.dashboard.refusing import refused, refused_at
from app.languages import LANGUAGES, language
from app.worker import names_set_up
from core.clock import utc_now
from core.db import db
from core.errors import DomainError
from push import sentences
from push.audiences import segments
from push.audiences.segments import Node
from push.errors import AudienceInvalid
from push.models import Purpose, PushChannel
from stores.models import Chain, Store


def builder_parts(form: AudienceForm) -> dict[str, Any]:
    """What ``_builder.html`` and ``_audience.html`` need."""
    symbol = get_currency_symbol(form.chain.currency, locale=LANGUAGES[language()]).replace("CN¥", "¥")
    return {"audience_form": form, "condition_groups": GROUPS, "currency_sign": symbol}


def whom_refused(form: AudienceForm, refusal: AudienceInvalid) -> dict[str, Any]:
    """A refused audience at the fields that are wrong: each condition's own, or the segment that was to be chosen."""
    if form.mode == SAVED_ONE:
        return refused(refusal, "audience_segment")
    errors = form.builder.find_problems()
    return refused_at(errors, refusal.say(language())) if errors else refused(refusal, "audience")


def whom(
    form: AudienceForm, channels: Sequence[str] | None = None, *, purpose: Purpose = Purpose.PROMOTION
) -> dict[str, Any]:
    """What ``_whom.html`` shows of an audience that is being chosen; what is not filled in yet is left out of it."""
    try:
        return whom_of(form.chain, form.audience(skip_blank=True), channels, purpose=purpose)
    except DomainError as refusal:
        return {"audience_problem": refusal.say(language())}


def whom_of(
    chain: Chain, rules: Node, channels: Sequence[str] | None = None, *, purpose: Purpose = Purpose.PROMOTION
) -> dict[str, Any]:
    """The count, over each channel that is set up unless told which, the words, a few of those meant.

    ``readers``: those few, by their ids, for whoever wants to see with their eyes.
    """
    now = utc_now()
    audience = segments.check_audience(chain.id, rules)
    rows = segments.sample_members(chain, audience, now=now)
    stores = db.select(Store.id, Store.name).where(Store.id.in_([row.store_id for row in rows]))
    names = {row.id: row.name for row in db.session.execute(stores)}
    return {
        "reach": segments.count_reach(
            chain, audience, usual_channels() if channels is None else channels, now=now, purpose=purpose
        ),
        "readers": [(str(row.id), called_masked(row.name, row.number)) for row in rows],
        "sentence": sentences.audience_sentence(chain, audience),
        "sample": [
            (called_masked(row.name, row.number), names.get(row.store_id, ""), local_day(row.joined_at)) for row in rows
        ],
    }


def usual_channels() -> list[str]:
    """The channels that this server can use, in our order."""
    set_up = names_set_up(current_app.extensions["settings"])
    return [str(channel) for channel in PushChannel if str(channel) in set_up]
