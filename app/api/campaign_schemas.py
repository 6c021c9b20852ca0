"""The shapes of campaigns, their runs and the calendar, as the API takes and gives them."""

from marshmallow import Schema, fields, validate

from app.api.audiences import audience_field
from app.security import LARGEST
from push.campaigns import MOST_HOLDOUT_BP
from push.models import ChannelMode, Purpose, PushChannel
from push.timing import scheduling
from push.wording.variants import LABELS

plain_text = validate.ContainsNoneOf("\0")
TEXTS = {
    "A": {"email": {"zh": {"title": "周五见", "body": "{name}，第二份半价。", "html": "<h1>周五见</h1>"}}},
    "B": {"any": {"zh": {"title": "今晚半价", "body": "只给您：第二份半价。"}}},
}


class ScheduleSchema(Schema):
    """When it goes out: ``now`` (in ten minutes), ``at`` a time, ``recurring``, by ``cron``, or on an ``event``."""

    kind = fields.String(validate=validate.OneOf(list(scheduling.ALLOWED)))
    at = fields.String(
        validate=plain_text, metadata={"description": "2026-05-20T18:00 by the chain's clock, or with an offset"}
    )
    weekdays = fields.List(
        fields.String(validate=validate.OneOf(scheduling.WEEKDAYS)), metadata={"description": "recurring: on these"}
    )
    monthdays = fields.List(
        fields.Integer(strict=True, validate=validate.Range(1, 31)),
        metadata={"description": "recurring: instead of weekdays; a day that a month lacks is its last"},
    )
    time = fields.String(validate=plain_text, metadata={"description": "18:00, of a recurring one or an event"})
    cron = fields.String(
        validate=plain_text, metadata={"description": "five fields, weekdays by name: 0 18 * * mon,fri"}
    )
    event = fields.String(
        validate=validate.OneOf(scheduling.EVENTS), metadata={"description": "what happens to a member"}
    )
    days = fields.Integer(
        strict=True,
        validate=validate.Range(0, LARGEST),
        metadata={"description": "before the birthday or the expiry, after everything else"},
    )
    zone = fields.String(
        validate=validate.OneOf(scheduling.ZONES), metadata={"description": "by whose clock; the chain's unless told"}
    )
    until = fields.String(validate=plain_text, metadata={"description": "the last day of one that repeats"})
    fresh_hours = fields.Integer(
        strict=True,
        metadata={"description": "how long after its time a message is still worth sending; 24 unless told"},
    )


class VariantSchema(Schema):
    """A version of the message, and the part of the audience that gets it."""

    label = fields.String(validate=validate.OneOf(LABELS))
    share_bp = fields.Integer(
        strict=True, required=True, metadata={"description": "in basis points; together they are 10,000"}
    )


class WordsSchema(Schema):
    """What a campaign says. Of the two languages the chain's own is needed."""

    title = fields.String(load_default="", validate=plain_text)
    title_en = fields.String(load_default="", validate=plain_text)
    body = fields.String(load_default="", validate=plain_text)
    body_en = fields.String(load_default="", validate=plain_text)
    texts = fields.Dict(
        load_default=dict,
        metadata={
            "description": "other words for a version, a channel (or any) and a language; title and body, html for"
            " e-mail, template for a vendor's",
            "example": TEXTS,
        },
    )


class CampaignDraftSchema(WordsSchema):
    """What head office writes down."""

    name = fields.String(required=True, validate=plain_text)
    audience = audience_field(load_default=lambda: {"all": []})
    purpose = fields.String(
        load_default=Purpose.PROMOTION.value,
        validate=validate.OneOf(list(Purpose)),
        metadata={"description": "promotion needs a consent of its own and counts for the caps"},
    )
    channels = fields.List(
        fields.String(validate=validate.OneOf(list(PushChannel))), required=True, validate=validate.Length(min=1)
    )
    channel_mode = fields.String(
        load_default=ChannelMode.EVERY.value,
        validate=validate.OneOf(list(ChannelMode)),
        metadata={"description": "over every channel, or over the first that reaches the member"},
    )
    variants = fields.List(
        fields.Nested(VariantSchema), load_default=list, metadata={"description": "none: version A alone"}
    )
    holdout_bp = fields.Integer(
        strict=True,
        load_default=0,
        validate=validate.Range(0, MOST_HOLDOUT_BP),
        metadata={"description": "of the audience, in basis points, that gets nothing: to compare with"},
    )
    offer_id = fields.Integer(
        strict=True,
        load_default=None,
        allow_none=True,
        validate=validate.Range(1, LARGEST),
        metadata={"description": "an offer whose coupon comes with the message"},
    )
    schedule = fields.Nested(ScheduleSchema, load_default=lambda: {"kind": "now"})


class MissedSchema(Schema):
    """What to do with a campaign whose time passed while nothing was running."""

    do = fields.String(
        required=True,
        validate=validate.OneOf(("now", "next", "drop")),
        metadata={"description": "send it in ten minutes, wait for its next time, or drop it"},
    )


