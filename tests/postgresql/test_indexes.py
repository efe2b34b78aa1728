"""No index that another one makes needless."""

from __future__ import annotations

import pytest
from django.db import connection

pytestmark = pytest.mark.django_db

# Of our tables: the index, its columns, and whether it covers a part of the rows only.
INDEXES = """
    SELECT made.relname, indrelid::regclass::text, indkey::int2[]::int[],
        indpred IS NOT NULL, pg_get_indexdef(indexrelid) LIKE '%USING btree%'
    FROM pg_index JOIN pg_class AS made ON made.oid = indexrelid
    WHERE indrelid::regclass::text ~ '^runs_(run|runstep|message|runevent|runtimeline)$'
"""


def indexes() -> list[tuple[str, str, list[int], bool, bool]]:
    with connection.cursor() as cursor:
        cursor.execute(INDEXES)
        return list(cursor.fetchall())


def test_ids_have_no_second_index_for_like() -> None:
    names = [name for name, *_ in indexes()]
    assert len(names) > 10
    assert [name for name in names if name.endswith("_like")] == []


def test_no_index_is_the_beginning_of_another() -> None:
    whole = [one for one in indexes() if one[4] and not one[3]]
    needless = {
        (short, long)
        for short, table, columns, *_ in whole
        for long, of, more, *_ in whole
        if short != long and table == of and more[: len(columns)] == columns
    }
    assert needless == set()
