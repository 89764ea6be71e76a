"""The pictures of a training and what they are to teach."""

from fer.data.duplicates import check_copies
from fer.data.fer2013 import load_faces
from fer.data.ferplus import load_votes
from fer.data.items import SPLIT_SEED
from fer.training.fit import TrainingData
from fer.training.targets import soft_targets


def load_pictures(plan):
    """Load the pictures of a training, and print how many there are.

    Args:
        plan: `fer.training.plan.Plan`.

    Returns:
        `fer.training.fit.TrainingData` in the size of the model's input.

    Raises:
        UserError: for data that cannot be read, or validation pictures that are training pictures.
    """
    options, config = plan.options, plan.config
    classes = config.labels if options.classes else None
    draw = SPLIT_SEED if options.draw is None else options.draw
    limits = {
        "train": options.limit if options.train_limit is None else options.train_limit,
        "validation": options.limit,
    }
    train, validation = (
        load_faces(options.data, split, classes, config.image_size, limit, options.skip_bad, options.layout, draw)
        for split, limit in limits.items()
    )
    print(f"{len(train)} pictures to train, {len(validation)} to validate, {len(train.skipped)} left out")
    for note in filter(None, [train.left_out, check_copies(validation, train, options.allow_duplicates)]):
        print(note)
    targets = None
    if options.votes:
        targets = soft_targets(train, load_votes(options.votes, train.names), plan.recipe.votes_share)
    return TrainingData(train, validation, targets)
