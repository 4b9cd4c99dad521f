import os
import signal
import threading
import unittest

import numpy as np
import oracle
from common import TABLES, command_line

import mathnas

NAME = "mobilenetv3-cpu.json"


class SearchTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.json = oracle.load(NAME)
        cls.table = mathnas.Table.load(TABLES / NAME)
        cls.choices = oracle.every_choice(cls.json)
        cls.values = {name: oracle.predict(cls.json, name, cls.choices, "eq6") for name in cls.json["metrics"]}

    def best(self, mask, objective="accuracy", sign=1):
        at = np.flatnonzero(mask)
        return self.choices[at[np.argmax(sign * self.values[objective][at])]].tolist()

    def test_the_best_of_all_within_limits(self):
        latency, flops = self.values["latency_tx2cpu"], self.values["flops"]
        for share in (0.01, 0.1, 0.5, 0.9):
            limit = float(np.quantile(latency, share))
            for method in ("enumerate", "solve"):
                with self.subTest(f"{limit} {method}"):
                    result = self.table.search(limits={"latency_tx2cpu": limit}, method=method)
                    self.assertTrue(result)
                    self.assertTrue(result.proven)
                    self.assertEqual(result.status, "optimal")
                    self.assertEqual(result.best.choice, self.best(latency <= limit))
                    self.assertAlmostEqual(result.objective, self.values["accuracy"][latency <= limit].max(), 9)
        low, high = np.quantile(flops, [0.3, 0.4])
        found = self.table.search(limits={"flops": (float(low), float(high)), "latency_tx2cpu": (None, 1e9)}).best
        self.assertEqual(found.choice, self.best((flops >= low) & (flops <= high)))
        accuracy = self.values["accuracy"]
        fastest = self.table.search(objective="latency_tx2cpu", limits={"accuracy": 76.5}).best
        self.assertEqual(fastest.choice, self.best(accuracy >= 76.5, "latency_tx2cpu", -1))
        self.assertEqual(fastest.names, self.table.names(fastest.choice))
        self.assertAlmostEqual(fastest.predicted["flops"], flops[np.all(self.choices == fastest.choice, axis=1)][0], 9)

    def test_ways_to_say_a_limit(self):
        limit = float(np.quantile(self.values["latency_tx2cpu"], 0.2))
        expected = self.table.search(limits={"latency_tx2cpu": limit}).best.choice
        for limits in (f"latency_tx2cpu<={limit} ms", [f"latency_tx2cpu<={limit}"], {"latency_tx2cpu": [None, limit]}):
            self.assertEqual(self.table.search(limits=limits).best.choice, expected)

    def test_fixed_and_forbidden_candidates(self):
        names = [n["candidates"] for n in self.json["nodes"]]
        node = self.json["nodes"][1]["name"]
        column = self.choices[:, 1]
        only = self.table.search(fix={node: names[1][0]})
        self.assertEqual(only.best.choice, self.best(column == 0))
        some = self.table.search(fix={node: [names[1][1], names[1][3]]})
        self.assertEqual(some.best.choice, self.best((column == 1) | (column == 3)))
        without = self.table.search(forbid=f"{node}={names[1][some.best.choice[1]]}")
        self.assertEqual(without.best.choice, self.best(column != some.best.choice[1]))
        best = self.table.search().best.choice
        pair = [f"{self.json['nodes'][i]['name']}={names[i][best[i]]}" for i in (0, 2)]
        together = self.table.search(forbid_together=[pair])
        self.assertEqual(
            together.best.choice, self.best((self.choices[:, 0] != best[0]) | (self.choices[:, 2] != best[2]))
        )

    def test_the_best_ten_and_a_front(self):
        result = self.table.search(top=10, front="latency_tx2cpu")
        order = np.argsort(-self.values["accuracy"], kind="stable")[:10]
        np.testing.assert_allclose([n.objective for n in result.networks], self.values["accuracy"][order])
        latency, accuracy = self.values["latency_tx2cpu"], self.values["accuracy"]
        expected = [
            (a, v)
            for a, v in zip(accuracy, latency)
            if not np.any((latency <= v) & (accuracy >= a) & ((latency < v) | (accuracy > a)))
        ]
        found = [(n.objective, n.predicted["latency_tx2cpu"]) for n in result.front]
        np.testing.assert_allclose(found, sorted(set(expected)))

    def test_why_nothing_fits(self):
        least = float(self.values["latency_tx2cpu"].min())
        result = self.table.search(limits={"latency_tx2cpu": least / 2, "flops": 1e9})
        self.assertFalse(result)
        self.assertTrue(result.proven)
        self.assertEqual(result.status, "infeasible")
        self.assertIsNone(result.best)
        self.assertTrue(np.isnan(result.objective))
        self.assertEqual(result.conflict, ["latency_tx2cpu"])
        self.assertAlmostEqual(result.nearest["limits"][0]["limit"], least, 9)
        self.assertIn("latency_tx2cpu", result.explanation)
        self.assertAlmostEqual(result.limits[0]["reachable"][0], least, 9)

    def test_the_command_line_says_the_same(self):
        limit = float(np.quantile(self.values["latency_tx2cpu"], 0.3))
        for arguments, options in (
            ([f"latency_tx2cpu<={limit}"], {"latency_tx2cpu": limit}),
            (["latency_tx2cpu<=1", "flops<=1"], {"latency_tx2cpu": 1, "flops": 1}),
        ):
            limits = [a for text in arguments for a in ("--limit", text)]
            expected = command_line("search", "--table", TABLES / NAME, *limits)
            found = self.table.search(limits=options).to_dict()
            for answer in (expected, found):
                answer.pop("seconds")
            self.assertEqual(found, expected)
        swept = command_line("sweep", "--table", TABLES / NAME, "--limit", f"latency_tx2cpu<={limit}")
        here = self.table.sweep(limits={"latency_tx2cpu": limit})
        self.assertEqual({k: here[k] for k in ("networks", "within", "best")}, {k: swept[k] for k in ("networks", "within", "best")})
        self.assertEqual(here["within"], int((self.values["latency_tx2cpu"] <= limit).sum()))

    def test_errors(self):
        for options, error, words in (
            ({"limits": {"speed": 1}}, ValueError, "expected one of accuracy"),
            ({"limits": "latency_tx2cpu"}, ValueError, "expected METRIC"),
            ({"limits": {"flops": "much"}}, TypeError, "flops: expected a number"),
            ({"limits": {"flops": (1, 2, 3)}}, ValueError, "pair"),
            ({"limits": 3}, TypeError, "limits: expected"),
            ({"limits": "flops<=3 ms"}, ValueError, "MMAC"),
            ({"objective": "speed"}, ValueError, "objective"),
            ({"fix": {"nobody": "x"}}, ValueError, "nobody"),
            ({"top": 0}, ValueError, "top"),
            ({"method": "guess"}, ValueError, "method"),
            ({"time_limit": -1}, ValueError, "time_limit"),
            ({"maximise": "accuracy"}, TypeError, "search"),
        ):
            with self.subTest(str(options)), self.assertRaisesRegex(error, words):
                self.table.search(**options)

    def large(self, nodes):
        """A space of 10^nodes networks whose optimum takes long to prove."""
        rng = np.random.default_rng(3)
        candidates = 10
        cost, loss = rng.uniform(1, 9, (nodes, candidates)), rng.uniform(0, 1, (nodes, candidates))
        metric = {"unit": "ms", "goal": "min", "form": "cost", "base": 0}
        return mathnas.Table.from_dict({
            "format": "mathnas-block-table/1",
            "space": "large",
            "nodes": [
                {"name": f"n{i}", "candidates": [f"c{j}" for j in range(candidates)], "reference": 0}
                for i in range(nodes)
            ],
            "metrics": {
                "accuracy": {"unit": "%", "goal": "max", "form": "saving", "base": 99, "values": loss},
                "latency": metric | {"values": cost},
                "energy": metric | {"values": cost[::-1] * rng.uniform(0.9, 1.1, cost.shape)},
                "memory": metric | {"values": rng.uniform(1, 9, cost.shape)},
            },
        })  # fmt: skip

    def test_time_limit_and_interruption(self):
        names = ("latency", "energy", "memory")
        limits = {name: 76.123 for name in names}
        result = self.large(24).search(limits=limits, estimator="linear", time_limit=0.2, top=2000)
        self.assertIn(result.status, ("feasible", "optimal", "unknown"))  # as fast as the machine is
        for network in result.networks[:20]:
            self.assertTrue(all(network.predicted[name] <= limit for name, limit in limits.items()))
            self.assertLessEqual(network.objective, result.bound + 1e-9)
        # Ctrl-C during what takes for ever.
        table = self.large(14)
        self.assertEqual(signal.getsignal(signal.SIGINT), signal.default_int_handler)
        timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
        with self.assertRaises(KeyboardInterrupt):
            timer.start()
            table.sweep(limits={name: 50.123 for name in names}, estimator="linear", top=1000)
        timer.join()


if __name__ == "__main__":
    unittest.main()
