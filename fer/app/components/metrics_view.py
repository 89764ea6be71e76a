"""Metrics of a model as HTML, from its `metrics.json`: those that are present and belong to the model that answers.

The tables and drawings are part of the page, not image files: they follow its language and dark mode, a screen reader
reads them, and no file of the model folder has to be served.
"""

from html import escape
from typing import TYPE_CHECKING

from fer.app.texts import say, say_class
from fer.data.facts import is_same_data
from fer.labels import class_colors

if TYPE_CHECKING:
    from fer.models.config import ModelConfig

TOLERANCE = 1e-4
"""Largest difference between two equal metrics: rounding causes less, another temperature more."""
BLUE = "#3b82f6"
"""Colour of the reliability curve."""


def show_metrics(language: str, metrics: dict, config: "ModelConfig") -> str:
    """Return the HTML of a model's metrics, which says so if some are left out.

    Args:
        language: code of the page's language.
        metrics: content of `metrics.json`, written by `fer.evaluation.report.save_report`; a file of an earlier version
            or of another program may have any content.
        config: configuration of the model that answers.
    """
    texts, pictures, complete = [], [], True
    for parts, part in (
        (texts, photos),
        (texts, accuracy),
        (texts, selective_accuracy),
        (pictures, confusion),
        (pictures, by_expression),
        (pictures, reliability),
    ):
        try:
            if tuple(metrics["labels"]) != config.labels:
                raise ValueError("The metrics have other labels than the model.")
            parts.append(part(language, metrics, config) or "")
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            complete = False
    rest = "" if complete else f"<p>{say(language, 'about.left_out')}</p>"
    return f'<div class="metrics">{"".join(texts)}<div class="pictures">{"".join(pictures)}</div>{rest}</div>'


def photos(language: str, metrics: dict, config: "ModelConfig") -> str:
    """Return the HTML of the balanced accuracy on whole photos; "" if it was not measured."""
    measured = metrics.get("photos")
    if not measured:
        return ""
    if metrics["prior"]["exponent"] != config.calibration.prior_exponent:
        raise ValueError("The metrics were measured with another prior.")
    sets = {name: row["balanced_accuracy"] for name, row in measured["sets"].items() if row["balanced_accuracy"]}
    if not sets:
        return ""
    shares = ", ".join(f"{escape(name)} {format_percent(share)}" for name, share in sets.items())
    mean = format_percent(measured["mean"]["balanced_accuracy"])
    number = sum(int(row["n"]) for row in measured["sets"].values())
    text = say(language, "about.photos", accuracy=mean, n=number, sets=shares)
    if len(metrics["prior"]["tried"]) > 2:
        text += " " + say(language, "about.photos_chosen")
    return f"<p>{text}</p>"


def accuracy(language: str, metrics: dict, config: "ModelConfig") -> str:
    """Return the HTML of the accuracy and how it was measured."""
    low, high = metrics["accuracy_interval"]
    shares = {"accuracy": metrics["accuracy"], "low": low, "high": high}
    values = {key: format_percent(share) for key, share in shares.items()}
    trained = config.training.get("data")
    measured = metrics.get("data", trained)  # Metrics of an earlier version do not name the data.
    held_out = measured and (metrics.get("data") or {}).get("held_out")
    split = say(language, "about.held_out") if held_out else escape(metrics["split"])
    values |= {"n": int(metrics["n"]), "split": split}
    key = "about.accuracy"
    if measured:
        key += "_own" if is_same_data(trained, measured, metrics["data_sha256"]) else "_other"
    text = say(language, key, **values)
    if metrics["split"] == "validation" and not (measured or trained):
        text += " " + say(language, "about.validation")
    without = metrics.get("duplicates") or {"accuracy": None}
    if without["accuracy"] is not None and without["found"]:
        share = format_percent(without["accuracy"])
        text += " " + say(language, "about.duplicates", found=int(without["found"]), accuracy=share)
    return f"<p>{text}</p>"


