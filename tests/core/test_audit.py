"""Who changed what, in the transaction of the change."""

import pytest
from sqlalchemy import select

from core import audit
from core.audit import AuditEntry, Author
from core.db import db, transaction
from tests.factories import NOON, make_chain

pytestmark = pytest.mark.usefixtures("app")


def note(chain):
    audit.note(
        "chain changed",
        chain_id=chain.id,
        object_kind="chain",
        object_id=chain.id,
        by=Author("staff:7", "10.0.0.1", "request-1"),
        at=NOON,
        before={"name": "旧"},
        after={"name": "新"},
    )


def test_a_change_says_who_what_before_after_when_and_from_where():
    chain = make_chain()
    with transaction():
        note(chain)

    entry = db.session.scalars(select(AuditEntry)).one()
    assert (entry.actor, entry.action, entry.object_kind, entry.object_id) == (
        "staff:7",
        "chain changed",
        "chain",
        chain.id,
    )
    assert (entry.before, entry.after, entry.at) == ({"name": "旧"}, {"name": "新"}, NOON)
    assert (entry.address, entry.request_id) == ("10.0.0.1", "request-1")


def test_a_change_that_was_undone_leaves_no_row():
    chain = make_chain()
    with pytest.raises(ZeroDivisionError), transaction():
        note(chain)
        1 / 0  # noqa: B018

    assert db.session.scalars(select(AuditEntry)).all() == []
