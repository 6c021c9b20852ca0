"""The figures of sharing: the same as on the dashboard's page and in the files, each described."""

from datetime import date, timedelta
from typing import Any

from marshmallow import Schema, fields, validate
from sqlalchemy import select

from app.api.blueprint import api_blueprint
from app.auth.guard import MANAGERS, access, actor
from app.reports.question import BEGINNING, END, PeriodInvalid, StoreUnknown
from cards.contacts import masked_name
from cards.models import Program
from core.clock import business_day, day_start, utc_now
from core.db import db
from core.errors import NotFound
from core.intervals import Interval, Sample
from core.text import Text
from sharing import branching, propagation
from sharing.branching import Figures
from sharing.definitions import DEFINITIONS
from sharing.equal_age import Comparison, compare_spending
from sharing.propagation import KFactor, Numbers
from sharing.spreaders import Spreader, top_spreaders
from stores.models import Chain, Store
from stores.queries import find_store_by_code, get_chain

USUAL_DAYS = 30
MEANS = {key: {"description": definition.meaning.en} for key, definition in DEFINITIONS.items()}

bp = api_blueprint("propagation", "How far the chain's cards spread from friend to friend")


class ProgramUnknown(NotFound):
    """The chain has no such kind of card."""

    code = "program_unknown"
    sentence = Text("没有这种会员卡。", "There is no such program.")


class SpreadingQuery(Schema):
    """Business days of the chain; perhaps one store, perhaps one program."""

    first = fields.Date(
        load_default=None,
        data_key="from",
        metadata={"description": "the first business day; without it the last 30 days"},
    )
    last = fields.Date(load_default=None, data_key="to", metadata={"description": "the last one, included; today"})
    store = fields.String(load_default="", validate=validate.Length(max=40), metadata={"description": "a store's code"})
    program = fields.Integer(load_default=None, validate=validate.Range(1, 2**63 - 1))


class MetricsQuery(SpreadingQuery):
    """``spend``: also compare what members through friends and others spend, which takes longer."""

    spend = fields.Boolean(load_default=False)


class SpreadersQuery(SpreadingQuery):
    """A page of them, those who brought most first."""

    cursor = fields.String(load_default=None, allow_none=True, validate=validate.Regexp(r"\d{1,18}-\d{1,18}"))
    limit = fields.Integer(load_default=50, validate=validate.Range(1, 500))


class IntervalSchema(Schema):
    """From low to high, 95 % sure."""

    low = fields.Float()
    high = fields.Float()


class ConversionSchema(Schema):
    """Of the people reached, the part that became members."""

    value = fields.Float()
    interval = fields.Nested(IntervalSchema, allow_none=True)


class KFactorSchema(Schema):
    """How many more each new member brings."""

    members = fields.Integer(metadata={"description": "who joined in the period"})
    links = fields.Integer(metadata={"description": "that they made until its end"})
    brought = fields.Integer(metadata={"description": "members who came by these or their earlier links"})
    links_per_member = fields.Float()
    value = fields.Float()
    interval = fields.Nested(IntervalSchema, allow_none=True)


class SizeSchema(Schema):
    """New members of one generation."""

    generation = fields.Integer(metadata={"description": "0: came by themselves"})
    members = fields.Integer()


class NewMembersSchema(Schema):
    """New members of one day, or of the days that stand together where the period is long."""

    first = fields.Date()
    last = fields.Date()
    referred = fields.Integer()
    others = fields.Integer()


class PartSchema(Schema):
    """What was shared in a part of the whole, and whom it brought."""

    sharers = fields.Integer()
    links = fields.Integer()
    visits = fields.Integer()
    brought = fields.Integer()
    per_sharer = fields.Float(allow_none=True)


class ChannelPartSchema(PartSchema):
    """A channel."""

    channel = fields.String()
    name = fields.String()
    name_en = fields.String()


class StorePartSchema(PartSchema):
    """A store: what its members shared, and who joined there."""

    store_id = fields.Integer(allow_none=True)
    name = fields.String(allow_none=True)
    joined = fields.Integer(metadata={"description": "who joined there through a friend, whoever brought him"})
    k_factor = fields.Nested(KFactorSchema, allow_none=True)


class ProgramPartSchema(PartSchema):
    """A kind of card."""

    program_id = fields.Integer()
    name = fields.String()
    name_en = fields.String()


class OccasionPartSchema(PartSchema):
    """Where the thought of sharing arose."""

    occasion = fields.String()


class FlowSchema(Schema):
    """So many joined at a store, through a channel, in a generation."""

    store_id = fields.Integer(allow_none=True)
    store_name = fields.String(allow_none=True)
    channel = fields.String()
    generation = fields.Integer()
    members = fields.Integer()


