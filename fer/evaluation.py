"""Measure a model on a split of FER2013."""

from fer.data import load_faces
from fer.errors import UserError
from fer.metrics import evaluate, restrict
from fer.model_folder import load_model
from fer.models import classify


def evaluate_model(model, data, split="validation", classes=None, limit=None, skip_bad=False):
    """Loads a model and a split and compares them.

    Args:
        model: model folder or `bundled`.
        data, split, limit, skip_bad: as `fer.data.load_faces` takes them.
        classes: emotions to measure on, among those the model knows; the model then chooses among these. None for all.

    Returns:
        The figures of `fer.metrics.evaluate` with `split`, `model` and `skipped`, and the messages of the pictures that
        were left out.

    Raises:
        UserError: for a model or data that do not fit.
    """
    network, config = load_model(model)
    unknown = [name for name in classes or () if name not in config.labels]
    if unknown:
        raise UserError(f"This model knows {', '.join(config.labels)}. Received: {', '.join(unknown)}")
    faces = load_faces(data, split, classes or config.labels, config.image_size, limit, skip_bad)
    probabilities = classify(network, faces.images[..., 0])
    metrics = evaluate(restrict(probabilities, config.labels, faces.classes), faces.labels, faces.classes)
    return {**metrics, "split": split, "model": str(model), "skipped": len(faces.skipped)}, faces.skipped


def format_metrics(metrics):
    """The figures of `evaluate_model` as a table for people."""
    lines = [
        f"{metrics['n']} pictures of the {metrics['split']} split, model {metrics['model']}",
        f"accuracy                    {metrics['accuracy']:7.2%}",
        f"balanced accuracy           {metrics['balanced_accuracy']:7.2%}",
        f"macro F1                    {metrics['macro_f1']:7.2%}",
        f"expected calibration error  {metrics['ece']:7.2%}",
        f"negative log-likelihood     {metrics['nll']:7.3f}",
        "",
        f"{'':10}{'precision':>10}{'recall':>10}{'F1':>10}{'pictures':>10}",
    ]
    for name, row in metrics["per_class"].items():
        figures = "".join(f"{row[key]:10.1%}" for key in ("precision", "recall", "f1"))
        lines.append(f"{name:10}{figures}{row['support']:10}")
    lines += ["", "true \\ predicted  " + "".join(f"{name[:8]:>9}" for name in metrics["labels"])]
    for name, row in zip(metrics["labels"], metrics["confusion_matrix"], strict=True):
        lines.append(f"{name:18}" + "".join(f"{count:9}" for count in row))
    return "\n".join(lines)
