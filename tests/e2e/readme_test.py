"""The programs in both READMEs are the examples that are built and tested."""

import pathlib
import re
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def example(name):
    """An example without its first comment."""
    text = (ROOT / "examples" / name).read_text()
    return re.sub(r"\A/\*.*?\*/\n", "", text, flags=re.S)


class Readme(unittest.TestCase):
    def check(self, name):
        blocks = re.findall(r"```c\n(.*?)```", (ROOT / name).read_text(), re.S)
        self.assertEqual([example("echo.c"), example("heal.c"), example("page.c")], blocks)

    def test_the_english_readme_shows_the_examples_as_they_are(self):
        self.check("README.md")

    def test_the_chinese_readme_shows_the_examples_as_they_are(self):
        self.check("README.zh-CN.md")

    def test_the_examples_are_as_short_as_they_claim(self):
        for name, most in (("echo.c", 13), ("heal.c", 24), ("page.c", 20)):
            lines = [line for line in example(name).splitlines() if line.strip()]
            self.assertLessEqual(len(lines), most, name)


if __name__ == "__main__":
    unittest.main()
