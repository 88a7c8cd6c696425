"""Runs the unittest cases of one file and prints TAP, for tools/run-tests.

usage: tap.py FILE [NAME ...]      a NAME picks a case: Story.test_it_heals
"""
import importlib.util
import pathlib
import sys
import unittest


class Tap(unittest.TestResult):
    """One line a case, at once: whoever watches sees how far it is."""

    def __init__(self):
        super().__init__()
        self.count = 0
        self.failed_sub_tests = set()

    def line(self, outcome, test, detail=""):
        self.count += 1
        name = getattr(test, "_testMethodName", None) or str(test)
        print(outcome, self.count, detail if detail.startswith("# SKIP") else "- " + name)
        if detail and not detail.startswith("# SKIP"):
            print("# " + detail.rstrip().replace("\n", "\n# "))
        sys.stdout.flush()

    def addSuccess(self, test):
        if test not in self.failed_sub_tests:
            self.line("ok", test)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.line("not ok", test, self.failures[-1][1])

    def addError(self, test, err):  # also what goes wrong in setUpClass
        super().addError(test, err)
        self.line("not ok", test, self.errors[-1][1])

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err:
            self.failed_sub_tests.add(test)
            kind = self.failures if issubclass(err[0], test.failureException) else self.errors
            self.line("not ok", test, f"{subtest}\n{kind[-1][1]}")

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.line("ok", test, f"# SKIP {getattr(test, '_testMethodName', test)}: {reason}")

    def addExpectedFailure(self, test, err):
        super().addExpectedFailure(test, err)
        self.line("ok", test)

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self.line("not ok", test, "was expected to fail")


def main():
    path = pathlib.Path(sys.argv[1]).resolve()
    sys.path.insert(0, str(path.parent))  # for what its neighbours share
    sys.dont_write_bytecode = True
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    loader = unittest.defaultTestLoader
    if len(sys.argv) > 2:
        suite = loader.loadTestsFromNames(sys.argv[2:], module)
    else:
        suite = loader.loadTestsFromModule(module)
    result = Tap()
    suite.run(result)
    print(f"1..{result.count}")
    return not result.wasSuccessful()


sys.exit(main())
