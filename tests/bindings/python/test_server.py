import tempfile
import threading
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from common import FILES, TABLES, releases_the_gil

import mathnas

BUDGETS = (100, 18, 9, 5)


def values(name, dtype, *shape):
    """What make_files computed in double: the networks that are best within BUDGETS, and what they answer."""
    return np.fromfile(FILES / name, dtype).reshape(shape)


IMAGES = values("server_values.f32", np.float32, 2, 8, 8, 3)
CHOICES = values("server_choices.i32", np.int32, 4, 6).tolist()
LOGITS = values("server_logits.f32", np.float32, 4, 2, 10)
CALIBRATION = dict(calibration=values("server_pixels.u8", np.uint8, 16, 8, 8, 3), mean=[125] * 3, std=[60] * 3,
                   calibration_batches=1)  # fmt: skip


def supernet():
    return mathnas.Supernet.load(FILES / "supernet.safetensors")


def serve(limits=None, **options):
    options = {"estimator": "linear", "background": False, "batch": 2, **CALIBRATION, **options}
    return mathnas.Server(supernet(), mathnas.Table.load(FILES / "server_table.json"), limits, **options)


class ServerTest(unittest.TestCase):
    def check_answer(self, served, budget):
        self.assertEqual(served.choice, CHOICES[budget])
        largest = np.abs(LOGITS[budget]).max()
        np.testing.assert_allclose(served.logits, LOGITS[budget], rtol=0, atol=1e-4 * largest)

    def test_each_budget_is_served_by_its_network(self):
        for background in (False, True):
            with self.subTest(background=background), serve({"latency": 100}, background=background) as server:
                self.check_answer(server.run(IMAGES), 0)
                for round in range(2):
                    for b in (1, 2, 3):
                        if round == 0:
                            decision = server.set_limits({"latency": BUDGETS[b]})
                        else:
                            decision = server.set_budget("latency", BUDGETS[b])
                        self.assertEqual(decision.switching, "planned" if round == 0 else "switched")
                        self.assertEqual(decision.choice, CHOICES[b])
                        self.assertLessEqual(decision.predicted["latency"], BUDGETS[b])
                        if round == 0 and not background:
                            self.check_answer(server.run(IMAGES), b - 1)  # the one before goes on until it is ready
                            self.assertTrue(server.work())
                            self.assertFalse(server.work())
                        server.wait()
                        self.assertEqual(server.choice, CHOICES[b])
                        self.check_answer(server.run(IMAGES), b)
                        self.assertEqual(server.set_budget("latency", BUDGETS[b] + 1e-9).switching, "present")
                self.assertEqual(server.set_limits("latency<=100").choice, CHOICES[0])
                self.assertEqual(server.limits, ["latency<=100"])
                counted = server.statistics
                self.assertEqual((counted.prepared, counted.misses, counted.failures), (4, 3, 0))
                self.assertEqual(counted.switches, 7)
                self.assertEqual(sum(s["requests"] for s in counted.by_subnet), counted.requests)
                self.assertEqual(counted.last_problem, "")
                self.assertIsNone(counted.measured_ms)

    def test_what_cannot_be_met_changes_nothing(self):
        server = serve({"latency": 18})
        with self.assertRaisesRegex(RuntimeError, "nearest budget that can be met"):
            server.set_limits({"latency": 0.5})
        with self.assertRaisesRegex(RuntimeError, "latency<=0.5"):
            serve({"latency": 0.5})
        self.assertEqual(server.limits, ["latency<=18"])
        self.check_answer(server.run(IMAGES), 1)
        self.assertEqual(server.statistics.infeasible, 1)
        # Limits of other metrics stay.
        server.set_budget("accuracy", 1)
        self.assertEqual(server.limits, ["latency<=18", "accuracy>=1"])
        server.set_budget("latency", float("inf"))
        self.assertEqual(server.limits, ["accuracy>=1"])

    def test_requests(self):
        server = serve({"latency": 9})
        out = np.empty((2, 10), np.float32)
        served = server.run(IMAGES, out=out)
        self.assertIs(served.logits, out)
        self.check_answer(served, 2)
        self.assertGreaterEqual(served.milliseconds, 0)
        np.testing.assert_array_equal(server.predict(IMAGES), LOGITS[2].argmax(axis=1))
        np.testing.assert_allclose(server.run(IMAGES[1]).logits, served.logits[1:], rtol=1e-5, atol=1e-5)
        five = np.concatenate([IMAGES, IMAGES, IMAGES[:1]])  # three runs
        np.testing.assert_array_equal(server.run(five).logits[[0, 2, 4]], np.repeat(served.logits[:1], 3, axis=0))
        # Pixels are normalised as it was told.
        pixels = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), dtype=np.uint8)
        normalised = ((pixels - 125.0) / 60).astype(np.float32)
        np.testing.assert_array_equal(server.run(pixels).logits, server.run(normalised).logits)
        self.assertEqual(server.input_shape, (8, 8, 3))
        self.assertTrue(releases_the_gil(lambda: server.run(five)))
        futures = [server.submit(IMAGES) for _ in range(8)]
        for future in futures:
            self.check_answer(future.result(), 2)

    def test_subnets_by_name(self):
        server = serve(prepared=2)
        server.prepare(CHOICES[3])
        self.assertEqual(server.set_subnet(CHOICES[3]).switching, "switched")
        self.check_answer(server.run(IMAGES), 3)
        self.assertEqual(server.subnet, mathnas.SearchSpace("nasbench201", channels=4, cells=1).subnet(CHOICES[3]))
        for choice in CHOICES:
            server.set_subnet(choice)
            server.wait()
        self.assertEqual(server.statistics.ready, 2)
        self.assertGreater(server.statistics.evicted, 0)

    def test_statistics_are_kept(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "statistics.safetensors"
            server = serve({"latency": 9})
            server.save_statistics(path)
            known = {"calibration": None, "statistics": path}
            again = serve({"latency": 9}, **known)
            self.check_answer(again.run(IMAGES), 2)
            again.set_budget("latency", 5)
            with self.assertRaisesRegex(RuntimeError, "no statistics of its own"):
                again.wait()
            self.check_answer(again.run(IMAGES), 2)
            with self.assertRaisesRegex(RuntimeError, "no statistics of its own"):
                serve({"latency": 5}, **known)
            # All four, made elsewhere.
            known["statistics"] = FILES / "server_known.safetensors"
            for b, budget in enumerate(BUDGETS):
                self.check_answer(serve({"latency": budget}, **known).run(IMAGES), b)

    def test_it_follows_what_it_measures(self):
        # The table says 17 ms, which no machine takes for so little: everything has room.
        with serve({"latency": 18}, follow="latency", follow_warmup=1, follow_window=4, follow_dwell=0.0) as server:
            for _ in range(20):
                server.run(IMAGES)
                server.wait()
            counted = server.statistics
            self.assertGreaterEqual(counted.followed, 1)
            self.assertLess(counted.latency_factor, 1)
            self.assertEqual(server.choice, CHOICES[0])

    def test_clients_while_it_switches(self):
        with serve({"latency": 100}, background=True, lanes=2, prepared=2) as server:
            stop, wrong, answered = threading.Event(), [], [0, 0, 0]

            def ask(client):
                while not stop.is_set():
                    served = server.run(IMAGES)
                    expected = LOGITS[CHOICES.index(served.choice)]
                    if np.abs(served.logits - expected).max() > 1e-4 * np.abs(expected).max():
                        wrong.append(served.choice)
                    answered[client] += 1

            with ThreadPoolExecutor(3) as clients:
                for client in range(3):
                    clients.submit(ask, client)
                random = np.random.default_rng(1)
                for change in range(150):
                    server.set_budget("latency", BUDGETS[random.integers(4)])
                    if change % 3:
                        server.wait()
                stop.set()
            self.assertEqual(wrong, [])
            self.assertGreater(min(answered), 0)
            self.assertEqual(server.statistics.failed_requests, 0)
            self.assertEqual(server.statistics.requests, sum(answered))
            self.assertGreater(server.statistics.switches, 20)

    def test_it_has_weights_of_its_own(self):
        trained = supernet()
        server = mathnas.Server(trained, mathnas.Table.load(FILES / "server_table.json"), {"latency": 9},
                                estimator="linear", batch=2, background=False, **CALIBRATION)  # fmt: skip
        for weight in trained.weights.values():
            weight[...] = 0
        server.set_budget("latency", 5)
        server.wait()
        self.check_answer(server.run(IMAGES), 3)

    def test_closing(self):
        server = serve()
        future = server.submit(IMAGES)
        self.check_answer(future.result(), 0)
        server.close()
        server.close()
        for call in (lambda: server.run(IMAGES), lambda: server.submit(IMAGES), lambda: server.statistics, server.wait):
            with self.assertRaisesRegex(ValueError, "closed"):
                call()

    def test_other_candidates(self):
        """The published table of MobileNetV3's blocks, for a supernet whose nodes are layers."""
        space = mathnas.SearchSpace("mobilenetv3", classes=10)
        layers = mathnas.Supernet(space, seed=1)
        blocks = layers.with_candidates(blocks="cpu", resolutions=[128])
        table = mathnas.Table.load(TABLES / "mobilenetv3-cpu.json")
        self.assertEqual([n.candidates for n in blocks.space.nodes], [n.candidates for n in table.nodes])
        self.assertEqual(len(space.nodes), len(layers.with_candidates(resolutions=[128]).space.nodes) + 1)
        name = next(iter(layers.weights))
        self.assertTrue(np.shares_memory(layers.weights[name], blocks.weights[name]))
        for call, words in (
            (lambda: layers.with_candidates(blocks="no/such"), "blocks: .*no/such"),
            (lambda: layers.with_candidates(resolutions=[129]), "129"),
            (lambda: supernet().with_candidates(blocks="cpu"), "blocks: nasbench201"),
            (lambda: mathnas.Server(layers.with_candidates(resolutions=[128]), table, estimator="linear"), "nodes"),
        ):
            with self.subTest(words), self.assertRaisesRegex((ValueError, LookupError), words):
                call()

    def test_errors(self):
        server = serve()
        pixels = CALIBRATION["calibration"]
        for call, error, words in (
            (lambda: serve(lanes=0), ValueError, "lanes: 0"),
            (lambda: serve(batch=0), ValueError, "batch: 0"),
            (lambda: serve(prepared=1), ValueError, "prepared: 1"),
            (lambda: serve(image_side=9), ValueError, "image_side: 9"),
            (lambda: serve(threads=0), ValueError, "threads"),
            (lambda: serve(device="gpu"), ValueError, "device"),
            (lambda: serve({"mass": 1}), ValueError, "mass"),
            (lambda: serve(estimator="eq7"), ValueError, "estimator: expected one of"),
            (lambda: serve(follow="energy"), ValueError, '"energy"'),
            (lambda: serve(follow="latency", follow_window=0), ValueError, "window"),
            (lambda: serve(calibration=None), RuntimeError, "no statistics of its own"),
            (lambda: serve(calibration=pixels.astype(np.float32)), ValueError, "calibration: float32"),
            (lambda: serve(calibration=pixels[..., :2].copy()), ValueError, "calibration: uint8"),
            (lambda: serve(calibration=7), TypeError, "calibration"),
            (lambda: serve(calibration="no/such"), (ValueError, LookupError), "no/such"),
            (lambda: serve(calibration_batches=0), ValueError, "calibration_batches: 0"),
            (lambda: serve(std=None), ValueError, "std: missing"),
            (lambda: serve(std=[1, 1, 0]), ValueError, "channel 2"),
            (lambda: serve(mean=[1], std=[1]), ValueError, "1 channels"),
            (lambda: serve(statistics="no/such/file"), FileNotFoundError, "no/such/file"),
            (lambda: serve(statistics=FILES / "supernet.safetensors"), ValueError, "mathnas-statistics/1"),
            (lambda: server.run(IMAGES[:, :7]), ValueError, r"images: .* \{images,8,8,3\}"),
            (lambda: server.run(IMAGES[:0]), ValueError, "images"),
            (lambda: server.run(IMAGES.astype(float)), ValueError, "images: float64"),
            (lambda: server.run(IMAGES, out=np.empty((2, 9), np.float32)), ValueError, r"out: .* \{2,10\}"),
            (lambda: server.set_budget("mass", 1), ValueError, '"mass"'),
            (lambda: server.set_budget("latency", float("nan")), ValueError, "not a number"),
            (lambda: server.set_limits(7), TypeError, "limits"),
            (lambda: server.set_subnet([0]), ValueError, "1 entries"),
            (lambda: server.prepare("{}"), ValueError, "arch"),
            (lambda: server.save_statistics("/no/such/folder/f"), Exception, "/no/such/folder"),
        ):  # fmt: skip
            with self.subTest(words), self.assertRaisesRegex(error, words):
                call()
        self.check_answer(server.run(IMAGES), 0)


if __name__ == "__main__":
    unittest.main()
