"""Share links: making them, opening them, taking the card they give; and the tree that grows from them."""

from typing import Any

from flask import g, request
from marshmallow import Schema, fields, validate

from app.api.blueprint import api_blueprint
from app.api.idempotent import idempotency_key, in_one_transaction
from app.api.schemas import JoinedSchema
from app.api.traced import OPTIONAL_BODY, TracedSchema, told_trace, trace_in
from app.api.wallets import joined_json
from app.auth import bearers
from app.auth.guard import EVERYBODY, HQ, PUBLIC, TILL, WALLET, access, actor
from app.languages import language
from app.security import address, count_public_call, note_wrong_code, slow_down_guessing
from app.wallet.showing import public_url
from cards.contacts import masked_name
from cards.freezing import CardNotFound
from core.clock import utc_now
from core.errors import NotSignedIn
from core.hot import one_action, this_transaction
from core.tokens import hashed
from sharing import channels, joining, linking, previews, queries, visiting
from sharing.attribution import Edge
from sharing.models import Occasion, ShareChannel

bp = api_blueprint("sharing", "Share links, and who came through whom")


USUAL = ", ".join(ShareChannel)
LONGEST_CODE = 20  # of a channel
MEMBERS_OCCASIONS = [Occasion.WALLET, Occasion.JOINED, Occasion.RECEIPT, Occasion.COUPON]


class ShareSchema(TracedSchema):
    """One act of sharing."""

    channel = fields.String(
        required=True,
        validate=validate.Length(2, LONGEST_CODE),
        metadata={"description": f"where the link is going to be sent: {USUAL}, or a channel of the chain's own"},
    )
    offer_id = fields.Integer(
        strict=True,
        load_default=None,
        allow_none=True,
        validate=validate.Range(1, 2**53),
        metadata={"description": "an offer of the chain that is shared with the card"},
    )


class ShareCardSchema(ShareSchema):
    """One act of sharing by a member. Of the chain's own channels he uses those that are made for members."""

    occasion = fields.String(
        load_default=Occasion.WALLET,
        validate=validate.OneOf(MEMBERS_OCCASIONS),
        metadata={"description": "where the thought of sharing arose"},
    )


class ShareForSchema(ShareSchema):
    """A share link for a member, by any channel that is in use."""

    card = fields.String(required=True, validate=validate.Regexp(r"\d{16}"), metadata={"description": "its number"})


class ShareLinkSchema(Schema):
    """The link that this act of sharing made."""

    token = fields.String()
    url = fields.String(metadata={"description": "the page a friend opens"})
    channel = fields.String()
    occasion = fields.String()
    created_at = fields.AwareDateTime(format="iso")


class ShareChannelSchema(Schema):
    """A channel that links can be made for."""

    code = fields.String()
    name = fields.String()
    name_en = fields.String()
    is_own = fields.Boolean(metadata={"description": "the chain added it"})
    is_for_members = fields.Boolean(metadata={"description": "members see it among the ways to share"})


class ShareChannelsSchema(Schema):
    """The channels of the chain that are in use."""

    channels = fields.List(fields.Nested(ShareChannelSchema))


class ReferralSchema(Schema):
    """Through whom a member came."""

    id = fields.Integer()
    share_link_id = fields.Integer()
    channel = fields.String()
    depth = fields.Integer(metadata={"description": "1: through a member who came by himself"})
    created_at = fields.AwareDateTime(format="iso")


class JoinedByLinkSchema(JoinedSchema):
    """The card, and the edge to whoever shared it; null for someone who was a member before."""

    referral = fields.Nested(ReferralSchema, allow_none=True)


class TreeQuery(Schema):
    """Below which card, and how much of it."""

    card = fields.String(required=True, validate=validate.Regexp(r"\d{16}"), metadata={"description": "a card number"})
    generations = fields.Integer(load_default=None, allow_none=True, validate=validate.Range(1, 1000))
    cursor = fields.String(load_default=None, allow_none=True, validate=validate.Regexp(r"([0-9a-f]{10})+"))
    limit = fields.Integer(load_default=100, validate=validate.Range(1, 500))


class TreeRootSchema(Schema):
    """The member at the top."""

    card = fields.String()
    member_id = fields.Integer()
    name = fields.String(metadata={"description": "masked"})
    depth = fields.Integer(metadata={"description": "0: came by himself"})
    referrer_id = fields.Integer(allow_none=True)
    joined_at = fields.AwareDateTime(format="iso")


class TreeGenerationSchema(Schema):
    """One step further down."""

    generation = fields.Integer()
    members = fields.Integer()


class TreeNodeSchema(Schema):
    """A member below."""

    card = fields.String()
    member_id = fields.Integer()
    referrer_id = fields.Integer()
    name = fields.String(metadata={"description": "masked"})
    generation = fields.Integer(metadata={"description": "1: came through the member at the top"})
    channel = fields.String()
    store_id = fields.Integer(allow_none=True)
    store_name = fields.String(allow_none=True)
    joined_at = fields.AwareDateTime(format="iso")
    children = fields.Integer(metadata={"description": "members he brought himself"})


class TreeSchema(Schema):
    """The tree below a card: counts per generation, and its members a page at a time, each after his referrer."""

    root = fields.Nested(TreeRootSchema)
    members = fields.Integer(metadata={"description": "in all generations below"})
    generations = fields.List(fields.Nested(TreeGenerationSchema))
    nodes = fields.List(fields.Nested(TreeNodeSchema))
    next_cursor = fields.String(allow_none=True)


