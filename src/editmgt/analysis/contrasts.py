"""Which cells an effect is made of: factors, which of them acts only through another, and their contrasts."""

import itertools
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np

Levels = tuple[int, ...]  # a level of each factor; 0 is the baseline's
Kind = Literal["main", "nested", "interaction", "comparison"]


@dataclass(frozen=True)
class Factor:
    """A config key that a study varies, its values with the baseline's first, and how these are written."""

    key: str
    values: tuple[Any, ...]
    texts: tuple[str, ...]

    @cached_property
    def label(self) -> str:
        """The last part of the key, which people say."""
        return self.key.rsplit(".", 1)[-1]

    def level(self, value: Any) -> int | None:
        """Return the position of a value; None for one that the study does not name."""
        wanted = same(value)
        return next((i for i, known in enumerate(self.values) if same(known) == wanted), None)

    def change(self, level: int) -> str:
        """Return ``key: from -> to``."""
        return f"{self.key}: {self.texts[0]} → {self.texts[level]}"

    def any_of(self, levels: Collection[int]) -> str:
        """Return ``a or b``."""
        return " or ".join(self.texts[level] for level in sorted(levels))


@dataclass(frozen=True)
class Contrast:
    """A weighted sum of cells.

    Attributes:
        name: what changes, and where.
        kind: ``main`` (averaged over the other factors), ``nested`` (only where another factor lets it act),
            ``interaction`` (how much one change alters another) or ``comparison`` (one cell with the baseline).
        changes: factor key -> level that it changes to.
        within: factor key -> levels that it is looked at in, and averaged over.
        weights: levels -> weight; they sum to zero.
    """

    name: str
    kind: Kind
    changes: Mapping[str, int]
    within: Mapping[str, frozenset[int]]
    weights: Mapping[Levels, float]

    def pairs(self, design: "Design") -> list[tuple[Levels, Levels]]:
        """Return (changed cell, cell it is compared with), all alike otherwise; an interaction has none."""
        if self.kind == "interaction":
            return []
        reference = [levels for levels, weight in self.weights.items() if weight < 0]
        positions = {factor.key: i for i, factor in enumerate(design.factors)}
        found = []
        for levels in reference:
            changed = list(levels)
            for key, level in self.changes.items():
                changed[positions[key]] = level
            found.append((tuple(changed), levels))
        return found


@dataclass(frozen=True)
class Design:
    """Factors, and ``acts_through``: factor key -> {other factor's key: the levels at which the first acts}.

    No factor may act through itself, be it through others: see :func:`circle`.
    """

    factors: tuple[Factor, ...]
    acts_through: Mapping[str, Mapping[str, frozenset[int]]] = field(default_factory=dict)

    def combinations(self) -> Iterator[Levels]:
        """All combinations of levels, the baseline first."""
        return itertools.product(*(range(len(factor.values)) for factor in self.factors))

    @property
    def baseline(self) -> Levels:
        """The baseline cell."""
        return (0,) * len(self.factors)

    def gates(self, key: str) -> dict[str, frozenset[int]]:
        """Return where a factor acts, through other factors' own conditions too."""
        found = dict(self.acts_through.get(key, {}))
        for other in list(found):
            found |= {k: v for k, v in self.gates(other).items() if k != key}
        return found

    def canonical(self, levels: Levels) -> Levels:
        """Return the cell with every factor that does not act there at its baseline's level."""
        at = {factor.key: level for factor, level in zip(self.factors, levels, strict=True)}
        return tuple(
            at[f.key] if all(at[o] in acting for o, acting in self.gates(f.key).items()) else 0
            for f in self.factors
        )

    def label(self, levels: Levels) -> str:
        """Return a cell's name: its values in words."""
        pairs = zip(self.factors, levels, strict=True)
        return ", ".join(f"{factor.label} {factor.texts[level]}" for factor, level in pairs) or "cell"

    def effects(self) -> list[Contrast]:
        """Main and nested effects of every change from the baseline's value, then interactions of two."""
        found = [
            self._contrast({factor.key: level})
            for factor in self.factors
            for level in range(1, len(factor.values))
        ]
        for first, second in itertools.combinations(self.factors, 2):
            if self._apart(first.key, second.key):
                continue  # neither can change what the other does
            gates = self.gates(first.key) | self.gates(second.key)
            for a, b in itertools.product(range(1, len(first.values)), range(1, len(second.values))):
                changes = {first.key: a, second.key: b}
                if all({0, level} <= gates.get(key, {0, level}) for key, level in changes.items()):
                    found.append(self._contrast(changes))  # of others the nested effect says it
        return found

    def comparisons(self) -> list[Contrast]:
        """Every cell that differs from the baseline, with it."""
        found = []
        for levels in dict.fromkeys(map(self.canonical, self.combinations())):
            if levels != self.baseline:
                pairs = zip(self.factors, levels, strict=True)
                changes = {factor.key: level for factor, level in pairs if level}
                weights = {levels: 1.0, self.baseline: -1.0}
                found.append(
                    Contrast(self._name(changes, {}, "cell: ", ", "), "comparison", changes, {}, weights)
                )
        return found

    def _apart(self, first: str, second: str) -> bool:
        """Whether two factors never act in one cell: each acts under other levels of a third."""
        other = self.gates(second)
        return any(not other.get(key, levels) & levels for key, levels in self.gates(first).items())

    def _contrast(self, changes: dict[str, int]) -> Contrast:
        """Differences in the factors that change, averages over where they act and over all the others."""
        within: dict[str, frozenset[int]] = {}
        for change in changes:
            for key, levels in self.gates(change).items():
                if key not in changes:
                    within[key] = within.get(key, levels) & levels
        vectors = []
        for factor in self.factors:
            size = len(factor.values)
            if factor.key in changes:
                vector = np.zeros(size)
                vector[[changes[factor.key], 0]] = 1.0, -1.0
            elif factor.key in within:
                vector = np.isin(range(size), [*within[factor.key]]) / len(within[factor.key])
            else:
                vector = np.full(size, 1 / size)
            vectors.append(vector)
        weights = {}
        for cell in self.combinations():
            weight = float(np.prod([vector[level] for vector, level in zip(vectors, cell, strict=True)]))
            if weight:
                weights[cell] = weight
        kind: Kind = "interaction" if len(changes) > 1 else "nested" if within else "main"
        return Contrast(self._name(changes, within), kind, changes, within, weights)

    def _name(
        self,
        changes: Mapping[str, int],
        within: Mapping[str, frozenset[int]],
        head: str = "",
        joint: str = " × ",
    ) -> str:
        by_key = {factor.key: factor for factor in self.factors}
        name = head + joint.join(by_key[key].change(level) for key, level in changes.items())
        places = [f"{key}={by_key[key].any_of(levels)}" for key, levels in within.items()]
        return f"{name} | {', '.join(places)}" if places else name


def circle(acts_through: Mapping[str, Collection[str]]) -> list[str]:
    """Return factors of which each acts through the next and the last is the first; empty where there are none."""

    def follow(path: Sequence[str]) -> list[str]:
        for key in acts_through.get(path[-1], ()):
            if key in path:
                return [*path[path.index(key) :], key]
            if found := follow([*path, key]):
                return found
        return []

    return next(filter(None, (follow([key]) for key in acts_through)), [])


def same(value: Any) -> str:
    """Return a text that is equal for equal values of a config (0.5 and 5e-1, [0, 1] and [0.0, 1.0], not true and 1)."""
    if isinstance(value, list | tuple):
        return f"[{','.join(map(same, value))}]"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value, sort_keys=True, default=str)
