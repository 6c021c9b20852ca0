"""Reports of mail servers, made by one that speaks the protocol: what is dead is not written to again."""

import re
from collections import Counter
from datetime import timedelta

import pytest

from core.audit import SYSTEM
from core.db import db, transaction
from push.audiences.consents import current_consents
from push.channels import PermanentError
from push.channels.bouncing import read_report, take_report
from push.channels.email import EmailChannel
from push.channels.models import Suppression
from push.channels.receipts import ReceiptStatus
from push.channels.suppressing import lift, list_suppressions, suppress
from push.delivering.looping import run_here
from push.runs import finish_batch
from tests.factories import NOON, make_chain, make_store, make_store_code
from tests.push.bounce_servers import reporting_server
from tests.push.pushing import deliveries, make_campaign, make_member, outcomes, send, start
from tests.push.servers import mail_server
from tests.push.test_email import MESSAGE

COMPLAINT = """From: <abuse@mailbox.example>
To: cards@snowpeak.example
Subject: FW: complaint
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="b1"

--b1
Content-Type: text/plain

This is an abuse report.
--b1
Content-Type: message/feedback-report

Feedback-Type: {kind}
User-Agent: SomeGenerator/1.0
Version: 1
Original-Rcpt-To: <lin@example.com>

--b1
Content-Type: message/rfc822

{quoted}
--b1--
"""


@pytest.fixture
def server():
    with reporting_server() as (handler, url):
        channel = EmailChannel(url, "cards@snowpeak.example")
        yield handler, channel
        run_here(channel.close())


@pytest.fixture
def chain(app):
    return make_chain()


@pytest.fixture
def lin(chain):
    return make_member(make_store_code(make_store(chain)), email="lin@example.com")


def tell(*reports, now=NOON):
    known = 0
    for report in reports:
        with transaction():
            known += take_report(report, now=now)
    return known


@pytest.mark.parametrize("offers_dsn", [True, False])
@pytest.mark.parametrize("quotes", ["text/rfc822-headers", "message/rfc822"])
def test_a_dead_mailbox_fails_the_delivery_and_is_not_written_to_again(chain, lin, server, offers_dsn, quotes):
    handler, channel = server
    handler.offers_dsn, handler.quotes = offers_dsn, quotes
    handler.dead["lin@example.com"] = ("failed", "5.1.1")
    start(make_campaign(chain, "email"))
    send("email", channel)
    assert outcomes() == Counter({("email", "sent", None): 1})

    assert tell(*handler.reports) == 1

    assert [(row.state, row.error) for row in deliveries()] == [("failed", "bounced 5.1.1")]
    (kept,) = list_suppressions(chain.id)
    assert (kept.row.address, kept.row.reason, kept.row.member_id) == ("lin@example.com", "bounced", lin.member_id)
    again = make_campaign(chain, "email")
    start(again, now=NOON + timedelta(days=2))
    send("email", channel, now=NOON + timedelta(days=2))
    assert outcomes(again) == Counter({("email", "skipped", "no_address"): 1})


def test_a_server_that_reports_is_told_our_key_and_the_address(server):
    handler, channel = server

    run_here(channel.send(MESSAGE.__class__(**(MESSAGE.__dict__ | {"to": "lin+kq@example.com"}))))

    assert handler.options == [(["ENVID=kq-1-7", "RET=HDRS"], ["NOTIFY=FAILURE", "ORCPT=rfc822;lin+2Bkq@example.com"])]


def test_a_mail_that_was_sent_on_is_known_by_where_we_sent_it(chain, lin, server):
    handler, channel = server
    handler.dead["lin@example.com"] = ("failed", "5.1.1")
    handler.aliases["lin@example.com"] = "lin@elsewhere.example"
    start(make_campaign(chain, "email"))
    send("email", channel)

    assert tell(*handler.reports) == 1
    assert list_suppressions(chain.id)[0].row.address == "lin@example.com"


