"""What the features of a network tell about classes that it has not learnt: a linear probe.

    python -m benchmarks.linear_probe runs/experiment/vgg16-five --data fer2013.zip --classes happy sad

Fits a linear classifier to the standardized features before the last layer (a linear probe, arXiv:1610.01644), by ridge
regression on as many training pictures as the columns say, whose regularization leave-one-out cross-validation on them
chooses. Prints the accuracy on the validation split. The pictures are those that `train.py --train-limit` takes. Takes
a minute per model on 2 cores.
"""

import argparse

import keras
import numpy as np
from sklearn.linear_model import RidgeClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.tables import table
from fer.data.faces import load_faces
from fer.models.model_folder import load_model
from fer.recognition.classification import classify

PICTURES = (100, 400, 1_600)
"""Numbers of training pictures."""
STRENGTHS = (1, 10, 100, 1_000, 10_000, 100_000)
"""Strengths of the regularization that cross-validation chooses from."""


def measure(folder, data, classes):
    """Return the accuracy on the validation split for each of `PICTURES`, for the features of a model."""
    network, config = load_model(folder)
    base = keras.Model(network.inputs, network.layers[-1].input)

    def load(split, limit=None):
        faces = load_faces(data, split, classes=classes, image_size=config.image_size, limit=limit)
        return classify(base, faces.images[..., 0]), faces.labels

    features, labels = load("validation")
    shares = []
    for count in PICTURES:
        probe = make_pipeline(StandardScaler(), RidgeClassifierCV(STRENGTHS))
        shares.append(float(np.mean(probe.fit(*load("train", count)).predict(features) == labels)))
    return shares


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, metavar="PATH", help="folder, zip or CSV of FER2013")
    parser.add_argument("--classes", required=True, nargs="+", metavar="NAME", help="classes to tell apart")
    parser.add_argument("models", nargs="+", metavar="FOLDER", help="model folders")
    options = parser.parse_args()
    rows = [[name, *map("{:.1%}".format, measure(name, options.data, options.classes))] for name in options.models]
    print(table(["features of", *map("{:,} pictures".format, PICTURES)], rows))


if __name__ == "__main__":
    main()
