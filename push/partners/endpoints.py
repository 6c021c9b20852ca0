"""Endpoints of partner systems: where they listen, for what, and the secret that signs (Standard Webhooks)."""

import base64
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import delete, func, select, update

from core import audit
from core.audit import SYSTEM, Author
from core.db import db
from core.errors import Conflict, Invalid, NotFound
from core.text import Text
from push.channels.public_addresses import host_of, may_be_public
from push.partners.models import DisabledBecause, WebhookEndpoint, WebhookMessage, WebhookState
from push.partners.telling import DELIVERY_KINDS, TEST

PREFIX = "whsec_"
SECRET_BYTES = 32
MOST = 10  # of one chain
LONGEST_NAME = 80
OVERLAP = timedelta(hours=24)  # the last secret signs too, so that a partner can change over in peace
KEPT = timedelta(days=14)
ENDED = (WebhookState.SENT, WebhookState.FAILED)
UNFINISHED = (WebhookState.PENDING, WebhookState.SENDING)
DISABLED = "the endpoint is disabled"


class WebhookUnknown(NotFound):
    """No such endpoint in this chain."""

    code = "webhook_unknown"
    sentence = Text("没有这个接收地址。", "There is no such endpoint.")


class WebhookAddressInvalid(Invalid):
    """An endpoint is an https address that anybody on the internet could call."""

    code = "webhook_address_invalid"
    part = "url"
    sentence = Text(
        "请填公网可以访问的 https 地址，不带用户名、密码和 #。",
        "An https address on the public internet, please, without user name, password or #.",
    )


class WebhookKindsInvalid(Invalid):
    """Only kinds of event that there are."""

    code = "webhook_kinds_invalid"
    part = "kinds"
    sentence = Text("没有这种事件。", "There is no such kind of event.")


class WebhookNameInvalid(Invalid):
    """A name of 1 to 80 characters."""

    code = "webhook_name_invalid"
    part = "name"
    sentence = Text("请写下对方是谁，最多 80 个字。", "Say whose it is, in at most 80 characters.")


class WebhooksFull(Conflict):
    """So many are enough."""

    code = "webhooks_full"
    sentence = Text("最多 {most} 个接收地址，请先移除一个。", "There are {most} endpoints at most. Remove one first.")


class WebhookDisabled(Conflict):
    """What is disabled is told nothing."""

    code = "webhook_disabled"
    sentence = Text("这个接收地址已停用，请先启用。", "This endpoint is disabled. Enable it first.")


class WebhookInUse(Conflict):
    """Only a disabled endpoint is removed."""

    code = "webhook_in_use"
    sentence = Text("请先停用，再移除。", "Disable it first, then remove it.")


class Wanted(NamedTuple):
    """What an endpoint is to be."""

    name: str
    url: str
    kinds: Sequence[str] = ()  # none: all


class NewEndpoint(NamedTuple):
    id: int
    secret: str  # shown once


def create_endpoint(chain_id: int, wanted: Wanted, *, is_private: bool, by: Author, now: datetime) -> NewEndpoint:
    """Let a partner listen. Needs an open transaction; raises what stands in the way.

    ``is_private``: this installation may call addresses of its own network, and http.
    """
    values = _checked(wanted, is_private=is_private)
    if db.session.scalars(select(func.count(WebhookEndpoint.id)).filter_by(chain_id=chain_id)).one() >= MOST:
        raise WebhooksFull(most=MOST)
    endpoint = WebhookEndpoint(chain_id=chain_id, secret=_new_secret(), created_at=now, **values)
    db.session.add(endpoint)
    db.session.flush()
    _note("webhook created", endpoint, by, now, after=values)
    return NewEndpoint(endpoint.id, endpoint.secret)


