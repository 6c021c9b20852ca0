"""What campaigns did and what they caused: the same figures as on the dashboard's page and in the files."""

from typing import Any

from marshmallow import Schema, fields, validate

from app.api.blueprint import api_blueprint
from app.auth.guard import HQ, access, actor
from app.security import LARGEST
from core.clock import utc_now
from core.errors import NotFound
from core.text import Text
from push import campaigns, runs
from push.effects import funnel
from push.effects.definitions import DEFINITIONS
from push.effects.effect import DAYS, FEWEST, Against, Comparison, Difference, Effect, Group, measure
from push.effects.funnel import Part

bp = api_blueprint("effect", "What campaigns did and what they caused")
MEANS = {key: {"description": definition.meaning.en} for key, definition in DEFINITIONS.items()}


class RunUnknown(NotFound):
    """The campaign has no such run."""

    code = "run_unknown"
    sentence = Text("这个推送活动没有这一次推送。", "The campaign has no such run.")


class EffectQuery(Schema):
    """Of one run, or of all of them."""

    run = fields.Integer(
        load_default=None, validate=validate.Range(1, LARGEST), metadata={"description": "the id of a run"}
    )


class EffectPartSchema(Schema):
    """How far messages came."""

    audience = fields.Integer(metadata={"description": "messages planned: one for each member and channel"})
    sent = fields.Integer(metadata=MEANS["sent"])
    delivered = fields.Integer(metadata=MEANS["delivered"])
    opened = fields.Integer(metadata=MEANS["opened"])
    clicked = fields.Integer(metadata=MEANS["clicked"])
    coupons = fields.Integer(metadata={"description": "coupons that came with them"})
    redeemed = fields.Integer(metadata=MEANS["redeemed"])
    spend_cents = fields.Integer(metadata=MEANS["spend"])


class EffectRowSchema(EffectPartSchema):
    """The same, of one version over one channel."""

    variant = fields.String()
    channel = fields.String()


class EffectGroupSchema(Schema):
    """Members whose days are over, and what they did in them."""

    members = fields.Integer()
    buyers = fields.Integer(metadata={"description": "those who bought something"})
    redeemers = fields.Integer(metadata={"description": "those who used a coupon"})
    spend_cents = fields.Integer(metadata={"description": "what they paid together, refunds taken off"})


class EffectDifferenceSchema(Schema):
    """A figure of those told less that of those held out, with its 95 % confidence interval."""

    told = fields.Float(metadata={"description": "a share, or an amount in minor units for each member"})
    held_out = fields.Float()
    difference = fields.Float()
    low = fields.Float(allow_none=True, metadata={"description": f"null with fewer than {FEWEST} members in a group"})
    high = fields.Float(allow_none=True)
    is_shown = fields.Boolean(metadata={"description": "whether an effect is shown: the interval leaves 0 out"})
    lift = fields.Float(allow_none=True, metadata={"description": "the difference as a part of the held-out's figure"})


class EffectComparisonSchema(Schema):
    """Both groups, so many days after the first run that meant each member."""

    days = fields.Integer()
    told = fields.Nested(EffectGroupSchema)
    held_out = fields.Nested(EffectGroupSchema)
    by_variant = fields.Dict(
        keys=fields.String(),
        values=fields.Nested(EffectGroupSchema),
        metadata={"description": "those told, by version"},
    )
    bought = fields.Nested(EffectDifferenceSchema)
    redeemed = fields.Nested(EffectDifferenceSchema)
    spend = fields.Nested(EffectDifferenceSchema)


class EffectSchema(Schema):
    """What became of the messages, and what they caused."""

    campaign_id = fields.Integer()
    run_id = fields.Integer(allow_none=True, metadata={"description": "null: all runs"})
    whole = fields.Nested(EffectPartSchema)
    by_variant = fields.Dict(keys=fields.String(), values=fields.Nested(EffectPartSchema))
    rows = fields.List(fields.Nested(EffectRowSchema))
    against = fields.String(
        validate=validate.OneOf(list(Against)),
        metadata={
            "description": "who was held out: of this campaign, of all promotion of the chain, or nobody, so that"
            " nothing can be said of what it caused"
        },
    )
    compared = fields.List(
        fields.Nested(EffectComparisonSchema), metadata={"description": f"after {', '.join(map(str, DAYS))} days"}
    )


@bp.get("/campaigns/<int:campaign_id>/effect")
@access(*HQ)
@bp.arguments(EffectQuery, location="query")
@bp.response(200, EffectSchema)
def show_effect(query: dict[str, Any], campaign_id: int) -> dict[str, Any]:
    """How far a campaign's messages came, and what they caused against the members held out."""
    campaign = campaigns.get_campaign(actor().chain_id, campaign_id)
    run_id = query["run"]
    if run_id is not None and runs.find_run(campaign.chain_id, campaign.id, run_id) is None:
        raise RunUnknown()
    figures = funnel.funnel(campaign.chain_id, campaign.id, run_id)
    effect = measure(campaign, now=utc_now(), run_id=run_id)
    return {
        "campaign_id": campaign.id,
        "run_id": run_id,
        "whole": figures.whole._asdict(),
        "by_variant": {label: part._asdict() for label, part in figures.variants.items()},
        "rows": [_row(*row) for row in figures.rows],
        "against": effect.against,
        "compared": [_compared(effect, days) for days in DAYS] if effect.against != Against.NOBODY else [],
    }


def _row(variant: str, channel: str, part: Part) -> dict[str, Any]:
    return {"variant": variant, "channel": channel, **part._asdict()}


def _compared(effect: Effect, days: int) -> dict[str, Any]:
    found: Comparison = effect.comparison(days)
    return {
        "days": days,
        "told": _group(found.one),
        "held_out": _group(found.other),
        "by_variant": {label: _group(group) for label, group in effect.told[days].items()},
        "bought": _difference(found.bought),
        "redeemed": _difference(found.redeemed),
        "spend": _difference(found.spend),
    }


def _group(group: Group) -> dict[str, int]:
    return {
        "members": group.members,
        "buyers": group.buyers,
        "redeemers": group.redeemers,
        "spend_cents": group.spend.total,
    }


def _difference(found: Difference) -> dict[str, Any]:
    low, high = found.interval or (None, None)
    return {
        "told": found.one,
        "held_out": found.other,
        "difference": found.value,
        "low": low,
        "high": high,
        "is_shown": found.is_shown,
        "lift": found.lift,
    }
