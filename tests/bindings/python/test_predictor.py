import unittest

import numpy as np
import oracle
from common import releases_the_gil

import mathnas


class PredictorTest(unittest.TestCase):
    def compare(self, table, choices, type, **options):
        predictor = mathnas.Predictor(mathnas.Table.from_dict(table), **options)
        predicted = predictor.predict(choices.astype(type))
        self.assertEqual(list(predicted), predictor.metrics)
        for name in table["metrics"]:
            expected = oracle.predict(
                table, name, choices, options.get("estimator", "eq6"), options.get("flops_fixed") == "include"
            )
            np.testing.assert_allclose(predicted[name], expected, rtol=1e-12)
        return predicted

    def test_every_network_by_the_equations(self):
        for name in ("mobilenetv3-cpu.json", "mobilenetv3-gpu.json"):
            table = oracle.load(name)
            choices = oracle.every_choice(table)
            self.assertEqual(len(choices), 3125)
            for estimator in ("linear", "eq5", "eq6"):
                for fixed in ("exclude", "include"):
                    with self.subTest(f"{name} {estimator} {fixed}"):
                        self.compare(table, choices, np.uint8, estimator=estimator, flops_fixed=fixed)
            self.compare(table, choices, np.uint16)

    def test_types_threads_and_parts(self):
        table = oracle.load("mobilenetv3-gpu.json")
        predictor = mathnas.Predictor(mathnas.Table.from_dict(table), metrics=["flops", "accuracy"])
        choices = np.tile(oracle.every_choice(table).astype(np.uint8), (8, 1))
        expected = predictor.predict(choices)
        self.assertEqual(list(expected), ["flops", "accuracy"])
        single = predictor.predict(choices, dtype="float32", threads=2)
        self.assertEqual(single["accuracy"].dtype, np.float32)
        for name, values in expected.items():
            np.testing.assert_array_equal(predictor.predict(choices, threads=2)[name], values)
            np.testing.assert_array_equal(single[name], values.astype(np.float32))
        # Rows of a wider matrix, every third row, and memory that may not be written to.
        wide = np.full((len(choices), 9), 200, np.uint8)
        wide[:, 2:7] = choices
        wide.flags.writeable = False
        np.testing.assert_array_equal(predictor.predict(wide[::3, 2:7])["flops"], expected["flops"][::3])
        self.assertEqual(predictor.predict(choices[:0])["flops"].shape, (0,))
        one = predictor.predict_one(choices[77].tolist())
        self.assertEqual(one, {name: values[77] for name, values in expected.items()})

    def test_results_outlive_everything_else(self):
        table = oracle.load("mobilenetv3-gpu.json")
        choices = oracle.every_choice(table).astype(np.uint8)
        values = mathnas.Predictor(mathnas.Table.from_dict(table)).predict(choices)["flops"]
        kept = values.copy()
        for _ in range(10):
            mathnas.Predictor(mathnas.Table.from_dict(table)).predict(choices[::-1].copy())
        np.testing.assert_array_equal(values, kept)

    def test_a_cut_ends_the_network(self):
        # Three nodes that may be cut: from the first absent one on nothing counts.
        table = {
            "format": "mathnas-block-table/1",
            "space": "cut",
            "nodes": [{"name": f"n{i}", "candidates": ["x", "y", "end"][: 2 + (i > 0)], "reference": 0} for i in range(3)],
            "metrics": {
                "latency": {
                    "unit": "ms", "goal": "min", "form": "cost", "base": 1,
                    "values": [[1, 2], [3, 4, 0.5], [5, 7, 0.25]],
                }
            },
            "structure": [{"kind": "depth", "nodes": [0, 1, 2], "absent": [None, 2, 2]}],
        }  # fmt: skip
        choices = np.array([[0, 0, 0], [1, 1, 1], [1, 2, 2], [0, 0, 2], [1, 2, 0]], np.uint8)
        predicted = mathnas.Predictor(mathnas.Table.from_dict(table), estimator="linear").predict(choices)
        np.testing.assert_array_equal(predicted["latency"], [10, 14, 3.5, 5.25, 3.5])

    def test_a_shared_choice_is_named(self):
        table = oracle.load("supervit.json")
        with self.assertRaisesRegex(ValueError, "expected the resolution, one of 192, 224, 256, 288, found None"):
            mathnas.Predictor(mathnas.Table.from_dict(table))
        predictor = mathnas.Predictor(mathnas.Table.from_dict(table), shared=224, estimator="linear")
        choice = [n["reference"] for n in table["nodes"]]
        metric = table["metrics"]["flops"]
        expected = metric["base"][1] + sum(metric["values"][1][i][j] for i, j in enumerate(choice))
        np.testing.assert_allclose(predictor.predict_one(choice)["flops"], expected, rtol=1e-12)

    def test_learned_predictions_hit_what_they_learned_from(self):
        table = oracle.load("nasbench201.json")
        ends = [(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)]
        edges = [{"node": i, "from": a, "to": b, "none": 0} for i, (a, b) in enumerate(ends)]
        table["structure"] = [{"kind": "cell", "input": 0, "output": 3, "edges": edges}]
        choices = np.unique(np.random.default_rng(0).integers(1, 5, (31, 6)), axis=0)  # no edge is dead
        values = 60 + 5.0 * np.isin(choices, (2, 3)).sum(axis=1)  # convolutions
        table["metrics"]["accuracy"]["evaluations"] = [
            {"choice": c.tolist(), "value": v} for c, v in zip(choices, values)
        ]
        predictor = mathnas.Predictor(mathnas.Table.from_dict(table), estimator="interaction", metrics=["accuracy"])
        predicted = predictor.predict(choices.astype(np.uint8))["accuracy"]
        np.testing.assert_allclose(predicted, [predictor.predict_one(c.tolist())["accuracy"] for c in choices])
        self.assertGreater(np.corrcoef(predicted, values)[0, 1], 0.9)

    def test_errors_name_what_is_wrong(self):
        table = mathnas.Table.from_dict(oracle.load("mobilenetv3-gpu.json"))
        predictor = mathnas.Predictor(table)
        choices = np.zeros((4, 5), np.uint8)
        choices[2, 3] = 5
        for wrong, words in (
            (choices, r"choices\[2\]\[3\]: expected a candidate index from 0 to 4, found 5"),
            (np.zeros((4, 6), np.uint8), r"choices: uint8 \{4,6\}, expected uint8 or uint16 \{networks,5\}"),
            (np.zeros((4, 5)), r"choices: float64 \{4,5\}, expected uint8"),
            (np.zeros((5, 4), np.uint8).T, "contiguous"),
            (np.zeros(5, np.uint8), r"choices: uint8 \{5\}"),
        ):
            with self.assertRaisesRegex(ValueError, words):
                predictor.predict(wrong)
        with self.assertRaises(TypeError):
            predictor.predict([[0, 0, 0, 0, 0]])
        with self.assertRaisesRegex(ValueError, "dtype"):
            predictor.predict(choices[:1], dtype="int8")
        with self.assertRaisesRegex(ValueError, "threads"):
            predictor.predict(choices[:1], threads=0)
        with self.assertRaisesRegex(ValueError, "expected one of linear, eq5, eq6, interaction"):
            mathnas.Predictor(table, estimator="eq7")
        with self.assertRaisesRegex(ValueError, "speed"):
            mathnas.Predictor(table, metrics=["speed"])
        with self.assertRaisesRegex(ValueError, "share no choice"):
            mathnas.Predictor(table, shared=224)

    def test_other_threads_run_meanwhile(self):
        table = oracle.load("mobilenetv3-gpu.json")
        predictor = mathnas.Predictor(mathnas.Table.from_dict(table))
        choices = np.zeros((200_000, 5), np.uint8)
        self.assertTrue(releases_the_gil(lambda: predictor.predict(choices)))


if __name__ == "__main__":
    unittest.main()
