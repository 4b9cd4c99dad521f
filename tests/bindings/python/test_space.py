import json
import unittest

from common import command_line

import mathnas


class SpaceTest(unittest.TestCase):
    def test_spaces_are_those_of_the_command_line(self):
        for name, options, arguments in (
            ("nasbench201", {"channels": 8, "cells": 2, "classes": 7}, ["--channels", 8, "--cells", 2, "--classes", 7]),
            ("mobilenetv3", {"blocks": "cpu", "resolutions": [96, 128]}, ["--blocks", "cpu", "--resolutions", "96,128"]),
            ("mobilenetv3", {"width": 1.2}, ["--width", 1.2]),
            ("supervit", {"classes": 10}, ["--classes", 10]),
            ("supertransformer", {"task": "iwslt", "source_vocabulary": 96, "target_vocabulary": 80},
             ["--task", "iwslt", "--vocabulary", 96, "--target-vocabulary", 80]),
        ):  # fmt: skip
            with self.subTest(f"{name} {options}"):
                space = mathnas.SearchSpace(name, **options)
                expected = command_line("space", "describe", name, *arguments)
                self.assertEqual(space.macro, expected["macro"])
                self.assertEqual(space.networks, expected["networks"])
                self.assertEqual(
                    [{"name": n.name, "candidates": n.candidates, "reference": n.reference} for n in space.nodes],
                    expected["nodes"],
                )
                self.assertEqual(mathnas.SearchSpace(name, **space.macro).macro, space.macro)
                self.assertEqual(space.base, [n.reference for n in space.nodes])
                self.assertEqual(space.translates, name == "supertransformer")
                for index in range(5):
                    choice = space.sample(seed=3, index=index)
                    self.assertTrue(all(0 <= c < len(n.candidates) for c, n in zip(choice, space.nodes)))
                    subnet = space.subnet(choice)
                    again = space.choice(subnet)
                    self.assertEqual(space.subnet(again), subnet)
                    self.assertEqual(space.choice(json.dumps(subnet)), again)

    def test_cost_is_that_of_the_command_line(self):
        for name, options, arguments in (
            ("nasbench201", {}, []),
            ("mobilenetv3", {"blocks": "gpu"}, ["--blocks", "gpu"]),
        ):
            space = mathnas.SearchSpace(name, **options)
            choice = space.sample(seed=1)
            count = space.count(choice)
            expected = command_line("count", name, *arguments, "--subnet", json.dumps(space.subnet(choice)))
            for field, value in count.items():
                self.assertEqual(value, expected[field], field)

    def test_sampling(self):
        space = mathnas.SearchSpace("supervit")
        sandwich = space.sample_step("sandwich", seed=1, step=2)
        self.assertEqual(sandwich[:2], [space.largest, space.smallest])
        self.assertEqual(len(sandwich), 4)
        self.assertEqual(sandwich, space.sample_step("sandwich", seed=1, step=2))
        self.assertNotEqual(sandwich, space.sample_step("sandwich", seed=1, step=3))
        cells = mathnas.SearchSpace("nasbench201")
        self.assertIsNone(cells.largest)
        fair = cells.sample_step("fair")
        for node in range(6):
            self.assertEqual(sorted(choice[node] for choice in fair), list(range(5)))
        self.assertEqual(cells.sample_step("full"), [None])
        drawn = [cells.sample(seed=5, index=i)[0] for i in range(1000)]
        for candidate in range(5):  # 200 expected, deviation 12.6
            self.assertLess(abs(drawn.count(candidate) - 200), 5 * 12.7)

    def test_errors(self):
        for make, words in (
            (lambda: mathnas.SearchSpace("imagenet"), "expected nasbench201, mobilenetv3"),
            (lambda: mathnas.SearchSpace("nasbench201", depth=3), "depth: nasbench201 has no such parameter"),
            (lambda: mathnas.SearchSpace("nasbench201", cells=0), "cells"),
            (lambda: mathnas.SearchSpace("mobilenetv3", blocks="none.json"), "none.json"),
            (lambda: mathnas.SearchSpace("nasbench201").choice([0, 1]), "2 entries, expected 6"),
            (lambda: mathnas.SearchSpace("nasbench201").choice([0, 1, 2, 3, 4, 5]), "expected 0 to 4"),
            (lambda: mathnas.SearchSpace("nasbench201").choice("|conv~0|"), "expected"),
            (lambda: mathnas.SearchSpace("nasbench201").sample_step("often"), "sandwich"),
            (lambda: mathnas.SearchSpace("nasbench201").sample_step("sandwich"), "sandwich"),
        ):
            with self.subTest(words), self.assertRaisesRegex((ValueError, LookupError), words):
                make()


if __name__ == "__main__":
    unittest.main()
