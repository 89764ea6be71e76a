import json
import shutil

import pytest
from huggingface_hub import ModelCard
from jinja2 import UndefinedError

from fer.card import CARD, render_card
from fer.model_folder import BUNDLED, CONFIG, METRICS


def test_the_bundled_card_is_true_to_its_figures():
    assert (BUNDLED / CARD).read_text() == render_card(BUNDLED)


def test_the_card_carries_its_figures_for_the_hub():
    metrics = json.loads((BUNDLED / METRICS).read_text())
    results = {row.metric_type: row for row in ModelCard(render_card(BUNDLED)).data.eval_results}
    assert results["accuracy"].metric_value == round(metrics["accuracy"], 4)
    assert results["ece"].dataset_split == "validation"


@pytest.mark.parametrize(("file", "missing"), [(METRICS, "nll"), (METRICS, "per_class"), (CONFIG, "training")])
def test_a_card_with_a_missing_fact_is_not_rendered(tmp_path, file, missing):
    for name in (METRICS, CONFIG):
        shutil.copy(BUNDLED / name, tmp_path)
    document = json.loads((tmp_path / file).read_text())
    document[missing] = {}
    (tmp_path / file).write_text(json.dumps({key: value for key, value in document.items() if value != {}}))
    if missing == "training":
        (tmp_path / file).write_text(json.dumps(document))
    with pytest.raises(UndefinedError):
        render_card(tmp_path)
