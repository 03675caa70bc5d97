"""Which images the rows of response matrices are: the clusters of the bootstrap."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


@dataclass(frozen=True, eq=False)
class Images:
    """The images of a matrix's rows, among those that are resampled together.

    Attributes
    ----------
    place
        int64, shape (S,): the number of each row's image.
    count
        Images in this matrix and in those that share some with it, or with each other.
    shared
        The number of this set of matrices; None where no other matrix shows any of its images.
    """

    place: np.ndarray
    count: int
    shared: int | None

    @property
    def own(self) -> bool:
        """Whether each row is an image of its own, and no other matrix has images of these."""
        return self.shared is None and self.count == len(self.place)

    def gathered(self, columns: np.ndarray) -> np.ndarray:
        """Return sums of columns over the rows of each image; float64, shape (count, C)."""
        if self.own:
            return columns
        total = np.zeros((self.count, columns.shape[1]))
        np.add.at(total, self.place, columns)
        return total


def images_of(image: np.ndarray, matrix: np.ndarray) -> Iterator[Images]:
    """Yield the images of each matrix.

    Matrices that share images are drawn from one pool, that of all their images; a matrix that
    shares none is drawn from its own, so that each resample has as many of its images as it has.

    Parameters
    ----------
    image
        int64, shape (N,): the image of each row of all matrices, from 0, none left out.
    matrix
        int64, shape (N,): the matrix of each row, from 0, sorted, none left out.
    """
    sizes = np.bincount(matrix)
    starts = np.cumsum(sizes) - sizes
    images = int(image.max()) + 1
    if images == len(image):
        yield from (Images(np.arange(size), int(size), None) for size in sizes)
        return
    nodes = len(sizes) + images
    edges = coo_array((np.ones(len(image)), (matrix, len(sizes) + image)), shape=(nodes, nodes))
    _, pool = connected_components(edges, directed=False)
    members = np.bincount(pool[: len(sizes)], minlength=pool.max() + 1)
    of_image = pool[len(sizes) :]
    counts = np.bincount(of_image, minlength=pool.max() + 1)
    # Images by number within their pool.
    order = np.argsort(of_image, kind="stable")
    number = np.empty(images, dtype=np.int64)
    number[order] = np.arange(images) - (np.cumsum(counts) - counts)[of_image[order]]
    for which, (start, size) in enumerate(zip(starts, sizes, strict=True)):
        own = int(pool[which])
        if members[own] == 1 and counts[own] == size:
            yield Images(np.arange(size), int(size), None)
        else:
            place = number[image[start : start + size]]
            yield Images(place, int(counts[own]), own if members[own] > 1 else None)
