"""What every scene has: the shop, the server, the table, and how answers are told."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from proof.serving import Server
from proof.shop import Person, Shop, count
from proof.storm import Answer, Request, post, storm
from proof.table import Table


@dataclass
class Stage:
    """One database, served in one way."""

    shop: Shop
    server: Server
    table: Table
    members: int = 0  # of a push, and how often those who send it are killed
    kills: int = 0

    def storm(self, plans: Sequence[Sequence[Request]]) -> list[Answer]:
        """The answers of a storm. One that is no answer, or a failure within, is a line that does not hold."""
        answers = storm(self.server.port, plans)
        failed = [answer for answer in answers if not 200 <= answer.status < 500]
        if failed:
            self.table.line("every request gets its answer", "no failure", told(failed), note=self.server.last_error())
        return answers

    def ask(self, request: Request) -> Any:
        """One request by itself; its answer must be good."""
        (answer,) = self.storm([[request]])
        if answer.status not in (200, 201):
            raise RuntimeError(f"{request.path}: {answer.status} {answer.body}")
        return answer.body

    def ticket(self, person: Person) -> str:
        """What stands for the person's card at the till for a quarter of an hour."""
        code = self.shop.code_of(person)
        return str(
            self.ask(post("/checkouts/quote", self.shop.till, {"card_code": code, "amount_cents": 100}))["card_ticket"]
        )

    def sale(self, ticket: str, *, key: str | None = None, path: str = "/checkouts", **more: Any) -> Request:
        body = {"card_code": ticket, "amount_cents": 6000} | more
        return post(path, self.shop.till, body, key=key)


def told(answers: Sequence[Answer]) -> str:
    """1 yes, 63 offer_sold_out"""
    codes = Counter(answer.code for answer in answers)
    return ", ".join(f"{codes[code]} {code}" for code in sorted(codes, key=lambda code: (code != "yes", code)))


def in_use(coupon_id: int) -> int:
    """How many redemptions of a coupon are in force."""
    return count("SELECT count(*) FROM redemptions WHERE coupon_id = :id AND undone_at IS NULL", id=coupon_id)


def points_of(person: Person) -> int:
    return count("SELECT points FROM cards WHERE id = :id", id=person.card_id)


def coupons_of(offer_id: int) -> int:
    return count("SELECT count(*) FROM coupons WHERE offer_id = :id", id=offer_id)
