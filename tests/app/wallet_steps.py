"""What the tests of the wallet's pages do on a phone."""

from flask.testing import FlaskClient

from cards.models import Card
from core.clock import utc_now
from core.db import db
from core.hot import one_action
from coupons.models import Offer
from sharing import linking
from sharing.linking import NewLink
from stores.models import StoreCode
from tests import pages


def take(client: FlaskClient, code: StoreCode) -> Card:
    """Take the card of a store code by the page; the card."""
    answer = pages.post(client, f"/q/{code.token}")
    assert answer.status_code == 303
    return db.session.get_one(Card, int(answer.location.rsplit("/", 1)[1]))


def link_of(card: Card, channel: str = "friend", *, offer: Offer | None = None, occasion: str = "wallet") -> NewLink:
    """A link by which this card is shared, perhaps with a coupon."""
    offer_id = offer.id if offer else None
    with one_action() as hot:
        return linking.create_link(
            hot, card.chain_id, card.id, channel, now=utc_now(), occasion=occasion, offer_id=offer_id
        )


def come(client: FlaskClient, token: str) -> Card:
    """Take the card of a friend's link by the page."""
    answer = pages.post(client, f"/s/{token}")
    assert answer.status_code == 303, answer.text
    return db.session.get_one(Card, int(answer.location.split("?")[0].rsplit("/", 1)[1]))
