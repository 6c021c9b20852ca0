"""Wallets for apps that are not a browser, and the cards they take."""

from flask import g

from app.api.blueprint import api_blueprint
from app.api.idempotent import idempotency_key
from app.api.schemas import JoinedSchema, WalletSchema
from app.api.traced import OPTIONAL_BODY, told_trace
from app.auth.guard import PUBLIC, WALLET, access, actor
from app.languages import language
from app.security import count_public_call, note_wrong_code
from cards import wallets
from core.clock import utc_now
from core.hot import one_action
from core.tokens import hashed, new_secret
from sharing import joining

bp = api_blueprint("wallets", "Wallets and the cards they take")


@bp.post("/wallets")
@bp.alt_response(201, schema=WalletSchema)
@access(PUBLIC)
def open_wallet():
    """A new anonymous wallet. Its token is shown once."""
    count_public_call("wallet")
    secret = new_secret()
    with one_action() as hot:
        wallet_id = wallets.open_wallet(hot, hashed(secret), language=language(), now=utc_now())
    return {"id": wallet_id, "token": secret}, 201


@bp.post("/store-codes/<token>/cards")
@bp.doc(requestBody=OPTIONAL_BODY)
@bp.alt_response(201, schema=JoinedSchema)
@bp.alt_response(200, schema=JoinedSchema)
@access(WALLET)
def take_card(token: str):
    """Take the card of a store code; 200 with the card held already. Repeats need no key."""
    idempotency_key()
    tongue, trace = language(), told_trace()
    try:
        with one_action() as hot:
            joined = joining.join_by_code(
                hot,
                token,
                wallet_id=actor().id,
                visitor=g.wallet_key_hash,
                language=tongue,
                now=utc_now(),
                trace=trace,
            )
    except joining.CodeUnknown:
        note_wrong_code()
        raise
    return joined_json(joined), 201 if joined.is_new else 200


def joined_json(joined: joining.Joined) -> dict[str, object]:
    """What a wallet is told about the card it took."""
    return {
        "id": joined.card_id,
        "number": joined.number,
        "state": joined.state,
        "is_new": joined.is_new,
        "coupon_id": joined.coupon_id,
    }
