import pytest

from tests.reversed_rows import reversed_where_open

LAST_FIRST = "row_number() OVER () DESC"


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("SELECT id FROM cards", f"SELECT id FROM cards ORDER BY {LAST_FIRST} "),
        ("SELECT id FROM cards ORDER BY at", f"SELECT id FROM cards ORDER BY at, {LAST_FIRST} "),
        (
            "SELECT id FROM cards WHERE id IN (SELECT id FROM a ORDER BY 1 LIMIT 1) LIMIT 5",
            f"SELECT id FROM cards WHERE id IN (SELECT id FROM a ORDER BY 1 LIMIT 1) ORDER BY {LAST_FIRST} LIMIT 5",
        ),
        ("SELECT id FROM cards FOR UPDATE", "SELECT id FROM cards ORDER BY random() FOR UPDATE"),
        (
            "SELECT DISTINCT city FROM stores",
            f"SELECT * FROM (SELECT DISTINCT city FROM stores) AS found ORDER BY {LAST_FIRST}",
        ),
        (
            "INSERT INTO a SELECT id FROM b ON CONFLICT DO NOTHING",
            f"INSERT INTO a SELECT id FROM b ORDER BY {LAST_FIRST} ON CONFLICT DO NOTHING",
        ),
        (
            "UPDATE a SET b = 1 RETURNING id",
            f"WITH changed AS (UPDATE a SET b = 1 RETURNING id) SELECT * FROM changed ORDER BY {LAST_FIRST}",
        ),
        (
            "WITH due AS (SELECT 1) DELETE FROM a RETURNING id",
            "WITH due AS (SELECT 1), changed AS (DELETE FROM a RETURNING id) "
            f"SELECT * FROM changed ORDER BY {LAST_FIRST}",
        ),
    ],
)
def test_what_a_statement_leaves_open_comes_in_reverse(statement: str, expected: str):
    assert reversed_where_open(statement) == expected


@pytest.mark.parametrize(
    "statement",
    ["SELECT 1", "INSERT INTO a VALUES ('SELECT FROM')", "UPDATE a SET b = 1", "SET LOCAL x = 1", "BEGIN", ""],
)
def test_other_statements_stay_as_they_are(statement: str):
    assert reversed_where_open(statement) == statement
