"""Whole training runs, profiles and evaluations: what `mathnas train`, `profile` and `evaluate` do."""

import tempfile
import unittest
from pathlib import Path

import numpy as np
from common import command_line, releases_the_gil, write_safetensors

import mathnas

SPEC = "synthetic:N=240,size=8,classes=4,noise=20"
CHOICE = [3, 2, 3, 4, 1, 3]


def space():
    return mathnas.SearchSpace("nasbench201", channels=4, cells=1, classes=4, height=8, width=8)


def recipe(**fields):
    return mathnas.TrainingRecipe().replace(**{"epochs": 2, "batch": 40, "learning_rate": 0.05, "seed": 3, **fields})


class TrainingRunTest(unittest.TestCase):
    def test_it_is_what_the_program_does(self):
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            supernet = mathnas.Supernet(space(), seed=3)
            weight = supernet.weights["classifier.weight"]
            seen = []
            epochs = mathnas.train(supernet, mathnas.load_dataset(SPEC, seed=3), recipe(), out=folder / "ours",
                                   threads=1, progress=seen.append)  # fmt: skip
            # Data sets draw from a seed of their own.
            theirs = command_line(
                "train", "nasbench201", "--data", SPEC + ",seed=3", "--out", folder / "theirs", "--channels", 4, "--cells", 1,
                "--epochs", 2, "--batch", 40, "--lr", 0.05, "--seed", 3, "--threads", 1,
            )  # fmt: skip
            self.assertEqual([e["loss"] for e in epochs], [e["loss"] for e in theirs["epochs"]])
            self.assertEqual([e["accuracy"] for e in epochs], [e["accuracy"] for e in theirs["epochs"]])
            loaded = mathnas.Supernet.load(folder / "theirs" / "checkpoint.safetensors")
            for name, w in supernet.weights.items():
                np.testing.assert_array_equal(w, loaded.weights[name], name)
            np.testing.assert_array_equal(weight, supernet.weights["classifier.weight"])  # views stay what they are
            self.assertEqual((seen[-1].epochs, seen[-1].batches), (2, 6))
            self.assertTrue((folder / "ours" / "checkpoint.safetensors").exists())

    def test_it_goes_on_with_the_same_bits(self):
        data = mathnas.load_dataset(SPEC)
        with tempfile.TemporaryDirectory() as folder:
            whole = mathnas.Subnet(space(), CHOICE, seed=1)
            mathnas.train(whole, data, recipe(), threads=1)
            parts = mathnas.Subnet(space(), CHOICE, seed=1)
            before = {name: w.copy() for name, w in parts.weights.items()}

            def interrupt(progress):
                raise ZeroDivisionError("from the callback")

            with self.assertRaisesRegex(ZeroDivisionError, "from the callback"):
                mathnas.train(parts, data, recipe(), out=folder, threads=1, progress=interrupt)
            for name, w in parts.weights.items():
                np.testing.assert_array_equal(w, before[name])
            with self.assertRaisesRegex(ValueError, "exists, expected resume=True"):
                mathnas.train(parts, data, recipe(), out=folder)
            mathnas.train(parts, data, recipe(), out=folder, resume=True, threads=1)
            for name, w in parts.weights.items():
                np.testing.assert_array_equal(w, whole.weights[name], name)
            with self.assertRaisesRegex(ValueError, "recipe"):
                mathnas.train(parts, data, recipe(momentum=0.5), out=folder, resume=True)

    def test_one_learns_and_is_evaluated(self):
        data = mathnas.load_dataset(SPEC)
        subnet = mathnas.Subnet(space(), CHOICE, seed=1)
        epochs = mathnas.train(subnet, data, recipe(epochs=8, batch=20, augment=False), threads=1)
        self.assertLess(epochs[-1]["loss"], epochs[0]["loss"] / 2)
        self.assertGreater(epochs[-1]["accuracy"], 80)
        evaluation = subnet.evaluate(data)
        images, labels = data.test
        self.assertEqual(evaluation.images, len(images))
        network = subnet.network(mean=data.mean, std=data.std)
        logits = network.run(images).astype(float)
        self.assertAlmostEqual(evaluation.accuracy, 100 * (logits.argmax(axis=1) == labels).mean(), 5)
        log_softmax = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        self.assertAlmostEqual(evaluation.loss, -log_softmax[np.arange(len(labels)), labels].mean(), 4)
        self.assertTrue(releases_the_gil(lambda: subnet.evaluate(data, threads=1)))

    def test_recipes(self):
        self.assertEqual(mathnas.TrainingRecipe.published(space()).to_dict(), mathnas.TrainingRecipe().to_dict())
        vit = mathnas.TrainingRecipe.published(mathnas.SearchSpace("supervit"), batch=512)
        self.assertEqual((vit.optimizer, vit.sampling, vit.decay, vit.average), ("adamw", "sandwich", "matrices", 0.99985))
        self.assertAlmostEqual(vit.learning_rate, 3e-4)
        self.assertEqual(vit.rand_augment, mathnas.TrainingRecipe().rand_augment)
        photographs = mathnas.TrainingRecipe.published(mathnas.SearchSpace("supervit"), photographs=True)
        self.assertEqual((photographs.mixup, photographs.cutmix, photographs.erasing), (0.01, 0.01, 0.01))
        self.assertIn("rand-", photographs.rand_augment)
        stage = mathnas.TrainingRecipe.published(mathnas.SearchSpace("mobilenetv3"), stage="kernel", batch=128, epochs=5)
        self.assertEqual((stage.stage, stage.decay, stage.epochs, stage.batch), ("kernel", "weights", 5, 128))
        self.assertEqual(stage.label_smoothing, 0.1)
        other = vit.replace(optimizer="sgd", mixup=0.5)
        self.assertEqual((other.optimizer, other.mixup, vit.optimizer), ("sgd", 0.5, "adamw"))
        other.epochs = 7
        self.assertEqual(other.to_dict()["epochs"], 7)
        for call, words in (
            (lambda: recipe(epoch=3), "epoch"),
            (lambda: recipe(epochs=0), "epochs"),
            (lambda: recipe(optimizer="lion"), "lion"),
            (lambda: recipe(decay="some"), "some"),
            (lambda: recipe(sampling="all"), "all"),
            (lambda: mathnas.TrainingRecipe.published(space(), stage="kernel"), "stage: of mobilenetv3"),
            (lambda: mathnas.TrainingRecipe.published(mathnas.SearchSpace("mobilenetv3"), stage="x"), "x"),
            (lambda: mathnas.TrainingRecipe.published(mathnas.SearchSpace("supertransformer")), "translates"),
        ):
            with self.subTest(words), self.assertRaisesRegex(ValueError, words):
                call()

    def test_errors(self):
        supernet, data = mathnas.Supernet(space()), mathnas.load_dataset(SPEC)
        for call, error, words in (
            (lambda: mathnas.train(supernet, 7), TypeError, "data"),
            (lambda: mathnas.train(supernet, "no/such"), (ValueError, LookupError), "no/such"),
            (lambda: mathnas.train(supernet, "synthetic:N=40,size=9,classes=4"), ValueError, "9"),
            (lambda: mathnas.train(supernet, data, recipe(batch=1000)), ValueError, "batch"),
            (lambda: mathnas.train(supernet, data, resume=True), ValueError, "resume"),
            (lambda: mathnas.train(supernet, data, teacher=7), TypeError, "teacher"),
            (lambda: mathnas.train(supernet, data, recompute="x"), ValueError, "recompute"),
            (lambda: supernet.extract(CHOICE).evaluate("synthetic:N=40,size=9"), ValueError, "9"),
        ):  # fmt: skip
            with self.subTest(words), self.assertRaisesRegex(error, words):
                call()


