"""Members of another system, taken in."""

import json
from datetime import date, timedelta

import pytest
from sqlalchemy import func, select

from cards.importing import counts, import_members, plan_import
from cards.member_files import MemberColumnsMissing, MemberFileEmpty, read_member_file
from cards.models import Card, Member, PointEntry
from core.audit import SYSTEM, AuditEntry
from core.db import db, transaction
from core.events import Event
from core.tokens import luhn_digit
from coupons.models import Coupon
from push.models import Consent
from stores.store_files import FieldUnknown, FileBroken, FileNotCsv
from tests.factories import NOON, make_chain, make_offer, make_store, program_of

FILE = """手机号,姓名,邮箱,会员等级,积分,开卡日期,门店编号
13800000000,林小雪,LIN@Example.com,金卡,"1,200",2024/3/1,S001
138 0000 0001,王五,,,0,,
"""

pytestmark = pytest.mark.usefixtures("app")


def take_in(chain, text: str):
    file = read_member_file(text.encode())
    with transaction():
        plan = plan_import(chain.id, file, now=NOON)
        import_members(plan, by=SYSTEM, now=NOON)
    return plan


def refusals(chain, text: str) -> list[tuple[int, str]]:
    plan = plan_import(chain.id, read_member_file(text.encode()), now=NOON)
    return [(line.line, line.reason.code) for line in plan.refused]


def test_everybody_in_the_file_gets_a_card():
    chain = make_chain()
    store = make_store(chain, "S001")

    plan = take_in(chain, FILE)

    assert counts(plan) == {"created": 2, "updated": 0, "unchanged": 0, "refused": 0}
    lin, wang = db.session.scalars(select(Member).order_by(Member.id)).all()
    card = db.session.scalars(select(Card).filter_by(member_id=lin.id)).one()
    assert (lin.name, lin.phone, lin.email, lin.store_id) == ("林小雪", "+8613800000000", "lin@example.com", store.id)
    assert (card.channel, card.points, card.issued_on, card.state) == ("import", 1200, date(2024, 3, 1), "active")
    assert card.earned_points == 1200  # they carry the card towards its next tier
    assert (wang.phone, wang.store_id, wang.joined_at) == ("+8613800000001", None, NOON)


def test_points_come_with_a_line_in_the_ledger():
    chain = make_chain()
    make_store(chain, "S001")

    take_in(chain, FILE)

    lines = db.session.scalars(select(PointEntry)).all()
    assert [(line.delta, line.balance, line.cause) for line in lines] == [(1200, 1200, "import")]


def test_a_field_mapped_to_nothing_is_left_out():
    file = read_member_file(b"phone,name,tel\n1,Lin,2\n", {"phone": "tel", "name": ""})

    assert file.columns == {"phone": "tel"}
    assert [row.cells for row in file.rows] == [{"phone": "2"}]


def test_a_mapping_to_a_field_that_no_member_has_is_refused():
    with pytest.raises(FieldUnknown):
        read_member_file(b"phone\n1\n", {"colour": ""})


def test_an_import_neither_greets_nor_agrees_for_anybody():
    chain = make_chain()
    make_store(chain, "S001")
    make_offer(chain, program_id=program_of(chain).id)

    take_in(chain, FILE)

    assert db.session.scalar(select(func.count(Coupon.id))) == 0
    assert db.session.scalar(select(func.count(Consent.id))) == 0
    assert set(db.session.scalars(select(Event.kind).filter_by(chain_id=chain.id))) >= {"card.imported"}
    assert "card.issued" not in set(db.session.scalars(select(Event.kind)))


def test_a_second_import_changes_nothing():
    chain = make_chain()
    make_store(chain, "S001")
    take_in(chain, FILE)

    plan = take_in(chain, FILE)

    assert counts(plan) == {"created": 0, "updated": 0, "unchanged": 2, "refused": 0}
    assert db.session.scalar(select(func.count(Card.id))) == 2


def test_a_known_member_is_brought_up_to_date_and_keeps_his_points():
    chain = make_chain()
    make_store(chain, "S001")
    take_in(chain, FILE)

    plan = take_in(chain, "phone,name,points\n+8613800000000,林大雪,9\n")

    lin = db.session.scalars(select(Member).filter_by(phone="+8613800000000")).one()
    assert (counts(plan)["updated"], lin.name) == (1, "林大雪")
    assert db.session.scalar(select(Card.points).filter_by(member_id=lin.id)) == 1200
    audit = db.session.scalars(select(AuditEntry).filter_by(action="member imported")).one()
    assert audit.after == {"fields": ["name"]}


