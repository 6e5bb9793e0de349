"""What was found to be unusual about photos, counted, so that nothing is dropped or repaired in silence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from edgekd.errors import DataError

EXAMPLES = 5
# Known and harmless: these never stop a strict load.
HARMLESS = frozenset({"hidden-files", "unlabelled-overlap", "near-duplicates-tightened", "joined-tags"})


@dataclass(frozen=True)
class DataWarning:
    """``count`` photos of one ``kind`` of finding, up to five of their names, and a sentence for people."""

    kind: str
    count: int
    examples: tuple[str, ...]
    message: str


@dataclass(frozen=True)
class Finding:
    """A kind of finding with the names of all photos it was made on; ``text`` is a plural before their count."""

    kind: str
    names: tuple[str, ...]
    text: str

    @property
    def warning(self) -> DataWarning:
        """The finding with at most five names."""
        examples = self.names[:EXAMPLES]
        more = ", …" if len(self.names) > EXAMPLES else ""
        message = f"{self.text}: {len(self.names)} ({', '.join(examples)}{more})"
        return DataWarning(self.kind, len(self.names), examples, message)


def merge(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """One finding a kind and text, in a fixed order; those without names are left out."""
    names: dict[tuple[str, str], list[str]] = {}
    for finding in findings:
        names.setdefault((finding.kind, finding.text), []).extend(finding.names)
    return tuple(Finding(kind, tuple(sorted(ids)), text) for (kind, text), ids in sorted(names.items()) if ids)


def refuse(findings: Sequence[Finding]) -> None:
    """Raise one DataError that lists every finding with every name, unless all are harmless."""
    serious = [finding for finding in findings if finding.kind not in HARMLESS]
    if serious:
        lines = "\n".join(f"  {finding.text}: {len(finding.names)} ({', '.join(finding.names)})" for finding in serious)
        raise DataError(
            f"the data has {len(serious)} kinds of irregularities and strict was asked for:\n{lines}\n"
            "  Fix these files, or load without strict to continue with the photos that can be used"
        )


def note_finding(note: str, name: str) -> Finding:
    """The finding for one of ``Photo.notes``: ``kind`` is stable, the text says what was done."""
    if " named ." in note:
        return Finding("misnamed", (name,), f"{note} (decoded by content)")
    if note.startswith("first of "):
        return Finding("several-frames", (name,), "photos of several frames (the first is used)")
    kind, done = _NOTES[note]
    return Finding(kind, (name,), done)


_NOTES = {
    "RGBA": ("rgba", "RGBA photos (laid over white)"),
    "LA": ("grey-alpha", "grey photos with alpha (laid over white)"),
    "PA": ("palette-alpha", "photos with a palette and alpha (laid over white)"),
    "CMYK": ("cmyk", "CMYK photos (converted to RGB without a colour profile)"),
    "palette": ("palette", "photos with a palette (expanded to RGB)"),
    "16-bit": ("16-bit", "photos with 16 bits a channel (the high 8 are used)"),
    "transparent colour": ("transparent-colour", "photos with a transparent colour (laid over white)"),
    "EXIF-rotated": ("exif-rotated", "photos turned by their Exif orientation (turned upright)"),
}
