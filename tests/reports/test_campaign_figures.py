"""What a campaign did, told by the page, the API, the files and their control totals: the same figures everywhere."""

import csv
import io
import re
from html import unescape

import pytest
import time_machine

from app.reports.control import control_totals
from app.reports.question import Reader, ask
from app.reports.streaming import export
from core.db import db, transaction
from push.effects.funnel import funnel
from push.models import Delivery, Run
from stores.models import Role
from tests.factories import NOON, make_chain, make_key, make_staff
from tests.pages import sign_in
from tests.push import effects

TAG = re.compile(r"<[^>]+>")
NUMBERS = re.compile(r"[^\d.]")


@pytest.fixture
def told(app):
    """A random story, seen from its end."""
    with time_machine.travel(NOON, tick=False):
        yield effects.tell(5)


def question(told, name):
    return ask(name, Reader(told.life.chain.id), now=NOON)


def rows_of(told, name):
    """The rows of a file that belong to the campaign."""
    with export(question(told, name)) as answer:
        text = b"".join(answer.lines()).decode("utf-8-sig")
    rows = csv.DictReader(io.StringIO(text, newline=""))
    return [row for row in rows if row["campaign_id"] == str(told.campaign.id)]


def total(rows, *columns):
    return sum(int(row[column] or 0) for row in rows for column in columns)


def page_of(client, told, **asked):
    sign_in(client, make_staff(told.life.chain, Role.HQ_ANALYST))
    query = {"lang": "en"} | asked
    return client.get(f"/dashboard/campaigns/{told.campaign.id}/effect", query_string=query).text


def cells(page, table):
    """The rows of a table of a page, as they are read."""
    body = re.search(rf'<table[^>]*id="{table}".*?<tbody>(.*?)</tbody>', page, re.DOTALL)[1]
    return [
        [" ".join(unescape(TAG.sub(" ", cell)).split()) for cell in re.findall(r"<td.*?</td>", row, re.DOTALL)]
        for row in re.findall(r"<tr.*?</tr>", body, re.DOTALL)
    ]