class DatasetTest(unittest.TestCase):
    def test_ones_own(self):
        rng = np.random.default_rng(0)
        images, labels = rng.integers(0, 256, (30, 4, 5, 3), dtype=np.uint8), rng.integers(0, 3, 30)
        data = mathnas.Dataset((images[:20], labels[:20]), (images[20:], labels[20:]), classes=4, name="mine")
        for part, rows in ((data.train, slice(20)), (data.test, slice(20, 30))):
            np.testing.assert_array_equal(part[0], images[rows])
            np.testing.assert_array_equal(part[1], labels[rows])
        np.testing.assert_allclose(data.mean, images[:20].mean(axis=(0, 1, 2)))
        np.testing.assert_allclose(data.std, images[:20].std(axis=(0, 1, 2)))
        self.assertEqual(data.classes, 4)
        given = mathnas.Dataset((images, labels), (images, labels), mean=[1, 2, 3], std=[4, 5, 6])
        self.assertEqual((given.mean, given.std), ([1, 2, 3], [4, 5, 6]))
        for arguments, options, words in (
            (((images, labels[:9]), (images, labels)), {}, "train labels"),
            (((images, labels), (images[:, :3].copy(), labels)), {}, "test images"),
            (((images.astype(float), labels), (images, labels)), {}, "train images: float64"),
            (((images, labels - 5), (images, labels)), {}, "train labels"),
            (((images, labels), (images, labels)), {"classes": 1}, "classes: 1"),
            (((images, labels), (images, labels)), {"mean": [1, 2, 3]}, "std: missing"),
            (((images, labels), (images, labels)), {"mean": [1], "std": [1]}, "1 channels"),
        ):
            with self.subTest(words), self.assertRaisesRegex(ValueError, words):
                mathnas.Dataset(*arguments, **options)


