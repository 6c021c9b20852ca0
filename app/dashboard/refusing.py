"""A refusal where it belongs: above the form, and at the field that it is about."""

from collections.abc import Mapping
from typing import Any

from app.languages import language
from core.errors import DomainError
from push.errors import WithProblem


def refused(refusal: DomainError | None, field: str | None = None) -> dict[str, Any]:
    """What a page gives to macros/forms.html for a form that was refused; for None nothing is wrong.

    ``field`` is what the refusal's part is called in the form, where it is called otherwise; empty where it has none.
    """
    if refusal is None:
        return {"problem": "", "field_errors": {}}
    name = refusal.part if field is None else field
    return refused_at({name: short(refusal)} if name else {}, refusal.say(language()))


def refused_at(errors: Mapping[str, str], problem: str) -> dict[str, Any]:
    """The same for fields that are known already; the cursor stands in the first."""
    return {"problem": problem, "field_errors": errors}


def short(refusal: DomainError) -> str:
    """What is wrong, as it is said at the field itself, which need not be named again."""
    said = refusal.problem.say(language()) if isinstance(refusal, WithProblem) else refusal.say(language())
    return said[:1].upper() + said[1:]
