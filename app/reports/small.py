"""A small list as CSV, written row by row. The pack streams the big ones out of the database."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

from flask import Response, stream_with_context

BOM = "\ufeff"  # without it Excel reads UTF-8 as the local code page


def csv_response(filename: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> Response:
    """The rows as a file; cells of text must have gone through ``cells.cell``."""
    return Response(
        stream_with_context(csv_lines(header, rows)),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{filename}"'},
    )


def csv_lines(header: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    line = io.StringIO()
    writer = csv.writer(line)

    def written(cells: Sequence[object]) -> str:
        line.seek(0)
        line.truncate()
        writer.writerow(cells)
        return line.getvalue()

    yield BOM + written(header)
    for row in rows:
        yield written(row)
