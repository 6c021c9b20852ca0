"""Which module may import which, what a module may be called, how long it may grow. The order is the rule."""

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
LAYERS = ["core", "stores", "cards", "coupons", "checkout", "sharing", "push", "app"]  # low to high
WEB = {"flask", "werkzeug", "jinja2", "flask_babel", "flask_wtf", "flask_smorest", "webargs", "flask_limiter"}
PATTERN_NAMES = {"utils", "util", "helpers", "helper", "service", "services", "manager", "common", "misc"}
MOST_LINES = 420  # a longer module wants to be two
CLOCK = {"now", "utcnow", "today"}


def our_modules() -> dict[str, Path]:
    """Every module of the application by its dotted name."""
    paths = [path for layer in LAYERS for path in sorted((ROOT / layer).rglob("*.py"))]
    return {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in paths}


MODULES = our_modules()


@cache
def parsed(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


def layer_of(module: str) -> int | None:
    """How high a module is; None for other people's code."""
    top = module.split(".")[0]
    return LAYERS.index(top) if top in LAYERS else None


def imports_of(module: str) -> set[str]:
    """Every module that this one imports, also inside functions."""
    found = set()
    for node in ast.walk(parsed(module)):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: a relative import hides where it points"
            found.add(str(node.module))
    return found


def opened_in(function: ast.AST) -> set[str]:
    """What the ``with`` blocks of a function call."""
    return {
        item.context_expr.func.id
        for block in ast.walk(function)
        if isinstance(block, ast.With)
        for item in block.items
        if isinstance(item.context_expr, ast.Call) and isinstance(item.context_expr.func, ast.Name)
    }


def test_the_tree_is_the_one_that_was_drawn():
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "benchmarks", "proof", "tools"}

    assert packages == set(LAYERS)


def test_imports_point_down():
    upwards = {
        (module, imported)
        for module in MODULES
        for imported in imports_of(module)
        if (layer_of(imported) or 0) > (layer_of(module) or 0)
    }

    assert upwards == set()


def test_only_app_knows_the_web():
    knowing = {module for module in MODULES if WEB & {name.split(".")[0] for name in imports_of(module)}}

    assert {module for module in knowing if not module.startswith("app.")} == set()
    assert "app.factory" in knowing


def test_modules_are_named_after_what_they_do():
    assert {module for module in MODULES if PATTERN_NAMES & set(module.split("."))} == set()


def test_modules_stay_short():
    lines = {module: len(path.read_text(encoding="utf-8").splitlines()) for module, path in MODULES.items()}

    assert {module: count for module, count in lines.items() if count > MOST_LINES} == {}


def test_modules_say_what_they_are_for():
    assert {module for module in MODULES if parsed(module).body and not ast.get_docstring(parsed(module))} == set()


def test_the_system_clock_is_read_in_one_place():
    readers = {
        module
        for module in MODULES
        for node in ast.walk(parsed(module))
        if isinstance(node, ast.Attribute)
        and node.attr in CLOCK
        and isinstance(node.value, ast.Name)
        and node.value.id in ("datetime", "date")
    }

    assert readers == {"core.clock"}


def test_the_domain_never_commits():
    """Only the edge opens transactions, and the functions named ``…_batch`` with the private parts beside them."""
    commits, opens = set(), set()
    for module in MODULES:
        if module.startswith(("app.", "core.")):
            continue
        functions = [node for node in ast.walk(parsed(module)) if isinstance(node, ast.FunctionDef)]
        has_batch = any(function.name.endswith("_batch") for function in functions)
        commits |= {
            module for node in ast.walk(parsed(module)) if isinstance(node, ast.Attribute) and node.attr == "commit"
        }
        opens |= {
            f"{module}.{function.name}"
            for function in functions
            if opened_in(function) & {"transaction", "one_action"}
            and not (has_batch and function.name.startswith("_"))
            and not function.name.endswith("_batch")
        }

    assert (commits, opens) == (set(), set())


def test_no_page_writes_style_or_script_into_html():
    """The Content-Security-Policy would refuse it."""
    refused = ('style="', "<style", "onclick=", "onchange=", "onsubmit=", "javascript:", "<script>")
    found = {
        (str(path.relative_to(ROOT)), word)
        for path in (ROOT / "app").rglob("templates/**/*.html")
        for word in refused
        if word in path.read_text(encoding="utf-8")
    }

    assert found == set()


def test_no_page_asks_another_host_for_anything():
    asking = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "app").rglob("templates/**/*.html")
        for word in ('src="http', 'href="http', 'src="//', 'href="//')
        if word in path.read_text(encoding="utf-8")
    }

    assert asking == set()
