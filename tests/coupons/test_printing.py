"""Printed codes: what they look like, how a batch comes about, and how each becomes one coupon."""

import io
import random
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from core.audit import SYSTEM, AuditEntry
from core.db import db, transaction
from core.errors import DomainError
from coupons import code_import, entering, printing
from coupons.code_models import CodeBatch, PrintedCode
from coupons.models import Coupon, OfferSlot
from tests.factories import NOON, make_card, make_chain, make_offer, make_store, make_store_code

pytestmark = pytest.mark.usefixtures("app")


@pytest.fixture
def shop():
    chain = make_chain()
    return chain, make_store_code(make_store(chain))


def made(chain, offer, size=10):
    """A whole batch."""
    with transaction():
        batch = printing.make_batch(chain.id, offer.id, size=size, name="传单", by=SYSTEM, now=NOON)
    while not printing.fill_batch(chain.id, batch.id).is_whole:
        pass
    return db.session.get_one(CodeBatch, batch.id)


def imported(chain, offer, content, *, refused=None):
    with transaction():
        batch = printing.take_in(chain.id, offer.id, name="伙伴", by=SYSTEM, now=NOON)
    tell = [].append if refused is None else refused.append
    *_, counts = code_import.import_codes(chain.id, batch.id, io.BytesIO(content), tell=tell, now=NOON)
    return db.session.get_one(CodeBatch, batch.id), counts


def codes_of(batch):
    return list(db.session.scalars(select(PrintedCode.code).filter_by(batch_id=batch.id)))


def enter(chain, text, card, *, for_staff=False, now=NOON):
    """What came of it, or the code of the refusal."""
    try:
        with transaction():
            entries = entering.find_entries([chain.id], text)
            if not entries:
                return "nothing found"
            return entering.enter(entries[0], card_ids=[card.id], now=now, for_staff=for_staff)
    except DomainError as refusal:
        return refusal.code


def test_new_codes_have_letters_that_nobody_mistakes_and_a_right_check():
    codes = printing.new_codes(2000)

    assert len(set(codes)) == 2000
    assert {len(code) for code in codes} == {14}
    assert set("".join(codes)) == set("0123456789ABCDEFGHJKMNPQRSTVWXYZ")
    assert all(map(printing.has_right_check, codes))


def test_every_letter_of_a_code_is_as_likely_as_every_other():
    drawn = "".join(code[:13] for code in printing.new_codes(20_000))

    assert all(7600 < drawn.count(letter) < 8700 for letter in printing.LETTERS)  # 8125 expected


def test_one_wrong_letter_or_two_in_the_wrong_order_always_show():
    for code in printing.new_codes(20):
        for place in range(14):
            wrong = {code[:place] + letter + code[place + 1 :] for letter in printing.LETTERS} - {code}
            assert not any(map(printing.has_right_check, wrong))
        for place in range(13):
            swapped = code[:place] + code[place + 1] + code[place] + code[place + 2 :]
            assert swapped == code or not printing.has_right_check(swapped)


@pytest.mark.parametrize(
    "typed", ["{0}", "{1}", " {1} ", "{2}", "{3}", "{4}"], ids=["plain", "shown", "spaces", "small", "oil", "wide"]
)
def test_a_code_is_read_as_people_type_it(typed):
    code = next(code for code in printing.new_codes(500) if "0" in code and "1" in code)
    wide = "".join(chr(ord(letter) + 0xFEE0) for letter in code)
    said = typed.format(code, printing.shown(code), code.lower(), code.replace("0", "o").replace("1", "l"), wide)

    assert code in printing.readings(said)
    assert printing.shown(code).count("-") == 3


@pytest.mark.parametrize("typed", ["", "-", "ABC", "A" * 33, "券码券码券码券码", "ABCD_EFGH", "ABCDEFG\u0000"])
def test_what_cannot_be_a_code_is_not_looked_up(typed):
    assert printing.readings(typed) == []


def test_a_batch_works_when_it_is_whole(shop, monkeypatch):
    chain, code = shop
    offer, card = make_offer(chain), make_card(code)
    monkeypatch.setattr(printing, "PIECE", 4)
    with transaction():
        batch = printing.make_batch(chain.id, offer.id, size=10, name="传单", by=SYSTEM, now=NOON)

    first = printing.fill_batch(chain.id, batch.id)
    early = enter(chain, codes_of(batch)[0], card)
    told_to_staff = enter(chain, codes_of(batch)[0], card, for_staff=True)
    rest = [printing.fill_batch(chain.id, batch.id), printing.fill_batch(chain.id, batch.id)]

    assert [progress.made for progress in (first, *rest)] == [4, 8, 10]
    assert (early, told_to_staff) == ("entered_code_unknown", "printed_code_void")
    assert enter(chain, codes_of(batch)[0], card).was_there is False
    assert printing.fill_batch(chain.id, batch.id).is_whole
    assert len(codes_of(batch)) == 10


