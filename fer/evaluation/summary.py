"""Text for the terminal from the metrics of `fer.evaluation.evaluate` and `fer.evaluation.report`."""

from typing import Any

from fer.errors import one_line

CUT_AGAIN = (
    "These are not the pictures that its training held out. If the data set is that of the training, and has changed "
    "since, the model was trained on some of them."
)
"""Warning about a model that may be measured on its training pictures."""


def format_metrics(metrics: dict[str, Any]) -> str:
    """Return the metrics of `evaluate_model` or of `fer.evaluation.report.save_report` as text for the terminal."""
    cut = ", a tenth of the training pictures that was held out" if metrics.get("held_out") else ""
    scenes = metrics.get("scenes")
    count = f"{metrics['n']} of {scenes['pictures']}" if scenes else metrics["n"]
    lines = [f"{count} pictures of the {metrics['split']} split{cut}, model {metrics['model']}"]
    if metrics.get("cut_again"):
        lines.append(CUT_AGAIN)
    lines += [*_format_accuracy(metrics), *_format_confidence(metrics)]
    if end_to_end := metrics.get("end_to_end"):
        found = f"of the {end_to_end['found']} faces found in {end_to_end['pictures']} scenes"
        unpasted = f"without the scenes {end_to_end['accuracy_without_scenes']:.2%}"
        lines.append(f"end-to-end accuracy         {end_to_end['accuracy']:7.2%}  ({found}; {unpasted})")
    if metrics.get("agreement"):
        lines += _format_agreement(metrics["agreement"])
    if "duplicates" in metrics:
        lines += _format_duplicates(metrics["duplicates"])
    lines += ["", *_format_classes(metrics["per_class"])]
    lines += ["", *_format_confusion(metrics["labels"], metrics["confusion_matrix"])]
    if metrics.get("photos"):
        lines += ["", *format_photos(metrics["photos"]).splitlines()]
    return "\n".join(map(one_line, lines))


def format_photos(metrics: dict[str, Any]) -> str:
    """Return the metrics of `fer.evaluation.photos.measure_photos` as a table for the terminal."""
    width = max(10, *map(len, metrics["sets"]))

    def line(name, *cells):
        widths = (7, 7, 9, 10, 10, 8, 6)
        return " ".join([f"{name:{width}}", *(f"{cell:>{size}}" for cell, size in zip(cells, widths, strict=True))])

    lines = [line("set", "photos", "found", "balanced", "among all", "confident", "correct", "ECE")]
    for name, row in metrics["sets"].items():
        shares = row["found"] / row["n"], row["balanced_accuracy"], row["all_labels"]["balanced_accuracy"]
        confident = row["confident"]
        shares = *shares, confident["coverage"], confident["accuracy"], row["ece"]
        lines.append(line(name, row["n"], *map(_share, shares)))
        lines += [f"  left out: {count} in {folder}/" for folder, count in row["left_out"].items()]
    mean = metrics["mean"]
    keys = ("balanced_accuracy", "balanced_accuracy_all", "coverage", "accuracy", "ece")
    lines.append(line("mean", "", "", *(_share(mean[key]) for key in keys)))
    together = metrics["all"]["confident"]
    shares = together["coverage"], together["accuracy"], metrics["all"]["ece"]
    lines.append(line("all", metrics["all"]["n"], "", "", "", *map(_share, shares)))
    lines.append("recall, mean over the sets: " + ", ".join(f"{k} {v:.1%}" for k, v in mean["recall"].items()))
    lines += format_fairness(metrics["fairness"]) if "fairness" in metrics else []
    if left_out := metrics.get("neutral_without_group"):
        lines.append(f"  left out: {left_out} neutral photos whose names show no group")
    return "\n".join(map(one_line, lines))  # Names of folders and groups may hold line breaks.


def _format_accuracy(metrics):
    """Return the lines of the accuracy, and of the faces found if each picture was pasted into a scene."""
    low, high = metrics["accuracy_interval"]
    lines = [f"accuracy                    {metrics['accuracy']:7.2%}  (95% interval {low:.2%} to {high:.2%})"]
    if scenes := metrics.get("scenes"):
        share = metrics["n"] / scenes["pictures"]
        lines.insert(0, f"faces found in their scenes {share:7.2%}  (of {scenes['pictures']})")
        lines.append(f"accuracy without the scenes {scenes['accuracy_without_scenes']:7.2%}  (the same faces)")
    return [
        *lines,
        f"balanced accuracy           {metrics['balanced_accuracy']:7.2%}",
        f"macro F1                    {metrics['macro_f1']:7.2%}",
    ]


