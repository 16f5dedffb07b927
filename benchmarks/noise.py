"""Smooth noise and painting on 0.2 m tiles: the pixel work of the benchmark scenes.

Every value is a function of the seed and of global coordinates, never of the tile it is computed in, so
two tiles that overlap hold the same pixels.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numba import njit

if TYPE_CHECKING:
    from numpy.typing import NDArray

RECTANGLE, ELLIPSE, QUAD = 0, 1, 2
"""Shapes of a primitive: (cx, cy, ux, uy, half length, half width, 0, 0) for the first two, four corners
for the last."""


@njit(cache=True)
def _lattice(i: int, j: int, salt: int) -> float:
    """Return a hashed value in −1..1 for a lattice point."""
    h = (np.uint64(i) * np.uint64(0x9E3779B97F4A7C15)) ^ (np.uint64(j) * np.uint64(0xC2B2AE3D27D4EB4F))
    h ^= np.uint64(salt) * np.uint64(0x165667B19E3779F9)
    h = (h ^ (h >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
    h = (h ^ (h >> np.uint64(32))) * np.uint64(0x94D049BB133111EB)
    h ^= h >> np.uint64(31)
    return float(h >> np.uint64(11)) / 4503599627370496.0 - 1.0


@njit(cache=True, fastmath=True)
def _add_octave(out: NDArray, row0: int, col0: int, period: int, amplitude: float, salt: int) -> None:
    height, width = out.shape
    first_col, first_row = col0 // period, row0 // period
    n = (col0 + width) // period - first_col + 2
    weight = np.empty(period, np.float32)
    for k in range(period):
        t = (k + 0.5) / period
        weight[k] = t * t * (3.0 - 2.0 * t)
    above, below, line = np.empty(n, np.float32), np.empty(n, np.float32), np.empty(n, np.float32)
    current = first_row - 1
    for r in range(height):
        cell = (row0 + r) // period
        if cell != current:
            for k in range(n):
                above[k] = amplitude * _lattice(first_col + k, cell, salt)
                below[k] = amplitude * _lattice(first_col + k, cell + 1, salt)
            current = cell
        w = weight[(row0 + r) - cell * period]
        for k in range(n):
            line[k] = above[k] + (below[k] - above[k]) * w
        k, phase = 0, col0 - first_col * period
        for c in range(width):
            out[r, c] += line[k] + (line[k + 1] - line[k]) * weight[phase]
            phase += 1
            if phase == period:
                phase = 0
                k += 1


def smooth_noise(
    shape: tuple[int, int], *, row: int, col: int, octaves: tuple[tuple[int, float], ...], seed: int
) -> NDArray[np.float32]:
    """Return a sum of octaves of smooth noise on a tile.

    Parameters
    ----------
    shape
        Rows and columns of the tile.
    row, col
        Global pixel address of its first pixel.
    octaves
        Wavelength in pixels and amplitude of each octave.
    seed
        Any integer; fields with different seeds are independent.
    """
    out = np.zeros(shape, dtype=np.float32)
    for rank, (period, amplitude) in enumerate(octaves):
        _add_octave(out, row, col, period, amplitude, seed * 64 + rank)
    return out


@njit(cache=True)
def _paint(tile: NDArray, row0: int, col0: int, n: float, kinds: NDArray, shapes: NDArray, classes: NDArray) -> None:
    height, width = tile.shape
    for p in range(kinds.size):
        s, kind = shapes[p], kinds[p]
        if kind == 2:
            xmin, xmax = min(s[0], s[2], s[4], s[6]), max(s[0], s[2], s[4], s[6])
            ymin, ymax = min(s[1], s[3], s[5], s[7]), max(s[1], s[3], s[5], s[7])
        else:
            ex = abs(s[2]) * s[4] + abs(s[3]) * s[5]
            ey = abs(s[3]) * s[4] + abs(s[2]) * s[5]
            xmin, xmax, ymin, ymax = s[0] - ex, s[0] + ex, s[1] - ey, s[1] + ey
        c0, c1 = max(0, math.floor(xmin * n) - col0), min(width, math.ceil(xmax * n) - col0 + 1)
        r0, r1 = max(0, math.floor(-ymax * n) - row0), min(height, math.ceil(-ymin * n) - row0 + 1)
        for r in range(r0, r1):
            y = -(row0 + r + 0.5) / n
            for c in range(c0, c1):
                x = (col0 + c + 0.5) / n
                if kind == 2:
                    inside = True
                    for k in range(4):
                        a, b = 2 * k, 2 * ((k + 1) % 4)
                        if (s[b] - s[a]) * (y - s[a + 1]) - (s[b + 1] - s[a + 1]) * (x - s[a]) < 0:
                            inside = False
                else:
                    along = (x - s[0]) * s[2] + (y - s[1]) * s[3]
                    across = (y - s[1]) * s[2] - (x - s[0]) * s[3]
                    if kind == 0:
                        inside = abs(along) <= s[4] and abs(across) <= s[5]
                    else:
                        inside = (along / s[4]) ** 2 + (across / s[5]) ** 2 <= 1.0
                if inside:
                    tile[r, c] = classes[p]


def paint(
    tile: NDArray[np.uint8],
    *,
    row: int,
    col: int,
    pixels_per_m: float,
    kinds: NDArray[np.uint8],
    shapes: NDArray[np.float64],
    classes: NDArray[np.uint8],
) -> None:
    """Paint primitives on a tile in their order, a pixel taking the class when its centre is inside.

    Parameters
    ----------
    tile
        Classes, changed in place; its first pixel is at global ``row`` and ``col``.
    pixels_per_m
        Pixels along one metre.
    kinds, shapes, classes
        Shape (n,), parameters in metres (n, 8) and class (n,) of the primitives; quads turn anticlockwise.
    """
    _paint(tile, row, col, float(pixels_per_m), kinds, shapes, classes)


@njit(cache=True)
def _texture(
    clean: NDArray,
    dx: NDArray,
    dy: NDArray,
    coarse: NDArray,
    fine: NDArray,
    margin: int,
    limits: NDArray,
    swaps: NDArray,
    out: NDArray,
) -> None:
    height, width = out.shape
    for r in range(height):
        for c in range(width):
            i = r + margin + min(margin, max(-margin, math.floor(dy[r, c] + 0.5)))
            j = c + margin + min(margin, max(-margin, math.floor(dx[r, c] + 0.5)))
            k = clean[i, j]
            u, v = coarse[r, c], fine[r, c]
            if u > limits[k, 0]:
                k = swaps[k, 0]
            elif u < -limits[k, 1]:
                k = swaps[k, 1]
            elif v > limits[k, 2]:
                k = swaps[k, 2]
            elif v < -limits[k, 3]:
                k = swaps[k, 3]
            out[r, c] = k


def texture(
    clean: NDArray[np.uint8],
    *,
    displacement: tuple[NDArray[np.float32], NDArray[np.float32]],
    patches: tuple[NDArray[np.float32], NDArray[np.float32]],
    limits: NDArray[np.float32],
    swaps: NDArray[np.uint8],
) -> NDArray[np.uint8]:
    """Return a tile whose borders waver and whose classes hold patches of other classes.

    Parameters
    ----------
    clean
        Painted classes with a margin on each side, in pixels half the difference of the two sizes.
    displacement
        Where each pixel looks, columns and rows, in pixels; clipped to the margin.
    patches
        Two noise fields; a class gives way above ``limits[class, 0]`` or below ``−limits[class, 1]`` of
        the first, and likewise with columns 2 and 3 for the second, to the class in the same column of
        ``swaps``.
    """
    dx, dy = displacement
    out = np.empty(dx.shape, dtype=np.uint8)
    margin = (clean.shape[0] - dx.shape[0]) // 2
    _texture(clean, dx, dy, patches[0], patches[1], margin, limits, swaps, out)
    return out