@pytest.mark.parametrize("status", ["5.2.2", "5.7.1", "4.4.7"])
def test_a_failure_that_is_not_the_addresses_fault_leaves_it_open(chain, lin, server, status):
    handler, channel = server
    handler.dead["lin@example.com"] = ("failed", status)
    start(make_campaign(chain, "email"))
    send("email", channel)

    assert tell(*handler.reports) == 1

    assert [(row.state, row.error) for row in deliveries()] == [("failed", f"bounced {status}")]
    assert list_suppressions(chain.id) == []


def test_a_delay_is_no_news(chain, lin, server):
    handler, channel = server
    handler.dead["lin@example.com"] = ("delayed", "4.2.2")
    start(make_campaign(chain, "email"))
    send("email", channel)

    assert tell(*handler.reports) == 0
    assert [row.state for row in deliveries()] == ["sent"]


def test_a_report_told_twice_or_after_the_address_was_opened_again_is_no_news(chain, lin, server):
    handler, channel = server
    handler.dead["lin@example.com"] = ("failed", "5.1.1")
    start(make_campaign(chain, "email"))
    send("email", channel)
    tell(*handler.reports, *handler.reports)
    (kept,) = list_suppressions(chain.id)
    with transaction():
        lift(chain.id, kept.row.id, by=SYSTEM, now=NOON + timedelta(hours=1))

    tell(*handler.reports, now=NOON + timedelta(hours=2))

    assert list_suppressions(chain.id) == []
    assert len(db.session.scalars(db.select(Suppression)).all()) == 1


def test_a_report_by_somebody_who_does_not_know_the_address_changes_nothing(chain, lin, server):
    handler, channel = server
    handler.dead["lin@example.com"] = ("failed", "5.1.1")
    start(make_campaign(chain, "email"))
    send("email", channel)
    forged = handler.reports[0].replace(b"lin@example.com", b"mallory@example.com")

    assert tell(forged) == 0
    assert [row.state for row in deliveries()] == ["sent"]


@pytest.mark.parametrize("offers_dsn", [True, False])
@pytest.mark.parametrize("quotes", ["text/rfc822-headers", "message/rfc822"])
def test_a_report_on_a_mail_whose_key_was_guessed_changes_nothing(chain, lin, offers_dsn, quotes):
    make_member(make_store_code(make_store(chain)), email="eve@example.com")
    with reporting_server() as (handler, url):
        handler.offers_dsn, handler.quotes = offers_dsn, quotes
        handler.dead["eve@example.com"] = ("failed", "5.1.1")
        channel = EmailChannel(url, "cards@snowpeak.example", "our secret")
        start(make_campaign(chain, "email"))
        send("email", channel)
        run_here(channel.close())
    of_lin, of_eve = (str(mail["X-Message-Key"]) for mail in sorted(handler.mails, key=lambda mail: mail["To"] < "f"))
    (hers,) = handler.reports
    forged = hers.replace(of_eve.encode(), of_lin.encode()).replace(b"eve@example.com", b"lin@example.com")

    with transaction():
        assert take_report(forged, now=NOON, secret_key="our secret") == 0
        assert (
            take_report(
                re.sub(rb"(kq-[0-9a-f]+-[0-9]+)-[0-9a-f]{16}", rb"\1", forged), now=NOON, secret_key="our secret"
            )
            == 0
        )
    assert Counter(row.state for row in deliveries()) == Counter({"sent": 2})

    with transaction():
        assert take_report(hers, now=NOON, secret_key="our secret") == 1
    assert [kept.row.address for kept in list_suppressions(chain.id)] == ["eve@example.com"]


def test_the_next_channel_takes_over_after_a_bounce_even_when_the_run_was_over(app, chain, server):
    handler, channel = server
    code = make_store_code(make_store(chain))
    make_member(code, email="lin@example.com", phone="+8613800000001")
    handler.dead["lin@example.com"] = ("failed", "5.1.1")

    campaign = make_campaign(chain, "email", "gateway", channel_mode="first")
    run = start(campaign)
    send("email", channel)
    finish_batch(now=NOON)

    tell(*handler.reports)

    assert outcomes() == Counter({("email", "failed", None): 1, ("gateway", "pending", None): 1})
    db.session.refresh(run)
    assert (run.state, run.audience_count) == ("running", 2)


