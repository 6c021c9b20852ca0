"""Noting what became of messages: many results by two statements, in one short transaction."""

import json
import logging
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from core.db import transaction
from core.hot import STORED_MOMENT, Hot, Sql, this_transaction
from push.channels import ChannelError, PermanentError, RetryError, UnansweredError
from push.channels.browsers import note_gone
from push.channels.suppressing import suppress
from push.delivering import supplying
from push.delivering.falling_back import fall_back
from push.delivering.leasing import MAX_ATTEMPTS
from push.delivering.needs import NotTried, Result
from push.delivering.pacing import Leave, note_health
from push.models import ChannelMode, DeliveryState, PushChannel
from push.partners.telling import tell

FIRST_WAIT = timedelta(seconds=30)  # then four times as long each time: 30 s, 2 min, 8 min, 32 min, 2 h,
LONGEST_WAIT = timedelta(hours=6)  # and from then on every six hours
LONGEST_TRYING = timedelta(hours=72)  # from the first attempt, unless the run ends before
FIRST = ChannelMode.FIRST
PENDING, FAILED = str(DeliveryState.PENDING), str(DeliveryState.FAILED)
SPREAD = 0.2  # so that what failed together does not come back together

logger = logging.getLogger(__name__)


# A newer result by somebody who took the row after us stands; only that it went is news at any time.
WENT = """
    UPDATE deliveries SET state = 'sent', sent_at = :now, leased_until = NULL, error = NULL,
        provider_ref = coalesce(went.ref, provider_ref)
    FROM {went} WHERE deliveries.id = went.id AND state IN ('sending', 'pending') RETURNING deliveries.id
"""
# Its receipt came before us: the next ones may name the reference.
ALREADY_THERE = """
    UPDATE deliveries SET provider_ref = went.ref
    FROM {went} WHERE deliveries.id = went.id AND state = 'delivered' AND provider_ref IS NULL AND went.ref IS NOT NULL
"""
_ON_POSTGRESQL = "unnest(:ids::bigint[], :refs::text[]) AS went (id, ref)"
_ON_SQLITE = "(SELECT value ->> 0 AS id, value ->> 1 AS ref FROM json_each(:rows)) AS went"
WENT_ON_POSTGRESQL, WENT_ON_SQLITE = (Sql(WENT.format(went=went)) for went in (_ON_POSTGRESQL, _ON_SQLITE))
ALREADY_THERE_ON_POSTGRESQL, ALREADY_THERE_ON_SQLITE = (
    Sql(ALREADY_THERE.format(went=went)) for went in (_ON_POSTGRESQL, _ON_SQLITE)
)
DID_NOT = """
    UPDATE deliveries SET state = did.state, attempts = did.attempts, due_at = did.due_at, error = did.error,
        leased_until = NULL, first_tried_at = CASE WHEN did.attempts > 0 THEN deliveries.first_tried_at END
    FROM {did} WHERE deliveries.id = did.id AND deliveries.state = 'sending' AND deliveries.attempts = did.attempt
    RETURNING deliveries.id
"""
DID_NOT_ON_POSTGRESQL = Sql(
    DID_NOT.format(
        did="""unnest(:ids::bigint[], :tries::int[], :states::text[], :attempts::int[], :dues::timestamptz[],
            :errors::text[]) AS did (id, attempt, state, attempts, due_at, error)"""
    )
)
DID_NOT_ON_SQLITE = Sql(
    DID_NOT.format(
        did="""(SELECT value ->> 0 AS id, value ->> 1 AS attempt, value ->> 2 AS state, value ->> 3 AS attempts,
            value ->> 4 AS due_at, value ->> 5 AS error FROM json_each(:rows)) AS did"""
    )
)


class Change(NamedTuple):
    """What becomes of a row: only of the attempt for which it was taken."""

    id: int
    attempt: int
    state: str
    attempts: int
    due_at: datetime
    error: str | None