def test_a_code_that_the_chain_has_is_drawn_again(shop, monkeypatch):
    chain, _ = shop
    first = made(chain, make_offer(chain), size=3)
    draws = iter([codes_of(first), printing.new_codes(3)])
    monkeypatch.setattr(printing, "new_codes", lambda count: next(draws))

    second = made(chain, make_offer(chain), size=3)

    assert len({*codes_of(first), *codes_of(second)}) == 6


@pytest.mark.parametrize("size", [0, -1, 10_000_001])
def test_too_few_or_too_many_codes_are_refused(shop, size):
    chain, _ = shop
    offer = make_offer(chain)

    with pytest.raises(DomainError, match="between 1 and 10,000,000"), transaction():
        printing.make_batch(chain.id, offer.id, size=size, name="", by=SYSTEM, now=NOON)


def test_a_code_is_one_coupon_of_whoever_enters_it_first(shop):
    chain, code = shop
    offer, batch_card, other = make_offer(chain, stock=5, per_member_limit=5), make_card(code), make_card(code)
    printed = printing.shown(codes_of(made(chain, offer))[0])

    first, again = enter(chain, printed, batch_card), enter(chain, printed.lower(), batch_card)
    second = enter(chain, printed, other)

    assert (again.coupon_id, first.was_there, again.was_there) == (first.coupon_id, False, True)
    assert second == "printed_code_used"
    assert db.session.scalar(select(Coupon.source)) == "printed_code"
    assert db.session.scalar(select(func.sum(OfferSlot.claimed))) == 1
    assert db.session.execute(
        select(PrintedCode.coupon_id, PrintedCode.used_at).where(PrintedCode.coupon_id.is_not(None))
    ).one() == (first.coupon_id, NOON)


def test_a_refused_code_stays_good(shop):
    chain, code = shop
    offer, card, other = make_offer(chain, per_member_limit=1), make_card(code), make_card(code)
    first, second, *_ = codes_of(made(chain, offer))
    enter(chain, first, card)

    assert enter(chain, second, card) == "offer_limit_reached"
    assert enter(chain, second, other).was_there is False


def test_a_void_batch_ends_its_unused_codes_and_leaves_the_coupons(shop):
    chain, code = shop
    offer, card = make_offer(chain, per_member_limit=5), make_card(code)
    batch = made(chain, offer)
    used, unused, *_ = codes_of(batch)
    enter(chain, used, card)

    gone = printing.void_batch(chain.id, batch.id, by=SYSTEM, now=NOON)

    assert gone == 9
    assert enter(chain, unused, card) == "entered_code_unknown"
    assert enter(chain, unused, card, for_staff=True) == "printed_code_void"
    assert enter(chain, used, card).was_there
    assert db.session.scalars(select(Coupon.state)).all() == ["claimed"]
    assert len(codes_of(batch)) == 10
    with pytest.raises(DomainError, match="finished or void"):
        printing.void_batch(chain.id, batch.id, by=SYSTEM, now=NOON)


def test_a_batch_that_was_interrupted_goes_altogether(shop, monkeypatch):
    chain, _ = shop
    offer = make_offer(chain)
    monkeypatch.setattr(printing, "PIECE", 4)
    with transaction():
        batch = printing.make_batch(chain.id, offer.id, size=10, name="", by=SYSTEM, now=NOON)
    printing.fill_batch(chain.id, batch.id)
    printing.fill_batch(chain.id, batch.id)

    printing.void_batch(chain.id, batch.id, by=SYSTEM, now=NOON)

    assert codes_of(batch) == []
    with pytest.raises(DomainError, match="finished or void"):
        printing.fill_batch(chain.id, batch.id)


def test_another_chains_batch_is_not_found(shop):
    chain, _ = shop
    batch = made(chain, make_offer(chain))
    other = make_chain("other")

    for act in (
        lambda: printing.fill_batch(other.id, batch.id),
        lambda: printing.void_batch(other.id, batch.id, by=SYSTEM, now=NOON),
        lambda: printing.get_batch(other.id, batch.id),
    ):
        with pytest.raises(DomainError, match="no such batch"):
            act()


def test_a_partners_list_is_taken_in_with_a_report_by_line(shop):
    chain, code = shop
    offer, card = make_offer(chain), make_card(code)
    imported(chain, make_offer(chain), b"KNOWN-0001\n")
    content = "券码;说明\nPARTNER-0001;x\n\npartner 0002\nPARTNER0001\nKNOWN0001\nSHORT\n太长不是码\n" + "A" * 5000
    refused = []

    batch, counts = imported(chain, offer, content.encode("utf-8-sig"), refused=refused)

    assert counts == (2, 1, 1, 3)
    assert sorted((line.line, line.problem) for line in refused) == [
        (5, "duplicate_in_file"),
        (6, "duplicate_in_chain"),
        (7, "malformed"),
        (8, "malformed"),
        (9, "malformed"),
    ]
    assert (batch.state, batch.size, batch.made) == ("active", 2, 2)
    assert sorted(codes_of(batch)) == ["PARTNER0001", "PARTNER0002"]
    assert enter(chain, "partner-0002", card).was_there is False


