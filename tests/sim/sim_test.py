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
                      ["--what"], ["extra"], ["--only", "rain"], ["--without", "luck"],
                      ["--keep", "1", "--seeds", "1..2"], ["--jobs", "0"]):
            said = self.run_sim(*words)
            self.assertEqual(said.returncode, 2, words)
            self.assertTrue(said.stderr.startswith("vital-sim: "), said.stderr)

    def test_a_trace_tells_the_story_and_has_the_same_hash(self):
        told = self.run_sim("--seeds", "3", "--trace").stdout.splitlines()
        plain = self.run_sim("--seeds", "3").stdout.splitlines()
        self.assertEqual(told[-1], plain[-1])
        self.assertTrue(any("client/0  open" in line for line in told))
        self.assertTrue(any("client/0  > beat, a ping" in line for line in told))
        self.assertGreater(len(told), 1000)

    def test_jobs_give_the_same_sum(self):
        alone = self.run_sim("--seeds", "1..6").stdout.splitlines()
        self.assertEqual(self.run_sim("--seeds", "1..6", "--jobs", "4").stdout.splitlines(), alone)

    def test_a_fault_that_is_left_out_leaves_the_others_as_they_were(self):
        def faults(*words):
            told = self.run_sim("--seeds", "5", "--trace", *words).stdout.splitlines()
            return [line for line in told if line[11:16] == "fault"]
        every = faults()
        self.assertEqual(faults("--keep", "2,7"), [every[2], every[7]])

    def test_naive_clients_give_up_healthy_connections_where_ours_do_not(self):
        said = self.run_sim("--seeds", "1..8", "--only", "freeze,freeze-server", "--naive", "20")
        self.assertEqual(said.returncode, 0, said.stdout)
        naive = said.stdout.splitlines()[-2]
        self.assertTrue(naive.startswith("naive: beats "), said.stdout)
        self.assertGreater(int(naive.split()[-1]), 0)

    def test_everything_can_be_listed(self):
        said = self.run_sim("--list").stdout
        self.assertIn("hole-up", said)
        self.assertIn("proxy", said)


def make(seeds, expected, options):
    def test(self):
        said = self.run_sim("--jobs", "2", "--seeds", seeds, *options)
        self.assertEqual(said.returncode, 0, said.stdout + said.stderr)
        self.assertEqual(said.stdout.split()[-1], expected, said.stdout)
    return test


for _seeds, _hash, *_options in entries():
    _name = "test_seeds_" + "_".join([_seeds, *_options]).replace("..", "_to_").replace("--", "")
    setattr(Sim, _name, make(_seeds, _hash, _options))

if __name__ == "__main__":
    unittest.main()
