"""Maximum flow between two trees on sparse grid nodes with up to six neighbours.

Boykov and Kolmogorov, "An experimental comparison of min-cut/max-flow algorithms for energy
minimization in vision", PAMI 2004, written for nodes that keep their neighbours in six slots: slot
``d`` of one end and slot ``d ^ 1`` of the other are the two directions of one link. Whole numbers
throughout, so the flow is exact and the same on every machine.
"""

from __future__ import annotations

import numpy as np

from pipelines.compiled import compiled, inlined

# Values of `parent` beside the six slots.
_FREE, _TERMINAL, _ORPHAN = -1, 6, 7


@compiled
def source_side(terminal, neighbour, residual):
    """Nodes that stay with the source in the smallest minimum cut, and the flow.

    Parameters
    ----------
    terminal : ndarray of int32, shape (n,)
        Capacity from the source where positive, to the sink where negative. Overwritten.
    neighbour : ndarray of int32, shape (n, 6)
        Node at the other end of each slot; -1 for none.
    residual : ndarray of int32, shape (n, 6)
        Capacity of each slot, away from the node. Overwritten.

    Returns
    -------
    side : ndarray of bool, shape (n,)
        Nodes reached from the source through what capacity is left.
    flow : int
        Value of the maximum flow.
    """
    n = len(terminal)
    parent = np.full(n, -1, np.int8)
    of_sink = np.zeros(n, np.bool_)
    stamp = np.zeros(n, np.int32)
    distance = np.zeros(n, np.int32)
    # Active nodes wait in a ring that can hold all of them; `queued` keeps them there once.
    ring = np.empty(n + 1, np.int32)
    queued = np.zeros(n, np.bool_)
    head, tail = 0, 0
    orphans = np.empty(n, np.int32)
    for i in range(n):
        if terminal[i] != 0:
            of_sink[i] = terminal[i] < 0
            parent[i] = 6
            distance[i] = 1
            ring[tail] = i
            tail += 1
            queued[i] = True
    flow = 0
    time = 0
    current = -1
    while True:
        if current < 0:
            if head == tail:
                break
            current = ring[head]
            head = head + 1 if head < n else 0
            queued[current] = False
        i = current
        if parent[i] == -1:
            current = -1
            continue
        # Grow the tree of i by one layer, until it touches the other tree.
        found = -1
        for d in range(6):
            j = neighbour[i, d]
            if j < 0:
                continue
            capacity = residual[j, d ^ 1] if of_sink[i] else residual[i, d]
            if capacity <= 0:
                continue
            if parent[j] == -1:
                of_sink[j] = of_sink[i]
                parent[j] = d ^ 1
                stamp[j] = stamp[i]
                distance[j] = distance[i] + 1
                if not queued[j]:
                    queued[j] = True
                    ring[tail] = j
                    tail = tail + 1 if tail < n else 0
            elif of_sink[j] != of_sink[i]:
                found = d
                break
            elif stamp[j] <= stamp[i] and distance[j] > distance[i]:
                parent[j] = d ^ 1
                stamp[j] = stamp[i]
                distance[j] = distance[i] + 1
        if found < 0:
            current = -1
            continue
        time += 1
        if of_sink[i]:
            low, high, slot = neighbour[i, found], i, found ^ 1
        else:
            low, high, slot = i, neighbour[i, found], found
        pushed, waiting = _augment(terminal, neighbour, residual, parent, orphans, low, high, slot)
        flow += pushed
        # Adopt the orphans, or let them go free.
        first = 0
        while first < waiting:
            o = orphans[first]
            first += 1
            best, least = -1, 2147483647
            for d in range(6):
                j = neighbour[o, d]
                if j < 0 or parent[j] == -1 or of_sink[j] != of_sink[o]:
                    continue
                capacity = residual[o, d] if of_sink[o] else residual[j, d ^ 1]
                if capacity <= 0:
                    continue
                length = _distance_to_root(neighbour, parent, stamp, distance, j, time)
                if length < 0:
                    continue
                if length < least:
                    best, least = d, length
                k = j
                while stamp[k] != time:
                    stamp[k] = time
                    distance[k] = length
                    length -= 1
                    k = neighbour[k, parent[k]]
            if best >= 0:
                parent[o] = best
                stamp[o] = time
                distance[o] = least + 1
                continue
            parent[o] = -1
            for d in range(6):
                j = neighbour[o, d]
                if j < 0 or parent[j] == -1 or of_sink[j] != of_sink[o]:
                    continue
                capacity = residual[o, d] if of_sink[o] else residual[j, d ^ 1]
                if capacity > 0 and not queued[j]:
                    queued[j] = True
                    ring[tail] = j
                    tail = tail + 1 if tail < n else 0
                if parent[j] < 6 and neighbour[j, parent[j]] == o:
                    parent[j] = 7
                    if waiting == len(orphans):
                        # Those already looked at make room for more.
                        orphans[: waiting - first] = orphans[first:waiting].copy()
                        waiting -= first
                        first = 0
                    orphans[waiting] = j
                    waiting += 1
    side = np.zeros(n, np.bool_)
    for i in range(n):
        side[i] = parent[i] != -1 and not of_sink[i]
    return side, flow


@inlined
def _augment(terminal, neighbour, residual, parent, orphans, low, high, slot):
    """Push what fits along the path through the link `slot` from low to high.

    Returns the flow pushed and how many nodes lost their parent.
    """
    waiting = 0
    room = residual[low, slot]
    i = low
    while parent[i] != 6:
        d = parent[i]
        j = neighbour[i, d]
        room = min(room, residual[j, d ^ 1])
        i = j
    room = min(room, terminal[i])
    i = high
    while parent[i] != 6:
        d = parent[i]
        room = min(room, residual[i, d])
        i = neighbour[i, d]
    room = min(room, -terminal[i])
    residual[low, slot] -= room
    residual[high, slot ^ 1] += room
    i = low
    while parent[i] != 6:
        d = parent[i]
        j = neighbour[i, d]
        residual[i, d] += room
        residual[j, d ^ 1] -= room
        if residual[j, d ^ 1] == 0:
            parent[i] = 7
            orphans[waiting] = i
            waiting += 1
        i = j
    terminal[i] -= room
    if terminal[i] == 0:
        parent[i] = 7
        orphans[waiting] = i
        waiting += 1
    i = high
    while parent[i] != 6:
        d = parent[i]
        j = neighbour[i, d]
        residual[j, d ^ 1] += room
        residual[i, d] -= room
        if residual[i, d] == 0:
            parent[i] = 7
            orphans[waiting] = i
            waiting += 1
        i = j
    terminal[i] += room
    if terminal[i] == 0:
        parent[i] = 7
        orphans[waiting] = i
        waiting += 1
    return room, waiting


@inlined
def _distance_to_root(neighbour, parent, stamp, distance, start, time):
    """Links from a node to its tree's root; -1 where the way leads to an orphan."""
    length, j = 0, start
    while True:
        if stamp[j] == time:
            return length + distance[j]
        p = parent[j]
        length += 1
        if p == 6:
            stamp[j] = time
            distance[j] = 1
            return length
        if p == 7 or p == -1:
            return -1
        j = neighbour[j, p]
