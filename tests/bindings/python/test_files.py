"""Files of every kind that are truncated, of a version to come, or for another machine: a clear error."""

import os
import unittest

os.environ["ONEDNN_MAX_CPU_ISA"] = "AVX2"  # read when oneDNN is used first: this machine computes in no bfloat16

from common import FILES

import mathnas


def statistics(path):
    supernet = mathnas.Supernet.load(FILES / "supernet.safetensors")
    table = mathnas.Table.load(FILES / "server_table.json")
    return mathnas.Server(supernet, table, estimator="linear", statistics=path)


KINDS = (
    (mathnas.Network.load, "network.mathnas", "mathnas-network"),
    (mathnas.Supernet.load, "supernet.safetensors", "mathnas-checkpoint"),
    (mathnas.Subnet.load, "supernet.safetensors", "mathnas-checkpoint"),
    (mathnas.Translator.load, "translator.mathnas", "mathnas-translator"),
    (statistics, "server_known.safetensors", "mathnas-statistics"),
    (mathnas.Table.load, "server_table.json", "mathnas-block-table"),
)


class FilesTest(unittest.TestCase):
    def refused(self, call, path, error, *words):
        with self.assertRaises(error) as raised:
            call(path)
        for word in (path.name, *words):
            self.assertIn(word, str(raised.exception))

    def test_newer_ones(self):
        for call, name, kind in KINDS:
            with self.subTest(name):
                # A table is text, of which any entry may be wrong.
                error = ValueError if name.endswith(".json") else NotImplementedError
                self.refused(call, FILES / f"newer-{name}", error, f"{kind}/2", f"{kind}/1")

    def test_truncated_ones(self):
        for call, name, _ in KINDS:
            with self.subTest(name):
                self.refused(call, FILES / f"truncated-{name}", ValueError)

    def test_missing_ones(self):
        for call, name, _ in KINDS:
            with self.subTest(name):
                self.refused(call, FILES / f"no-{name}", FileNotFoundError)

    def test_files_of_another_kind(self):
        for call, name, kind in KINDS:
            other = FILES / ("supernet.safetensors" if name == "network.mathnas" else "network.mathnas")
            with self.subTest(name):
                self.refused(call, other, ValueError, *([] if name.endswith(".json") else [f"{kind}/1"]))

    def test_another_machine(self):
        with self.assertRaisesRegex(NotImplementedError, "expected a processor with AVX-512 BF16"):
            mathnas.Network.load(FILES / "bfloat16.mathnas")
        with self.assertRaisesRegex(ValueError, "the network is bfloat16"):  # its float32 weights are gone
            mathnas.Network.load(FILES / "bfloat16.mathnas", precision="float32")
        subnet = mathnas.Supernet.load(FILES / "supernet.safetensors").extract([3, 2, 3, 4, 1, 3])
        with self.assertRaisesRegex(NotImplementedError, "AVX-512 BF16"):
            subnet.evaluate("synthetic:N=40,size=8", precision="bfloat16")
        with self.assertRaisesRegex(NotImplementedError, "element type F16: device cpu computes in F32"):
            subnet.evaluate("synthetic:N=40,size=8", precision="float16")


if __name__ == "__main__":
    unittest.main()
