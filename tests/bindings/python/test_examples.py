import subprocess
import sys
import unittest

from common import EXAMPLES, FILES

ARGUMENTS = {"classify.py": [FILES / "network.mathnas"]}


class ExamplesTest(unittest.TestCase):
    def test_all_of_them(self):
        examples = sorted(EXAMPLES.glob("*.py"))
        self.assertGreaterEqual(len(examples), 3)
        for example in examples:
            with self.subTest(example.name):
                command = [sys.executable, str(example), *map(str, ARGUMENTS.get(example.name, []))]
                done = subprocess.run(command, capture_output=True, text=True)
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                self.assertTrue(done.stdout.strip())
                print(f"== {example.name}\n{done.stdout}")


if __name__ == "__main__":
    unittest.main()