def ask_api(client, told, **asked):
    headers = {"Authorization": f"Bearer {make_key(told.life.chain, Role.HQ_ANALYST)}"}
    answer = client.get(f"/api/v1/campaigns/{told.campaign.id}/effect", query_string=asked, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json


def test_the_funnel_is_the_same_everywhere(client, told):
    whole = funnel(told.life.chain.id, told.campaign.id).whole
    expected = list(whole)
    campaigns, deliveries = rows_of(told, "campaigns"), rows_of(told, "deliveries")
    clicks = rows_of(told, "clicks")

    in_all = cells(page_of(client, told), "parts")[-1]
    of_api = ask_api(client, told)["whole"]

    assert min(expected[:6]) > 0
    assert [round(float(NUMBERS.sub("", cell))) for cell in in_all[1:-1]] == expected[:-1]
    assert round(float(NUMBERS.sub("", in_all[-1])) * 100) == whole.spend_cents
    assert of_api == whole._asdict()
    assert [
        total(campaigns, "deliveries"),
        total(campaigns, "sent", "delivered"),
        total(campaigns, "delivered"),
        total(campaigns, "opened"),
        total(campaigns, "clicked"),
        total(campaigns, "coupons"),
        total(campaigns, "redemptions"),
        total(campaigns, "spend_cents"),
    ] == expected
    assert [
        len(deliveries),
        total(deliveries, "arrived"),
        sum(row["state"] == "delivered" for row in deliveries),
        total(deliveries, "opened"),
        total(deliveries, "clicked"),
        len({row["coupon_id"] for row in deliveries if row["coupon_id"]}),
    ] == expected[:6]
    assert len({row["delivery_id"] for row in clicks}) == whole.clicked
    assert total(clicks, "clicks") == total(deliveries, "clicks") == total(campaigns, "clicks")


def test_the_funnel_of_one_run_is_that_of_its_rows(client, told):
    run = told.runs[0].id
    rows = [row for row in rows_of(told, "campaigns") if row["run_id"] == str(run)]

    found = ask_api(client, told, run=run)

    assert found["run_id"] == run
    assert found["whole"]["audience"] == total(rows, "deliveries")
    assert found["whole"]["spend_cents"] == total(rows, "spend_cents")
    assert sum(row["audience"] for row in found["rows"]) == found["whole"]["audience"]


@pytest.fixture
def continued(told):
    """The same, had its second run been the rest of the first with other words: some have one coupon in both."""
    first, second = (db.session.get_one(Run, run.id) for run in told.runs)
    with transaction():
        second.continues_run_id = first.id
        come = {
            each.member_id: each.coupon_id for each in told.deliveries if each.run_id == first.id and each.coupon_id
        }
        for each in told.deliveries:
            if each.run_id == second.id and each.coupon_id and each.member_id in come:
                db.session.get_one(Delivery, each.id).coupon_id = come[each.member_id]
    return told


def test_what_came_of_a_coupon_counts_once_though_the_run_went_on_with_other_words(client, continued):
    coupons = {each.coupon_id for each in continued.deliveries if each.coupon_id}
    used = [
        each
        for each in continued.redemptions
        if each.coupon_id in coupons and each.undone_at is None and each.redeemed_at is not None
    ]
    bought = {each.checkout_id: continued.checkouts[each.checkout_id] for each in used}
    spent = sum(each.payable_cents - each.refunded_cents for each in bought.values() if each.state == "settled")

    rows = rows_of(continued, "campaigns")
    whole = ask_api(client, continued)["whole"]

    assert (whole["coupons"], whole["redeemed"], whole["spend_cents"]) == (len(coupons), len(used), spent)
    assert (total(rows, "coupons"), total(rows, "redemptions")) == (len(coupons), len(used))
    assert sum(each.discount_cents for each in used) == total(rows, "discount_cents")
    for run in continued.runs:
        (row,) = (each for each in rows if each["run_id"] == str(run.id))
        found = ask_api(client, continued, run=run.id)["whole"]
        figures = [found[name] for name in ("coupons", "redeemed", "spend_cents")]
        assert figures == [int(row[name]) for name in ("coupons", "redemptions", "spend_cents")]


@pytest.mark.parametrize("name", ["campaigns", "deliveries", "clicks"])
def test_the_control_totals_are_those_of_every_row(told, name):
    with export(question(told, name)) as answer:
        text = b"".join(answer.lines()).decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))

    control = control_totals(question(told, name))

    assert control["rows"] == len(rows) > 0
    assert control["totals"] == {column: total(rows, column) for column in control["totals"]}


def test_what_it_caused_is_the_same_on_the_page_and_in_the_api(client, told):
    compared = {each["days"]: each for each in ask_api(client, told)["compared"]}

    for days in (1, 7, 30):
        found = compared[days]
        rows = {row[0]: row for row in cells(page_of(client, told, days=str(days)), "buyers-table")}
        for name, group in (("Those told", found["told"]), ("Held out", found["held_out"])):
            assert [int(NUMBERS.sub("", cell)) for cell in rows[name][1:3]] == [group["members"], group["buyers"]]
        assert found["bought"]["difference"] == pytest.approx(found["bought"]["told"] - found["bought"]["held_out"])
        assert found["bought"]["low"] is None  # sixty members are too few
        members = sum(group["members"] for group in found["by_variant"].values())
        assert members == found["told"]["members"]


def test_a_run_of_another_campaign_is_unknown(client, told):
    headers = {"Authorization": f"Bearer {make_key(told.life.chain, Role.HQ_ANALYST)}"}
    path = f"/api/v1/campaigns/{told.campaign.id + 1}/effect"

    answer = client.get(path, query_string={"run": told.runs[0].id}, headers=headers)

    assert (answer.status_code, answer.json["code"]) == (404, "run_unknown")


def test_another_chain_sees_nothing_of_it(client, told):
    key = make_key(make_chain("elsewhere"), Role.HQ_ADMIN)

    answer = client.get(f"/api/v1/campaigns/{told.campaign.id}/effect", headers={"Authorization": f"Bearer {key}"})

    assert (answer.status_code, answer.json["code"]) == (404, "campaign_not_found")
