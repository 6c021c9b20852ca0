"""Every route, called by everybody, about his own things and about those of others: nothing leaks, no GET changes.

A new route is in it by itself. It fails until its view says ``@access(…)``, its arguments have samples in ARGUMENTS,
and somebody can open it. What strangers may see on purpose is listed with its reason.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import pytest
from flask import Flask, current_app, got_request_exception
from flask.testing import FlaskClient
from itsdangerous import URLSafeSerializer
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from app.auth import devices, sessions
from app.auth.guard import PUBLIC, WALLET
from app.models import metadata
from app.reports.pack import REPORTS
from core.clock import utc_now
from core.db import db, transaction
from core.tokens import hashed, new_secret
from push.audiences.unsubscribing import Links
from push.models import PushChannel
from push.wording.links import ShortLinks, Way
from stores import signing_in
from stores.models import Chain, Role, Store
from tests.factories import make_key, make_staff
from tests.pages import csrf
from tests.world import World, make_world

MINE, BRANCH, FOREIGN = "qzmine", "qzbranch", "qzforeign"  # unmistakable in any answer
ROLES = frozenset({PUBLIC, WALLET, *Role})
READS = {"GET"}
SAFE = {"HEAD", "OPTIONS"}
STORE_ROLES = {Role.STORE_MANAGER, Role.CLERK}
# Tables that reading may write, and why.
NOTED = {"audit_entries": "who took which file with personal data"}


def way_out_of(world: World) -> str:
    """What stands in the link that stops a member's messages."""
    links = Links("", current_app.config["SECRET_KEY"])
    return links.unsubscribe(world.id("members"), PushChannel.EMAIL).removeprefix("/u/")


def way_on_of(world: World) -> str:
    """What stands in a short link of a message."""
    way = Way(world.id("deliveries"), world.id("campaign_links"))
    return ShortLinks("", current_app.config["SECRET_KEY"]).token(way)


# A sample of every argument that a route has, by its name; where a name means two things, by the route's beginning.
ARGUMENTS: dict[str, Callable[[World], object]] = {
    "store_id": lambda world: world.id("stores"),
    "code_id": lambda world: world.id("store_codes"),
    "card_id": lambda world: world.id("cards"),
    "coupon_id": lambda world: world.id("coupons"),
    "offer_id": lambda world: world.id("offers"),
    "batch_id": lambda world: world.id("code_batches"),
    "checkout_id": lambda world: world.id("checkouts"),
    "campaign_id": lambda world: world.id("campaigns"),
    "message_template_id": lambda world: world.id("message_templates"),
    "segment_id": lambda world: world.id("segments"),
    "run_id": lambda world: world.id("campaign_runs"),
    "delivery_id": lambda world: world.id("deliveries"),
    "staff_id": lambda world: world.id("staff"),
    "endpoint_id": lambda world: world.id("webhook_endpoints"),
    "key_id": lambda world: world.id("api_keys"),
    "member_id": lambda world: world.id("members"),
    "referral_id": lambda world: world.id("referrals"),
    "reward_id": lambda world: world.id("rewards"),
    "rule_id": lambda world: world.id("reward_rules"),
    "channel_id": lambda world: world.id("share_channels"),
    "suppression_id": lambda world: world.id("suppressions"),
    "/dashboard/campaigns/vendor-templates/ template_id": lambda world: world.id("vendor_templates"),
    "number": lambda world: world["cards.number"],
    "/q/ token": lambda world: world["store_codes.token"],
    "/api/v1/store-codes/ token": lambda world: world["store_codes.token"],
    "/s/ token": lambda world: world["share_links.token"],
    "/api/v1/share-links/ token": lambda world: world["share_links.token"],
    "/wallet/cards/ token": lambda world: world["share_links.token"],
    "link_id": lambda world: world.id("share_links"),
    "/g/ token": lambda world: world["coupon_gifts.token"],
    "/api/v1/coupon-gifts/ token": lambda world: world["coupon_gifts.token"],
    "/o/ token": lambda world: world["offers.token"],
    "/u/ token": lambda world: way_out_of(world),
    "/l/ token": lambda world: way_on_of(world),
    "/api/v1/referrals/ card": lambda world: world["cards.number"],
    "/dashboard/sharing/tree to": lambda world: world.id("members"),
    "/dashboard/sharing/tree at": lambda world: world.id("members"),
    "/dashboard/sharing/tree of": lambda world: world.id("members"),
    "/dashboard/sharing/tree find": lambda world: world["cards.number"],
    "store": lambda world: world["stores.code"],
    "segment": lambda world: world.id("segments"),
    "program": lambda world: world.id("programs"),
    "slug": lambda world: world["chains.slug"],
    "name": lambda _: "members",
    "colour": lambda _: "c8402f",
    "kind": lambda _: "png",
    "language": lambda _: "zh",
}
NEUTRAL = {"name", "colour", "kind", "language", "filename"}  # arguments that name nobody's thing
# A chain's stores share these.
CHAIN_WIDE_ARGUMENTS = {"program", "offer_id", "campaign_id", "segment_id", "run_id", "rule_id", "channel_id"}
CHAIN_WIDE_ARGUMENTS |= {"endpoint_id", "message_template_id", "segment"}

