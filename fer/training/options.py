"""Options of a training, as a program or the command line gives them."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any


def _option(default: Any = MISSING, *, may_change: bool = False, unpublished: bool = False, path: bool = False) -> Any:
    """Return a field of `TrainingOptions`.

    Args:
        default: default of the option; it has none if it must be given.
        may_change: whether the option may differ between a run and its resumption.
        unpublished: whether the option is left out of the command that is published with a model.
        path: whether the option names files or folders, of which only the last part is published.
    """
    return field(default=default, metadata={"may_change": may_change, "unpublished": unpublished, "path": path})


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """Options of a training, in the order of the published command.

    data: data set, a folder, zip or CSV file.
    output: model folder to write, new or empty unless the run in it is resumed.
    network: name of the network, one of `fer.training.recipes.RECIPES`.
    classes: classes to tell apart; None for the seven emotions.
    layout: published layout of the data set, a key of `fer.data.layouts.CODES`; None if numbers are not guessed.
    image_size: side of the network's input in pixels; None for the network's usual one.
    enlarged: side in pixels to which `se_resnet` enlarges its input first; None for none.
    recipe: values that replace those of the network's own recipe, by the names of the fields of
        `fer.training.recipes.Recipe`.
    votes: CSV file with the votes of FER+, to train on them too.
    start: model whose weights to start from: a folder, `bundled`, or `OWNER/NAME` of the Hub. None decides by the
        number of pictures (`fer.training.small_sets`).
    from_scratch: whether to start from random weights even with few pictures.
    weights: weights from which the base of a backbone starts: `imagenet`, `none` or the path of a file; None for none.
    teacher: model folders, or `bundled`, that the network is distilled from.
    limit: largest number of pictures of each split.
    train_limit: largest number of training pictures.
    draw: seed that draws the pictures of `limit` and `train_limit`; None for `fer.data.items.SPLIT_SEED`.
    keep: epoch whose weights are kept, `best` or `last`; None decides by the number of pictures.
    resume: whether to continue the run in `output` after its last finished epoch.
    allow_duplicates: whether any number of validation pictures may be identical to training pictures.
    skip_bad: whether pictures and rows that cannot be read are skipped.
    mixed_precision: whether to compute in bfloat16.
    license: licence of the model for its card, an identifier of the Hub.
    hosts: `HOST:PORT` at which process 0 listens for the others; None for a training in one process.
    processes: number of processes that train together.
    process_id: number of this process, from 0.
    push_to_hub: `OWNER/NAME` on the Hub where the model is published; None to publish nothing.
    private: whether a new repository of the Hub is private; None for the owner's default.
    create_pr: whether to open a pull request instead of committing.
    tag: tag for the commit.
    export: formats of other runtimes to write files for, besides LiteRT.
    """

    data: str = _option(may_change=True, path=True)  # Its pictures may not.
    output: Path = _option(may_change=True, path=True)
    network: str = "se_resnet"
    classes: tuple[str, ...] | None = None
    layout: str | None = None
    image_size: int | None = None
    enlarged: int | None = None
    recipe: Mapping[str, Any] = field(default_factory=dict, metadata={"may_change": True})  # The plan's recipe may not.
    votes: str | None = _option(None, path=True)
    start: str | None = _option(None, path=True)
    from_scratch: bool = _option(False, may_change=True)
    weights: str | None = _option(None, path=True)
    teacher: tuple[str, ...] = _option((), path=True)
    limit: int | None = None
    train_limit: int | None = None
    draw: int | None = None
    keep: str | None = _option(None, may_change=True)
    resume: bool = _option(False, may_change=True, unpublished=True)
    allow_duplicates: bool = _option(False, may_change=True)
    skip_bad: bool = False
    mixed_precision: bool = False
    license: str | None = _option(None, may_change=True)
    hosts: str | None = _option(None, may_change=True, unpublished=True)
    processes: int | None = _option(None, may_change=True, unpublished=True)
    process_id: int | None = _option(None, may_change=True, unpublished=True)
    push_to_hub: str | None = _option(None, may_change=True, unpublished=True)
    private: bool | None = _option(None, may_change=True, unpublished=True)
    create_pr: bool = _option(False, may_change=True, unpublished=True)
    tag: str | None = _option(None, may_change=True, unpublished=True)
    export: tuple[str, ...] = _option((), may_change=True)

    @property
    def starts_from_base(self) -> bool:
        """Whether training starts from pretrained weights of a backbone's base."""
        return self.weights not in (None, "none")

    def to_settings(self) -> dict[str, Any]:
        """Return the options that must stay the same when a run is resumed, by name."""
        return {one.name: getattr(self, one.name) for one in fields(self) if not one.metadata.get("may_change")}
