import tempfile
import threading
import unittest
from pathlib import Path

import numpy as np
from common import FILES, command_line, releases_the_gil, write_safetensors

import mathnas


class ThroughDlpack:
    """An array that shows itself through DLPack alone."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


class NetworkTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.network = mathnas.Network.load(FILES / "network.mathnas")
        cls.pixels = np.fromfile(FILES / "pixels.u8", np.uint8).reshape(5, 8, 8, 3)
        cls.values = np.fromfile(FILES / "values.f32", np.float32).reshape(5, 8, 8, 3)
        cls.logits = np.fromfile(FILES / "logits.f32", np.float32).reshape(5, 10)  # of the reference device

    def check(self, found):
        np.testing.assert_allclose(found, self.logits, rtol=1e-4, atol=2e-6)

    def test_logits_are_those_of_the_reference(self):
        self.check(self.network.run(self.pixels))
        self.check(self.network.run(self.values))
        for batch in (2, 5, 8):
            network = mathnas.Network.load(FILES / "network.mathnas", batch=batch, threads=2)
            self.assertEqual(network.batch, batch)
            self.check(network.run(self.pixels))
        self.check(mathnas.Network.load(FILES / "network.mathnas", device="reference").run(self.values))
        one = self.network.run(self.pixels[2])
        self.assertEqual(one.shape, (1, 10))
        np.testing.assert_array_equal(one[0], self.network.run(self.pixels)[2])

    def test_the_program_says_the_same(self):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "images.safetensors"
            write_safetensors(file, images=self.pixels)
            answer = command_line("run", FILES / "network.mathnas", "--input", file, "--runs", 0)
        found = self.network.run(self.pixels)
        np.testing.assert_array_equal(np.array(answer["output"]["data"], np.float32).reshape(5, 10), found)
        self.assertEqual(self.network.predict(self.pixels).tolist(), answer["classes"])
        self.assertEqual(self.network.information, answer["information"])

    def test_predictions(self):
        logits = self.network.run(self.pixels).astype(float)
        np.testing.assert_array_equal(self.network.predict(self.pixels), logits.argmax(axis=1))
        softmax = np.exp(logits - logits.max(axis=1, keepdims=True))
        softmax /= softmax.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(self.network.predict_proba(self.pixels), softmax, rtol=1e-5)
        labels = logits.argmax(axis=1)
        labels[:2] += 1
        self.assertEqual(self.network.score(self.pixels, labels), 0.6)

    def test_arrays_of_every_kind(self):
        expected = self.network.run(self.values)
        read_only = self.values.copy()
        read_only.flags.writeable = False
        for images in (read_only, ThroughDlpack(self.values), memoryview(self.values)):
            np.testing.assert_array_equal(self.network.run(images), expected)
        out = np.full((5, 10), np.nan, np.float32)
        self.assertIs(self.network.run(self.values, out=out), out)
        np.testing.assert_array_equal(out, expected)
        self.assertEqual(self.network.run(self.values[:0]).shape, (0, 10))
        first = self.network.run(self.values)
        self.network.run(self.values[::-1].copy())
        np.testing.assert_array_equal(first, expected)  # which is its own memory

    def test_what_the_file_says(self):
        self.assertEqual(self.network.classes_, list("abcdefghij"))
        self.assertEqual((self.network.input_shape, self.network.output_shape), ((8, 8, 3), (10,)))
        self.assertEqual((self.network.mean, self.network.std), ([125.3, 123.0, 113.9], [63.0, 62.1, 66.7]))
        self.assertTrue(self.network.takes_pixels)
        self.assertIn("conv2d", self.network.plan)
        with tempfile.TemporaryDirectory() as folder:
            self.network.save(Path(folder) / "network.mathnas")
            np.testing.assert_array_equal(mathnas.Network.load(folder).run(self.pixels), self.network.run(self.pixels))
            self.network.export_onnx(Path(folder) / "network.onnx")
            self.assertGreater((Path(folder) / "network.onnx").stat().st_size, 10000)

    def test_threads(self):
        expected = self.network.run(self.pixels)
        wrong = []

        def work(network):
            for _ in range(50):
                if not np.array_equal(network.run(self.pixels), expected):
                    wrong.append(network)

        own = [mathnas.Network.load(FILES / "network.mathnas") for _ in range(2)]
        threads = [threading.Thread(target=work, args=[n]) for n in [self.network, self.network, *own]]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])

    def test_other_threads_run_meanwhile(self):
        images = np.zeros((2000, 8, 8, 3), np.float32)
        self.assertTrue(releases_the_gil(lambda: self.network.run(images)))

    def test_errors_name_what_is_wrong(self):
        for call, error, words in (
            (lambda: self.network.run(self.pixels[:, :4]), ValueError, r"images: uint8 \{5,4,8,3\}, expected float32"),
            (lambda: self.network.run(self.values.astype(float)), ValueError, r"float64 .*\{images,8,8,3\}"),
            (lambda: self.network.run(self.values.transpose(0, 2, 1, 3)), ValueError, "contiguous"),
            (lambda: self.network.run(self.values, out=self.logits[:4].copy()), ValueError, r"out: .* \{5,10\}"),
            (lambda: self.network.run(self.values, out=self.logits.astype(float)), ValueError, "out: float64"),
            (lambda: self.network.run(self.values, out=b"no"), TypeError, "out: expected an array"),
            (lambda: self.network.run("cat.jpg"), TypeError, "run"),
            (lambda: self.network.score(self.values, np.zeros(4, int)), ValueError, "labels: .* one for each image"),
            (lambda: mathnas.Network.load(FILES / "none.mathnas"), FileNotFoundError, "none.mathnas"),
            (lambda: mathnas.Network.load(FILES / "truncated.mathnas"), ValueError, "truncated.mathnas"),
            (lambda: mathnas.Network.load(FILES / "header.mathnas"), ValueError, "header.mathnas"),
            (lambda: mathnas.Network.load(FILES / "empty.mathnas"), ValueError, "empty.mathnas"),
            (lambda: mathnas.Network.load(FILES / "damaged.mathnas"), (ValueError, LookupError), "classifier"),
            (lambda: mathnas.Network.load(FILES / "newer.mathnas"), NotImplementedError, "mathnas-network/1"),
            (lambda: mathnas.Network.load(FILES / "network.mathnas", batch=0), ValueError, "batch 0"),
            (lambda: mathnas.Network.load(FILES / "network.mathnas", threads=0), ValueError, "threads"),
            (lambda: mathnas.Network.load(FILES / "network.mathnas", device="tpu"), ValueError, "expected 'cpu'"),
            (lambda: mathnas.Network.load(FILES / "network.mathnas", precision="int4"), ValueError, "int4"),
        ):
            with self.subTest(words), self.assertRaisesRegex(error, words):
                call()


if __name__ == "__main__":
    unittest.main()
