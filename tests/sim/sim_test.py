"""The committed seeds live without a violation, and give the committed hashes."""

import os
import pathlib
import subprocess
import unittest

HERE = pathlib.Path(__file__).resolve().parent
SIM = os.environ["VITAL_SIM"]


def entries():
    for line in (HERE / "seeds.txt").read_text().splitlines():
        if not line.startswith("#"):
            yield line.split()


class Sim(unittest.TestCase):
    def run_sim(self, *words):
        return subprocess.run([SIM, *words], capture_output=True, text=True, timeout=500,
                              check=False)

    def test_bad_options_are_refused_with_a_sentence(self):
        for words in (["--seeds", "x"], ["--seeds", "5..1"], ["--clients", "0"], ["--hours", "0"],
                      ["--what"], ["extra"]):
            said = self.run_sim(*words)
            self.assertEqual(said.returncode, 2, words)
            self.assertTrue(said.stderr.startswith("vital-sim: "), said.stderr)

    def test_a_trace_tells_the_story_and_has_the_same_hash(self):
        told = self.run_sim("--seeds", "3", "--trace").stdout.splitlines()
        plain = self.run_sim("--seeds", "3").stdout.splitlines()
        self.assertEqual(told[-1], plain[-1])
        self.assertTrue(any("client 0  open" in line for line in told))
        self.assertGreater(len(told), 1000)


def make(seeds, expected, options):
    def test(self):
        said = self.run_sim("--seeds", seeds, *options)
        self.assertEqual(said.returncode, 0, said.stdout + said.stderr)
        self.assertEqual(said.stdout.split()[-1], expected, said.stdout)
    return test


for _seeds, _hash, *_options in entries():
    _name = "test_seeds_" + "_".join([_seeds, *_options]).replace("..", "_to_").replace("--", "")
    setattr(Sim, _name, make(_seeds, _hash, _options))

if __name__ == "__main__":
    unittest.main()
