"""Help, man pages and the command's first word: they know of the same options."""
import re

from vital_process import ROOT, VitalCase

COMMANDS = ("serve", "ping", "connect", "probe", "bench")


class Help(VitalCase):
    def options_of_help(self, command):
        """{long name: letter or None}"""
        run = self.run_vital(command, "--help", status=0)
        self.assertEqual(run.err, "")
        found = re.findall(r"^  (?:-(\w), |    )--([\w-]+)", run.out, re.MULTILINE)
        self.assertTrue(found, run.out)
        return {name: letter or None for letter, name in found}

    def options_of_page(self, command):
        page = (ROOT / "docs" / f"vital-{command}.1.scd").read_text(encoding="utf-8")
        section = re.search(r"^# OPTIONS\n(.*?)^# ", page, re.MULTILINE | re.DOTALL)[1]
        options = {}
        for line in section.splitlines():
            letter = re.match(r"\*-(\w)\*, ", line)
            if line.startswith("*-"):
                for name in re.findall(r"\*--([\w-]+)\*", line):
                    options[name] = letter and letter[1]
        return options

    def test_help_and_man_page_know_the_same_options(self):
        for command in COMMANDS:
            with self.subTest(command=command):
                self.assertEqual(self.options_of_help(command), self.options_of_page(command))

    def test_every_event_of_json_is_in_the_man_page(self):
        for command in COMMANDS:
            with self.subTest(command=command):
                page = (ROOT / "docs" / f"vital-{command}.1.scd").read_text(encoding="utf-8")
                source = "".join(path.read_text(encoding="utf-8")
                                 for path in (ROOT / "cli").glob(f"{command}*.c"))
                section = re.search(r"^# JSON EVENTS\n(.*?)^# ", page, re.MULTILINE | re.DOTALL)[1]
                events = set(re.findall(r'"event",\s*"(\w+)"', source)) | {"close"}
                named = {name for line in section.splitlines() if line.startswith("*")
                         for name in re.findall(r"\*(\w+)\*", line)}
                self.assertLessEqual(events, named)

    def test_help_fits_a_terminal_and_goes_to_stdout(self):
        for words in (("--help",), ("help",), ("-h",), *((c, "--help") for c in COMMANDS)):
            with self.subTest(words=words):
                run = self.run_vital(*words, status=0)
                self.assertTrue(run.out.startswith("Usage: vital "), run.out)
                self.assertLessEqual(max(map(len, run.out.splitlines())), 80)
                self.assertEqual(run.err, "")

    def test_help_names_every_command(self):
        run = self.run_vital("--help", status=0)
        self.assertEqual(re.findall(r"^  (\w+)  ", run.out, re.MULTILINE), list(COMMANDS))

    def test_help_command_is_command_help(self):
        for command in COMMANDS:
            self.assertEqual(self.run_vital("help", command, status=0),
                             self.run_vital(command, "-h", status=0))

    def test_the_version(self):
        run = self.run_vital("--version", status=0)
        self.assertRegex(run.out, r"^vital \d+\.\d+\.\d+\n$")

    def test_a_wrong_first_word_is_a_sentence_a_hint_and_exit_code_2(self):
        for words, sentence in ((("sing",), "vital: there is no command `sing`"),
                                (("--sing",), "vital: there is no option `--sing`"),
                                (("help", "sing"), "vital: there is no command `sing`")):
            with self.subTest(words=words):
                run = self.run_vital(*words, status=2)
                self.assertEqual(run.err, sentence + "\ntry: vital --help\n")
                self.assertEqual(run.out, "")

    def test_no_word_at_all_is_help_on_stderr_and_exit_code_2(self):
        run = self.run_vital(status=2)
        self.assertTrue(run.err.startswith("Usage: vital "), run.err)
        self.assertEqual(run.out, "")

    def test_the_exit_codes_of_the_man_page_are_those_of_the_table(self):
        page = (ROOT / "docs" / "vital.1.scd").read_text(encoding="utf-8")
        source = (ROOT / "cli" / "exits.c").read_text(encoding="utf-8")
        self.assertEqual(
            {cause: code for code, cause in re.findall(r"^\|\s+(\d+)\n:\s+(\w+)$", page, re.M)},
            dict(re.findall(r"\[VITAL_(\w+)\] = (\d+),", source)))
