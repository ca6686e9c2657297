"""What a segmented image comes to, in a few numbers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """What a frame, or all frames of a stack, come to.

    Attributes
    ----------
    objects
        Regions that hang together, corners included; of a stack, those of all its frames.
    foreground_share
        Part of the pixels that belong to the mask, in [0, 1].
    mean_uncertainty
        The paper's measure, over all pixels, in [0, 1].
    score
        How likely the mask is wrong, in [0, 1]; of a stack, the mean of its frames. See
        `image_score`.
    seconds
        Of computing, all frames together.
    frames
        Their number.
    """

    objects: int
    foreground_share: float
    mean_uncertainty: float
    score: float
    seconds: float
    frames: int = 1

    def __add__(self, other: Measures) -> Measures:
        """Return what the frames of both come to."""
        frames = self.frames + other.frames

        def mean(mine: float, theirs: float) -> float:
            return (self.frames * mine + other.frames * theirs) / frames

        return Measures(
            objects=self.objects + other.objects,
            foreground_share=mean(self.foreground_share, other.foreground_share),
            mean_uncertainty=mean(self.mean_uncertainty, other.mean_uncertainty),
            score=mean(self.score, other.score),
            seconds=self.seconds + other.seconds,
            frames=frames,
        )
