"""Judge a classification: confusion matrix, and the scores of each class that are read in it. numpy alone.

A matrix has a row a mapped class and a column a reference class. With ``n_ij`` the pixels mapped ``i`` that the
reference says ``j``::

    precision(i) = n_ii / Σ_j n_ij         of what is mapped i, the part that is i (user's accuracy)
    recall(i)    = n_ii / Σ_j n_ji         of what is i, the part that is mapped i (producer's accuracy)
    iou(i)       = n_ii / (Σ_j n_ij + Σ_j n_ji − n_ii)
    f1(i)        = 2 n_ii / (Σ_j n_ij + Σ_j n_ji)
    overall accuracy = Σ_i n_ii / Σ_ij n_ij
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ocsge.errors import ParameterError

if TYPE_CHECKING:
    from numpy.typing import NDArray

IGNORED = 255
"""Label of a pixel without a reference: it neither teaches nor counts."""


def confusion_matrix(
    mapped: NDArray[np.uint8], reference: NDArray[np.uint8], *, classes: int, ignore: int = IGNORED
) -> NDArray[np.int64]:
    """Return the (classes, classes) number of pixels by mapped class (rows) and by reference class (columns).

    Parameters
    ----------
    mapped, reference
        Class indices of the same pixels, any one shape.
    classes
        Number of classes.
    ignore
        Label of the reference that does not count.

    Raises
    ------
    ParameterError
        Shapes that differ, or an index that is no class.

    Examples
    --------
    >>> confusion_matrix(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 255]), classes=2).tolist()
    [[1, 1], [0, 1]]
    """
    if mapped.shape != reference.shape:
        raise ParameterError(f"mapped pixels {mapped.shape}, reference {reference.shape}: give the same pixels")
    counted = reference != ignore
    rows, columns = mapped[counted].astype(np.int64), reference[counted].astype(np.int64)
    if rows.size and max(rows.max(), columns.max()) >= classes:
        raise ParameterError(f"class index {max(rows.max(), columns.max())} of {classes} classes, numbered from 0")
    return np.bincount(rows * classes + columns, minlength=classes * classes).reshape(classes, classes)


def _ratio(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
    return found


@dataclass(frozen=True, slots=True)
class Scores:
    """The scores of a confusion matrix; those of a class that is absent are NaN.

    Examples
    --------
    >>> scores = Scores(np.array([[3, 1], [0, 4]]))
    >>> scores.overall_accuracy, scores.iou.tolist(), scores.mean_iou
    (0.875, [0.75, 0.8], 0.775)
    """

    counts: NDArray[np.int64]
    """(n, n) pixels: rows as mapped, columns as the reference says."""

    @property
    def right(self) -> NDArray[np.int64]:
        """Pixels of each class that are mapped right."""
        return np.diagonal(self.counts)

    @property
    def mapped(self) -> NDArray[np.int64]:
        """Pixels mapped as each class."""
        found: NDArray[np.int64] = self.counts.sum(axis=1)
        return found

    @property
    def reference(self) -> NDArray[np.int64]:
        """Pixels that are each class."""
        found: NDArray[np.int64] = self.counts.sum(axis=0)
        return found

    @property
    def overall_accuracy(self) -> float:
        """Share of the pixels that are mapped right; NaN without any."""
        total = self.counts.sum()
        return float(self.right.sum() / total) if total else float("nan")

    @property
    def precision(self) -> NDArray[np.float64]:
        """Of what is mapped as each class, the share that is; NaN where nothing is mapped."""
        return _ratio(self.right, self.mapped)

    @property
    def recall(self) -> NDArray[np.float64]:
        """Of what is of each class, the share that is mapped so; NaN where nothing is."""
        return _ratio(self.right, self.reference)

    @property
    def iou(self) -> NDArray[np.float64]:
        """Intersection over union of each class; NaN for a class neither mapped nor in the reference."""
        return _ratio(self.right, self.mapped + self.reference - self.right)

    @property
    def f1(self) -> NDArray[np.float64]:
        """Harmonic mean of precision and recall; NaN for a class neither mapped nor in the reference."""
        return _ratio(2 * self.right, self.mapped + self.reference)

    @property
    def mean_iou(self) -> float:
        """Mean of the IoU of the classes that the reference holds; NaN without any.

        A class that is mapped by mistake and that the reference does not hold lowers the others' IoU; it has none of
        its own to average.
        """
        held = self.reference > 0
        return float(self.iou[held].mean()) if held.any() else float("nan")


def design_effect(matrices: NDArray[np.int64]) -> float:
    """Return by how much taking whole tiles multiplies the variance of the shares of a confusion matrix.

    The pixels of a tile are neighbours: they repeat one another. Each tile is taken for one draw; the variance of
    ``p_ij = n_ij / n_i`` between tiles is that of a ratio (Cochran 1977, *Sampling techniques*, eq. 6.13), compared
    with the ``p(1 − p) / (n_i − 1)`` that independent pixels would give. The cells are averaged with the squared share
    of their row, as their variances weigh in an area.

    Parameters
    ----------
    matrices
        (tiles, n, n) confusion matrix of each tile.

    Returns
    -------
    float
        At least 1. Fewer than two tiles tell nothing of what lies between them: every pixel of the tile is then
        counted as one sample.

    Examples
    --------
    Two tiles of 100 pixels, one right, one wrong: they are 2 samples, not 200.

    >>> round(design_effect(np.array([[[100, 0], [0, 0]], [[0, 100], [0, 0]]])))
    199
    """
    counts = matrices.sum(axis=0, dtype=np.int64)
    samples = counts.sum(axis=1)
    tiles = len(matrices)
    if tiles < 2:
        return float(max(1, samples.sum()))
    drawn = samples > 1
    n = samples[drawn, None].astype(np.float64)
    p = counts[drawn] / n
    deviation = matrices[:, drawn] - p * matrices[:, drawn].sum(axis=2, keepdims=True)
    between = tiles / (tiles - 1) * (deviation**2).sum(axis=0) / n**2
    independent = p * (1 - p) / (n - 1)
    weights = (n / samples.sum()) ** 2
    whole = float((weights * independent).sum())
    return max(1.0, float((weights * between).sum()) / whole) if whole > 0 else 1.0
