import copy
import json
import math
import pickle
import tempfile
import unittest
from pathlib import Path

import numpy as np
from common import TABLES

import mathnas


def small():
    return {
        "format": "mathnas-block-table/1",
        "space": "mine",
        "nodes": [
            {"name": "a", "candidates": ["a0", "a1", "a2"], "reference": 2},
            {"name": "b", "candidates": ["b0", "b1"], "reference": 1},
        ],
        "metrics": {
            "latency": {"unit": "ms", "goal": "min", "form": "cost", "base": 0.5, "values": [[1, 2, 3.5], [0.25, 4]]},
            "accuracy": {"unit": "%", "goal": "max", "form": "saving", "base": 80, "values": [[9, 4, 0], [None, 0]]},
        },
    }


class TableTest(unittest.TestCase):
    def test_published_tables_are_what_the_files_say(self):
        for path in sorted(TABLES.glob("*.json")):
            with self.subTest(path.name):
                expected = json.loads(path.read_text())
                table = mathnas.Table.load(path)
                self.assertEqual(table.space, expected["space"])
                self.assertEqual([n.name for n in table.nodes], [n["name"] for n in expected["nodes"]])
                self.assertEqual(
                    table.metrics,
                    {name: {"unit": m["unit"], "goal": m["goal"]} for name, m in expected["metrics"].items()},
                )
                written = table.to_dict()
                for name, metric in expected["metrics"].items():
                    self.assertEqual(written["metrics"][name]["values"], metric["values"])
                    self.assertEqual(written["metrics"][name]["base"], metric["base"])

    def test_own_measurements(self):
        table = mathnas.Table.from_dict(small())
        self.assertEqual(table.count, 6)
        self.assertEqual(table.names([1, 0]), ["a1", "b0"])
        self.assertIsNone(table.shared)
        self.assertEqual([(n.candidates, n.reference) for n in table.nodes], [(["a0", "a1", "a2"], 2), (["b0", "b1"], 1)])
        arrays = small()
        arrays["metrics"]["latency"]["values"] = [np.array([1, 2, 3.5]), np.array([0.25, 4], np.float32)]
        self.assertEqual(mathnas.Table.from_dict(arrays).to_dict(), table.to_dict())

    def test_what_is_written_is_read(self):
        table = mathnas.Table.from_dict(small())
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "table.json"
            table.save(path)
            self.assertEqual(mathnas.Table.load(str(path)).to_dict(), table.to_dict())
        self.assertEqual(mathnas.Table.from_json(table.to_json()).to_dict(), table.to_dict())
        self.assertEqual(pickle.loads(pickle.dumps(table)).to_dict(), table.to_dict())

    def test_errors_name_the_field(self):
        def refused(change, words):
            table = copy.deepcopy(small())
            change(table)
            with self.assertRaisesRegex(ValueError, words):
                mathnas.Table.from_dict(table)

        refused(lambda t: t["metrics"]["latency"]["values"][1].pop(), r"metrics\.latency\.values\[1\]")
        refused(lambda t: t["nodes"][0].update(reference=3), r"nodes\[0\]\.reference")
        refused(lambda t: t["metrics"]["latency"].update(base=math.inf), "table")
        refused(lambda t: t.update(format="mathnas-block-table/9"), "format")
        refused(lambda t: t.update(metric={}), "metric")
        with self.assertRaises(FileNotFoundError) as raised:
            mathnas.Table.load("/no/such/table.json")
        self.assertEqual(raised.exception.filename, "/no/such/table.json")
        with self.assertRaisesRegex(ValueError, "expected"):
            mathnas.Table.from_json("{")
        with self.assertRaisesRegex(TypeError, "JSON"):
            mathnas.Table.from_dict({"nodes": object()})
        with self.assertRaisesRegex(ValueError, "expected"):
            mathnas.Table.from_dict(small()).names([3, 0])


if __name__ == "__main__":
    unittest.main()