def edit_endpoint(
    chain_id: int, endpoint_id: int, wanted: Wanted, *, is_private: bool, by: Author, now: datetime
) -> WebhookEndpoint:
    """Change name, address or kinds. Needs an open transaction."""
    endpoint = get_endpoint(chain_id, endpoint_id)
    values = _checked(wanted, is_private=is_private)
    before = {name: getattr(endpoint, name) for name in values}
    if values["url"] != endpoint.url:
        values |= {"failures": 0, "failing_since": None, "resting_until": None}
    for name, value in values.items():
        setattr(endpoint, name, value)
    after = {name: values[name] for name in before}
    if after != before:
        _note("webhook changed", endpoint, by, now, before=before, after=after)
    return endpoint


def rotate_secret(chain_id: int, endpoint_id: int, *, by: Author, now: datetime) -> str:
    """A new secret, shown once; for a day the last one signs too. Needs an open transaction."""
    endpoint = get_endpoint(chain_id, endpoint_id)
    endpoint.previous_secret, endpoint.previous_until = endpoint.secret, now + OVERLAP
    endpoint.secret = _new_secret()
    _note("webhook secret renewed", endpoint, by, now)
    return endpoint.secret


def disable(
    chain_id: int,
    endpoint_id: int,
    *,
    now: datetime,
    because: DisabledBecause = DisabledBecause.STAFF,
    by: Author = SYSTEM,
) -> bool:
    """Tell it nothing more; what waits has failed. A second time changes nothing. Needs an open transaction."""
    disabled = db.session.scalar(
        update(WebhookEndpoint)
        .where(
            WebhookEndpoint.id == endpoint_id,
            WebhookEndpoint.chain_id == chain_id,
            WebhookEndpoint.disabled_at.is_(None),
        )
        .values(disabled_at=now, disabled_because=because)
        .returning(WebhookEndpoint)
        .execution_options(populate_existing=True)
    )
    if disabled is None:
        get_endpoint(chain_id, endpoint_id)
        return False
    db.session.execute(
        update(WebhookMessage)
        .where(WebhookMessage.endpoint_id == endpoint_id, WebhookMessage.state.in_(UNFINISHED))
        .values(state=WebhookState.FAILED, leased_until=None, error=DISABLED)
        .execution_options(synchronize_session=False)
    )
    _note("webhook disabled", disabled, by, now, after={"reason": because})
    return True


def enable(chain_id: int, endpoint_id: int, *, by: Author, now: datetime) -> int:
    """Tell it again, with what failed meanwhile; return how many messages that is. Needs an open transaction."""
    endpoint = get_endpoint(chain_id, endpoint_id)
    if endpoint.disabled_at is None:
        return 0
    endpoint.disabled_at = endpoint.disabled_because = endpoint.failing_since = endpoint.resting_until = None
    endpoint.failures = 0
    db.session.flush()
    _note("webhook enabled", endpoint, by, now)
    return send_again(chain_id, endpoint_id, now=now)


def send_again(chain_id: int, endpoint_id: int, *, now: datetime) -> int:
    """Send what failed once more, under the same ids; return how many. Needs an open transaction."""
    if get_endpoint(chain_id, endpoint_id).disabled_at is not None:
        raise WebhookDisabled()
    again = db.session.scalars(
        update(WebhookMessage)
        .where(
            WebhookMessage.endpoint_id == endpoint_id,
            WebhookMessage.state == WebhookState.FAILED,
            WebhookMessage.kind != TEST,
        )
        .values(state=WebhookState.PENDING, attempts=0, due_at=now)
        .returning(WebhookMessage.id)
        .execution_options(synchronize_session=False)
    ).all()
    return len(again)


def send_test(chain_id: int, endpoint_id: int, *, now: datetime) -> WebhookMessage:
    """A message that means nothing, so that a partner sees one arrive. Needs an open transaction."""
    if get_endpoint(chain_id, endpoint_id).disabled_at is not None:
        raise WebhookDisabled()
    message = WebhookMessage(
        chain_id=chain_id,
        endpoint_id=endpoint_id,
        message_id=f"test-{secrets.token_hex(12)}",
        kind=TEST,
        payload={"endpoint_id": endpoint_id},
        due_at=now,
        at=now,
    )
    db.session.add(message)
    db.session.flush()
    return message


