"""Whatever is sent, the API answers as described and never breaks."""

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from core.db import db
from tests.factories import make_card, make_chain, make_key, make_offer, make_store, make_store_code, make_wallet

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
SECRET = "fuzzed-wallet"
FEW = settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("caller", ["key", "wallet"])
def test_whatever_is_sent_is_answered_as_described(app, monkeypatch, caller):
    monkeypatch.setitem(app.config, "PROPAGATE_EXCEPTIONS", False)
    chain = make_chain()
    make_offer(chain)
    card = make_card(make_store_code(make_store(chain)), wallet_id=make_wallet(SECRET))
    headers = {"Authorization": f"Bearer {make_key(chain) if caller == 'key' else SECRET}"}
    schema = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", app)

    faults = []
    for operation in schema.get_all_operations():
        faults += faults_of(app, operation.ok(), headers, number=card.number)

    assert not faults, "\n".join(["", *faults])


def faults_of(app, operation, headers, *, number):
    """What some requests of all shapes bring to light at one address."""
    found = []

    @FEW
    @given(case=operation.as_strategy())
    def send(case):
        app.extensions["limiter"].storage.reset()
        if "number" in (case.path_parameters or {}):
            case.path_parameters["number"] = number
        answer = case.call(headers=headers | {"Accept-Encoding": "identity"})
        db.session.rollback()
        try:
            case.validate_response(answer, checks=CHECKS)
        except FailureGroup as failures:
            found.append(f"{operation.label} {case.body!r} {case.query!r}: {[str(e) for e in failures.exceptions]}")

    send()
    return found[:2]