def note_batch(name: PushChannel, results: Sequence[Result], leave: Leave, *, now: datetime) -> bool:
    """Write the results of attempts down, with all that follows from them, in one transaction.

    True when the provider is in such trouble that nothing more must be tried now.
    """
    if not results:
        return False
    with transaction():
        hot = this_transaction()
        went = _note_went(hot, [result for result in results if result.problem is None], now=now)
        changes = [_change(result, now=now) for result in results if result.problem is not None]
        changed = _note_did_not(hot, changes)
        failed = changed & {change.id for change in changes if change.state == FAILED}
        fall_back([r.row.id for r in results if r.row.id in failed and r.row.run.channel_mode == FIRST], now=now)
        tell(hot, failed | went, now=now)  # of the others somebody has told already
        _note_addresses(name, results, now=now)
        supplying.tell(name, results, now=now)
        signs = [result.problem for result in results if result.is_sign]
        return note_health(hot, name, signs, leave, now=now)


def _note_went(hot: Hot, results: Sequence[Result], *, now: datetime) -> set[int]:
    """Those for which it was news that they went."""
    went = sorted({result.row.id: result.handed.ref for result in results}.items())
    if not went:
        return set()
    values: dict[str, object] = {"rows": json.dumps(went)}
    if hot.is_postgresql:
        values = {"ids": [row[0] for row in went], "refs": [row[1] for row in went]}
    news = {row[0] for row in hot.rows(WENT_ON_POSTGRESQL if hot.is_postgresql else WENT_ON_SQLITE, now=now, **values)}
    if len(news) < len(went):
        hot.run(ALREADY_THERE_ON_POSTGRESQL if hot.is_postgresql else ALREADY_THERE_ON_SQLITE, **values)
    return news


def _note_did_not(hot: Hot, changes: Sequence[Change]) -> set[int]:
    """Those that were changed by it."""
    if not changes:
        return set()
    rows = sorted(changes)
    if hot.is_postgresql:
        names = ("ids", "tries", "states", "attempts", "dues", "errors")
        columns = ([getattr(row, field) for row in rows] for field in Change._fields)
        changed = hot.rows(DID_NOT_ON_POSTGRESQL, **dict(zip(names, columns, strict=True)))
    else:
        changed = hot.rows(DID_NOT_ON_SQLITE, rows=json.dumps(rows, default=_stored))
    return {row[0] for row in changed}


def _change(result: Result, *, now: datetime) -> Change:
    """What becomes of a row that did not go."""
    row, problem = result.row, result.problem
    if isinstance(problem, NotTried):
        return Change(row.id, row.attempts, PENDING, row.attempts - 1, now, None)
    words = _words(problem, row.id)
    wait = wait_before(row.attempts, row.id)
    if isinstance(problem, RetryError) and problem.after is not None:
        wait = max(wait, problem.after)
    ends_at = min(row.first_tried_at + LONGEST_TRYING, row.run.send_until)
    if isinstance(problem, UnansweredError) and problem.drops_within is not None:
        ends_at = min(ends_at, row.first_tried_at + problem.drops_within)  # rather once too few than twice
    if isinstance(problem, PermanentError) or row.attempts >= MAX_ATTEMPTS or now + wait >= ends_at:
        return Change(row.id, row.attempts, FAILED, row.attempts, now, words)
    return Change(row.id, row.attempts, PENDING, row.attempts, now + wait, words)


def _stored(value: datetime) -> str:
    return value.astimezone(UTC).strftime(STORED_MOMENT)


def _words(problem: BaseException | None, delivery_id: int) -> str:
    if isinstance(problem, (PermanentError, RetryError)):
        return str(problem)[:200]
    logger.error("delivery %s broke its channel", delivery_id, exc_info=problem)
    return f"internal: {type(problem).__name__}"


def wait_before(attempt: int, delivery_id: int) -> timedelta:
    """How long after a failed attempt the next one comes; rows differ by up to a fifth."""
    share = (delivery_id * 2654435761 % 1000) / 1000
    return min(FIRST_WAIT * 4.0 ** min(attempt - 1, 9), LONGEST_WAIT) * (1 + SPREAD * share)


def _note_addresses(name: PushChannel, results: Sequence[Result], *, now: datetime) -> None:
    """Keep in mind which addresses and browsers are no more."""
    for result in results:
        if isinstance(result.problem, PermanentError) and result.problem.address_is_dead:
            address = result.needed.to or result.row.address
            suppress(result.row.chain_id, result.row.member_id, name, address, now=now)
    note_gone([endpoint for result in results for endpoint in _gone(result)], now=now)


def _gone(result: Result) -> Iterator[str]:
    yield from result.handed.gone
    if isinstance(result.problem, ChannelError):
        yield from result.problem.gone
