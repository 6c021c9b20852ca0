"""Every refusal has a code of its own and a sentence in both languages."""

import importlib
import pkgutil
import re
from string import Formatter

import pytest

import app as web
import cards
import checkout
import core
import coupons
import push
import sharing
import stores
from core.errors import DomainError
from core.text import Text

HAN = re.compile(r"[\u4e00-\u9fff]")


def refusals() -> list[type[DomainError]]:
    """Every kind of refusal in the code, found by importing all of it."""
    for package in (core, stores, cards, coupons, checkout, sharing, push, web):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    found: list[type[DomainError]] = [DomainError]
    for kind in found:
        found += kind.__subclasses__()
    ours = tuple(f"{name}." for name in ("core", "stores", "cards", "coupons", "checkout", "sharing", "push", "app"))
    return sorted(
        {kind for kind in found if kind.__module__.startswith(ours)},
        key=lambda kind: (kind.__module__, kind.__qualname__),
    )


REFUSALS = refusals()


def named(kind: type[DomainError]) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def test_a_code_is_of_one_refusal():
    """Where two places refuse for the same reason, they raise the same class."""
    used: dict[str, list[str]] = {}
    for kind in REFUSALS:
        if "code" in vars(kind):
            used.setdefault(kind.code, []).append(named(kind))

    assert {code: kinds for code, kinds in used.items() if len(kinds) > 1} == {}


@pytest.mark.parametrize("kind", REFUSALS, ids=named)
def test_a_refusal_has_its_own_code_and_both_sentences(kind):
    if kind.__subclasses__() and "code" not in vars(kind):
        return  # what several refusals have in common
    assert "code" in vars(kind), "it inherits its code"
    assert re.fullmatch(r"[a-z][a-z0-9_]+", kind.code)
    assert isinstance(kind.sentence, Text)
    assert HAN.search(kind.sentence.zh)
    assert not HAN.search(kind.sentence.en)
    assert kind.sentence.en[-1] in ".?})" or kind.sentence.en.endswith("create")


@pytest.mark.parametrize("kind", REFUSALS, ids=named)
def test_both_sentences_know_the_same_names(kind):
    zh, en = ({name for _, name, _, _ in Formatter().parse(text) if name} for text in kind.sentence)

    assert zh == en or {name.split(":")[0] for name in zh} == {name.split(":")[0] for name in en}
