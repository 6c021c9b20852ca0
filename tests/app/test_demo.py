"""The demo chain: what a newcomer can try with it."""

import pytest

from app.demo.pushes import let_some_agree
from push.audiences import consents
from tests.factories import NOON, make_chain, make_store, make_store_code
from tests.push.pushing import make_member

pytestmark = pytest.mark.usefixtures("app")


def test_some_members_with_an_address_agreed_to_each_channel_and_some_did_not():
    chain = make_chain()
    code = make_store_code(make_store(chain))
    members = [
        make_member(code, agrees_to=(), email=f"m{n}@example.com", phone=f"+86138000000{n:02}") for n in range(6)
    ]
    silent = make_member(code)

    let_some_agree(chain.id, now=NOON)

    said = [consents.current_consents(member.member_id) for member in members]
    for channel in ("email", "gateway"):
        assert {words[channel] for words in said} == {True, False}
    assert not consents.current_consents(silent.member_id)["email"]