@bp.post("/cards/<number>/share-links")
@access(WALLET)
@bp.arguments(ShareCardSchema)
@bp.alt_response(201, schema=ShareLinkSchema)
@in_one_transaction
def share_card(share: dict[str, Any], number: str) -> tuple[dict[str, Any], int]:
    """Make a share link of a card in this wallet. Every act of sharing makes one of its own."""
    card = queries.find_own_card(actor().id, number)
    if card is None:
        raise CardNotFound()
    return _shared(card.chain_id, card.id, share, share["occasion"]), 201


@bp.post("/share-links")
@access(*TILL)
@bp.arguments(ShareForSchema)
@bp.alt_response(201, schema=ShareLinkSchema)
@in_one_transaction
def share_for_member(share: dict[str, Any]) -> tuple[dict[str, Any], int]:
    """Make a share link for a member's card, as for a table card or a courier slip.

    A store's key may for the members of its store.
    """
    card_id = linking.find_shareable(actor().chain_id, share["card"], store_ids=actor().store_ids)
    if card_id is None:
        raise CardNotFound()
    return _shared(actor().chain_id, card_id, share, Occasion.API), 201


def _shared(chain_id: int, card_id: int, share: dict[str, Any], occasion: str) -> dict[str, Any]:
    link = linking.create_link(
        this_transaction(),
        chain_id,
        card_id,
        share["channel"],
        now=utc_now(),
        occasion=occasion,
        offer_id=share["offer_id"],
        trace=trace_in(share),
    )
    return {
        "token": link.token,
        "url": public_url(f"/s/{link.token}"),
        "channel": link.channel,
        "occasion": link.occasion,
        "created_at": link.created_at.isoformat(),
    }


@bp.get("/share-channels")
@access(*EVERYBODY)
@bp.response(200, ShareChannelsSchema)
def share_channels() -> dict[str, Any]:
    """The channels that links can be made for: the usual ones, then the chain's own that are in use."""
    found = channels.channels_for_staff(actor().chain_id)
    return {"channels": [{**each._asdict(), "name": each.word.zh, "name_en": each.word.en} for each in found]}


@bp.post("/share-links/<token>/visits")
@access(PUBLIC)
@bp.alt_response(204, description="Noted, counted or not")
def visit_link(token: str) -> tuple[str, int]:
    """Tell that somebody opened a link. Counts once per visitor in 30 minutes; previews and the sharer do not count.

    The visitor is the wallet whose token is sent, else the address and browser that ask.
    """
    idempotency_key()
    count_public_call("visit")
    slow_down_guessing()
    visitor = _visitor()
    if previews.is_crawler(request.user_agent.string, request.headers):
        return "", 204
    try:
        with one_action() as hot:
            visiting.count_visit(hot, token, visitor=visitor, now=utc_now())
    except joining.CodeUnknown:
        note_wrong_code()
        raise
    return "", 204


def _visitor() -> str:
    if "Authorization" not in request.headers:
        return hashed(f"{address()} {request.user_agent.string}")
    who = bearers.bearer()
    if who is None or who.kind != WALLET:
        raise NotSignedIn()
    return str(g.wallet_key_hash)


@bp.post("/share-links/<token>/cards")
@access(WALLET)
@bp.doc(requestBody=OPTIONAL_BODY)
@bp.alt_response(201, schema=JoinedByLinkSchema)
@bp.alt_response(200, schema=JoinedByLinkSchema)
def take_shared_card(token: str) -> tuple[dict[str, Any], int]:
    """Take the card that a friend shared; 200 with the card held already. Repeats need no key."""
    idempotency_key()
    slow_down_guessing()
    who = {"wallet_id": actor().id, "visitor": g.wallet_key_hash, "language": language(), "trace": told_trace()}
    try:
        with one_action() as hot:
            joined = joining.join_by_link(hot, token, **who, now=utc_now())
    except joining.CodeUnknown:
        note_wrong_code()
        raise
    return joined_by_link_json(joined), 201 if joined.is_new else 200


def joined_by_link_json(joined: joining.Joined) -> dict[str, Any]:
    """What a wallet is told about the card it took through a friend, or held before."""
    edge = joined.edge or queries.find_edge(joined.chain_id, joined.member_id)
    return joined_json(joined) | {"referral": None if edge is None else _edge_json(edge)}


def _edge_json(edge: Edge) -> dict[str, Any]:
    return {
        "id": edge.id,
        "share_link_id": edge.share_link_id,
        "channel": edge.channel,
        "depth": edge.depth,
        "created_at": edge.created_at.isoformat(),
    }


@bp.get("/referrals/tree")
@access(*HQ)
@bp.arguments(TreeQuery, location="query")
@bp.response(200, TreeSchema)
def tree(asked: dict[str, Any]) -> dict[str, Any]:
    """The propagation tree below a card."""
    chain_id = actor().chain_id
    root = queries.find_root(chain_id, number=asked["card"])
    if root is None:
        raise CardNotFound()
    generations = queries.count_below(chain_id, root)
    nodes = queries.tree_below(
        chain_id, root, after=asked["cursor"], limit=asked["limit"], deepest=asked["generations"]
    )
    return {
        "root": {**root._asdict(), "card": root.number, "name": masked_name(root.name)},
        "members": sum(each.members for each in generations),
        "generations": generations,
        "nodes": [{**node._asdict(), "card": node.number, "name": masked_name(node.name)} for node in nodes],
        "next_cursor": nodes[-1].path if len(nodes) == asked["limit"] else None,
    }