def remove(chain_id: int, endpoint_id: int, *, by: Author, now: datetime) -> None:
    """Take a disabled endpoint away, with what it was told. Needs an open transaction."""
    endpoint = get_endpoint(chain_id, endpoint_id)
    if endpoint.disabled_at is None:
        raise WebhookInUse()
    db.session.execute(delete(WebhookMessage).where(WebhookMessage.endpoint_id == endpoint_id))
    _note("webhook removed", endpoint, by, now, before={"name": endpoint.name, "url": endpoint.url})
    db.session.delete(endpoint)
    db.session.flush()


def get_endpoint(chain_id: int, endpoint_id: int) -> WebhookEndpoint:
    """The endpoint as it is now, or WebhookUnknown."""
    endpoint = db.session.scalar(
        select(WebhookEndpoint).filter_by(id=endpoint_id, chain_id=chain_id).execution_options(populate_existing=True)
    )
    if endpoint is None:
        raise WebhookUnknown()
    return endpoint


def list_endpoints(chain_id: int) -> Sequence[WebhookEndpoint]:
    return db.session.scalars(select(WebhookEndpoint).filter_by(chain_id=chain_id).order_by(WebhookEndpoint.id)).all()


def list_messages(
    chain_id: int, endpoint_id: int, *, before: int | None = None, limit: int = 50
) -> Sequence[WebhookMessage]:
    """What an endpoint was told, newest first; ``before`` is the id of the last one seen."""
    query = select(WebhookMessage).filter_by(chain_id=chain_id, endpoint_id=endpoint_id)
    if before is not None:
        query = query.where(WebhookMessage.id < before)
    return db.session.scalars(query.order_by(WebhookMessage.id.desc()).limit(limit)).all()


def count_messages(endpoint_ids: Sequence[int]) -> dict[int, dict[str, int]]:
    """How many of what endpoints were told stand where."""
    counts = {each: {str(state): 0 for state in WebhookState} for each in endpoint_ids}
    if endpoint_ids:
        rows = db.session.execute(
            select(WebhookMessage.endpoint_id, WebhookMessage.state, func.count(WebhookMessage.id))
            .where(WebhookMessage.endpoint_id.in_(endpoint_ids))
            .group_by(WebhookMessage.endpoint_id, WebhookMessage.state)
        )
        for endpoint_id, state, count in rows:
            counts[endpoint_id][state] = count
    return counts


def forget_batch(chain_id: int, *, now: datetime, limit: int = 2000) -> int:
    """Delete what was told two weeks ago; return how many. Needs an open transaction."""
    old = (
        select(WebhookMessage.id)
        .where(WebhookMessage.chain_id == chain_id, WebhookMessage.at < now - KEPT, WebhookMessage.state.in_(ENDED))
        .order_by(WebhookMessage.id)
        .limit(limit)
    )
    gone = db.session.scalars(
        delete(WebhookMessage)
        .where(WebhookMessage.id.in_(old))
        .returning(WebhookMessage.id)
        .execution_options(synchronize_session=False)
    ).all()
    return len(gone)


def _new_secret() -> str:
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def _checked(wanted: Wanted, *, is_private: bool) -> dict[str, Any]:
    name, url = wanted.name.strip(), wanted.url.strip()
    if not 1 <= len(name) <= LONGEST_NAME or "\0" in name:
        raise WebhookNameInvalid()
    host = host_of(url)
    if host is None or not (is_private or (url.lower().startswith("https:") and may_be_public(host))):
        raise WebhookAddressInvalid()
    if set(wanted.kinds) - set(DELIVERY_KINDS):
        raise WebhookKindsInvalid()
    kinds = [kind for kind in DELIVERY_KINDS if kind in wanted.kinds]
    return {"name": name, "url": url, "kinds": [] if len(kinds) == len(DELIVERY_KINDS) else kinds}


def _note(action: str, endpoint: WebhookEndpoint, by: Author, now: datetime, **what: Any) -> None:
    audit.note(
        action,
        chain_id=endpoint.chain_id,
        object_kind="webhook_endpoint",
        object_id=endpoint.id,
        by=by,
        at=now,
        **what,
    )
