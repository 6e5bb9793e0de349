"""The keys that say which pixel values a network takes: the same in ``[teacher]`` and ``[student]``."""

from __future__ import annotations

from pydantic import Field, model_validator

from edgekd.section import Section

Three = tuple[float, float, float]


class PixelSettings(Section):
    """A pixel 0..255 first becomes ``pixel_range``, then ``(x - mean) / std``, channel by channel."""

    pixel_range: tuple[float, float] | None = Field(None, examples=[[0, 1]])
    """What black and white become before mean and std, as in [0, 1], [-1, 1] or [0, 255].

    Needed by a network of your own whose first layers do not show which values it takes.
    """
    mean: Three | None = Field(None, examples=[[0.485, 0.456, 0.406]])
    """Mean of each channel, subtracted after pixel_range. Needs std and pixel_range."""
    std: Three | None = Field(None, examples=[[0.229, 0.224, 0.225]])
    """Standard deviation of each channel, by which values are divided. Needs mean and pixel_range; above 0."""

    @model_validator(mode="after")
    def _pixels_are_whole(self) -> PixelSettings:
        if (self.mean is None) != (self.std is None):
            raise ValueError("mean and std go together: give both, three numbers each, or neither")
        if self.mean is not None and self.pixel_range is None:
            raise ValueError(
                "mean and std of pixels in which range? Add pixel_range = [0, 1] (torchvision's are of that), or "
                "pixel_range = [0, 255]"
            )
        if self.std is not None and min(self.std) <= 0:
            raise ValueError(f"std must be above 0, got {list(self.std)}")
        if self.pixel_range is not None and self.pixel_range[0] == self.pixel_range[1]:
            raise ValueError(f"pixel_range is what black and white become, got {list(self.pixel_range)}")
        return self
