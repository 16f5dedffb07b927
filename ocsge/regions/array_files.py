"""Several named arrays in one file: their names, then each array as numpy writes it.

An ``.npz`` would do the same through a zip archive, whose checksums cost more than the reading; the workspace has its
own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray


def save_arrays(path: Path, arrays: Mapping[str, NDArray[np.generic]]) -> None:
    """Write arrays to ``path``; the same arrays give the same bytes."""
    with path.open("wb") as file:
        np.save(file, np.array(list(arrays)), allow_pickle=False)
        for array in arrays.values():
            np.save(file, array, allow_pickle=False)


def load_arrays(path: Path) -> dict[str, NDArray[np.generic]]:
    """Read what :func:`save_arrays` wrote, by name."""
    with path.open("rb") as file:
        names = np.load(file, allow_pickle=False).tolist()
        return {name: np.load(file, allow_pickle=False) for name in names}
