"""Where a method, a data set or a measure comes from: a publication, as plugins name it."""

from __future__ import annotations

from dataclasses import dataclass

OTHERS = "others"
"""The last of the authors where not all are named, as in BibTeX."""


@dataclass(frozen=True)
class Reference:
    """A publication; what is not known for certain is left out.

    Attributes
    ----------
    authors: surnames in the publication's order; the last may be "others".
    venue: conference or journal.
    arxiv: identifier such as "2306.09910". doi: without "https://doi.org/".
    """

    authors: tuple[str, ...]
    year: int
    title: str = ""
    venue: str = ""
    arxiv: str | None = None
    doi: str | None = None

    def __str__(self) -> str:
        """As a text cites it: "Ash et al., 2020"."""
        few = len(self.authors) < 3 and OTHERS not in self.authors
        return f"{' & '.join(self.authors) if few else f'{self.authors[0]} et al.'}, {self.year}"

    @property
    def url(self) -> str | None:
        """Where it can be read; None if neither an arXiv identifier nor a DOI is known."""
        if self.arxiv is not None:
            return f"https://arxiv.org/abs/{self.arxiv}"
        return None if self.doi is None else f"https://doi.org/{self.doi}"

    def bibtex(self) -> str:
        """An entry for BibTeX, without what is not known, keyed by the first author and the year."""
        key = "".join(letter for letter in self.authors[0].lower() if letter.isalnum())
        kind = "inproceedings" if self.venue else "misc"
        fields = {
            "author": " and ".join(self.authors),
            "title": f"{{{self.title}}}" if self.title else "",
            "booktitle": self.venue,
            "year": str(self.year),
            "eprint": self.arxiv or "",
            "archiveprefix": "arXiv" if self.arxiv else "",
            "doi": self.doi or "",
        }
        lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value]
        return "\n".join([f"@{kind}{{{key}{self.year},", *lines, "}"])

    def in_full(self) -> str:
        """Authors, title, venue and year, as in a list of references."""
        parts = [", ".join(self.authors).replace(f", {OTHERS}", " et al"), self.title, self.venue]
        return f"{'. '.join(part for part in parts if part)} ({self.year})"
