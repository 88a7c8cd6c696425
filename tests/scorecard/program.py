"""A program that vital is measured beside, here and in bench/."""
import dataclasses
import os
import re
import shutil
import subprocess


@dataclasses.dataclass(frozen=True)
class Program:
    name: str
    full_name: str
    command: tuple
    needs: tuple  # programs, and files by their whole path
    version: tuple  # a command that prints it

    @property
    def missing(self):
        return [need for need in self.needs
                if not (os.path.exists(need) if need.startswith("/") else shutil.which(need))]

    def read_version(self):
        said = subprocess.run(self.version, capture_output=True, text=True, check=False).stdout
        return re.sub(r"\s+", " ", said).strip() or "unknown"


def of_debian(package):
    return ("dpkg-query", "-W", "-f=${Version}", package)
