"""docs/reports.md, written from the columns themselves."""

from app.reports.columns import KIND_WORDS, Column
from app.reports.pack import REPORTS
from app.reports.report import Report

INTRODUCTION = """\
# The CSV pack 报表字典

Written by `make docs` from the code that writes the files; a test compares the two.

| where | how |
|---|---|
| signed in, or with an API key of head office | `GET /reports/<name>.csv?from=2026-05-01&to=2026-05-31&store=S001` |
| what the file adds up to | `GET /reports/<name>.control.json`, asked likewise |
| terminal | `flask --app wsgi reports export NAME --from DAY --to DAY --out FILE`; also writes `FILE.control.json` |

* `from` and `to` are business days, both included: the day in the store's time zone, with the chain's cut-off hour.
  Without `from` a file begins with the chain, without `to` it ends today. `store` is a store's code. For head office
  the file of members also takes a `segment` by its number: whom it means now.
* UTF-8 with a byte order mark, for Excel; `bom=0` leaves it out. Comma, double quotes where needed, `\\n` at the end of
  a line. An empty cell: nothing is known.
* Text that a spreadsheet would run as a formula (it begins with `=` `+` `-` `@`, their full-width forms, a tab or a
  line break) gets a `'` in front. Numbers, negative ones too, and phones (`+` and digits) stay as they are.
* Times are ISO 8601 with the offset of the store's zone. Money is in minor units (fen, cents) beside its currency.
* A card number has 16 digits: read it as text (Excel: Data, From Text/CSV), for a spreadsheet keeps 15.
* Store managers get the rows of their stores, with names, phones and e-mails masked; every export is in the audit.
* Columns marked Σ are summed in the control file, which also has the number of rows, the bytes and the SHA-256 of the
  file. The sums are those of the dashboard.
"""


def dictionary() -> str:
    """The whole page."""
    contents = "\n".join(
        f"* [`{report.name}`](#{report.name}) {report.title.en} {report.title.zh}" for report in REPORTS.values()
    )
    return "\n".join([INTRODUCTION, contents, *map(_section, REPORTS.values())])


def _section(report: Report) -> str:
    rows = "\n".join(map(_row, report.columns))
    about = f"{report.about.en}\n{report.about.zh}"
    return f"\n## {report.name}\n\n{about}\n\n| column | kind | meaning | 含义 |\n|---|---|---|---|\n{rows}\n"


def _row(column: Column) -> str:
    kind = KIND_WORDS[column.kind].en + (" Σ" if column.total else "")
    return f"| `{column.header}` | {kind} | {column.meaning.en} | {column.meaning.zh} |"