def _format_confidence(metrics):
    """Return the lines of the calibration, and of the confident answers."""
    confident = metrics["confident"]
    threshold = f"top probability at least {confident['threshold']:g}"
    lines = [
        f"expected calibration error  {metrics['ece']:7.2%}  (temperature {metrics['temperature']:g})",
        f"negative log-likelihood     {metrics['nll']:7.3f}",
        f"confident answers           {confident['coverage']:7.2%}  ({threshold})",
    ]
    if prior := metrics.get("prior"):
        tried = ", ".join(f"{row['exponent']:g}" for row in prior["tried"])
        lines.insert(0, f"prior exponent              {prior['exponent']:7.2f}" + (f"  (of {tried})" if tried else ""))
    if confident["accuracy"] is not None:
        others = metrics.get("calibration", {}).get("confident_held_out")
        share = others and ("none" if others["accuracy"] is None else f"{others['accuracy']:.2%} of {others['n']}")
        held_out = f"; in 5-fold cross-validation {share}" if share else ""
        lines.append(f"selective accuracy          {confident['accuracy']:7.2%}  (of the confident answers{held_out})")
    return lines


def _format_agreement(agreement):
    """Return the lines of `fer.evaluation.human_agreement.compare_with_votes`."""
    majority, top = agreement["majority"], agreement["top_share"]
    top = "none" if top is None else f"{top:.2%}"
    return [
        f"people's most frequent vote {top:>7}  (its mean share, {agreement['n']} pictures)",
        f"accuracy where 80% agree    {_percent(agreement['agreed'])}",
        f"accuracy where fewer do     {_percent(agreement['disputed'])}",
        f"agrees with the majority    {_percent(majority)}, {majority['left_out']} without one",
    ]


def _format_duplicates(duplicates):
    """Return the lines of `fer.evaluation.evaluate.measure_without_duplicates`."""
    distance = f"pixel distance up to {duplicates['max_distance']:g}"
    excluded = f"the {duplicates['found']} near-duplicates of training pictures, {distance}"
    lines = [f"accuracy without {excluded}: {_percent(duplicates)}"]
    if duplicates.get("identical"):
        example = " is ".join(duplicates["example"])
        lines.append(f"of these {duplicates['identical']} are pixel-identical to training pictures, such as {example}")
    return lines


def _format_classes(per_class):
    """Return the lines of precision, recall and F1 by class."""
    lines = [f"{'':10}{'precision':>10}{'recall':>10}{'F1':>10}{'pictures':>10}"]
    for name, row in per_class.items():
        shares = "".join(f"{row[key]:10.1%}" for key in ("precision", "recall", "f1"))
        lines.append(f"{name:10}{shares}{row['support']:10}")
    return lines


def _format_confusion(labels, matrix):
    """Return the lines of the confusion matrix."""
    lines = ["true \\ predicted  " + "".join(f"{name[:8]:>9}" for name in labels)]
    for name, row in zip(labels, matrix, strict=True):
        lines.append(f"{name:18}" + "".join(f"{count:9}" for count in row))
    return lines


def _percent(row):
    """Return the accuracy and the number of pictures of a dict of `fer.evaluation.metrics.accuracy_where`."""
    accuracy = "none" if row["accuracy"] is None else f"{row['accuracy']:.2%}"
    return f"{accuracy:>7}  ({row['n']} pictures)"


def format_fairness(fairness: dict[str, Any]) -> list[str]:
    """Return the result of `fer.evaluation.fairness.measure_fairness` as the lines of a table for the terminal."""
    none = "" if fairness else ": no face was found"
    lines = [f"neutral faces read as a harmful expression, by group{none}"]
    for name, row in fairness.items():
        shares = (f"{key} {value['share']:.1%}" for key, value in row.items() if key != "n")
        low, high = row["any"]["interval"]
        lines.append(f"{name:10} {row['n']:5}  {', '.join(shares)} ({low:.1%}-{high:.1%})")
    return lines


def _share(value):
    return "–" if value is None else f"{value:.1%}"
