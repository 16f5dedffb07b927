"""Small label rasters for the tests of the polygon tracer, and their runs."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

Labels = NDArray[np.int32]


def drawing(*rows: str) -> Labels:
    """Return labels from text: A is 0, B is 1, …, and a dot is outside."""
    return np.array([[-1 if x == "." else ord(x) - ord("A") for x in row] for row in rows], dtype=np.int32)


def runs_of(labels: Labels) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int32]]:
    """Return (row_ptr, start, piece) of a label raster."""
    begins = np.ones(labels.shape, dtype=bool)
    begins[:, 1:] = labels[:, 1:] != labels[:, :-1]
    row_ptr = np.append(0, np.cumsum(begins.sum(axis=1))).astype(np.int64)
    return row_ptr, np.nonzero(begins)[1].astype(np.int32), labels[begins].astype(np.int32)


def connected(classes: NDArray[np.int64], *, outside: int | None = None) -> Labels:
    """Return one label per 4-connected region of equal class; the class ``outside`` gets −1."""
    labels = np.full(classes.shape, -1, dtype=np.int32)
    count = 0
    for value in np.unique(classes):
        if value != outside:
            part, parts = ndimage.label(classes == value)
            labels[part > 0] = part[part > 0] - 1 + count
            count += parts
    return labels


def framed(labels: Labels, width: int) -> Labels:
    """Return the raster inside a frame of one more piece, whose label is the highest."""
    return np.pad(labels, width, constant_values=labels.max() + 1)


def random_classes(seed: int, height: int, width: int, classes: int, smooth: float) -> NDArray[np.int64]:
    """Return random classes: pixel noise, or patches when ``smooth`` (pixels) is positive."""
    random = np.random.default_rng(seed)
    if smooth == 0:
        return random.integers(0, classes, (height, width))
    field = ndimage.gaussian_filter(random.normal(size=(height, width)), smooth)
    return np.digitize(field, np.quantile(field, np.arange(1, classes) / classes))


@st.composite
def label_rasters(draw: st.DrawFn, *, smallest: int = 1, largest: int = 40) -> Labels:
    """Draw rasters of 4-connected pieces, some with ground outside, some with the largest piece alone."""
    side = st.integers(smallest, largest)
    classes = random_classes(
        draw(st.integers(0, 2**32 - 1)),
        draw(side),
        draw(side),
        draw(st.integers(1, 6)),
        draw(st.sampled_from([0.0, 0.6, 1.0, 2.0, 3.0])),
    )
    outside = draw(st.sampled_from([None, 0])) if classes.max() > 0 else None
    labels = connected(classes, outside=outside)
    if labels.max() < 0 or draw(st.integers(0, 4)) > 0:
        return labels
    # a piece alone has one long border, which folds back near itself
    largest_piece = np.argmax(np.bincount(labels[labels >= 0]))
    return np.where(labels == largest_piece, 0, -1).astype(np.int32)
