"""Training on small data sets: fine-tuning of the bundled network, with a schedule that depends on the data's size."""

import math
from dataclasses import replace
from typing import Any

from fer.training.plan import Plan
from fer.training.recipes import Recipe

SMALL = 5_000
"""Number of training pictures below which a training starts from the bundled network by default."""
FEW_STEPS = 1_000
"""Number of steps below which a training from scratch prints a warning, and below which the statistics of batch
normalization are measured again at the end, because with Keras' momentum of 0.99 they lag behind by hundreds of
steps."""
START = "bundled"
"""Model that small data sets start from."""
START_NETWORK = "se_resnet"
"""Network of that model."""


def count_steps(recipe: Recipe, pictures: int) -> int:
    """Return the number of steps that a recipe takes on a number of pictures."""
    return recipe.epochs * math.ceil(recipe.repeats * pictures / recipe.batch_size)


def schedule_for(recipe: Recipe, pictures: int) -> Recipe:
    """Return a recipe with the schedule for fine-tuning on a small number of pictures.

    With fewer pictures there are more epochs: 23 for 50 pictures, 5 for 1,000, and 4 from 1,345 pictures on. The
    learning rate is that of the last runs of the bundled network, or the recipe's if that is lower; below 500 pictures,
    where steps are noisier, it is half of the former at most. A recipe with SGD keeps its learning rate and epochs.

    Args:
        recipe: recipe of the network.
        pictures: number of training pictures.
    """
    small = replace(recipe, batch_size=16 if pictures < 500 else 32 if pictures < 2_500 else 96, mixup=0.0)
    if recipe.optimizer == "sgd":
        return small
    return replace(
        small,
        epochs=min(40, max(4, round(165 / math.sqrt(pictures)))),
        learning_rate=min(recipe.learning_rate, 5e-4 if pictures < 500 else 1e-3),
    )


def adapt_plan(plan: Plan, pictures: int) -> tuple[Plan, list[str]]:
    """Adapt a plan to the number of its training pictures.

    Returns:
        The adapted plan, and sentences for the user on the changes.
    """
    options, notes = plan.options, []
    plain = not (options.hosts or options.starts_from_base)
    from_bundled = _may_start_from_bundled(options) and not options.from_scratch
    if pictures < SMALL and plain and (plan.start or from_bundled):
        recipe = replace(schedule_for(plan.recipe, pictures), **options.recipe)
        plan = replace(plan, recipe=recipe, start=plan.start or START, keep=options.keep or "last")
        what = (
            f"{recipe.epochs} epochs of {recipe.batch_size} pictures per step, learning rate {recipe.learning_rate:g}"
        )
        notes.append(f"{pictures} training pictures are few: fine-tuning from {plan.start}, {what}.")
        if not options.start:
            notes.append("--from-scratch trains from random weights instead.")
    elif not plan.start and not options.starts_from_base:
        steps = count_steps(plan.recipe, pictures)
        if steps < FEW_STEPS:
            rule = f"Warning: {steps} steps are few to train from scratch, where some {FEW_STEPS} are needed"
            notes.append(f"{rule}; the model may answer no better than chance. Try {_advise(plan, pictures)}.")
    return plan, notes


def warn_if_trivial(metrics: dict[str, Any], plan: Plan, pictures: int) -> str:
    """Return a warning if a model is no better than answering the most frequent class every time; "" otherwise.

    Args:
        metrics: metrics of `fer.evaluation.report.save_report`.
        plan: plan of the training, the result of `adapt_plan`.
        pictures: number of training pictures.
    """
    label, row = max(metrics["per_class"].items(), key=lambda entry: entry[1]["support"])
    share = row["support"] / metrics["n"]
    if metrics["accuracy"] > share:
        return ""
    figures = f"{metrics['accuracy']:.1%} of {metrics['n']} validation pictures against {share:.1%}"
    return (
        f"This model is no better than answering {label} every time ({figures}). Try {_advise(plan, pictures)}; "
        "`python -m fer data` with --sheet and --model shows whether labels are wrong."
    )


def _advise(plan, pictures):
    """Return what to try instead of a plan whose model is poor."""
    if plan.start or plan.options.starts_from_base:
        return "more pictures of each class"
    if plan.options.from_scratch and pictures < SMALL and _may_start_from_bundled(plan.options):
        return "it without --from-scratch, or with more --epochs"
    if plan.options.teacher and pictures < SMALL and plan.options.network == START_NETWORK:
        instead = " instead of --from-scratch" if plan.options.from_scratch else ""
        return f"it with --start bundled{instead}, or with more --epochs"
    return "more --epochs, or more pictures"


def _may_start_from_bundled(options):
    """Return whether a training on few pictures starts from the bundled model unless `--from-scratch` is given."""
    return options.network == START_NETWORK and not (options.weights or options.teacher or options.hosts)
