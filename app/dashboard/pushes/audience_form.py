"""The builder of audiences: rules as a form that works without scripts, and what was typed into it as rules.

A form holds the tree flat: a hidden ``rule`` for each node, in the order of the page, says its place (``r``, ``r_0``,
``r_0_1``), and every input of a node is called after it (``r_0-what``). Adding and removing is a button that sends the
form with ``rule_do``; the page comes back with the tree changed and everything else as it was.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from werkzeug.datastructures import MultiDict

from app.dashboard.pushes.condition_inputs import CHOICES, EVERYBODY, VALUE, Input
from app.dashboard.pushes.condition_values import Option, Options, read, write
from app.languages import language
from core.text import Text
from push.audiences.saved_segments import only_segment
from push.audiences.segments import SAVED, Node, check_audience
from push.errors import AudienceInvalid
from push.models import Purpose
from stores.models import Chain

ROOT = "r"
MODES = ("all", "any", "none", "not_all")
EVERYONE, SAVED_ONE, OWN = "everybody", "saved", "own"
MOST_NODES = 200
DEEPEST_TO_ADD = 3  # groups in groups; deeper ones can be shown and changed
BLANK: Node = {"all": []}
NO_CONDITION = Text(
    "还没有条件：加一个，或者选“全部会员”。", "there is no condition yet: add one, or choose all members."
)


@dataclass
class Row:
    """One condition, as it stands on the page."""

    what: str = ""
    typed: dict[str, list[str]] = field(default_factory=dict)
    leave_out: bool = False
    path: str = ""
    is_fresh: bool = False
    problem: str = ""
    wrong: str = ""  # the input that the problem is about, or "what" for the choice of the condition itself

    @property
    def inputs(self) -> tuple[Input, ...]:
        return CHOICES[self.what].inputs if self.what in CHOICES else ()

    @property
    def blanks(self) -> list[str]:
        """The inputs that it needs and that are not filled in yet."""
        needed = [each.name for each in self.inputs if each.kind not in ("lately", "purpose")]
        return [name for name in needed if not "".join(self.typed.get(name, ())).strip()]

    @property
    def is_blank(self) -> bool:
        """Chosen, but something that it needs is not filled in yet."""
        return bool(self.blanks)

    def refuse(self, refusal: AudienceInvalid) -> None:
        """Say what is wrong, and at which input."""
        said = refusal.problem.say(language())
        self.problem = said[:1].upper() + said[1:]
        names = [each.name for each in self.inputs]
        self.wrong = refusal.part if refusal.part in names else next(iter([*self.blanks, *names]), "what")

    def first(self, name: str) -> str:
        return next(iter(self.typed.get(name, ())), "")

    def node(self, options: Options) -> Node | None:
        if self.what not in CHOICES:
            return None
        node = BLANK if self.what == EVERYBODY else self._condition(options)
        return {"not": node} if self.leave_out else node

    def _condition(self, options: Options) -> Node:
        fieldname, _, op = self.what.partition(".")
        parts = {each.name: read(each.kind, self.typed.get(each.name, []), options) for each in self.inputs}
        value = parts[VALUE] if VALUE in parts else parts
        if self.what == "consent.granted" and value["purpose"] != Purpose.SERVICE:
            value = value["channel"]
        return {"field": fieldname, "op": op, "value": value}


@dataclass
class Group:
    """Conditions and groups of which all, any or none must hold."""

    mode: str = "all"
    rows: "list[Row | Group]" = field(default_factory=list)
    path: str = ""
    depth: int = 1

    @property
    def may_hold_groups(self) -> bool:
        return self.depth < DEEPEST_TO_ADD


class Builder:
    """The tree on the page, of one chain."""

    def __init__(self, chain: Chain, root: Group, options: Options) -> None:
        self.chain, self.root, self.options = chain, root, options
        self._number(root, ROOT, 1)

    @property
    def is_empty(self) -> bool:
        return not self.root.rows

    def rules(self, *, skip_blank: bool = False) -> Node:
        """The tree as the domain takes it. Raises AudienceInvalid for what cannot be read at all.

        Rows in which nothing was chosen say nothing. ``skip_blank`` leaves those out, too, that are not filled in.
        """
        return self._node(self.root, skip_blank) or BLANK

    def _node(self, node: Row | Group, skip_blank: bool) -> Node | None:
        if isinstance(node, Row):
            return None if skip_blank and node.is_blank else node.node(self.options)
        found = [self._node(each, skip_blank) for each in node.rows]
        rules = [each for each in found if each is not None]
        if not rules:
            return None
        if node.mode in ("all", "any"):
            return {node.mode: rules}
        return {"not": {"any" if node.mode == "none" else "all": rules}}

    def find_problems(self) -> dict[str, str]:
        """Say at each row what is wrong with it: the problems, by the names of the inputs they are about."""
        for row in self._rows(self.root):
            try:
                node = row.node(self.options)
                if node is not None:
                    check_audience(self.chain.id, node)
            except AudienceInvalid as refusal:
                row.refuse(refusal)
        return {f"{row.path}-{row.wrong}": row.problem for row in self._rows(self.root) if row.problem}

    def change(self, asked: str) -> None:
        """``add:r``, ``group:r_0``, ``drop:r_0_1``; anything else changes nothing."""
        verb, _, path = asked.partition(":")
        places = dict(self._places(self.root))
        node = places.get(path)
        if verb == "drop" and path != ROOT and node is not None:
            parent = places[path.rpartition("_")[0]]
            if isinstance(parent, Group):
                parent.rows = [each for each in parent.rows if each is not node]
        elif isinstance(node, Group) and len(places) < MOST_NODES:
            if verb == "add":
                node.rows.append(Row(is_fresh=True))
            elif verb == "group" and node.may_hold_groups:
                node.rows.append(Group("any", [Row(is_fresh=True)]))
        self._number(self.root, ROOT, 1)

    def fields(self) -> Iterator[tuple[str, str]]:
        """Everything that the form holds of the tree."""
        for path, node in self._places(self.root):
            yield "rule", path
            if isinstance(node, Group):
                yield f"{path}-mode", node.mode
                continue
            yield f"{path}-what", node.what
            if node.leave_out:
                yield f"{path}-out", "yes"
            yield from ((f"{path}-{name}", text) for name, texts in node.typed.items() for text in texts)

    def listed(self, row: Row, asked: Input) -> list[Option]:
        """What can be ticked or chosen in an input."""
        return self.options.listed(asked.kind, row.typed.get(asked.name, []))

    def _number(self, node: Row | Group, path: str, depth: int) -> None:
        node.path = path
        if isinstance(node, Group):
            node.depth = depth
            for place, each in enumerate(node.rows):
                self._number(each, f"{path}_{place}", depth + 1)

    def _places(self, node: Row | Group) -> "Iterator[tuple[str, Row | Group]]":
        yield node.path, node
        if isinstance(node, Group):
            for each in node.rows:
                yield from self._places(each)

    def _rows(self, group: Group) -> Iterator[Row]:
        return (node for _path, node in self._places(group) if isinstance(node, Row))


class AudienceForm:
    """Whom a campaign means, as its editor asks: everybody, a saved segment, or rules of its own."""

    def __init__(self, chain: Chain, typed: "MultiDict[str, str]", *, segment_id: int | None = None) -> None:
        """``segment_id``: the segment that is being changed, which cannot be part of itself."""
        self.chain, self.typed = chain, typed
        self.options = Options(chain, without_segment=segment_id)
        self.builder = Builder(chain, _typed_tree(typed), self.options)
        if self.is_building:
            self.builder.change(typed["rule_do"])

    @property
    def is_building(self) -> bool:
        """A button of the builder sent the form: it is to be shown again, not to be saved."""
        return bool(self.typed.get("rule_do"))

    @property
    def mode(self) -> str:
        """Which of the three; a form of the builder alone means rules of its own."""
        asked = self.typed.get("audience", "")
        if asked in (EVERYONE, SAVED_ONE, OWN):
            return asked
        return EVERYONE if self.builder.is_empty else OWN

    @property
    def segment(self) -> str:
        """The saved segment that is chosen."""
        return self.typed.get("audience_segment", "")

    def chosen_audience(self) -> Node:
        """The rules of a message to members. Raises AudienceInvalid for conditions without one: they mean everybody."""
        rules = self.audience()
        if self.mode == OWN and rules == BLANK:
            raise AudienceInvalid(NO_CONDITION)
        return rules

    def audience(self, *, skip_blank: bool = False) -> Node:
        """The rules. Nonsense is passed on, for the domain to refuse with its reason."""
        if self.mode == EVERYONE:
            return BLANK
        if self.mode == SAVED_ONE:
            return only_segment(read("segment", [self.segment], self.options))
        return self.builder.rules(skip_blank=skip_blank)


def audience_of(chain: Chain, typed: "MultiDict[str, str]") -> Node:
    """The rules that a form says. Raises AudienceInvalid for what cannot be read."""
    return AudienceForm(chain, typed).audience()


def fill_audience(chain: Chain, typed: "MultiDict[str, str]", rules: Node, *, may_be_saved: bool = True) -> None:
    """Put rules into a form, as they could have been typed.

    ``may_be_saved``: what is one saved segment and nothing else is chosen as such, and not shown in the builder.
    """
    rules = rules or BLANK
    alone = _only_saved(rules) if may_be_saved else None
    if alone is not None:
        typed["audience"], typed["audience_segment"] = SAVED_ONE, str(alone)
        return
    builder = Builder(chain, _shown_tree(rules, Options(chain)), Options(chain))
    typed["audience"] = EVERYONE if builder.is_empty else OWN
    for name, value in builder.fields():
        typed.add(name, value)


def _only_saved(rules: Node) -> int | None:
    conditions = rules.get("all", [rules])
    if len(conditions) == 1 and (conditions[0].get("field"), conditions[0].get("op")) == SAVED:
        return int(conditions[0]["value"])
    return None


def _typed_tree(typed: "MultiDict[str, str]") -> Group:
    root = Group()
    groups = {ROOT: root}
    for path in typed.getlist("rule")[:MOST_NODES]:
        mode, parent = typed.get(f"{path}-mode"), groups.get(path.rpartition("_")[0])
        if path == ROOT:
            root.mode = mode if mode in MODES else "all"
        elif parent is not None and mode is not None:
            groups[path] = Group(mode if mode in MODES else "all")
            parent.rows.append(groups[path])
        elif parent is not None:
            parent.rows.append(_typed_row(typed, path))
    return root


def _typed_row(typed: "MultiDict[str, str]", path: str) -> Row:
    row = Row(typed.get(f"{path}-what", ""), leave_out=bool(typed.get(f"{path}-out")))
    row.typed = {each.name: typed.getlist(f"{path}-{each.name}") for each in row.inputs}
    return row


def _shown_tree(rules: Node, options: Options) -> Group:
    """Rules as a group on the page; one that holds nothing but another group is that group."""
    shown = _shown(rules, options)
    if isinstance(shown, Row):
        return Group("all", [] if rules == BLANK else [shown])
    while shown.mode == "all" and len(shown.rows) == 1 and isinstance(shown.rows[0], Group):
        shown = shown.rows[0]
    return shown


def _shown(node: Node, options: Options) -> Row | Group:
    if "not" in node:
        return _turned(_shown(node["not"], options))
    for mode in ("all", "any"):
        if mode in node:
            rows = [_shown(each, options) for each in node[mode]]
            return Group(mode, rows) if rows else Row(EVERYBODY)
    return _shown_row(node, options)


def _turned(shown: Row | Group) -> Row | Group:
    """The other way round."""
    if isinstance(shown, Row):
        shown.leave_out = not shown.leave_out
    else:
        shown.mode = {"all": "not_all", "any": "none", "none": "any", "not_all": "all"}[shown.mode]
    return shown


def _shown_row(node: Node, options: Options) -> Row:
    row, value = Row(f"{node['field']}.{node['op']}"), node["value"]
    if row.what == "consent.granted" and isinstance(value, str):
        value = {"channel": value, "purpose": Purpose.PROMOTION}
    for each in row.inputs:
        part: Any = value if each.name == VALUE else value.get(each.name)
        row.typed[each.name] = write(each.kind, part, options)
    return row