# Questions after the "?": those that a route needs, and those that could ask for somebody else's things.
NEEDED = {"sharing_api.tree": {"card"}, "sharing_tree.way": {"to"}}
ASKABLE = {
    "propagation_api.metrics": {"store", "program"},
    "propagation_api.spreaders": {"store", "program"},
    "report_files.csv_file": {"store", "segment"},
    "report_files.control_file": {"store", "segment"},
    "members.index": {"segment"},
    "sharing_tree.show": {"to"},
    "sharing_tree.branch": {"at"},
    "sharing_tree.values": {"of"},
    "sharing_tree.find": {"find"},
}
# Routes that are many: each of these is walked.
EACH = {"report_files.csv_file": ("name", REPORTS), "report_files.control_file": ("name", REPORTS)}
# GETs that nobody with a browser opens, and why.
FOR_MACHINES = {"wechat.prove": "WeChat signs its calls: tests/app/test_wechat_events.py is WeChat"}
# What people see of other stores of the chain, and why.
SEES_OTHER_STORES = {"wallet.stores": "a customer may go to any store of the chain"}
# Routes whose arguments are meant for strangers, and why.
FOR_STRANGERS = {
    "wallets_api.take_card": "a store code is for whoever scans it",
    "sharing_api.take_shared_card": "a share link is for a friend",
    "offers_api.claim_coupon": "an offer is for whoever takes the chain's card",
    "gifts_api.accept_gift": "a gift is for whoever opens its link first",
}
# What a POST needs so that its answer is about the thing and not about the form.
BODIES: dict[str, dict[str, Any]] = {
    "sharing_api.share_card": {"channel": "friend"},
    "sharing_api.share_for_member": {"channel": "friend", "card": "6200000000000000"},
    "rewards_api.approve": {"reason": "qz"},
    "rewards_api.reject": {"reason": "qz"},
    "rewards_api.claw_back": {"reason": "qz"},
    "rewards_api.change_rule": {"budget_cents": 5000},
    "phones_api.ask_phone_code": {"phone": "+8613800000000"},
    "phones_api.verify_phone": {"code": "123456"},
}
ENDS_THE_CALL = {"auth.logout"}
NOBODYS: dict[type, object] = {int: 987_654_321, str: "zzzzzzzzzzzzz"}


@dataclass
class Caller:
    """Somebody with a client of his own."""

    name: str
    kind: str  # anonymous, wallet, staff, key
    role: str
    client: FlaskClient
    headers: dict[str, str]

    def may_call(self, rule: Rule, roles: frozenset[str]) -> bool:
        if PUBLIC in roles:
            return True
        return self.role in roles and self.kind in speakers_of(rule)

    @property
    def stands_in_a_store(self) -> bool:
        return self.role in STORE_ROLES


def speakers_of(rule: Rule) -> set[str]:
    """Who can prove himself at this address: bearers at the API, cookies at pages, both at the CSV pack."""
    if rule.rule.startswith("/api/"):
        return {"key", "wallet"}
    if rule.rule.startswith("/reports/"):
        return {"key", "staff"}
    return {"staff", "wallet"}


