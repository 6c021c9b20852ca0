"""A customer's phone: a signed cookie with the secret of its wallet.

The cookie is set when a page is read, the wallet is written when the customer first takes something. So any number of
parallel first taps are one wallet, and looking writes nothing.
"""

from flask import Response, after_this_request, current_app, g, request
from itsdangerous import BadSignature, URLSafeSerializer

from app.auth.guard import WALLET, Actor
from cards import wallets
from core.tokens import hashed, new_secret

COOKIE = "kq_wallet"
LASTS = 400 * 24 * 3600  # seconds; browsers keep no cookie longer


def _signer() -> URLSafeSerializer:
    return URLSafeSerializer(current_app.config["SECRET_KEY"], salt="wallet-device")


def device_key_hash() -> str:
    """The hash of this phone's wallet secret; a phone without one gets one with the answer."""
    if "wallet_key_hash" not in g:
        g.wallet_key_hash = hashed(_known_secret() or _give_secret())
    return g.wallet_key_hash  # type: ignore[no-any-return]


def device_wallet() -> Actor | None:
    """The wallet of this phone, or None when it has taken nothing yet."""
    if _known_secret() is None:
        return None
    wallet_id = wallets.find_wallet_id(device_key_hash())
    if wallet_id is None:
        return None
    g.actor = Actor("wallet", wallet_id, 0, WALLET)
    return g.actor  # type: ignore[no-any-return]


def _known_secret() -> str | None:
    cookie = request.cookies.get(COOKIE)
    if not cookie:
        return None
    try:
        return str(_signer().loads(cookie))
    except BadSignature:
        return None


def _give_secret() -> str:
    secret = new_secret()

    @after_this_request
    def remember(response: Response) -> Response:
        response.set_cookie(
            COOKIE,
            str(_signer().dumps(secret)),
            max_age=LASTS,
            httponly=True,
            samesite="Lax",
            secure=current_app.extensions["settings"].is_https,
        )
        return response

    return secret
