"""Effect of averaging the probabilities of a face and its mirror image, which doubles the work.

    python -m benchmarks.mirror_average --data fer2013.zip

Prints accuracy and negative log-likelihood of the calibrated probabilities on validation, with and without the average.
"""

import argparse

from fer.data.faces import load_faces
from fer.evaluation.metrics import evaluate
from fer.models.model_folder import load_model
from fer.recognition.classification import classify


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, metavar="PATH", help="folder, zip or CSV of FER2013")
    parser.add_argument("--model", default="bundled", metavar="FOLDER", help="model folder")
    options = parser.parse_args()
    network, config = load_model(options.model)
    faces = load_faces(options.data, "validation", classes=config.labels, image_size=config.image_size)
    images = faces.images[..., 0]
    once, mirrored = (config.calibration.apply(classify(network, each)) for each in (images, images[:, :, ::-1]))
    twice = (once + mirrored) / 2
    for name, probabilities in (("one pass", once), ("mean with the mirror image", twice)):
        metrics = evaluate(probabilities, faces.labels, faces.classes)
        print(f"{name:28}accuracy {metrics['accuracy']:.2%}   negative log-likelihood {metrics['nll']:.3f}")


if __name__ == "__main__":
    main()