def selective_accuracy(language: str, metrics: dict, config: "ModelConfig") -> str:
    """Return the HTML of the selective accuracy: that of the answers without "not sure", and their share."""
    confident = metrics["confident"]
    if abs(confident["threshold"] - config.calibration.threshold) > TOLERANCE:
        raise ValueError("The threshold is not that of the model that answers.")
    # Earlier versions measured it only on the pictures that chose the threshold.
    held_out = (metrics.get("calibration") or {}).get("confident_held_out")
    if held_out and held_out["accuracy"] is None:
        return f"<p>{say(language, 'about.none_sure', n=int(metrics['n']))}</p>"
    shares = {key: format_percent((held_out or confident)[key]) for key in ("coverage", "accuracy")}
    text = say(language, "about.sure", n=int(metrics["n"]), **shares)
    if held_out:
        text += " " + say(language, "about.cross_validated")
    return f"<p>{text}</p>"


def confusion(language: str, metrics: dict, config: "ModelConfig") -> str:
    """Return the HTML of the confusion matrix, with one row per true label."""
    rows = []
    for label, counts in zip(config.labels, metrics["confusion_matrix"], strict=True):
        shares = [count / max(sum(counts), 1) for count in counts]
        # Pale enough for the text on it, in light and dark mode.
        cells = "".join(
            f'<td style="background: rgb(59 130 246 / {0.6 * share:.2f})">{100 * share:.0f}</td>' for share in shares
        )
        rows.append(_row(language, label, config.labels, cells))
    columns = [say_class(language, label) for label in config.labels]
    return _figure(say(language, "about.confusion"), f'<div class="confusion">{_table(columns, rows)}</div>')


def by_expression(language: str, metrics: dict, config: "ModelConfig") -> str:
    """Return the HTML table of each expression's recall, precision and F1."""
    rows = []
    for label in config.labels:
        row = metrics["per_class"][label]
        cells = "".join(f"<td>{row[key]:.0%}</td>" for key in ("recall", "precision", "f1"))
        rows.append(_row(language, label, config.labels, f"{cells}<td>{int(row['support'])}</td>"))
    columns = [say(language, f"about.{key}") for key in ("recall", "precision", "f1", "pictures")]
    return _figure(say(language, "about.by_expression"), _table(columns, rows))


def reliability(language: str, metrics: dict, config: "ModelConfig") -> str:
    """Return the HTML of the reliability diagram: accuracy over top probability."""
    rows = metrics["calibration"]["reliability"]
    gap = sum(row["n"] * abs(row["confidence"] - row["accuracy"]) for row in rows) / metrics["n"]
    if metrics["temperature"] != config.calibration.temperature or abs(gap - metrics["ece"]) > TOLERANCE:
        raise ValueError("The curve does not belong to the probabilities of the model that answers.")
    points = [(45 + 250 * row["confidence"], 225 - 210 * row["accuracy"]) for row in rows]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in points)
    ticks = "".join(
        f'<text x="{45 + 2.5 * tick}" y="242" text-anchor="middle">{tick}%</text>'
        f'<text x="39" y="{229 - 2.1 * tick}" text-anchor="end">{tick}%</text>'
        for tick in (0, 50, 100)
    )
    most = max(abs(row["confidence"] - row["accuracy"]) for row in rows)
    drawing = (
        f'<svg viewBox="0 0 320 262" role="img" aria-label="{say(language, "about.reliability_alt", most=100 * most)}">'
        '<path d="M45 15V225H295" fill="none" stroke="currentColor" opacity="0.5"/>'
        '<path d="M45 225L295 15" stroke="currentColor" stroke-dasharray="3 4" opacity="0.6"/>'
        f'<polyline points="{line}" fill="none" stroke="{BLUE}" stroke-width="2"/><g fill="{BLUE}">{dots}</g>{ticks}'
        f'<text x="170" y="258" text-anchor="middle">{say(language, "about.top_probability")}</text>'
        '<text transform="translate(11 120) rotate(-90)" text-anchor="middle">'
        f"{say(language, 'about.right')}</text></svg>"
    )
    return _figure(say(language, "about.reliability", gap=format_percent(metrics["ece"])), drawing)


def format_percent(share: float) -> str:
    """Return a share (0-1) in whole percent, since its interval is wider on a few thousand pictures."""
    return f"{share:.0%}"


def _table(columns, rows):
    head = "".join(f'<th scope="col">{name}</th>' for name in columns)
    return f"<table><thead><tr><td></td>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _row(language, label, labels, cells):
    chip = f'<span class="chip" style="background: {class_colors(labels)[label]}"></span>'
    return f'<tr><th scope="row">{chip}{say_class(language, label)}</th>{cells}</tr>'


def _figure(caption, content):
    return f"<figure>{content}<figcaption>{caption}</figcaption></figure>"
