"""The rules that a running node goes by; they change as a whole, while it runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import overload

from dicomnode.routing.rules import Rule


class RulesInForce(Sequence[Rule]):
    """Rules that can be replaced while others read them.

    Who asks more than one thing of them takes ``tuple(rules)`` first: that is one set of rules,
    whatever comes meanwhile.

    Parameters
    ----------
    rules : iterable of Rule
    """

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = tuple(rules)

    def replace(self, rules: Sequence[Rule]) -> None:
        """Go by other rules from now on."""
        self._rules = tuple(rules)

    def __iter__(self) -> Iterator[Rule]:
        """Those of this moment, in order."""
        return iter(self._rules)

    def __len__(self) -> int:
        """How many."""
        return len(self._rules)

    @overload
    def __getitem__(self, index: int) -> Rule: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Rule]: ...
    def __getitem__(self, index):
        """One, or some."""
        return self._rules[index]
