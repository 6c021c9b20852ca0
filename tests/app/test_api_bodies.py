"""Bodies that are no purchase of anybody: refused, never a failure of ours."""

import json

import pytest

from stores.models import Role
from tests.factories import make_chain, make_key, make_store


@pytest.fixture
def send(app, client):
    chain = make_chain()
    clerk, head_office = make_key(chain, Role.CLERK, make_store(chain)), make_key(chain)

    def send(path, body, key=clerk):
        return client.post(
            f"/api/v1{path}", data=body, content_type="application/json", headers={"Authorization": f"Bearer {key}"}
        )

    send.head_office = head_office
    return send


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("[" * 100_000, id="lists in lists"),
        pytest.param('{"a":' * 5000, id="objects in objects"),
        pytest.param('{"card_code": "1", "amount_cents": ' + "9" * 5000 + "}", id="a number of 5000 digits"),
        pytest.param('{"card_code": "1"', id="half an object"),
        pytest.param("[" * 900 + r'"\u0041"' + "]" * 900, id="lists almost too deep"),
    ],
)
def test_what_cannot_be_read_is_a_bad_request(send, body):
    answer = send("/checkouts/quote", body)

    assert (answer.status_code, answer.json["code"]) == (400, "bad_request")


@pytest.mark.parametrize(("language", "word"), [("en", "syntax"), ("zh", "格式")])
def test_a_program_is_not_told_to_go_back_a_page(client, language, word):
    answers = [
        client.post("/api/v1/checkouts/quote?a=%00", headers={"Accept-Language": language}),
        client.post("/login?a=%00", headers={"Accept-Language": language}),
    ]

    assert [answer.status_code for answer in answers] == [400, 400]
    assert [word in answer.text for answer in answers] == [True, False]


@pytest.mark.parametrize("text", ["\0", "a\0b", "\ud800", "ct_\udfff"])
@pytest.mark.parametrize("field", ["card_code", "store_code"])
def test_text_that_no_database_can_hold_is_a_bad_request(send, field, text):
    body = {"card_code": "1", "amount_cents": 100} | {field: text}

    assert send("/checkouts/quote", json.dumps(body), send.head_office).status_code == 400
    assert send("/campaigns", json.dumps({text: [{"a": text}]}), send.head_office).status_code == 400


def test_letters_written_as_escapes_are_letters(send):
    body = r'{"card_code": "\u5361\ud83c\udf66 \\u0000", "amount_cents": 100}'

    assert send("/checkouts/quote", body).json["code"] == "card_code_unknown"
