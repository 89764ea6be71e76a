"""Measure a model on a split of FER2013."""

from fer.data import load_faces
from fer.errors import UserError
from fer.metrics import evaluate, restrict
from fer.model_folder import load_model
from fer.models import classify


def evaluate_model(folder, data, split="validation", classes=None, limit=None, skip_bad=False, model=None):
    """Loads a model and a split and compares them.

    Args:
        folder: model folder or `bundled`.
        data, split, limit, skip_bad: as `fer.data.load_faces` takes them.
        classes: emotions to measure on, among those the model knows; the model then chooses among these. None for all.
        model: what to call the model in the figures; by default the folder.

    Returns:
        The figures of `measure` and the messages of the pictures that were left out.

    Raises:
        UserError: for a model or data that do not fit.
    """
    network, config = load_model(folder)
    unknown = [name for name in classes or () if name not in config.labels]
    if unknown:
        raise UserError(f"This model knows {', '.join(config.labels)}. Received: {', '.join(unknown)}")
    faces = load_faces(data, split, classes or config.labels, config.image_size, limit, skip_bad)
    probabilities = classify(network, faces.images[..., 0])
    return measure(probabilities, config, faces, split, model or str(folder)), faces.skipped


def measure(probabilities, config, faces, split, model):
    """The figures of a model's answers.

    Args:
        probabilities: of the network as it is, not calibrated: float `(n, len(config.labels))`.
        config: the model's `fer.model_folder.ModelConfig`.
        faces: the `fer.data.Faces` that were answered; their classes are some of the model's labels.
        split: which pictures they are.
        model: what to call the model.

    Returns:
        The figures of `fer.metrics.evaluate` on the calibrated probabilities, with `split`, `model`, `skipped`,
        `data_sha256`, `temperature`, and `confident`: `threshold`, `coverage` (the share of answers that are sure) and
        their `accuracy`, None if there are none.
    """
    calibrated = config.calibration.apply(probabilities)
    chosen = restrict(calibrated, config.labels, faces.classes)
    confident = config.calibration.confident(calibrated)
    correct = chosen.argmax(axis=1) == faces.labels
    return {
        **evaluate(chosen, faces.labels, faces.classes),
        "split": split,
        "model": model,
        "skipped": len(faces.skipped),
        "data_sha256": faces.sha256(),
        "temperature": config.calibration.temperature,
        "confident": {
            "threshold": config.calibration.threshold,
            "coverage": float(confident.mean()),
            "accuracy": float(correct[confident].mean()) if confident.any() else None,
        },
    }


def format_metrics(metrics):
    """The figures of `evaluate_model` as a table for people."""
    low, high = metrics["accuracy_interval"]
    sure = metrics["confident"]
    lines = [
        f"{metrics['n']} pictures of the {metrics['split']} split, model {metrics['model']}",
        f"accuracy                    {metrics['accuracy']:7.2%}  (95 % interval {low:.2%} to {high:.2%})",
        f"balanced accuracy           {metrics['balanced_accuracy']:7.2%}",
        f"macro F1                    {metrics['macro_f1']:7.2%}",
        f"expected calibration error  {metrics['ece']:7.2%}  (temperature {metrics['temperature']:g})",
        f"negative log-likelihood     {metrics['nll']:7.3f}",
        f"sure answers                {sure['coverage']:7.2%}  (top probability from {sure['threshold']:g} on)",
    ]
    if sure["accuracy"] is not None:
        lines.append(f"accuracy of sure answers    {sure['accuracy']:7.2%}")
    lines += ["", f"{'':10}{'precision':>10}{'recall':>10}{'F1':>10}{'pictures':>10}"]
    for name, row in metrics["per_class"].items():
        figures = "".join(f"{row[key]:10.1%}" for key in ("precision", "recall", "f1"))
        lines.append(f"{name:10}{figures}{row['support']:10}")
    lines += ["", "true \\ predicted  " + "".join(f"{name[:8]:>9}" for name in metrics["labels"])]
    for name, row in zip(metrics["labels"], metrics["confusion_matrix"], strict=True):
        lines.append(f"{name:18}" + "".join(f"{count:9}" for count in row))
    return "\n".join(lines)