class RetrySchema(Schema):
    """What of a run to try again."""

    error = fields.String(
        load_default=None,
        allow_none=True,
        validate=plain_text,
        metadata={"description": "one kind of error, as the run names it; all of them unless told"},
    )


class CampaignSchema(Schema):
    """A campaign as it stands."""

    id = fields.Integer()
    state = fields.String()
    name = fields.String()
    audience = fields.Dict()
    purpose = fields.String()
    channels = fields.List(fields.String())
    channel_mode = fields.String()
    variants = fields.List(fields.Dict())
    holdout_bp = fields.Integer()
    title = fields.String()
    title_en = fields.String()
    body = fields.String()
    body_en = fields.String()
    texts = fields.Dict()
    offer_id = fields.Integer(allow_none=True)
    schedule = fields.Dict()
    next_run_at = fields.AwareDateTime(format="iso", allow_none=True)
    send_until = fields.AwareDateTime(format="iso", allow_none=True)
    submitted_at = fields.AwareDateTime(format="iso", allow_none=True)
    submitted_by = fields.String(allow_none=True)
    approved_at = fields.AwareDateTime(format="iso", allow_none=True)
    approved_by = fields.String(allow_none=True)
    created_at = fields.AwareDateTime(format="iso")
    url = fields.String(metadata={"description": "its page in the dashboard"})


class TimesSchema(Schema):
    """The next times of a campaign; none where only events tell."""

    sentence = fields.Dict(metadata={"description": "when it goes out, for people: zh and en"})
    times = fields.List(fields.AwareDateTime(format="iso"))


class RunSchema(Schema):
    """One going-out. audience = pending + sending + sent + delivered + failed + skipped, always."""

    id = fields.Integer()
    campaign_id = fields.Integer()
    continues_run_id = fields.Integer(
        allow_none=True, metadata={"description": "the run whose rest it is, with other words"}
    )
    state = fields.String()
    pause_reason = fields.String(
        allow_none=True, metadata={"description": "errors: it paused by itself, since too much went wrong"}
    )
    due_at = fields.AwareDateTime(format="iso")
    send_until = fields.AwareDateTime(format="iso")
    started_at = fields.AwareDateTime(format="iso")
    finished_at = fields.AwareDateTime(format="iso", allow_none=True)
    audience = fields.Integer(metadata={"description": "deliveries: one for each member and channel"})
    pending = fields.Integer()
    sending = fields.Integer()
    sent = fields.Integer()
    delivered = fields.Integer()
    failed = fields.Integer()
    skipped = fields.Integer()
    reasons = fields.Dict(
        keys=fields.String(), values=fields.Integer(), metadata={"description": "why skipped; the sum is skipped"}
    )
    channels = fields.Dict(
        keys=fields.String(), values=fields.Dict(), metadata={"description": "the same states for each channel"}
    )


class TroubleSchema(Schema):
    """One kind of error of a run."""

    error = fields.String(metadata={"description": "the channel's own words"})
    meaning = fields.Dict(metadata={"description": "for people: zh and en"})
    failed = fields.Integer(metadata={"description": "given up"})
    tried_again = fields.Integer(metadata={"description": "still waiting for another try"})


class ProgressSchema(RunSchema):
    """A run with how fast it goes and what goes wrong."""

    last_minute = fields.Integer(metadata={"description": "messages that went in the last minute"})
    waiting_for_their_hour = fields.Integer(metadata={"description": "of those pending"})
    through_at = fields.AwareDateTime(
        format="iso", allow_none=True, metadata={"description": "about when; null when it cannot be told"}
    )
    errors = fields.List(fields.Nested(TroubleSchema))


class MessageCountSchema(Schema):
    """How many messages a change was about."""

    messages = fields.Integer()


class CalendarQuery(Schema):
    """Some days of the chain, both included; at most 62."""

    first = fields.Date(
        load_default=None,
        validate=validate.Range(min=scheduling.EARLIEST, max=scheduling.LATEST),
        metadata={"description": "today unless told"},
    )
    last = fields.Date(
        load_default=None,
        validate=validate.Range(min=scheduling.EARLIEST, max=scheduling.LATEST),
        metadata={"description": "30 days later unless told"},
    )


class EntrySchema(Schema):
    """A campaign on a day: what went out of it, or when it will."""

    campaign_id = fields.Integer()
    name = fields.String()
    state = fields.String()
    at = fields.AwareDateTime(format="iso")
    runs = fields.Integer(metadata={"description": "0: it is still to come"})
    audience = fields.Integer()
    arrived = fields.Integer()
    waiting = fields.Integer()


class DaySchema(Schema):
    """A day with its pushes, and how they weigh against the caps."""

    day = fields.Date()
    promotions = fields.Integer(metadata={"description": "that count for the caps"})
    promotions_in_seven_days = fields.Integer()
    exceeds_caps = fields.Boolean(metadata={"description": "who is meant by all of them does not get all of them"})
    entries = fields.List(fields.Nested(EntrySchema))


class CalendarSchema(Schema):
    """What went out and what is to come."""

    days = fields.List(fields.Nested(DaySchema))