def test_a_complaint_closes_the_address_and_withdraws_the_yes(chain, lin, server):
    handler, channel = server
    start(make_campaign(chain, "email"))
    send("email", channel)
    quoted = "".join(f"{name}: {value}\n" for name, value in handler.mails[0].items())

    assert tell(COMPLAINT.format(kind="abuse", quoted=quoted + "\nbody").encode()) == 1
    assert tell(COMPLAINT.format(kind="not-spam", quoted=quoted + "\nbody").encode()) == 0

    assert [row.state for row in deliveries()] == ["sent"]
    assert list_suppressions(chain.id)[0].row.reason == "complained"
    assert current_consents(lin.member_id)["email"] is False


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xff\xfe\x00\x01",
        b"Subject: out of office\n\nI am away.",
        b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b--",
        b"Content-Type: multipart/report; report-type=feedback-report; boundary=b\n\n--b\n"
        b"Content-Type: message/feedback-report\n\n--b--",
        b"Content-Type: multipart/report; report-type*0*=bad''%ff; boundary=b\n\n--b--",
        b"X" * (10 * 1024 * 1024 + 1),
        b"Content-Type: message/rfc822\n\n" * 2000,  # a mail in a mail in a mail
    ],
)  # fmt: skip
def test_a_mail_that_is_no_report_says_nothing(raw):
    assert read_report(raw) == []


def test_every_recipient_of_a_report_is_read_and_only_failures():
    whole = b"""Content-Type: multipart/report; report-type=delivery-status; boundary=b

--b
Content-Type: message/delivery-status

Original-Envelope-Id: kq-6a0d2f40-17

Final-Recipient: rfc822; a@example.com
Action: failed
Status: 5.1.10

Final-Recipient: rfc822; b@example.com
Action: relayed
Status: 2.0.0

--b--
"""

    (receipt,) = read_report(whole)

    assert (receipt.status, receipt.message_key, receipt.address) == (
        ReceiptStatus.BOUNCED,
        "kq-6a0d2f40-17",
        "a@example.com",
    )


def test_a_refusal_on_the_spot_closes_the_address_only_when_nobody_has_it(chain, lin):
    make_member(make_store_code(make_store(chain, "SH002")), email="wang@example.com")
    with mail_server() as (handler, url):
        handler.answers["lin@example.com"] = "550 5.1.1 no such mailbox"
        handler.answers["wang@example.com"] = "550 5.7.1 not wanted here"
        channel = EmailChannel(url, "cards@snowpeak.example")
        start(make_campaign(chain, "email"))
        send("email", channel)
        with pytest.raises(PermanentError) as refusal:
            run_here(channel.send(MESSAGE))
        run_here(channel.close())

    assert refusal.value.address_is_dead
    assert [kept.row.address for kept in list_suppressions(chain.id)] == ["lin@example.com"]
    assert outcomes() == Counter({("email", "failed", None): 2})


def test_an_address_is_closed_once_and_opened_with_a_note(chain, lin):
    with transaction():
        assert suppress(chain.id, lin.member_id, "email", "lin@example.com", now=NOON)
        assert not suppress(chain.id, lin.member_id, "email", "lin@example.com", now=NOON)
    (kept,) = list_suppressions(chain.id, search="LIN@")
    assert list_suppressions(chain.id, search="nobody") == list_suppressions(chain.id, channel="gateway") == []
    assert list_suppressions(make_chain(slug="other").id) == []
    with transaction():
        first = lift(chain.id, kept.row.id, by=SYSTEM, now=NOON).lifted_at
        assert lift(chain.id, kept.row.id, by=SYSTEM, now=NOON + timedelta(days=1)).lifted_at == first
