import gc
import tempfile
import unittest
from pathlib import Path

import numpy as np
from common import FILES, command_line, write_safetensors

import mathnas

CHOICE = [3, 1, 2, 4, 0, 3]  # of the files


def values():
    return np.fromfile(FILES / "subnet_values.f32", np.float32).reshape(5, 8, 8, 3)


def logits():
    return np.fromfile(FILES / "subnet_logits.f32", np.float32).reshape(5, 10)


class SupernetTest(unittest.TestCase):
    def test_a_subnet_computes_what_the_reference_does(self):
        supernet = mathnas.Supernet.load(FILES / "supernet.safetensors")
        own = mathnas.Subnet.load(FILES / "own.safetensors")
        self.assertEqual(own.choice, CHOICE)
        for subnet in (supernet.extract(CHOICE), supernet.extract(own.subnet), own):
            np.testing.assert_allclose(subnet.network(batch=2).run(values()), logits(), rtol=1e-4, atol=2e-6)

    def test_arrays_are_the_weights(self):
        supernet = mathnas.Supernet.load(FILES / "supernet.safetensors")
        before = supernet.extract(CHOICE).network().run(values())
        name = "classifier.weight"
        weight = supernet.weights[name]
        self.assertTrue(np.shares_memory(weight, supernet.weights[name]))
        weight *= 2
        supernet.weights["classifier.bias"][...] = 3
        after = supernet.extract(CHOICE).network().run(values())
        np.testing.assert_allclose(after - 3, 2 * (before - self.bias()), rtol=1e-4, atol=1e-5)
        # DLPack is the same memory, too.
        np.from_dlpack(weight)[...] = 0
        np.testing.assert_array_equal(supernet.extract(CHOICE).network().run(values()), np.full((5, 10), 3, np.float32))
        # An extracted network has copies.
        subnet = supernet.extract(CHOICE)
        subnet.weights[name][...] = 7
        self.assertEqual(np.abs(supernet.weights[name]).max(), 0)
        # They live on without the supernet.
        weight[...] = np.arange(weight.size).reshape(weight.shape)
        del supernet
        gc.collect()
        [mathnas.Supernet.load(FILES / "supernet.safetensors") for _ in range(3)]
        np.testing.assert_array_equal(weight.ravel(), np.arange(weight.size))

    @staticmethod
    def bias():
        return mathnas.Supernet.load(FILES / "supernet.safetensors").weights["classifier.bias"]

    def test_recalibration_is_the_statistics_of_the_images(self):
        space = mathnas.SearchSpace("nasbench201", channels=4, cells=1, height=8, width=8)
        subnet = mathnas.Subnet(space, CHOICE, seed=3)
        images = np.random.default_rng(0).normal(size=(24, 8, 8, 3)).astype(np.float32)
        subnet.recalibrate(images, batch=24)
        # The first convolution, 3x3 without bias, in double.
        weight = subnet.weights["stem.0.weight"].astype(float)
        padded = np.pad(images.astype(float), ((0, 0), (1, 1), (1, 1), (0, 0)))
        out = sum(
            padded[:, y : y + 8, x : x + 8] @ weight[:, :, y, x].T for y in range(3) for x in range(3)
        )  # fmt: skip
        np.testing.assert_allclose(subnet.weights["stem.1.running_mean"], out.mean(axis=(0, 1, 2)), atol=1e-5)
        np.testing.assert_allclose(subnet.weights["stem.1.running_var"], out.var(axis=(0, 1, 2), ddof=1), rtol=1e-4)

    def test_files_are_those_of_the_program(self):
        space = mathnas.SearchSpace("nasbench201", channels=4, cells=1, height=8, width=8)
        supernet = mathnas.Supernet(space, seed=5)
        again = mathnas.Supernet(space, seed=5)
        other = mathnas.Supernet(space, seed=6)
        self.assertTrue(all(np.array_equal(w, again.weights[name]) for name, w in supernet.weights.items()))
        self.assertFalse(np.array_equal(supernet.weights["_stem.0.weight"], other.weights["_stem.0.weight"]))
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            supernet.save(folder / "supernet.safetensors")
            loaded = mathnas.Supernet.load(folder / "supernet.safetensors")
            self.assertEqual(loaded.space.macro, space.macro)
            self.assertTrue(all(np.array_equal(w, loaded.weights[name]) for name, w in supernet.weights.items()))
            # The program makes a network of the file that computes what ours does, of pixels.
            subnet = supernet.extract(CHOICE)
            subnet.recalibrate(values())
            subnet.save(folder / "own.safetensors")
            command_line(
                "deploy", "--checkpoint", folder / "own.safetensors", "--mean", "120,121,122", "--std", 60,
                "--out", folder / "network.mathnas",
            )  # fmt: skip
            pixels = np.random.default_rng(1).integers(0, 256, (3, 8, 8, 3), dtype=np.uint8)
            write_safetensors(folder / "images.safetensors", images=pixels)
            answer = command_line("run", folder / "network.mathnas", "--input", folder / "images.safetensors", "--runs", 0)
            network = subnet.network(mean=[120, 121, 122], std=[60], classes=list("0123456789"), information={"by": "me"})
            np.testing.assert_array_equal(network.run(pixels).ravel(), np.array(answer["output"]["data"], np.float32))
            self.assertEqual(network.information["by"], "me")
            self.assertEqual(network.information["subnet"], space.subnet(CHOICE))
            self.assertFalse(subnet.network().takes_pixels)
            for batch_norm in ("fold", "keep"):
                subnet.export_onnx(folder / f"{batch_norm}.onnx", batch_norm=batch_norm)
            self.assertTrue(b"stem.1.running_mean" in (folder / "keep.onnx").read_bytes())
            self.assertFalse(b"stem.1.running_mean" in (folder / "fold.onnx").read_bytes())

    def test_errors(self):
        supernet = mathnas.Supernet.load(FILES / "supernet.safetensors")
        subnet = supernet.extract(CHOICE)
        for call, words in (
            (lambda: mathnas.Supernet.load(FILES / "own.safetensors"), "Subnet.load"),
            (lambda: mathnas.Subnet.load(FILES / "supernet.safetensors"), "Supernet.load"),
            (lambda: mathnas.Supernet.load(FILES / "network.mathnas"), "network.mathnas"),
            (lambda: supernet.extract([0]), "1 entries, expected 6"),
            (lambda: subnet.recalibrate(values()[:, :4]), r"images: .* float32 \{images,8,8,3\}"),
            (lambda: subnet.recalibrate(values(), batch=0), "batch"),
            (lambda: subnet.network(mean=[1]), "std: missing"),
            (lambda: subnet.network(mean=[1, 2], std=[1]), "mean: 2 values"),
            (lambda: subnet.network(classes=["a"]), "10"),
            (lambda: subnet.export_onnx("x.onnx", batch_norm="no"), "batch_norm"),
        ):
            with self.subTest(words), self.assertRaisesRegex(ValueError, words):
                call()


if __name__ == "__main__":
    unittest.main()
