"""A model's figures as HTML, from its `metrics.json`: each that is there, and true of what is served.

They are tables and drawings of the page itself instead of pictures of files, so that they follow its language and its
dark mode, are read aloud, and nothing of the model's folder has to be served.
"""

from html import escape

from fer.app.texts import say, say_class
from fer.labels import class_colors

TOLERANCE = 1e-4
"""Up to which two figures are the same; rounding leaves less, another temperature more."""
BLUE = "#3b82f6"


def show_figures(language, metrics, config):
    """The figures of a model.

    Args:
        language: code of the page's language.
        metrics: of `fer.evaluation.report.save_report`, or what else a `metrics.json` of elsewhere or of earlier has.
        config: the `fer.models.config.ModelConfig` of the model that serves.

    Returns:
        HTML that says so where something is left out.
    """
    texts, pictures, complete = [], [], True
    for parts, part in (
        (texts, accuracy),
        (texts, sure_answers),
        (pictures, confusion),
        (pictures, by_expression),
        (pictures, reliability),
    ):
        try:
            if tuple(metrics["labels"]) != config.labels:
                raise ValueError("The figures are of other labels than the model's.")
            parts.append(part(language, metrics, config))
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            complete = False
    rest = "" if complete else f"<p>{say(language, 'about.left_out')}</p>"
    return f'<div class="figures">{"".join(texts)}<div class="pictures">{"".join(pictures)}</div>{rest}</div>'


def accuracy(language, metrics, config):
    """How often the model is right, and how that was measured."""
    low, high = metrics["accuracy_interval"]
    shares = {"accuracy": metrics["accuracy"], "low": low, "high": high}
    facts = {"n": int(metrics["n"]), "split": escape(metrics["split"])}
    key = "about.accuracy_own" if config.training.get("data") else "about.accuracy"
    text = say(language, key, **{key: percent(language, share) for key, share in shares.items()}, **facts)
    if metrics["split"] == "validation":
        text += " " + say(language, "about.validation")
    without = metrics.get("duplicates") or {"accuracy": None}
    if without["accuracy"] is not None:
        share = percent(language, without["accuracy"])
        text += " " + say(language, "about.duplicates", found=int(without["found"]), accuracy=share)
    return f"<p>{text}</p>"


def sure_answers(language, metrics, config):
    """How often the model is sure, and how often it is right then."""
    sure = metrics["confident"]
    if abs(sure["threshold"] - config.calibration.threshold) > TOLERANCE:
        raise ValueError("The threshold is not that of what is served.")
    shares = {key: percent(language, sure[key]) for key in ("coverage", "accuracy")}
    return f"<p>{say(language, 'about.sure', **shares)}</p>"


def confusion(language, metrics, config):
    """What is taken for what, a row a true label."""
    rows = []
    for label, counts in zip(config.labels, metrics["confusion_matrix"], strict=True):
        shares = [count / max(sum(counts), 1) for count in counts]
        # Pale enough for the text upon it, in light mode and dark.
        cells = "".join(
            f'<td style="background: rgb(59 130 246 / {0.6 * share:.2f})">{100 * share:.0f}</td>' for share in shares
        )
        rows.append(_row(language, label, config.labels, cells))
    columns = [say_class(language, label) for label in config.labels]
    return _figure(say(language, "about.confusion"), f'<div class="confusion">{_table(columns, rows)}</div>')


def by_expression(language, metrics, config):
    """Precision, recall and F1 of each expression."""
    rows = []
    for label in config.labels:
        row = metrics["per_class"][label]
        cells = "".join(f"<td>{row[key]:.0%}</td>" for key in ("recall", "precision", "f1"))
        rows.append(_row(language, label, config.labels, f"{cells}<td>{int(row['support'])}</td>"))
    columns = [say(language, f"about.{key}") for key in ("recall", "precision", "f1", "pictures")]
    return _figure(say(language, "about.by_expression"), _table(columns, rows))


def reliability(language, metrics, config):
    """Accuracy over top probability, drawn."""
    rows = metrics["calibration"]["reliability"]
    gap = sum(row["n"] * abs(row["confidence"] - row["accuracy"]) for row in rows) / metrics["n"]
    if metrics["temperature"] != config.calibration.temperature or abs(gap - metrics["ece"]) > TOLERANCE:
        raise ValueError("The curve is not that of the probabilities that are served.")
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
    return _figure(say(language, "about.reliability", gap=percent(language, metrics["ece"])), drawing)


def percent(language, share):
    """A share (0-1) in percent with one decimal, as the language writes it."""
    return f"{share:.1%}".replace(".", say(language, "about.decimal"))


def _table(columns, rows):
    head = "".join(f'<th scope="col">{name}</th>' for name in columns)
    return f"<table><thead><tr><td></td>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _row(language, label, labels, cells):
    chip = f'<span class="chip" style="background: {class_colors(labels)[label]}"></span>'
    return f'<tr><th scope="row">{chip}{say_class(language, label)}</th>{cells}</tr>'


def _figure(caption, content):
    return f"<figure>{content}<figcaption>{caption}</figcaption></figure>"