@dataclass
class Stage:
    """Three worlds and everybody who calls: my chain, another store of it, another chain."""

    app: Flask
    mine: World
    branch: World
    foreign: World
    callers: list[Caller]
    broken: list[str]  # exceptions of views, as they came

    def rules(self) -> list[tuple[Rule, str]]:
        """Every route with every method that it takes, GETs first."""
        pairs = [
            (rule, method)
            for rule in self.app.url_map.iter_rules()
            if rule.endpoint != "static"
            for method in sorted((rule.methods or set()) - SAFE)
        ]
        return sorted(pairs, key=lambda pair: (pair[1] not in READS, pair[0].rule))

    def roles(self, rule: Rule) -> frozenset[str]:
        return getattr(self.app.view_functions[rule.endpoint], "allowed_roles", frozenset())

    def send(self, caller: Caller, rule: Rule, method: str, values: dict[str, object]) -> TestResponse:
        url = rule.build(values)
        assert url, rule
        self.app.extensions["limiter"].storage.reset()
        headers = dict(caller.headers)
        options: dict[str, Any] = {}
        if method not in READS:
            headers["X-CSRFToken"] = csrf(caller.client)
            body = BODIES.get(rule.endpoint, {})
            options = {"json": body} if rule.rule.startswith("/api/") else {"data": body}
        answer = caller.client.open(url[1], method=method, headers=headers, **options)
        answer.get_data()  # streams to its end
        answer.close()
        if answer.status_code >= 500:
            answer.status = f"{answer.status_code} {self.broken[-1:]}"
        db.session.rollback()
        return answer


@pytest.fixture
def stage(app, monkeypatch) -> Iterator[Stage]:
    monkeypatch.setitem(app.config, "PROPAGATE_EXCEPTIONS", False)  # as it is served
    broken: list[str] = []

    def note(_app: Flask, exception: BaseException) -> None:
        broken.append(repr(exception))

    with got_request_exception.connected_to(note, app):
        yield _stage(app, broken)


def _stage(app: Flask, broken: list[str]) -> Stage:
    mine = make_world(MINE)
    branch = make_world(BRANCH, beside=mine)
    foreign = make_world(FOREIGN)
    chain = db.session.get_one(Chain, mine.id("chains"))
    store = db.session.get_one(Store, mine.id("stores"))
    callers = [Caller("anonymous", "anonymous", "", app.test_client(), {}), _wallet(app, mine)]
    for role in Role:
        callers += [_staff(app, chain, store, role), _key(app, chain, store, role)]
    return Stage(app, mine, branch, foreign, callers, broken)


def _wallet(app: Flask, world: World) -> Caller:
    secret = f"{world.marker}-wallet"
    client = app.test_client()
    cookie = URLSafeSerializer(app.config["SECRET_KEY"], salt="wallet-device").dumps(secret)
    client.set_cookie(devices.COOKIE, str(cookie))
    return Caller("wallet", "wallet", WALLET, client, {"Authorization": f"Bearer {secret}"})


def _staff(app: Flask, chain: Chain, store: Store, role: Role) -> Caller:
    stores = (store,) if role in STORE_ROLES else ()
    person, token = make_staff(chain, role, stores), new_secret()
    with transaction():
        signing_in.begin_session(person.id, token_hash=hashed(token), now=utc_now(), lasts=sessions.LASTS)
    client = app.test_client()
    client.set_cookie(sessions.COOKIE, token)
    return Caller(f"staff {role}", "staff", role, client, {})


def _key(app: Flask, chain: Chain, store: Store, role: Role) -> Caller:
    secret = make_key(chain, role, store if role in STORE_ROLES else None)
    return Caller(f"key {role}", "key", role, app.test_client(), {"Authorization": f"Bearer {secret}"})


def sample(rule: Rule, argument: str, world: World) -> object:
    for name, make in ARGUMENTS.items():
        start, _, bare = name.rpartition(" ")
        if bare == argument and rule.rule.startswith(start):
            return make(world)
    pytest.fail(f"{rule}: add a sample of <{argument}> to ARGUMENTS")


