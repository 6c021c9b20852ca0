"""The application with one endpoint more: issuing a card as an ORM usually writes it, look first and then add.

Only for comparison. It answers 500 to parallel taps of one wallet, which the real endpoint does not.
"""

import secrets

from flask import Flask, g
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from app.api import wallets as api
from app.auth.guard import WALLET, access, require_bearer
from app.factory import create_app, csrf
from cards.issuing import SECRET_BYTES, fresh_number
from cards.models import Card, CardChannel, Member, Program, Tier
from core import events
from core.clock import business_day, utc_now
from core.db import db, transaction
from sharing.joining import CodeUnknown
from stores.models import Chain, Store, StoreCode


@access(WALLET)
def take_card_by_orm(token: str) -> ResponseReturnValue:
    now = utc_now()
    with transaction():
        code = db.session.scalar(select(StoreCode).filter_by(token=token, revoked_at=None))
        if code is None:
            raise CodeUnknown()
        chain = db.session.get_one(Chain, code.chain_id)
        store = db.session.get_one(Store, code.store_id)
        program = db.session.scalars(select(Program).filter_by(chain_id=chain.id, is_default=True)).one()
        card = db.session.scalar(select(Card).filter_by(wallet_id=g.actor.id, program_id=program.id))
        is_new = card is None
        if card is None:
            tier = db.session.scalars(select(Tier).filter_by(program_id=program.id, rank=0)).one()
            member = db.session.scalar(select(Member).filter_by(chain_id=chain.id, wallet_id=g.actor.id))
            if member is None:
                member = Member(chain_id=chain.id, wallet_id=g.actor.id, store_id=store.id, joined_at=now)
                db.session.add(member)
                db.session.flush()
            card = Card(
                chain_id=chain.id,
                program_id=program.id,
                wallet_id=g.actor.id,
                member_id=member.id,
                tier_id=tier.id,
                number=fresh_number(),
                code_secret=secrets.token_bytes(SECRET_BYTES),
                channel=CardChannel.SCAN,
                store_id=store.id,
                store_code_id=code.id,
                issued_at=now,
                issued_on=business_day(now, store.timezone, chain.cutoff_hour),
            )
            db.session.add(card)
            db.session.flush()
            events.record(
                "card.issued", chain_id=chain.id, at=now, card_id=card.id, member_id=member.id, store_id=store.id
            )
        body = {"id": card.id, "number": card.number, "state": card.state, "is_new": is_new, "coupon_id": None}
    return body, 201 if is_new else 200


def create() -> Flask:
    """The real application, with the comparison beside the real endpoint and under the same guard."""
    app = create_app()
    app.add_url_rule("/benchmark/store-codes/<token>/cards", "benchmark.by_orm", take_card_by_orm, methods=["POST"])
    app.before_request_funcs.setdefault("benchmark", []).append(require_bearer)
    csrf.exempt(take_card_by_orm)
    assert api.take_card is not None
    return app


app = create()
