import ast
import importlib.metadata
import subprocess
import sys
import unittest
from pathlib import Path

from common import PROGRAM, TABLES

import mathnas
from mathnas import _native as native


class WheelTest(unittest.TestCase):
    def test_what_is_in_it(self):
        files = [str(f) for f in importlib.metadata.files("mathnas")]
        for name in ("mathnas/__init__.py", "mathnas/_native.pyi", "mathnas/py.typed"):
            self.assertIn(name, files)
        self.assertTrue(any(f.endswith("licenses/LICENSE") for f in files), files)
        # Neither headers nor libraries of C++: the module, and nothing else that is compiled.
        compiled = [f for f in files if f.endswith((".so", ".a", ".h", ".cmake"))]
        self.assertEqual(len(compiled), 1)
        self.assertIn("mathnas/_native.", compiled[0])
        self.assertNotIn(str(TABLES), mathnas.__file__)

    def test_it_needs_numpy_and_nothing_else(self):
        self.assertEqual([r.partition(">")[0] for r in importlib.metadata.requires("mathnas")], ["numpy"])

    def test_it_shows_its_entry_and_nothing_else(self):
        symbols = subprocess.run(["nm", "-D", "--defined-only", native.__file__], capture_output=True, text=True, check=True)
        self.assertEqual([line.split()[-1] for line in symbols.stdout.splitlines()], ["PyInit__native"])

    def test_one_version(self):
        program = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True).stdout
        self.assertIn(mathnas.__version__, program)
        self.assertEqual(importlib.metadata.version("mathnas"), mathnas.__version__)

    def test_numpy_is_imported_when_it_is_needed(self):
        code = "import sys, mathnas; sys.exit('numpy' in sys.modules)"
        self.assertEqual(subprocess.run([sys.executable, "-c", code]).returncode, 0)

    def test_stubs_have_everything_and_say_what_it_is(self):
        stub = ast.parse((Path(mathnas.__file__).parent / "_native.pyi").read_text())
        declared = {n.name: n for n in stub.body if isinstance(n, (ast.ClassDef, ast.FunctionDef))}
        for name in mathnas.__all__:
            if name == "__version__":
                continue
            with self.subTest(name):
                self.assertIn(name, declared)
                self.assertTrue(ast.get_docstring(declared[name]))
                if isinstance(declared[name], ast.ClassDef):
                    public = {n for n in vars(getattr(mathnas, name)) if not n.startswith("_")}
                    members = {n.name for n in declared[name].body if isinstance(n, ast.FunctionDef)}
                    self.assertLessEqual(public, members)
        # Every argument and result has a type.
        for function in (n for n in ast.walk(stub) if isinstance(n, ast.FunctionDef)):
            self.assertIsNotNone(function.returns, function.name)
            for argument in function.args.args[1:] + function.args.kwonlyargs:
                self.assertIsNotNone(argument.annotation, f"{function.name}: {argument.arg}")
        # Nothing that Python does not know by name.
        self.assertNotIn("std::", ast.unparse(stub))


if __name__ == "__main__":
    unittest.main()
