"""The stages of a run, in their order: the one table that `run`, the commands, ``--until`` and the report follow.

Reading it imports nothing: a stage is a module of `edgekd.pipeline.stages` of the same name, loaded when it is done.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgekd.errors import UsageError

if TYPE_CHECKING:
    from edgekd.pipeline.context import RunContext
    from edgekd.recipe import Recipe


def _always(_recipe: Recipe) -> bool:
    return True


def _uses_labels(recipe: Recipe) -> bool:
    return recipe.distill.labels == "all"


def _chooses_student(recipe: Recipe) -> bool:
    return recipe.student.is_auto


@dataclass(frozen=True)
class Stage:
    """A stage: its ``name`` is that of its module and of its folder in the run's directory.

    ``needs`` are the stages whose files it reads; ``--until`` does a stage and all that it needs. ``when`` says for
    which recipes there is anything to do. What is ``shared`` is the same for every student of a sweep.
    """

    name: str
    needs: tuple[str, ...] = ()
    when: Callable[[Recipe], bool] = _always
    shared: bool = False

    def check(self, recipe: Recipe) -> None:
        """Find what would fail late before anything is done, where the stage can. Raises the stage's errors."""
        check = getattr(self._module(), "check", None)
        if check is not None:
            check(recipe)

    def run(self, context: RunContext) -> RunContext:
        """Do the stage, or skip it where nothing that it depends on has changed; gives the context of the later ones.

        It is another one where the stage decides something of the recipe. Raises the stage's errors.
        """
        return self._module().run(context) or context

    def _module(self) -> Any:
        return importlib.import_module(f"edgekd.pipeline.stages.{self.name}")


STAGES = (
    Stage("data", shared=True),
    Stage("teacher", needs=("data",), shared=True),
    Stage("extra_targets", needs=("teacher",), shared=True),
    # It computes the soft targets first: candidates learn from them.
    Stage("search", needs=("teacher",), when=_chooses_student),
    Stage("start", needs=("teacher", "search")),
    Stage("scratch", needs=("start",), when=_uses_labels),
    # A weak teacher is refused before its answers are paid for.
    Stage("teacher_gates", needs=("teacher", "scratch")),
    Stage("soft_targets", needs=("teacher", "extra_targets"), shared=True),
    Stage("features", needs=("soft_targets",)),
    Stage("distill", needs=("start", "teacher_gates", "soft_targets", "features")),
    Stage("quantize", needs=("distill",), when=lambda recipe: recipe.quantize.needs_stage or recipe.decides),
    Stage("decide", needs=("distill", "quantize"), when=lambda recipe: recipe.decides),
    Stage("export", needs=("distill", "quantize", "decide")),
    Stage("check", needs=("export",)),
    Stage("seeds", needs=("check",), when=lambda recipe: recipe.seeds > 1),
    Stage("bench", needs=("check",)),
    Stage("report", needs=("check", "seeds", "bench")),
)
NAMES = tuple(stage.name for stage in STAGES)
SHARED = tuple(stage.name for stage in STAGES if stage.shared)
# Names of earlier versions.
_OLD_NAMES = {"column": "soft_targets", "taught": "extra_targets"}


def stages_until(name: str) -> tuple[Stage, ...]:
    """The stage of that name and all that it needs, in the table's order. Raises UsageError for an unknown name."""
    name = _OLD_NAMES.get(name, name)
    if name not in NAMES:
        raise UsageError(f"there is no stage {name!r}. The stages are: {', '.join(NAMES)}")
    table = {stage.name: stage for stage in STAGES}
    wanted, new = set[str](), {name}
    while new:
        wanted |= new
        new = {need for stage in new for need in table[stage].needs} - wanted
    return tuple(stage for stage in STAGES if stage.name in wanted)
