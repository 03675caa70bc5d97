"""A map of evidence: for one class against another, place by place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synthesight.stimuli.stimulus import Stimulus


@dataclass(frozen=True, eq=False)
class EvidenceMap:
    """The evidence for one class against another, as a picture that adds up to it.

    Attributes
    ----------
    stimulus
        What was shown.
    of, against
        The two classes.
    nats, standard_error
        float64, shape (h, w): the evidence of each place (pixel, latent or token; channels
        summed), and its Monte-Carlo standard error, which is 0 where nothing is left to chance.
    evidence, evidence_error
        What the places add up to, and the standard error of that.
    unit
        ``"nats"``, or ``"score"`` under a weighting that gives no likelihood.
    draws
        Draws, or parts, that the class of fewer saw.
    image
        uint8, shape (height, width, 3): the image, as the model saw it.
    """

    stimulus: Stimulus
    of: str
    against: str
    nats: np.ndarray
    standard_error: np.ndarray
    evidence: float
    evidence_error: float
    unit: str
    draws: int
    image: np.ndarray

    def __repr__(self) -> str:
        height, width = self.nats.shape
        return (
            f"<EvidenceMap of {self.stimulus.id}: {self.of} against {self.against}, {height} × "
            f"{width}, {self.evidence:+.2f} ± {self.evidence_error:.2f} {self.unit}>"
        )

    def upsampled(self) -> np.ndarray:
        """Return the evidence of each pixel of the image: float64, shape (height, width).

        That of a latent or token is shared equally by the pixels that it covers, so that the sum
        stays.
        """
        rows, columns = (
            np.arange(size) * places // size
            for size, places in zip(self.image.shape[:2], self.nats.shape, strict=True)
        )
        share = self.nats / np.outer(
            *(
                np.bincount(index, minlength=places)
                for index, places in zip((rows, columns), self.nats.shape, strict=True)
            )
        )
        return share[np.ix_(rows, columns)]

    def regions(self, share: float = 1 / 16) -> np.ndarray:
        """Return the evidence of each pixel, shared with its neighbours: the sum stays.

        Single places are less certain than what they have in common.

        Parameters
        ----------
        share
            Standard deviation of the Gaussian, of the image's longer side.
        """
        from scipy.ndimage import gaussian_filter

        width = share * max(self.image.shape[:2])
        return gaussian_filter(self.upsampled(), width, mode="reflect")
