"""A form of a page as a browser would send it back: what is ticked, chosen and written."""

from html.parser import HTMLParser

Pairs = list[tuple[str, str]]


class _Reader(HTMLParser):
    """Collects the fields of one form, by its id."""

    def __init__(self, form_id: str) -> None:
        super().__init__()
        self._wanted, self._is_inside = form_id, False
        self._select: tuple[str, list[tuple[str, bool]]] | None = None
        self._area: tuple[str, list[str]] | None = None
        self.pairs: Pairs = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "form":
            self._is_inside = given.get("id") == self._wanted
        if not self._is_inside:
            return
        name = given.get("name") or ""
        if tag == "input" and name and "disabled" not in given:
            self._input(name, given)
        elif tag == "select":
            self._select = (name, [])
        elif tag == "option" and self._select:
            self._select[1].append((given.get("value") or "", "selected" in given))
        elif tag == "textarea":
            self._area = (name, [])

    def _input(self, name: str, given: dict[str, str | None]) -> None:
        kind = given.get("type") or "text"
        if kind not in ("checkbox", "radio") or "checked" in given:
            self.pairs.append((name, given.get("value") or ""))

    def handle_data(self, data: str) -> None:
        if self._area:
            self._area[1].append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._is_inside = False
        elif tag == "textarea" and self._area:
            name, parts = self._area
            self.pairs.append((name, "".join(parts).removeprefix("\n")))
            self._area = None
        elif tag == "select" and self._select:
            name, options = self._select
            chosen = next((value for value, is_chosen in options if is_chosen), options[0][0] if options else "")
            self.pairs.append((name, chosen))
            self._select = None


def form_of_page(html: str, form_id: str) -> dict[str, list[str]]:
    """The fields with their values, in the order of the page."""
    reader = _Reader(form_id)
    reader.feed(html)
    found: dict[str, list[str]] = {}
    for name, value in reader.pairs:
        found.setdefault(name, []).append(value)
    assert found, f"no form {form_id}"
    return found
