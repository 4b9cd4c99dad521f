import tempfile
import unittest
from pathlib import Path

from common import FILES, command_line

import mathnas


class TranslatorTest(unittest.TestCase):
    def test_the_program_says_the_same(self):
        sentences = ["das haus ist rot", "der hund", "ein kleines haus"]
        translator = mathnas.Translator.load(FILES / "translator.mathnas")
        self.assertEqual(translator.information, {"bleu": 31.5})
        for beam in (1, 3):
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder) / "sentences"
                file.write_text("\n".join(sentences) + "\n")
                answer = command_line("run", FILES / "translator.mathnas", "--input", file, "--beam", beam)
            found = translator.translate(sentences, beam=beam)
            self.assertEqual([t.text for t in found], [t["text"] for t in answer["translations"]])
            self.assertEqual([t.score for t in found], [t["score"] for t in answer["translations"]])
        self.assertEqual(translator.translate([]), [])

    def test_errors(self):
        translator = mathnas.Translator.load(FILES / "translator.mathnas")
        with self.assertRaisesRegex(ValueError, "sentence 1"):
            translator.translate(["der hund", ""])
        with self.assertRaisesRegex(ValueError, "beam"):
            translator.translate(["der hund"], beam=0)
        with self.assertRaisesRegex(ValueError, "mathnas-translator/1"):
            mathnas.Translator.load(FILES / "network.mathnas")
        with self.assertRaises(FileNotFoundError):
            mathnas.Translator.load(FILES / "none.mathnas")


if __name__ == "__main__":
    unittest.main()
