"""Lists in pages: the protocol's parameters, over indexes, without counting."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Generic, Literal, TypeVar

from django.db import models
from django.db.models import Q
from pydantic import BaseModel, Field

from runs.api.errors import not_found

Row = TypeVar("Row", bound=models.Model)
Item = TypeVar("Item")

BY_CREATION = ("created_at", "pk")
BY_NUMBER = ("number",)
BY_INDEX = ("index",)


class ListOf(BaseModel, Generic[Item]):
    """One page. ``after=last_id`` gives the next one while ``has_more``."""

    object: Literal["list"]
    data: list[Item]
    first_id: str | None
    last_id: str | None
    has_more: bool


class ListQuery(BaseModel):
    """What every list takes in its address."""

    limit: Annotated[int, Field(ge=1, le=100)] = 20
    order: Literal["asc", "desc"] = "desc"
    after: str | None = None
    before: str | None = None


def page(
    rows: models.QuerySet[Row],
    query: ListQuery,
    *,
    show: Callable[[Row], dict[str, Any]],
    key: Sequence[str] = BY_CREATION,
) -> dict[str, Any]:
    """The page of ``rows`` that ``query`` asks for, each row shown by ``show``.

    ``key`` are the fields that order the rows, the first the weightiest. ``before``
    alone gives the page that ends before it. Raises ApiError, 404, for a cursor that is
    not among the rows.
    """
    falling = query.order == "desc"
    backwards = bool(query.before and not query.after)
    for cursor, is_later in ((query.after, True), (query.before, False)):
        if cursor:
            rows = rows.filter(
                _beyond(_position(rows, cursor, key), is_later != falling)
            )
    sign = "-" if falling != backwards else ""
    found = list(rows.order_by(*[sign + name for name in key])[: query.limit + 1])
    has_more, found = len(found) > query.limit, found[: query.limit]
    if backwards:
        found.reverse()
    return {
        "object": "list",
        "data": [show(row) for row in found],
        "first_id": found[0].pk if found else None,
        "last_id": found[-1].pk if found else None,
        "has_more": has_more,
    }


def _position(
    rows: models.QuerySet[Row], cursor: str, key: Sequence[str]
) -> dict[str, Any]:
    """The values of the key at the cursor."""
    found = rows.filter(pk=cursor).values(*key).first() if "\0" not in cursor else None
    if found is None:
        raise not_found(str(rows.model._meta.verbose_name), cursor)
    return found


def _beyond(position: dict[str, Any], is_above: bool) -> Q:
    """Above the position, or below it, in one order over all its fields."""
    sign = "gt" if is_above else "lt"
    (first, value), *rest = position.items()
    beyond = Q(**{f"{first}__{sign}": value})
    if rest:
        # The second condition follows from the third; an index can use it.
        equal = Q(**{first: value}) & _beyond(dict(rest), is_above)
        beyond = Q(**{f"{first}__{sign}e": value}) & (beyond | equal)
    return beyond