class ProfileTest(unittest.TestCase):
    def test_accuracies_are_those_of_the_program(self):
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            data = mathnas.load_dataset(SPEC)
            (images, labels), (test_images, test_labels) = data.train, data.test
            write_safetensors(folder / "data.safetensors", images=images, labels=labels, test_images=test_images,
                              test_labels=test_labels)  # fmt: skip
            spec = f"arrays:{folder / 'data.safetensors'}"
            supernet = mathnas.Supernet(space(), seed=2)
            supernet.save(folder / "supernet.safetensors")
            told = []
            options = dict(metrics=["accuracy", "flops", "memory"], validation=60, recalibration_batches=1,
                           recalibration_batch=40, threads=1)  # fmt: skip
            table = mathnas.profile(supernet, spec, journal=folder / "journal.json", progress=lambda *p: told.append(p), **options)
            theirs = command_line(
                "profile", "--checkpoint", folder / "supernet.safetensors", "--data", spec, "--out", folder / "table.json",
                "--metrics", "accuracy,flops,memory", "--validation", 60, "--recalibration-batches", 1,
                "--recalibration-batch", 40, "--threads", 1,
            )  # fmt: skip
            ours = table.to_dict()
            for metric in ("accuracy", "flops", "memory"):
                self.assertEqual(ours["metrics"][metric]["values"], theirs["metrics"][metric]["values"], metric)
                self.assertEqual(ours["metrics"][metric]["base"], theirs["metrics"][metric]["base"], metric)
            self.assertEqual(ours["nodes"], theirs["nodes"])
            self.assertEqual({what for what, done, total in told}, {"accuracy"})
            # What was measured is not measured again, and a journal belongs to its weights.
            told.clear()
            again = mathnas.profile(supernet, spec, journal=folder / "journal.json", progress=lambda *p: told.append(p), **options)
            self.assertEqual(again.to_dict()["metrics"]["accuracy"]["values"], ours["metrics"]["accuracy"]["values"])
            self.assertEqual(told, [])
            supernet.weights["classifier.bias"][0] += 1
            with self.assertRaisesRegex(ValueError, "journal.json"):
                mathnas.profile(supernet, spec, journal=folder / "journal.json", **options)

    def test_latency_and_whole_networks(self):
        data = mathnas.load_dataset(SPEC)
        supernet = mathnas.Supernet(space(), seed=2)
        table = mathnas.profile(supernet, data, metrics=["accuracy", "latency"], estimator="interaction", evaluations=6,
                                latency_rounds=2, validation=30, recalibration_batches=1, recalibration_batch=40)  # fmt: skip
        self.assertGreater(table.to_dict()["metrics"]["latency"]["base"], 0)
        self.assertEqual(len(table.to_dict()["metrics"]["accuracy"]["evaluations"]), 6)
        best = table.search(estimator="interaction")
        self.assertTrue(best)
        # Which is a table that a server takes.
        with mathnas.Server(supernet, table, estimator="interaction", calibration=data, mean=data.mean, std=data.std) as server:
            self.assertEqual(server.choice, best.best.choice)
            self.assertEqual(server.predict(data.test[0]).shape, (len(data.test[0]),))

    def test_errors(self):
        supernet, data = mathnas.Supernet(space()), mathnas.load_dataset(SPEC)

        def stop(what, done, total):
            raise ZeroDivisionError("enough")

        for options, error, words in (
            ({"metrics": ["beauty"]}, ValueError, "beauty.*accuracy"),
            ({"estimator": "eq7"}, ValueError, "estimator"),
            ({"evaluations": 1}, ValueError, "evaluations: 1"),
            ({"validation": -1}, ValueError, "validation: -1"),
            ({"validation": 10**6}, ValueError, "1000000"),
            ({"latency_batch": 0}, ValueError, "latency_batch: 0"),
            ({"recalibration_batch": 0}, ValueError, "recalibration_batch: 0"),
            ({"metrics": ["accuracy"], "progress": stop, "validation": 30}, ZeroDivisionError, "enough"),
        ):
            with self.subTest(words), self.assertRaisesRegex(error, words):
                mathnas.profile(supernet, data, **options)


if __name__ == "__main__":
    unittest.main()
