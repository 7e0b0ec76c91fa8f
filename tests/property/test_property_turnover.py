"""The arithmetic of the turnover bridge, on any books."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from quantflow.quant.turnover import FloatArray, contributions, traded, turnover
from quantflow.review.bridge import joined

BOOKS = arrays(np.float64, array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=7), elements=st.floats(-2, 2))


@given(BOOKS)
def test_parts_add_up_to_the_turnover(books: FloatArray) -> None:
    """Whatever the way, the signed parts of its steps sum to the turnover from its first book to its last."""
    assert abs(contributions(books).sum() - turnover(books[0], books[-1])) < 1e-12


@given(BOOKS)
def test_turnover_counts_both_sides(books: FloatArray) -> None:
    """A book that is replaced whole by other names turns over by the sum of both, by rows or by names."""
    old, new = ({f"{side}{i}": float(w) for i, w in enumerate(book)} for side, book in zip("ab", books, strict=False))
    assert abs(traded(old, new) - (np.abs(books[0]).sum() + np.abs(books[1]).sum())) < 1e-12
    both = ({f"{i}": float(w) for i, w in enumerate(book)} for book in books[:2])
    assert abs(traded(*both) - turnover(books[0], books[1])) < 1e-12


@given(BOOKS)
def test_no_part_is_larger_than_what_its_step_moved(books: FloatArray) -> None:
    """A step that moves nothing has no part, and none has more than its own turnover."""
    moved = np.array([turnover(old, new) for old, new in pairwise(books)])
    parts = np.abs(contributions(books))
    assert (parts <= moved * (1 + 1e-14)).all()  # up to the rounding of sums
    assert (parts[moved == 0.0] == 0.0).all()


@given(BOOKS, st.data())
def test_joined_steps_have_the_sum_of_their_parts(books: FloatArray, data: st.DataObject) -> None:
    """Leaving out a book between two steps makes one step of them, and changes no other part."""
    if len(books) < 3:
        return
    gone = data.draw(st.integers(1, len(books) - 2))
    parts = contributions(books)
    merged = np.concatenate([parts[: gone - 1], [parts[gone - 1] + parts[gone]], parts[gone + 1 :]])
    np.testing.assert_allclose(contributions(np.delete(books, gone, axis=0)), merged, atol=1e-12)


@given(BOOKS, st.data())
def test_a_bridge_adds_up_by_term_and_names_what_moved_each_name(books: FloatArray, data: st.DataObject) -> None:
    """The terms sum to the turnover, and a name is said to be moved by a term exactly when its weight has changed."""
    terms = data.draw(st.lists(st.sampled_from(["data", "scores", "code"]), min_size=len(books), max_size=len(books)))
    path = [
        (term, "", {f"S{i}": float(w) for i, w in enumerate(book)}) for term, book in zip(terms, books, strict=True)
    ]
    found = joined(path)
    total = turnover(books[0], books[-1])
    assert abs(sum(found.terms.values()) - total) < 1e-12
    assert abs(sum(step.part for step in found.steps) - total) < 1e-12
    changed = {f"S{i}" for i in np.flatnonzero(books[-1] != books[0])}
    assert set(found.mostly) == changed
    assert set(found.mostly.values()) <= set(terms[1:])