@pytest.mark.parametrize(
    ("line", "code"),
    [
        pytest.param("12345,,,,", "phone_invalid", id="a phone that cannot be called"),
        pytest.param(",lin at example,,,", "email_invalid", id="no address"),
        pytest.param(",,5,,", "nothing_to_recognise", id="nobody in particular"),
        pytest.param("13800000000,,many,,", "points_not_a_number", id="points in words"),
        pytest.param("13800000000,,-5,,", "points_not_a_number", id="points below zero"),
        pytest.param("13800000000,,,白金,", "tier_unknown", id="a tier that is none"),
        pytest.param("13800000000,,,,2099-01-01", "day_invalid", id="a day to come"),
        pytest.param("13800000000,,,,31.5.2024", "day_invalid", id="a day that cannot be read"),
        pytest.param("13800000009,,,,", "member_repeated", id="the same person again"),
    ],
)
def test_a_line_that_cannot_be_kept_is_left_out(line, code):
    chain = make_chain()

    refused = refusals(chain, f"phone,email,points,tier,joined_on\n13800000009,,,,\n{line} \n")

    assert refused == [(3, code)]


def test_a_card_number_has_to_be_right_and_free():
    chain, other = make_chain(), make_chain("other")
    first, second = (body + str(luhn_digit(body)) for body in ("620000000000001", "620000000000002"))
    take_in(other, f"card_number\n{first}\n")

    file = f"card_number\n{first}\n{int(first) + 1}\n{second}\n"

    assert refusals(chain, file) == [(2, "card_number_taken"), (3, "card_number_invalid")]


def test_the_last_of_a_day_joins_before_now():
    chain = make_chain()

    take_in(chain, f"phone,joined_on\n13800000000,{NOON.date().isoformat()}\n")

    assert db.session.scalar(select(Member.joined_at)) <= NOON
    assert db.session.scalar(select(Card.issued_on)) == NOON.date()


@pytest.mark.parametrize(
    ("data", "refusal"),
    [
        pytest.param(b"", MemberFileEmpty, id="empty"),
        pytest.param(b"phone\n", MemberFileEmpty, id="a header alone"),
        pytest.param(b"name,points\nLin,5\n", MemberColumnsMissing, id="nothing to tell members apart"),
        pytest.param(b'phone,name\n13800000000,"Lin\n', FileBroken, id="a quote left open"),
        pytest.param(b"PK\x03\x04....", FileNotCsv, id="a workbook"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_as_a_whole(data, refusal):
    with pytest.raises(refusal):
        read_member_file(data)


def test_a_file_in_the_old_chinese_encoding_is_read():
    file = read_member_file("手机号,姓名\n13800000000,林小雪的会员姓名\n".encode("gb18030"))

    assert (file.encoding, file.rows[0].cells["name"]) == ("gb18030", "林小雪的会员姓名")


def test_many_members_come_in_one_go():
    chain = make_chain()
    lines = "".join(f"{13800000000 + each},会员{each},{each}\n" for each in range(1200))

    plan = take_in(chain, f"phone,name,points\n{lines}")

    assert counts(plan)["created"] == 1200
    sums = db.session.execute(select(func.count(Card.id), func.sum(Card.points))).one()
    assert tuple(sums) == (1200, sum(range(1200)))
    paired = db.session.scalar(
        select(func.count(Card.id)).join(Member, Member.id == Card.member_id).where(Card.wallet_id != Member.wallet_id)
    )
    assert paired == 0


def test_the_command_tries_before_it_does(app, tmp_path):
    chain = make_chain()
    make_store(chain, "S001")
    path = tmp_path / "members.csv"
    path.write_text(FILE + "1,,,,,,\n", encoding="utf-8")
    command = ["members", "import", str(path), "--chain", "snowpeak", "--json"]

    tried = json.loads(app.test_cli_runner().invoke(args=[*command, "--dry-run"]).stdout)
    before = db.session.scalar(select(func.count(Member.id)))
    done = json.loads(app.test_cli_runner().invoke(args=command).stdout)

    assert (tried["created"], before, done["created"]) == (2, 0, 2)
    assert [(line["line"], line["code"]) for line in done["refused"]] == [(4, "phone_invalid")]
    assert db.session.scalar(select(func.max(Member.joined_at))) > NOON - timedelta(days=999)


def test_a_phone_that_the_file_changes_is_not_verified_any_more():
    chain = make_chain()
    take_in(chain, "phone,email\n13800000000,lin@example.com\n13800000001,wang@example.com\n")
    with transaction():
        for member in db.session.scalars(select(Member)):
            member.phone_verified_at = NOON

    first, second = db.session.scalars(select(Card.number).order_by(Card.member_id))
    take_in(chain, f"card_number,phone,name\n{first},13900000000,\n{second},13800000001,王五\n")

    verified = select(Member.phone, Member.phone_verified_at).order_by(Member.id)
    assert [tuple(row) for row in db.session.execute(verified)] == [("+8613900000000", None), ("+8613800000001", NOON)]
