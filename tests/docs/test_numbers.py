"""Tests that the documents state the numbers of the bundled model's metrics.json."""

import json

import pytest
from conftest import ROOT

from fer.models.model_folder import BUNDLED

METRICS = json.loads((BUNDLED / "metrics.json").read_text())
PHOTOS = METRICS["photos"]
SETS = {name: measured["balanced_accuracy"] for name, measured in PHOTOS["sets"].items()}
RECALL, MEAN = PHOTOS["mean"]["recall"], PHOTOS["mean"]["balanced_accuracy"]
LOW, HIGH = METRICS["accuracy_interval"]
STATED = {
    "README.md": [
        f"(AffectNet) | 528 | **{SETS['affectnet']:.0%}**",
        f"(CK+) | 436 | **{SETS['ckplus']:.0%}**",
        f"(KDEF) | 504 | **{SETS['kdef']:.0%}**",
        f"fear or disgust | 102 | **{SETS['stock']:.0%}**",
        f"mean of the four sets | 1,570 | **{MEAN:.0%}**",
        f"accuracy | 3,589 | {METRICS['accuracy']:.0%} ± {50 * (HIGH - LOW):.1f} |",
        f"{RECALL['fear']:.0%} of fear, {RECALL['disgust']:.0%} of disgust and {RECALL['happy']:.0%} of happy photos",
    ],
    "docs/results.md": [
        f"in the wild | 528 | 48% | **{SETS['affectnet']:.0%}** ± 4",
        f"CK+, laboratory | 436 | 71% | **{SETS['ckplus']:.0%}** ± 4",
        f"KDEF, laboratory | 504 | 77% | **{SETS['kdef']:.0%}** ± 3",
        f"stock photos, disgust or fear | 102 | 67% | **{SETS['stock']:.0%}** ± 8",
        f"mean of the sets | | 66% | **{MEAN:.0%}** ± 3 | {PHOTOS['mean']['balanced_accuracy_all']:.0%}",
        "Recall, all classes, mean of sets: " + ", ".join(f"{label} {recall:.0%}" for label, recall in RECALL.items()),
        f"{PHOTOS['all']['confident']['accuracy']:.0%} of these are right",
        f"accuracy, seven classes | **{METRICS['accuracy']:.1%} ± {50 * (HIGH - LOW):.1f}**",
        f"{METRICS['balanced_accuracy']:.1%}; {METRICS['macro_f1']:.1%}",
        f"{METRICS['ece']:.1%}; {METRICS['nll']:.3f}",
        f"{METRICS['confident']['coverage']:.1%}; {METRICS['confident']['accuracy']:.1%}",
        f"the larger of the two probabilities | {METRICS['happy_or_sad']['accuracy']:.1%}",
        f"(3,372 pictures have one) | {METRICS['agreement']['majority']['accuracy']:.1%}",
        f"near-duplicates of training pictures | {METRICS['duplicates']['accuracy']:.1%}",
        f"{METRICS['end_to_end']['accuracy']:.1%} ± 1.5; {METRICS['end_to_end']['accuracy_without_scenes']:.1%}",
    ],
    "docs/original-experiment.md": [
        f"is right on {METRICS['happy_or_sad']['accuracy']:.1%} when it chooses between these two",
    ],
}
"""Numbers that each document states, in its words."""


@pytest.mark.parametrize(("document", "stated"), [(name, text) for name, texts in STATED.items() for text in texts])
def test_a_document_states_what_was_measured(document, stated):
    text = " ".join((ROOT / document).read_text(encoding="utf-8").split())
    assert stated in text
