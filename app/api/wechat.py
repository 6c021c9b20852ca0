"""Members in WeChat: who they are there, and which messages they allow. For the chain's own WeChat pages."""

from typing import Any

from marshmallow import Schema, fields, validate

from app.api.blueprint import api_blueprint
from app.api.idempotent import in_one_transaction
from app.auth.guard import HQ, HQ_ADMIN, access, actor, author
from core.clock import utc_now
from push.channels import wechat_users
from push.channels.models import WechatUser

bp = api_blueprint("wechat", "Members in WeChat")

MEMBER = "/members/<int:member_id>/wechat"
MOST_AT_ONCE = 100


class KnowWechatUserSchema(Schema):
    """Who the member is for the chain's WeChat account."""

    openid = fields.String(
        required=True,
        validate=validate.Regexp(r"^[A-Za-z0-9_-]{1,64}$"),
        metadata={"description": "as WeChat gave it to the chain's page, with the member's consent"},
    )
    is_following = fields.Boolean(
        load_default=False,
        metadata={"description": "whether he follows the account: template messages reach followers"},
    )


class WechatUserSchema(Schema):
    """A member in WeChat."""

    openid = fields.String(allow_none=True, metadata={"description": "null while nobody has said it"})
    is_following = fields.Boolean()
    at = fields.AwareDateTime(format="iso", allow_none=True)
    allowances = fields.Dict(
        keys=fields.String(),
        values=fields.Integer(),
        metadata={"description": "by template: how many subscription messages he still allows"},
    )


class AllowSchema(Schema):
    """What the member tapped "allow" for."""

    template_code = fields.String(
        required=True,
        validate=validate.Regexp(r"^[!-~]{1,80}$"),
        metadata={"description": "the template's id in WeChat"},
    )
    count = fields.Integer(strict=True, load_default=1, validate=validate.Range(1, MOST_AT_ONCE))


class AllowedSchema(Schema):
    """How many messages of the template he allows now."""

    template_code = fields.String()
    balance = fields.Integer()


@bp.get(MEMBER)
@access(*HQ)
@bp.alt_response(200, schema=WechatUserSchema)
def show(member_id: int) -> dict[str, Any]:
    """Who a member is in WeChat."""
    return _json(wechat_users.find_user(actor().chain_id, member_id))


@bp.put(MEMBER)
@access(*HQ_ADMIN)
@bp.arguments(KnowWechatUserSchema)
@bp.alt_response(200, schema=WechatUserSchema)
@in_one_transaction
def know(body: dict[str, Any], member_id: int) -> tuple[dict[str, Any], int]:
    """Say who a member is in WeChat. With another openid, what he allowed under the first one is over."""
    user = wechat_users.know_user(actor().chain_id, member_id, **body, by=author(), now=utc_now())
    return _json(user), 200


@bp.delete(MEMBER)
@access(*HQ_ADMIN)
@bp.alt_response(200, schema=WechatUserSchema)
@in_one_transaction
def forget(member_id: int) -> tuple[dict[str, Any], int]:
    """Nothing goes to the member by WeChat any more."""
    wechat_users.forget_user(actor().chain_id, member_id, by=author(), now=utc_now())
    return _json(None), 200


@bp.post(f"{MEMBER}/allowances")
@access(*HQ_ADMIN)
@bp.arguments(AllowSchema)
@bp.alt_response(201, schema=AllowedSchema)
@in_one_transaction
def allow(body: dict[str, Any], member_id: int) -> tuple[dict[str, Any], int]:
    """Note that the member tapped "allow": one message a tap. Without an Idempotency-Key a repeat is one tap more."""
    code = body["template_code"]
    balance = wechat_users.allow(actor().chain_id, member_id, code, body["count"], now=utc_now())
    return {"template_code": code, "balance": balance}, 201


def _json(user: WechatUser | None) -> dict[str, Any]:
    return {
        "openid": user and user.openid,
        "is_following": user is not None and user.is_following,
        "at": user and user.at.isoformat(),
        "allowances": wechat_users.balances_of(user.member_id) if user else {},
    }