def test_duplicates_are_found_across_the_pieces_of_a_file(shop, monkeypatch):
    chain, _ = shop
    monkeypatch.setattr(code_import, "PIECE", 3)
    lines = [f"CODE{number:05}" for number in (*range(7), 1, 5, *range(7, 10), 9)]
    refused = []

    batch, counts = imported(chain, make_offer(chain), "\n".join(lines).encode(), refused=refused)

    assert counts == (10, 3, 0, 0)
    assert [line.line for line in refused] == [8, 9, 13]
    assert batch.size == 10


@pytest.mark.parametrize("content", [b"", b"code\n", b"\n\n", b"nothing\n"])
def test_a_list_without_codes_leaves_a_void_batch(shop, content):
    chain, _ = shop

    batch, counts = imported(chain, make_offer(chain), content)

    assert (batch.state, counts.accepted) == ("void", 0)


def test_a_list_from_a_spreadsheet_as_unicode_text_is_read(shop):
    chain, _ = shop

    _, counts = imported(chain, make_offer(chain), "code\r\nABCDEFGH1\r\nABCDEFGH2\r\n".encode("utf-16"))

    assert counts == (2, 0, 0, 0)


def test_an_import_that_stopped_can_be_made_void_and_taken_in_anew(shop):
    chain, _ = shop
    offer = make_offer(chain)
    with transaction():
        batch = printing.take_in(chain.id, offer.id, name="", by=SYSTEM, now=NOON)
    lines = [code_import.Line(number, "", f"PARTNER{number:04}") for number in range(5)]
    assert code_import.import_batch(chain.id, batch.id, lines) == []

    printing.void_batch(chain.id, batch.id, by=SYSTEM, now=NOON)
    _, counts = imported(chain, offer, b"PARTNER0001\nPARTNER0002\n")

    assert counts == (2, 0, 0, 0)


def test_a_partners_code_with_an_o_is_read_as_it_stands(shop):
    chain, code = shop
    imported(chain, make_offer(chain), b"HELLO-WORLD\n")
    card = make_card(code)

    assert enter(chain, "hello world", card).was_there is False
    assert enter(chain, "HE110W0R1D", card) == "nothing found"


def test_the_codes_of_a_batch_are_read_page_by_page(shop, monkeypatch):
    chain, _ = shop
    batch = made(chain, make_offer(chain), size=25)
    monkeypatch.setattr(printing, "PAGE", 10)

    codes = [line.code for line in printing.each_code(batch)]

    assert codes == sorted(codes_of(batch))
    assert len(set(codes)) == 25


def test_batches_tell_how_many_of_their_codes_are_used(shop):
    chain, code = shop
    offer = make_offer(chain, per_member_limit=5)
    first, second = made(chain, offer, size=3), made(chain, offer, size=4)
    for printed in codes_of(first)[:2]:
        enter(chain, printed, make_card(code))

    listed = printing.list_batches(chain.id, offer.id)

    assert [(line.batch.id, line.used) for line in listed] == [(second.id, 0), (first.id, 2)]


def test_what_is_done_to_a_batch_is_in_the_audit(shop):
    chain, _ = shop
    batch = made(chain, make_offer(chain), size=3)
    with transaction():
        printing.note_export(batch, by=SYSTEM, now=NOON)
    printing.void_batch(chain.id, batch.id, by=SYSTEM, now=NOON + timedelta(hours=1))

    actions = db.session.scalars(
        select(AuditEntry.action).filter_by(object_kind="code_batch", object_id=batch.id).order_by(AuditEntry.id)
    ).all()

    assert actions == ["codes begun", "codes exported", "codes voided"]


def test_staff_are_told_that_a_letter_is_wrong():
    code = printing.new_codes(1)[0]
    wrong = ("Z" if code[0] != "Z" else "Y") + code[1:]

    assert entering.why_unknown(wrong).code == "printed_code_mistyped"
    assert entering.why_unknown(code).code == "entered_code_unknown"
    assert entering.why_unknown("HELLO").code == "entered_code_unknown"


def test_random_bytes_are_never_an_error():
    dice = random.Random(7)
    for size in (0, 1, 2, 3, 50, 5000):
        lines = list(code_import.read_lines(io.BytesIO(dice.randbytes(size))))
        assert all(line.code == "" or printing.plain(line.code) == line.code for line in lines)
