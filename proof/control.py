"""The control: the same storm over a claim that reads first and writes then. It must over-issue, or proves nothing."""

from proof.scene import Stage, coupons_of, told
from proof.storm import CLIENTS, post, shared

ROUNDS = 5


def naive(stage: Stage) -> None:
    most, note = 0, ""
    for _ in range(ROUNDS):
        people = stage.shop.people(CLIENTS)
        offer = stage.shop.offer(stock=1)
        answers = stage.storm(shared([post(f"/naive/offers/{offer.id}/coupons", person.token) for person in people]))
        issued = coupons_of(offer.id)
        if issued > most:
            most, note = issued, told(answers)
    stage.table.line(
        f"control: stock 1, {CLIENTS} claim by reading, then writing",
        "more than 1",
        f"{most} issued",
        is_ok=most > 1,
        note=note,
    )