def values_of(rule: Rule, world: World) -> dict[str, object]:
    """The arguments of a route, of this world."""
    return {name: sample(rule, name, world) for name in {*rule.arguments, *NEEDED.get(rule.endpoint, ())}}


def variants(rule: Rule) -> list[dict[str, object]]:
    """The routes that one rule stands for."""
    name, values = EACH.get(rule.endpoint, ("", [None]))
    return [{name: value} if name else {} for value in values]


def of_others(rule: Rule, mine: World, other: World, *, keep: set[str]) -> Iterator[dict[str, object]]:
    """The arguments of a route with all of them foreign, and with each of them foreign among my own."""
    own = values_of(rule, mine)
    asked = {*own, *ASKABLE.get(rule.endpoint, ())}
    theirs = {name: sample(rule, name, other) for name in asked if name not in NEUTRAL and name not in keep}
    if theirs:
        yield theirs
    if len(theirs) > 1:
        yield from ({name: value} for name, value in sorted(theirs.items()))


@cache
def everything() -> dict[str, str]:
    """The statement that reads every row of a table, for each table."""
    return {
        table.name: f"SELECT * FROM {table.name} ORDER BY {', '.join(column.name for column in table.primary_key)}"
        for table in metadata.sorted_tables
        if table.name not in NOTED
    }


def fingerprint() -> dict[str, str]:
    """What every table of the business holds, row by row."""
    prints = {}
    with db.engine.connect() as connection:
        for name, statement in everything().items():
            rows = connection.exec_driver_sql(statement).all()
            prints[name] = hashlib.sha256(repr(rows).encode()).hexdigest()
    return prints


class Books:
    """What the tables hold, compared with what they held when last asked; read anew only after somebody wrote."""

    # A connection of SQLite is told of what others commit; PostgreSQL numbers the transactions that write.
    COUNTING: ClassVar = {
        "sqlite": "PRAGMA data_version",
        "postgresql": "SELECT pg_snapshot_xmax(pg_current_snapshot())::text",
    }

    def __init__(self) -> None:
        self._counting = self.COUNTING[db.engine.dialect.name]
        self._connection = db.engine.raw_connection()
        self._writes = self._count_writes()
        self._prints = fingerprint()

    def changed(self) -> set[str]:
        """The tables that are not as they were."""
        writes, before = self._count_writes(), self._prints
        if writes != self._writes:
            self._writes, self._prints = writes, fingerprint()
        return {table for table, held in self._prints.items() if held != before[table]}

    def _count_writes(self) -> str:
        cursor = self._connection.cursor()
        cursor.execute(self._counting)
        (count,) = cursor.fetchone() or ("",)
        self._connection.rollback()
        return str(count)

    def close(self) -> None:
        self._connection.close()


def says(answer: TestResponse, marker: str) -> bool:
    """Whether an answer shows a word of somebody's world, in its body or its headers."""
    shown = answer.get_data() + "".join(f"{name}{value}" for name, value in answer.headers).encode()
    return marker.encode() in shown.lower()


def is_refused(answer: TestResponse) -> bool:
    to_log_in = answer.status_code == 302 and (answer.location or "").startswith(("/login", "/wallet"))
    return answer.status_code in (401, 403) or to_log_in


def test_every_endpoint_says_who_may_call_it(app):
    said = {
        rule.endpoint: getattr(app.view_functions[rule.endpoint], "allowed_roles", frozenset())
        for rule in app.url_map.iter_rules()
        if rule.endpoint != "static"
    }
    silent = {endpoint for endpoint, roles in said.items() if not roles or not roles <= ROLES}

    assert silent == set()


