"""What travels through the API. Shape only: no queries, no rules."""

from marshmallow import Schema, fields


class WalletSchema(Schema):
    """A new wallet; the token opens it and is shown once."""

    id = fields.Integer()
    token = fields.String()


class JoinedSchema(Schema):
    """The card that a wallet holds now."""

    id = fields.Integer()
    number = fields.String(metadata={"description": "16 digits"})
    state = fields.String()
    is_new = fields.Boolean()
    coupon_id = fields.Integer(allow_none=True, metadata={"description": "the welcome gift, when it came now"})
