"""Every exception that Huafeng raises on purpose.

HuafengError
├── UserError              the caller can mend it: one sentence says how (exit code 2, HTTP 4xx)
│   ├── PhotoError         not an image, cut off, too large, animated, cannot be encoded
│   ├── StyleError         damaged, foreign or newer style file; a base generator that does not fit
│   │   └── StyleNotFound  no style of that name in the library
│   ├── GeneratorError     damaged, foreign or newer generator file; pictures that it cannot make
│   ├── GraphError         a network's graph that is damaged, or would read files or never end
│   ├── LutError           a .cube or HaldCLUT that cannot be read or written
│   ├── RegionError        a mask that is not an image, a box outside the photo
│   ├── EditError          an edit with wrong fields: `problems` lists all of them
│   ├── RecipeError        a training recipe with wrong fields: `problems` lists all of them
│   ├── DataError          pictures for training that are missing, unreadable or too few
│   ├── TrainingError      a run that cannot start or go on as asked; an extra that is not installed
│   └── OutputError        the result exists, the folder is not writable, the disk is full
├── RunStopped             training stopped itself: a loss that is not finite, a collapse
└── EngineError            onnxruntime failed or a needed extra is not installed

Note                       a warning: the work goes on, the user should know
"""

from __future__ import annotations

from collections.abc import Sequence


class HuafengError(Exception):
    """Base of all of Huafeng's own exceptions; its text is one sentence for the user."""


class UserError(HuafengError):
    """Something that the caller can mend."""


class PhotoError(UserError):
    """The picture cannot be read or written."""


class StyleError(UserError):
    """The style file cannot be used."""


class StyleNotFound(StyleError):
    """No style of that name."""


class GeneratorError(UserError):
    """The generator file cannot be used, or not for what is asked."""


class GraphError(UserError):
    """The network in a file cannot be used."""


class LutError(UserError):
    """The colour table cannot be used."""


class RegionError(UserError):
    """The region does not say which pixels to style."""


class EditError(UserError):
    """The edit is not valid; `problems` holds one sentence per fault."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("The edit is not valid: " + "; ".join(self.problems) + ".")


class RecipeError(UserError):
    """The recipe is not valid; `problems` holds one sentence per fault."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("The recipe is not valid: " + "; ".join(self.problems) + ".")


class DataError(UserError):
    """The pictures are not there, cannot be read, or are too few."""


class TrainingError(UserError):
    """A run cannot start or go on as asked."""


class OutputError(UserError):
    """The result cannot be written where it should go."""


class RunStopped(HuafengError):
    """Training stopped itself; the last good checkpoint is kept."""


class EngineError(HuafengError):
    """The inference engine is missing or failed."""


class Note(UserWarning):
    """A sentence for the user that ends nothing; the command line tells it on stderr."""
