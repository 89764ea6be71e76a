"""Loading of the pictures and targets of a training."""

import hashlib
import sys
from pathlib import Path

import numpy as np

from fer.data.duplicates import check_copies
from fer.data.faces import list_skipped, load_faces
from fer.data.ferplus import load_votes
from fer.data.items import SPLIT_SEED
from fer.data.sources import open_source
from fer.data.whole_photos import describe_whole_photos
from fer.training.fit import TrainingData
from fer.training.plan import Plan
from fer.training.targets import soft_targets


def load_pictures(plan: Plan) -> TrainingData:
    """Load the pictures of a plan in the size of the model's input, and print their number.

    Raises:
        UserError: if the data cannot be read, or too many validation pictures are training pictures.
    """
    options, config = plan.options, plan.config
    classes = config.labels if options.classes else None
    draw = SPLIT_SEED if options.draw is None else options.draw
    limits = {
        "train": options.limit if options.train_limit is None else options.train_limit,
        "validation": options.limit,
    }
    train, validation = (
        load_faces(
            options.data,
            split,
            classes=classes,
            image_size=config.image_size,
            limit=limit,
            skip_bad=options.skip_bad,
            layout=options.layout,
            draw=draw,
        )
        for split, limit in limits.items()
    )
    skipped = list_skipped(train, validation)
    print(f"{len(train)} pictures to train, {len(validation)} to validate, {len(skipped)} unreadable")
    for message in skipped:
        print(f"skipped: {message}", file=sys.stderr)
    copies = check_copies(validation, train, options.allow_duplicates)
    with open_source(Path(options.data), lambda error: None, config.labels, options.layout) as source:
        photos = describe_whole_photos(source, config.labels)
    for note in filter(None, [train.left_out, copies, photos]):
        print(note)
    targets = digest = None
    if options.votes:
        votes = load_votes(options.votes, train)
        print(f"Votes for {(~np.isnan(votes).any(axis=1)).sum()} of {len(train)} training pictures")
        targets = soft_targets(train, votes, plan.recipe.votes_share)
        digest = hashlib.sha256(votes.tobytes()).hexdigest()
    return TrainingData(train, validation, targets, votes_sha256=digest)