class SampleSchema(Schema):
    """One group."""

    members = fields.Integer()
    total_cents = fields.Integer()
    mean_cents = fields.Float()


class ComparisonSchema(Schema):
    """Net spend of the first days of members who are at least so old."""

    days = fields.Integer()
    referred = fields.Nested(SampleSchema)
    others = fields.Nested(SampleSchema)
    difference_cents = fields.Float(metadata={"description": "of the two means"})
    interval = fields.Nested(IntervalSchema, allow_none=True)
    is_shown = fields.Boolean(metadata={"description": "false: no difference shown"})


class MetricsSchema(Schema):
    """The figures of a period. They add up to those of the files for the same days."""

    first = fields.Date(data_key="from")
    last = fields.Date(data_key="to")
    store = fields.String(allow_none=True)
    program = fields.Integer(allow_none=True)
    currency = fields.String()
    new_members = fields.Integer()
    referred = fields.Integer(metadata=MEANS["referred"])
    reached = fields.Integer(metadata=MEANS["reach"])
    visitors = fields.Integer(metadata={"description": "different people who opened a link"})
    visits = fields.Integer()
    links = fields.Integer()
    sharers = fields.Integer(metadata=MEANS["sharers"])
    links_per_sharer = fields.Float()
    visits_per_link = fields.Float(metadata=MEANS["visits_per_link"])
    brought_per_sharer = fields.Float(metadata=MEANS["branching"])
    conversion = fields.Nested(ConversionSchema, metadata=MEANS["conversion"])
    k_factor = fields.Nested(KFactorSchema, metadata=MEANS["k_factor"])
    median_seconds_to_convert = fields.Integer(allow_none=True, metadata=MEANS["time_to_convert"])
    generations = fields.List(fields.Nested(SizeSchema), metadata=MEANS["generation"])
    days = fields.List(fields.Nested(NewMembersSchema), metadata=MEANS["days"])
    channels = fields.List(fields.Nested(ChannelPartSchema))
    stores = fields.List(fields.Nested(StorePartSchema))
    programs = fields.List(fields.Nested(ProgramPartSchema))
    occasions = fields.List(fields.Nested(OccasionPartSchema))
    flows = fields.List(fields.Nested(FlowSchema), metadata=MEANS["flow"])
    spend = fields.List(
        fields.Nested(ComparisonSchema),
        allow_none=True,
        metadata={"description": f"null unless asked for. {DEFINITIONS['spending'].meaning.en}"},
    )


class SpreaderSchema(Schema):
    """A member who brought others in the period."""

    member_id = fields.Integer()
    card = fields.String()
    name = fields.String(metadata={"description": "masked"})
    store_id = fields.Integer(allow_none=True)
    store_name = fields.String(allow_none=True)
    links = fields.Integer()
    visits = fields.Integer()
    direct = fields.Integer(metadata={"description": "members he brought in the period"})
    reach = fields.Integer(metadata={"description": "members of every generation below him, since ever"})
    rewards = fields.Integer(metadata={"description": "earned in the period and given to him"})
    reward_cents = fields.Integer(metadata={"description": "what the rewards for his friends cost, his and theirs"})
    findings = fields.Integer(metadata={"description": "that nobody has dismissed"})


class SpreadersSchema(Schema):
    """A page of spreaders."""

    items = fields.List(fields.Nested(SpreaderSchema))
    next_cursor = fields.String(allow_none=True)


@bp.get("/sharing/metrics")
@access(*MANAGERS)
@bp.arguments(MetricsQuery, location="query")
@bp.response(200, MetricsSchema)
def metrics(asked: dict[str, Any]) -> dict[str, Any]:
    """How far cards spread in a period. A store's key gets the figures of its own stores."""
    chain, place, period, narrowed = _scope(asked)
    numbers = propagation.numbers(*period, **narrowed)
    took = propagation.time_to_convert(*period, **narrowed)
    k_by_store = propagation.k_by_store(*period, **narrowed)
    spend = compare_spending(*period, now=utc_now(), **narrowed) if asked["spend"] else None
    return {
        **place,
        **_totals(numbers),
        "currency": chain.currency,
        "conversion": {"value": numbers.conversion, "interval": _interval(numbers.conversion_interval)},
        "k_factor": _k(propagation.k_factor(*period, **narrowed)),
        "median_seconds_to_convert": None if took is None else round(took.total_seconds()),
        "generations": [each._asdict() for each in propagation.generations(*period, **narrowed)],
        "days": [each._asdict() for each in propagation.by_day(*period, **narrowed)],
        "channels": [
            {"channel": row.channel, **_named(row.word), **_part(row.figures)}
            for row in branching.by_channel(*period, **narrowed)
        ],
        "stores": [
            {
                "store_id": row.store_id,
                "name": row.name,
                "joined": row.joined,
                "k_factor": _k(k_by_store[row.store_id]) if row.store_id in k_by_store else None,
                **_part(row.figures),
            }
            for row in branching.by_store(*period, **narrowed, limit=None)
        ],
        "programs": [
            {"program_id": row.program_id, **_named(row.name), **_part(row.figures)}
            for row in branching.by_program(*period, **narrowed)
        ],
        "occasions": [
            {"occasion": row.occasion, **_part(row.figures)} for row in branching.by_occasion(*period, **narrowed)
        ],
        "flows": [each._asdict() for each in branching.flows(*period, **narrowed)],
        "spend": None if spend is None else [_comparison(each) for each in spend],
    }