def test_every_blueprint_with_guarded_views_has_a_guard(app):
    """``@access`` is only a word: something has to read it before the view."""
    unguarded = {
        rule.endpoint
        for rule in app.url_map.iter_rules()
        if rule.endpoint != "static"
        and PUBLIC not in getattr(app.view_functions[rule.endpoint], "allowed_roles", frozenset())
        and not app.before_request_funcs.get(rule.endpoint.rpartition(".")[0])
    }

    assert unguarded == set()


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_nothing_leaks_and_no_get_changes_anything(stage):
    faults: list[str] = []
    books = Books()
    for rule, method in stage.rules():
        opened = _try_everybody(stage, rule, method, faults)
        if method in READS and not opened and rule.endpoint not in FOR_MACHINES:
            faults.append(f"{method} {rule}: nobody could open it")
        what = "changed" if method in READS else "a refused call changed"
        told = set() if method in READS else {"refused_attempts"}  # what a till is refused is written down
        faults += [f"{method} {rule}: {what} {table}" for table in sorted(books.changed() - told)]
    books.close()
    for rule, method in stage.rules():
        if method not in READS:
            _try_mine(stage, rule, method, faults)

    assert not faults, "\n".join(["", *faults])


def _try_everybody(stage: Stage, rule: Rule, method: str, faults: list[str]) -> bool:
    """Everything that must be refused; and for a GET what must be shown. True when somebody opened all of it."""
    roles = stage.roles(rule)
    opened = set()
    for caller in stage.callers:
        for number, variant in enumerate(variants(rule)):
            where = f"{caller.name}: {method} {rule} {' '.join(map(str, variant.values()))}".rstrip()
            own = values_of(rule, stage.mine) | variant
            if not caller.may_call(rule, roles):
                answer = stage.send(caller, rule, method, own)
                shows = caller.kind == "anonymous" and says(answer, MINE)
                if not is_refused(answer) or shows:
                    faults.append(f"{where}: not refused but {answer.status}{' with content' if shows else ''}")
                continue
            if method in READS:
                answer = stage.send(caller, rule, method, own)
                if answer.status_code < 400:
                    opened.add(number)
                _must_not_show(stage, caller, rule, where, answer, faults)
            if not roles & {PUBLIC} and rule.endpoint not in FOR_STRANGERS:
                _try_foreign(stage, caller, rule, method, own, where, faults)
    return len(opened) == len(variants(rule))


def _must_not_show(
    stage: Stage, caller: Caller, rule: Rule, where: str, answer: TestResponse, faults: list[str]
) -> None:
    if answer.status_code >= 500:
        faults.append(f"{where}: {answer.status}")
    if says(answer, FOREIGN):
        faults.append(f"{where}: shows another chain")
    if PUBLIC in stage.roles(rule) or rule.endpoint in SEES_OTHER_STORES:
        return
    if (caller.stands_in_a_store or caller.kind == "wallet") and says(answer, BRANCH):
        faults.append(f"{where}: shows another store or its members")


def _try_foreign(
    stage: Stage, caller: Caller, rule: Rule, method: str, own: dict[str, object], where: str, faults: list[str]
) -> None:
    """What is another's is answered like what is not there."""
    others = [(stage.foreign, set())]
    if (caller.stands_in_a_store or caller.kind == "wallet") and rule.endpoint not in SEES_OTHER_STORES:
        others.append((stage.branch, CHAIN_WIDE_ARGUMENTS))
    for world, keep in others:
        for theirs in of_others(rule, stage.mine, world, keep=keep):
            answer = stage.send(caller, rule, method, own | theirs)
            nobodys = {name: NOBODYS[type(value)] for name, value in theirs.items()}
            if says(answer, world.marker):
                faults.append(f"{where} {theirs}: shows {world.marker}")
            elif answer.status_code != 404:
                unknown = stage.send(caller, rule, method, own | nobodys)
                if (answer.status, answer.location) != (unknown.status, unknown.location):
                    faults.append(f"{where} {theirs} of {world.marker}: {answer.status}, unknown {unknown.status}")


def _try_mine(stage: Stage, rule: Rule, method: str, faults: list[str]) -> None:
    """What is allowed may be refused for many reasons, but it never breaks."""
    for caller in stage.callers:
        if caller.may_call(rule, stage.roles(rule)) and rule.endpoint not in ENDS_THE_CALL:
            answer = stage.send(caller, rule, method, values_of(rule, stage.mine))
            if answer.status_code >= 500:
                faults.append(f"{caller.name}: {method} {rule}: {answer.status}")
