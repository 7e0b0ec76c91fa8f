"""Which variants a sweep tries: all combinations of its values, or some of them, spread out or at random."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice, product
from math import prod
from random import Random
from typing import Any, Literal, TypeAlias

Design: TypeAlias = Literal["grid", "random", "sobol"]
Over: TypeAlias = Mapping[str, Sequence[Any]]
"""The values that a sweep tries of each setting, by ``section.key``."""
Variant: TypeAlias = dict[str, Any]
"""The values of one trial, by ``section.key``."""

LOOKS = 64
"""How many points of a Sobol sequence are looked at for each trial: those that fall on a combination again are left."""


def variants(over: Over, design: Design, trials: int | None, seed: int) -> list[Variant]:
    """Return the variants of a sweep, in the order of their numbers; no combination comes twice.

    Args:
        over: The values of each setting.
        design: ``grid``: all combinations, the last setting changing fastest; ``random``: some of them, each as likely
            as any other; ``sobol``: some of them, spread evenly (Sobol 1967, scrambled as by Owen 1998).
        trials: How many, of ``random`` and ``sobol``; all combinations where there are no more than that.
        seed: Chooses which.
    """
    combinations = prod(len(values) for values in over.values())
    if design == "grid" or trials is None or trials >= combinations:
        return [dict(zip(over, values, strict=True)) for values in product(*over.values())]
    if design == "random":
        return [_combination(over, number) for number in Random(seed).sample(range(combinations), trials)]
    return list(islice(_spread(over, trials, seed), trials))


def _combination(over: Over, number: int) -> Variant:
    """Return the combination of that number in the order of the grid."""
    found: Variant = {}
    for name, values in reversed(list(over.items())):
        number, place = divmod(number, len(values))
        found[name] = values[place]
    return {name: found[name] for name in over}


def _spread(over: Over, trials: int, seed: int) -> Iterator[Variant]:
    from scipy.stats.qmc import Sobol  # half a second to import

    sizes = [len(values) for values in over.values()]
    points = Sobol(len(sizes), rng=seed).random_base2((trials * LOOKS - 1).bit_length())
    seen = set()
    for point in points:
        places = tuple(int(x * size) for x, size in zip(point, sizes, strict=True))
        if places not in seen:
            seen.add(places)
            yield {name: values[place] for (name, values), place in zip(over.items(), places, strict=True)}