@bp.get("/sharing/spreaders")
@access(*MANAGERS)
@bp.arguments(SpreadersQuery, location="query")
@bp.response(200, SpreadersSchema)
def spreaders(asked: dict[str, Any]) -> dict[str, Any]:
    """Who brought members in a period, the most first. A store's key gets the members of its own stores."""
    _chain, _place, period, narrowed = _scope(asked)
    direct, _, member_id = (asked["cursor"] or "").partition("-")
    after = (int(direct), int(member_id)) if asked["cursor"] else None
    rows = top_spreaders(*period, **narrowed, after=after, limit=asked["limit"])
    last = rows[-1] if len(rows) == asked["limit"] else None
    return {
        "items": [_spreader(row) for row in rows],
        "next_cursor": f"{last.direct}-{last.member_id}" if last else None,
    }


def _scope(asked: dict[str, Any]) -> tuple[Chain, dict[str, Any], tuple[Any, ...], dict[str, Any]]:
    """The chain, what the answer says it is about, and the arguments of every figure.

    Raises PeriodInvalid, StoreUnknown, ProgramUnknown.
    """
    chain = get_chain(actor().chain_id)
    last: date = asked["last"] or business_day(utc_now(), chain.timezone, chain.cutoff_hour)
    first: date = asked["first"] or max(last, BEGINNING + timedelta(days=USUAL_DAYS)) - timedelta(days=USUAL_DAYS - 1)
    if not BEGINNING <= first <= last <= END:
        raise PeriodInvalid()
    store, program_id = _store(chain, asked["store"]), _program(chain, asked["program"])
    store_ids = frozenset([store.id]) if store else actor().store_ids
    start = day_start(first, chain.timezone, chain.cutoff_hour)
    end = day_start(last + timedelta(days=1), chain.timezone, chain.cutoff_hour)
    place = {"first": first, "last": last, "store": store.code if store else None, "program": program_id}
    return chain, place, (chain.id, start, end), {"store_ids": store_ids, "program_id": program_id}


def _store(chain: Chain, code: str) -> Store | None:
    store = find_store_by_code(chain.id, code, store_ids=actor().store_ids) if code else None
    if code and store is None:
        raise StoreUnknown()
    return store


def _program(chain: Chain, program_id: int | None) -> int | None:
    if program_id is None:
        return None
    if db.session.scalar(select(Program.id).filter_by(chain_id=chain.id, id=program_id)) is None:
        raise ProgramUnknown()
    return program_id


def _totals(numbers: Numbers) -> dict[str, Any]:
    return numbers._asdict() | {
        "links_per_sharer": numbers.links_per_sharer,
        "visits_per_link": numbers.visits_per_link,
        "brought_per_sharer": numbers.brought_per_sharer,
    }


def _interval(interval: Interval | None) -> dict[str, float] | None:
    return interval and interval._asdict()


def _k(k: KFactor) -> dict[str, Any]:
    figures = {"members": k.members, "links": k.links, "brought": k.brought}
    return figures | {"links_per_member": k.links_per_member, "value": k.value, "interval": _interval(k.interval)}


def _named(name: Text) -> dict[str, str]:
    return {"name": name.zh, "name_en": name.en}


def _part(figures: Figures) -> dict[str, Any]:
    return figures._asdict() | {"per_sharer": figures.per_sharer}


def _sample(sample: Sample) -> dict[str, Any]:
    return {"members": sample.number, "total_cents": sample.total, "mean_cents": sample.mean}


def _comparison(found: Comparison) -> dict[str, Any]:
    return {
        "days": found.days,
        "referred": _sample(found.referred),
        "others": _sample(found.others),
        "difference_cents": found.difference_cents,
        "interval": _interval(found.interval),
        "is_shown": found.is_shown,
    }


def _spreader(row: Spreader) -> dict[str, Any]:
    return row._asdict() | {"card": row.number, "name": masked_name(row.name)}
